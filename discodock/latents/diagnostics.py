"""What codes are used for: usage, perplexity, entropy, and mutual information with any label. All in nats.

Divide by `NATS_PER_BIT` for bits. Counting estimates are taken on the CPU in float64.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Final

import torch
from torch import Tensor

NATS_PER_BIT: Final = math.log(2)


@dataclass(frozen=True)
class CodeUsage:
    """How often the entries of one code are chosen.

    Attributes:
        used: fraction of the entries chosen at least once.
        entropy: entropy of the frequencies of the entries, nats.
        perplexity: exp(entropy), the effective number of entries in use; 1 is a collapsed code.
    """

    used: float
    entropy: float
    perplexity: float


def entropy(probs: Tensor) -> Tensor:
    """Entropy -sum_n p_n log p_n of distributions over the last dimension, nats, shape (...), with finite gradients."""
    return -(probs * torch.where(probs > 0, probs, 1).log()).sum(-1)


def code_usage(codes: Tensor, num_entries: int) -> CodeUsage:
    """Usage of one code over a data set.

    For pointers, whose entries mean something else in every sample, give a property of the node pointed at instead.

    Args:
        codes: hard codes without null codes, int64, shape (n,).
        num_entries: number of entries, N.

    Raises:
        ValueError: there are no codes, or one is not in 0 ... N - 1.
    """
    if codes.numel() == 0 or int(codes.min()) < 0 or int(codes.max()) >= num_entries:
        raise ValueError(f"usage needs at least one code, all of them in 0 ... {num_entries - 1}")
    counts = torch.bincount(codes.cpu(), minlength=num_entries).double()
    total = float(entropy(counts / counts.sum()))
    return CodeUsage(float((counts > 0).double().mean()), total, math.exp(total))


def mutual_information(first: Tensor, second: Tensor) -> float:
    """Mutual information of two labels of the same n samples, I = H(first) + H(second) - H(both), nats.

    This is the plug-in estimate: it is too high by about (K - 1) (L - 1) / 2n for K and L values that are independent.
    Compare it with `shuffled_mutual_information` when n is not far larger than K L.

    Args:
        first: any integers, a code for instance, shape (n,).
        second: any integers, shape (n,).

    Raises:
        ValueError: the shapes differ, or there are no samples.
    """
    both = joint_labels(torch.stack([first, second], dim=1))
    return max(0.0, _label_entropy(first) + _label_entropy(second) - _label_entropy(both))


def shuffled_mutual_information(
    first: Tensor, second: Tensor, generator: torch.Generator, num_shuffles: int = 20
) -> Tensor:
    """Mutual information after shuffling `second`: what no relation at all would give, nats, shape (num_shuffles,)."""
    orders = (torch.randperm(len(second), generator=generator, device=generator.device) for _ in range(num_shuffles))
    values = [mutual_information(first, second[order.to(second.device)]) for order in orders]
    return torch.tensor(values, dtype=torch.float64)


def joint_labels(labels: Tensor) -> Tensor:
    """One label per distinct row, numbered from 0 in sorted order: (n, m), for instance several codes -> int64 (n,)."""
    return torch.unique(labels, dim=0, return_inverse=True)[1]


def input_information(probs: Tensor) -> float:
    """Mutual information of a code and the encoder's input, I = H(mean_x p) - mean_x H(p), nats.

    Args:
        probs: the encoder's distribution over the same N entries for n inputs, shape (n, N); not for pointers.

    Returns:
        0 for a code that ignores its input; log N at most.
    """
    probs = probs.detach().cpu().double()
    return float(entropy(probs.mean(0)) - entropy(probs).mean())


def _label_entropy(labels: Tensor) -> float:
    if labels.numel() == 0:
        raise ValueError("no samples to estimate an entropy from")
    counts = torch.unique(labels.cpu(), return_counts=True)[1].double()
    return float(entropy(counts / counts.sum()))
