"""Random orthogonal matrices, exact in float64."""

import torch


def random_rotmat(seed: int) -> torch.Tensor:
    """A proper rotation, float64, shape (3, 3)."""
    generator = torch.Generator().manual_seed(seed)
    q, r = torch.linalg.qr(torch.randn(3, 3, generator=generator, dtype=torch.float64))
    q = q * r.diagonal().sign()
    return q * torch.linalg.det(q)
