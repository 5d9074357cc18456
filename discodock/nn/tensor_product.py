"""The channel-wise tensor product of a convolution, summed over edges: a fused Cartesian path and the e3nn reference.

Both take what the source of every edge sends (E, S + V + 3 V), [a | g | b_x | b_y | b_z], edge weights (E, S + 3 V),
[w1 | w2 | w3 | w4], unit vectors (E, 3) and target indices (E,), and give sums per target (M, S + V + 3 V); see
`discodock.nn.convolution` for the formula. Only the reference imports e3nn: that takes longer than docking a ligand.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from discodock.nn.scatter import scatter_sum


class FusedProduct(nn.Module):
    """The product written out in Cartesian components, one after the other, in few passes over the edges."""

    def __init__(self, num_scalars: int, num_vectors: int) -> None:
        super().__init__()
        self.num_scalars, self.num_vectors = num_scalars, num_vectors

    def forward(self, sent: Tensor, weights: Tensor, unit_vec: Tensor, target: Tensor, num_targets: int) -> Tensor:
        """Sums per target, shape (num_targets, S + V + 3 V)."""
        widths = [self.num_scalars] + 4 * [self.num_vectors]
        a, g, b_x, b_y, b_z = sent.split(widths, dim=-1)
        w1, w2, w3, w4 = weights.split(widths[:4], dim=-1)
        x, y, z = unit_vec.split(1, dim=-1)
        along = torch.addcmul(torch.addcmul(b_x * x, b_y, y), b_z, z)  # <b, u>
        w3_g = w3 * g
        vectors = [torch.addcmul(w4 * b, w3_g, u) for b, u in ((b_x, x), (b_y, y), (b_z, z))]
        return scatter_sum(torch.cat([w1 * a, w2 * along, *vectors], dim=-1), target, num_targets)


class E3nnProduct(nn.Module):
    """The same as an `e3nn.o3.TensorProduct` between a gather and a scatter; slow, and what tests compare with."""

    def __init__(self, num_scalars: int, num_vectors: int) -> None:
        from e3nn import o3

        super().__init__()
        self.num_scalars, self.num_vectors = num_scalars, num_vectors
        irreps_in = o3.Irreps(f"{num_scalars}x0e + {num_vectors}x0e + {num_vectors}x1o")
        irreps_out = o3.Irreps(f"{num_scalars}x0e + {num_vectors}x0e + {num_vectors}x1o + {num_vectors}x1o")
        instructions = [
            (0, 0, 0, "uvu", True, 1.0),
            (2, 1, 1, "uvu", True, 3.0),  # the 3j symbols of 1 x 1 -> 0, 0 x 1 -> 1, 1 x 0 -> 1 are delta / sqrt(3)
            (1, 1, 2, "uvu", True, 3.0),
            (2, 0, 3, "uvu", True, 3.0),
        ]
        self.product = o3.TensorProduct(
            irreps_in,
            o3.Irreps("1x0e + 1x1o"),
            irreps_out,
            instructions,
            irrep_normalization="none",
            path_normalization="none",
            internal_weights=False,
            shared_weights=False,
        )

    def forward(self, sent: Tensor, weights: Tensor, unit_vec: Tensor, target: Tensor, num_targets: int) -> Tensor:
        """Sums per target, shape (num_targets, S + V + 3 V); e3nn keeps channels before components, we the reverse."""
        from e3nn import o3

        scalars, vectors = sent.tensor_split([self.num_scalars + self.num_vectors], dim=-1)
        node_attr = torch.cat([scalars, vectors.reshape(-1, 3, self.num_vectors).transpose(1, 2).flatten(1)], dim=-1)
        edge_sh = o3.spherical_harmonics([0, 1], unit_vec, normalize=True, normalization="norm")
        message = scatter_sum(self.product(node_attr, edge_sh, weights), target, num_targets)
        scalars, vectors = message.tensor_split([self.num_scalars + self.num_vectors], dim=-1)
        both = vectors.view(-1, 2, self.num_vectors, 3).sum(dim=1)
        return torch.cat([scalars, both.transpose(1, 2).flatten(1)], dim=-1)
