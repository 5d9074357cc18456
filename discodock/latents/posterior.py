"""The encoder's distribution q(z_1 ... z_m given x) as a value, beside the prior's p(z_1 ... z_m) in `latents.prior`.

Source: DisCo-Diff, arXiv 2407.03300.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import torch
from torch import Tensor

from discodock.latents import diagnostics
from discodock.latents.categorical import masked_log_softmax
from discodock.latents.registry import stack_hard_codes
from discodock.latents.relaxation import straight_through_gumbel_softmax
from discodock.noise import NoiseLike


@dataclass(frozen=True)
class CodePosterior:
    """The distribution of every code of B samples, given what the encoder saw.

    An autoregressive encoder has one as well once its codes are drawn: that of every code given the earlier ones drawn.

    Attributes:
        logits: logits of every code, shape (B, N_i).
        masks: entries that exist, of every code, bool, shape (B, N_i) or (N_i,); from `CodeLayout.masks`.
    """

    logits: tuple[Tensor, ...]
    masks: tuple[Tensor, ...]

    @cached_property
    def probs(self) -> tuple[Tensor, ...]:
        """Probabilities of all entries of every code, shape (B, N_i): the soft targets of the prior."""
        rows = zip(self.logits, self.masks, strict=True)
        return tuple(masked_log_softmax(logits, mask).exp() for logits, mask in rows)

    @property
    def entropy(self) -> Tensor:
        """Entropy of every code, nats, shape (B, num_codes)."""
        return torch.stack([diagnostics.entropy(each) for each in self.probs], dim=1)

    @property
    def information(self) -> tuple[float, ...]:
        """What every code tells of its sample, nats; see `input_information`. Not for nodes that differ by sample."""
        return tuple(diagnostics.input_information(each) for each in self.probs)

    def draw(self, noise: NoiseLike, temperature: float = 1.0) -> CodeDraw:
        """Draw the codes of every sample, independently of each other.

        Args:
            noise: source of the Gumbel numbers.
            temperature: temperature of the Gumbel-softmax whose gradient the weights have, no unit; which codes are
                drawn does not depend on it.
        """
        rows = zip(self.logits, self.masks, strict=True)
        weights = tuple(straight_through_gumbel_softmax(logits, mask, temperature, noise) for logits, mask in rows)
        return CodeDraw(weights, self)


@dataclass(frozen=True)
class CodeDraw:
    """Codes of B samples drawn from the encoder.

    Attributes:
        weights: one-hot weights of every code, with the gradient of a Gumbel-softmax, shape (B, N_i).
        posterior: the distribution that they were drawn from.
    """

    weights: tuple[Tensor, ...]
    posterior: CodePosterior

    @property
    def codes(self) -> Tensor:
        """Hard codes, int64, shape (B, num_codes)."""
        return stack_hard_codes(self.weights)
