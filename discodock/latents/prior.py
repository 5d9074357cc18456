"""The autoregressive prior: p(z_1 ... z_m) = prod_i p(z_i | z_<i), as a distribution over the codes of one batch.

The network is a function from known codes to logits. Unless it is said to be causal, it is never shown a code that it
is to predict, nor a later one; the chain rule then holds for any network, and `log_prob` is exact.

Source: DisCo-Diff, arXiv 2407.03300.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from itertools import chain
from typing import Self

import torch
from torch import Tensor

from discodock.latents import categorical
from discodock.latents.categorical import Draws, check_codes
from discodock.latents.code_sampling import CodeSampling
from discodock.latents.dropout import drop_codes
from discodock.latents.registry import CodeLayout, null_codes

CodeLogits = Callable[[Tensor], Sequence[Tensor]]
"""Known codes (B, num_codes), int64, null where unknown -> logits (B, N_i) of every code i.

Context, such as the features of B samples, is bound by whoever makes the function. Logits of code i are used only when
codes >= i were null in the call, or the network is said not to read them (`CodePrior.codes_per_call`).
"""


@dataclass(frozen=True)
class CodeSample:
    """Codes drawn from a prior.

    Attributes:
        codes: drawn codes, int64, shape (B, num_codes).
        log_prob: log probability under the prior at temperature 1 and without truncation, in which every code is
            normalised given the earlier ones, nats, shape (B,).
    """

    codes: Tensor
    log_prob: Tensor


@dataclass(frozen=True)
class CodePrior:
    """The distribution of the codes of B samples.

    Attributes:
        layout: layout of the codes.
        code_logits: the network, bound to the samples.
        masks: entries that exist, of every code, bool, shape (B, N_i) or (N_i,); from `CodeLayout.masks`.
        codes_per_call: number of successive codes that get their logits from one call of the network: 1 is right for
            any network, num_codes for a causal one, whose logits of code i are the same whatever codes >= i it is
            shown.
    """

    layout: CodeLayout
    code_logits: CodeLogits
    masks: tuple[Tensor, ...]
    codes_per_call: int = 1

    def logits(self, known: Tensor) -> tuple[Tensor, ...]:
        """What the network says about every code when it is shown `known`, hard codes (B, num_codes); (B, N_i) each.

        Raises:
            ValueError: the network returns other shapes.
        """
        logits = tuple(self.code_logits(known))
        expected = [(known.shape[0], mask.shape[-1]) for mask in self.masks]
        if [tuple(each.shape) for each in logits] != expected:
            raise ValueError(f"the prior network returned {[tuple(each.shape) for each in logits]}, not {expected}")
        return logits

    def conditional(self, codes: Tensor, index: int) -> Tensor:
        """Logits (B, N_i) of code `index` given those before it; the rest of `codes` (B, num_codes) are hidden."""
        return self.logits(hide_from(codes, index))[index]

    def all_logits(self, codes: Tensor) -> tuple[Tensor, ...]:
        """Logits (B, N_i) of every code i given codes < i of hard codes of shape (B, num_codes)."""
        width = self.codes_per_call
        starts = range(0, self.layout.num_codes, width)
        calls = [self.logits(hide_from(codes, start + width - 1))[start : start + width] for start in starts]
        return tuple(chain.from_iterable(calls))

    def restricted(self, allowed: Sequence[Tensor | None]) -> Self:
        """The prior whose codes are drawn among some entries alone; no code outside them is ever drawn.

        This is the conditional distribution if only the first codes are restricted, each but the last of them to one
        entry; later codes are restricted given the earlier ones, without looking ahead.

        Args:
            allowed: entries that every code is restricted to, bool, shape (B, N_i) or (N_i,), or None for all.
        """
        rows = zip(self.masks, allowed, strict=True)
        return replace(self, masks=tuple(mask if only is None else mask & only.to(mask.device) for mask, only in rows))

    def log_prob(self, codes: Tensor) -> Tensor:
        """Exact log-probability of hard codes (B, num_codes), nats, shape (B,).

        Raises:
            ValueError: a code is the null code, or there is no such entry.
        """
        terms = zip(self.all_logits(codes), self.masks, codes.unbind(1), strict=True)
        return torch.stack([categorical.log_prob(logits, mask, column) for logits, mask, column in terms]).sum(0)

    @torch.no_grad()
    def sample(self, num_samples: int, noise: Draws, sampling: CodeSampling | None = None) -> CodeSample:
        """Draw the codes of all samples, one code after the other.

        Args:
            num_samples: B, as many as the network is bound to.
            noise: a generator, or a source with one stream per sample; or uniform numbers in [0, 1), shape
                (B, num_codes), at which the conditional distributions are inverted: quasi-random
                ones (`low_discrepancy_uniforms`) make codes with fewer repeats than independent draws.
            sampling: temperature, top-k and top-p of every code.

        Raises:
            ValueError: no entry of a code is left for a sample, or the logits are not finite.
        """
        codes = null_codes(num_samples, self.layout, self.masks[0].device)
        total = torch.zeros(num_samples, device=codes.device)
        for index, mask in enumerate(self.masks):
            logits = self.conditional(codes, index)
            try:
                source = noise[:, index] if isinstance(noise, Tensor) else noise
                drawn = categorical.sample(logits, mask, source, sampling)
            except ValueError as error:
                raise ValueError(f"code {index}: {error}") from error
            total = total + categorical.log_prob(logits, mask, drawn)
            codes = torch.cat([codes[:, :index], drawn[:, None], codes[:, index + 1 :]], dim=1)
        return CodeSample(codes, total)

    def cross_entropy(self, codes: Tensor, targets: Sequence[Tensor]) -> Tensor:
        """Cross-entropy of every code against the encoder's soft distribution, given codes < i drawn from the encoder.

        With an encoder whose codes are independent given its input, the mean over drawn codes of the sum over codes is
        the expected negative log-likelihood of the encoder's codes, with less variance than that of the drawn codes.

        Args:
            codes: codes drawn from the encoder, int64, shape (B, num_codes).
            targets: probabilities of the encoder, without gradient, shape (B, N_i) each; see `CodePosterior.probs`.

        Returns:
            Nats, shape (B, num_codes).
        """
        return self._cross_entropy(self.all_logits(codes), targets)

    def cross_entropy_at(self, codes: Tensor, targets: Sequence[Tensor], positions: Tensor) -> Tensor:
        """As `cross_entropy`, of one code per sample, in one call of any network; DisCo-Diff's way of training.

        Args:
            codes: hard codes drawn from the encoder, int64, shape (B, num_codes).
            targets: the encoder's probabilities, shape (B, N_i) each.
            positions: number of the code of each sample, int64, shape (B,); see `random_positions`.

        Returns:
            Nats, shape (B,); num_codes times its mean estimates the cross-entropy of all codes together.

        Raises:
            ValueError: there is no code at a position.
        """
        check_codes(positions, self.layout.num_codes)
        column = positions.to(codes.device)[:, None]
        nats = self._cross_entropy(self.logits(hide_from(codes, column)), targets)
        return nats.gather(1, column).squeeze(1)

    def _cross_entropy(self, logits: Sequence[Tensor], targets: Sequence[Tensor]) -> Tensor:
        rows = zip(logits, self.masks, targets, strict=True)
        return torch.stack([categorical.cross_entropy(each, mask, target) for each, mask, target in rows], dim=1)


def random_positions(num_samples: int, num_codes: int, generator: torch.Generator) -> Tensor:
    """One random position per sample for `cross_entropy_at`, int64, shape (B,), on the generator's device."""
    return torch.randint(num_codes, (num_samples,), generator=generator, device=generator.device)


def hide_from(codes: Tensor, index: int | Tensor) -> Tensor:
    """Hard codes (B, num_codes) with the null code from `index` on; index is one for all, or of shape (B, 1)."""
    return drop_codes(codes, torch.arange(codes.shape[1], device=codes.device) < index)
