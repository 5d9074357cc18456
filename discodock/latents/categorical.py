"""Categorical distributions over the allowed entries of padded rows: probabilities, draws, and one-hot weights.

Logits have shape (B, N) and come with a bool mask of shape (B, N) or (N,): true where an entry exists and is allowed.
Half precision is raised to float32. An entry outside the mask has probability zero, and is never drawn.
"""

from __future__ import annotations

from typing import Final

import torch
from torch import Tensor

from discodock.latents.code_sampling import CodeSampling
from discodock.noise import NoiseLike, gumbel

Draws = NoiseLike | Tensor
"""Where hard codes come from: noise, or uniform numbers in [0, 1), such as those of `low_discrepancy_uniforms`."""

NULL_CODE: Final = -1
"""The null code in a tensor of hard codes: dropped, or not chosen yet. As weights it is a row of zeros."""


def at_least_float32(tensor: Tensor) -> Tensor:
    """Half precision raised to float32; float32 and float64 pass."""
    return tensor.float() if tensor.dtype in (torch.float16, torch.bfloat16) else tensor


def masked_log_softmax(logits: Tensor, mask: Tensor) -> Tensor:
    """Log-probabilities in nats, minus infinity outside the mask, shape (B, N); a row without entries is NaN."""
    return torch.log_softmax(at_least_float32(logits).masked_fill(~mask, -torch.inf), dim=-1)


def log_prob(logits: Tensor, mask: Tensor, codes: Tensor) -> Tensor:
    """Log-probability of hard codes in nats, shape (B,); minus infinity for entries outside the mask.

    Raises:
        ValueError: a code is the null code, or there is no such entry.
    """
    check_codes(codes, logits.shape[-1])
    return masked_log_softmax(logits, mask).gather(-1, codes.unsqueeze(-1)).squeeze(-1)


def cross_entropy(logits: Tensor, mask: Tensor, target: Tensor) -> Tensor:
    """Cross-entropy -sum_n target_n log p_n against soft targets of shape (B, N), in nats, shape (B,)."""
    log_probs = masked_log_softmax(logits, mask).masked_fill(target == 0, 0)  # 0 log 0 = 0
    return -(target * log_probs).sum(-1)


def sample(logits: Tensor, mask: Tensor, noise: Draws, sampling: CodeSampling | None = None) -> Tensor:
    """Draw one entry of each row: by the Gumbel-max trick, argmax(logits + temperature * gumbel), or by inversion.

    Args:
        logits: logits of N entries, shape (B, N).
        mask: allowed entries, bool, shape (B, N) or (N,).
        noise: source of the Gumbel numbers; or uniform numbers in [0, 1), shape (B,), and the entry is then the first
            at which the cumulative distribution exceeds the row's number.
        sampling: temperature, top-k and top-p.

    Returns:
        Hard codes, int64, shape (B,), always inside the mask.

    Raises:
        ValueError: a row has no allowed entry, or its logits are not finite.

    Source: Maddison, Tarlow, Minka 2014, arXiv 1411.0030.
    """
    sampling = sampling or CodeSampling()
    kept = likely_entries(logits, mask, sampling)
    scores = at_least_float32(logits)
    if not isinstance(noise, Tensor):
        scores = scores + sampling.temperature * entry_gumbel(mask, noise, logits)
    best = scores.masked_fill(~kept, -torch.inf).max(dim=-1)
    if not best.values.isfinite().all():
        row = int((~best.values.isfinite()).nonzero()[0, 0])
        raise ValueError(f"row {row} cannot be drawn from: no allowed entry, or logits that are not finite")
    if isinstance(noise, Tensor) and sampling.temperature > 0:
        return _inverse_cdf(scores / sampling.temperature, kept, noise)
    return best.indices


def _inverse_cdf(logits: Tensor, mask: Tensor, uniforms: Tensor) -> Tensor:
    """The entry of each row at which the cumulative distribution first exceeds the row's number in [0, 1], (B,)."""
    probs = masked_log_softmax(logits, mask).exp()
    cumulative = probs.cumsum(-1)
    level = uniforms.to(probs)[:, None] * cumulative[:, -1:]
    entry = (cumulative <= level).sum(-1)  # an entry without probability is passed over
    last = (probs > 0).cumsum(-1).argmax(-1)  # rounding may put the level at the very top
    return torch.minimum(entry, last)


def likely_entries(logits: Tensor, mask: Tensor, sampling: CodeSampling) -> Tensor:
    """The entries that top-k and top-p leave, bool, shape (B, N): a subset of the mask with at least one entry a row.

    Both are cut from the distribution at the sampling temperature; an entry has to pass both.
    Source: top-k Fan et al. 2018, arXiv 1805.04833; top-p (nucleus) Holtzman et al. 2020, arXiv 1904.09751.
    """
    mask = mask.expand(logits.shape)
    if sampling.temperature == 0 or (sampling.top_k is None and sampling.top_p == 1):
        return mask
    log_probs = masked_log_softmax(at_least_float32(logits) / sampling.temperature, mask)
    order = log_probs.argsort(dim=-1, descending=True, stable=True)
    probs = log_probs.gather(-1, order).exp()
    kept = torch.ones_like(mask)
    if sampling.top_p < 1:
        kept = probs.cumsum(-1) - probs < sampling.top_p  # mass of the entries before this one
    if sampling.top_k is not None:
        kept = kept & (torch.arange(logits.shape[-1], device=logits.device) < sampling.top_k)
    return torch.zeros_like(mask).scatter(-1, order, kept) & mask


def entry_gumbel(mask: Tensor, noise: NoiseLike, like: Tensor) -> Tensor:
    """Gumbel noise of every allowed entry, shape (B, N) of `like`; the k-th allowed entry of a row has the k-th number.

    With a noise source that has a stream per sample, draws thus do not depend on where or how much a row is padded.
    """
    drawn = gumbel(noise, like.shape, at_least_float32(like))
    number = mask.expand(like.shape).cumsum(-1) - 1
    return drawn.gather(-1, number.clamp(min=0))


def one_hot(codes: Tensor, num_entries: int, dtype: torch.dtype) -> Tensor:
    """Weights of hard codes, shape (..., N): one at the code; zeros for the null code.

    Raises:
        ValueError: there is no such entry.
    """
    check_codes(codes, num_entries, null_allowed=True)
    return (codes.unsqueeze(-1) == torch.arange(num_entries, device=codes.device)).to(dtype)


def hard_codes(weights: Tensor) -> Tensor:
    """The entry with the largest weight, int64, shape (...); the null code where all weights are zero."""
    return torch.where(weights.any(-1), weights.argmax(-1), NULL_CODE)


def check_codes(codes: Tensor, num_entries: int, *, null_allowed: bool = False) -> None:
    """Refuse codes outside 0 ... num_entries - 1; the null code only where it is allowed.

    Raises:
        ValueError: a code is refused.
    """
    lowest = NULL_CODE if null_allowed else 0
    wrong = (codes < lowest) | (codes >= num_entries)
    if wrong.any():
        raise ValueError(f"code {int(codes[wrong][0])} is not one of {lowest} ... {num_entries - 1}")
