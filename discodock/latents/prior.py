"""The autoregressive prior: p(z_1 ... z_m) = prod_i p(z_i | z_<i), as a distribution over the codes of one batch.

The network is a function from known codes to logits. It is never shown a code that it is to predict, nor a later one,
unless it declares itself causal; the chain rule then holds for any network, and `log_prob` is exact.

Source: DisCo-Diff, arXiv 2407.03300.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from discodock.latents import categorical
from discodock.latents.categorical import SamplingConfig, check_codes
from discodock.latents.dropout import drop_codes
from discodock.latents.noise import Draws
from discodock.latents.registry import CodeLayout, null_codes

CodeLogits = Callable[[Tensor], Sequence[Tensor]]
"""Known codes (B, num_codes), int64, null where unknown -> logits (B, N_i) of every code i.

Context, such as the features of B samples, is bound by whoever makes the function. Logits of code i are used only when
codes >= i were null in the call, or when the network is causal.
"""


@dataclass(frozen=True)
class CodeSample:
    """Codes drawn from a prior.

    Attributes:
        codes: int64, shape (B, num_codes).
        log_prob: nats, under the prior restricted to the allowed entries at temperature 1 and without truncation, in
            which every code is normalised given the earlier ones; shape (B,).
    """

    codes: Tensor
    log_prob: Tensor


@dataclass(frozen=True)
class CodePrior:
    """The distribution of the codes of B samples.

    Attributes:
        layout: what the codes are.
        code_logits: the network, bound to the samples.
        masks: entries that exist, of every code, bool, shape (B, N_i) or (N_i,); from `CodeLayout.masks`.
        causal: whether the logits of code i depend on codes < i alone even when later codes are shown; all logits then
            take one call instead of num_codes. A network that says so wrongly has no valid `log_prob`.
    """

    layout: CodeLayout
    code_logits: CodeLogits
    masks: tuple[Tensor, ...]
    causal: bool = False

    def all_logits(self, codes: Tensor) -> tuple[Tensor, ...]:
        """Logits (B, N_i) of every code i given codes < i of hard codes of shape (B, num_codes)."""
        if self.causal:
            return self._logits(codes)
        return tuple(self._logits(hide_from(codes, index))[index] for index in range(self.layout.num_codes))

    def log_prob(self, codes: Tensor) -> Tensor:
        """Exact log-probability of hard codes (B, num_codes), nats, shape (B,).

        Raises:
            ValueError: a code is the null code, or there is no such entry.
        """
        terms = zip(self.layout.spaces, self.all_logits(codes), self.masks, codes.unbind(1), strict=True)
        return torch.stack([space.log_prob(logits, mask, column) for space, logits, mask, column in terms]).sum(0)

    @torch.no_grad()
    def sample(
        self,
        num_samples: int,
        noise: Draws,
        sampling: SamplingConfig | None = None,
        allowed: Sequence[Tensor | None] | None = None,
    ) -> CodeSample:
        """Draw the codes of all samples, one code after the other.

        Args:
            num_samples: B, as many as the network is bound to.
            noise: a generator, or a source with one stream per sample; or uniform numbers in [0, 1), shape
                (B, num_codes), at which the conditional distributions are inverted: spread evenly (`spread_uniforms`),
                they make codes that cover the distribution with fewer repeats than independent draws.
            sampling: temperature, top-k and top-p of every code.
            allowed: for every code the entries it is restricted to, bool, shape (B, N_i) or (N_i,), or None for all.
                No code outside them is ever drawn. This is the prior's conditional distribution if only the first code
                is restricted; later codes are restricted given the earlier ones, without looking ahead.

        Raises:
            ValueError: no entry of a code is left for a sample, or the logits are not finite.
        """
        masks = self._restricted(allowed)
        codes = null_codes(num_samples, self.layout, masks[0].device)
        total = torch.zeros(num_samples, device=codes.device)
        for index, (space, mask) in enumerate(zip(self.layout.spaces, masks, strict=True)):
            logits = self._logits(codes)[index]
            try:
                source = noise[:, index] if isinstance(noise, Tensor) else noise
                drawn = space.sample(logits, mask, source, sampling)
            except ValueError as error:
                raise ValueError(f"code {index}: {error}") from error
            total = total + space.log_prob(logits, mask, drawn)
            codes = torch.cat([codes[:, :index], drawn[:, None], codes[:, index + 1 :]], dim=1)
        return CodeSample(codes, total)

    def cross_entropy(self, codes: Tensor, targets: Sequence[Tensor]) -> Tensor:
        """Cross-entropy of every code against the encoder's soft distribution, given codes < i drawn from the encoder.

        With an encoder whose codes are independent given its input, the mean over drawn codes of the sum over codes is
        the expected negative log-likelihood of the encoder's codes, with less variance than that of the drawn codes.

        Args:
            codes: drawn from the encoder, int64, shape (B, num_codes).
            targets: its probabilities, without gradient, shape (B, N_i) each; see `CodeLayout.probs`.

        Returns:
            Nats, shape (B, num_codes).
        """
        return self._against(self.all_logits(codes), targets)

    def cross_entropy_at(self, codes: Tensor, targets: Sequence[Tensor], positions: Tensor) -> Tensor:
        """As `cross_entropy`, of one code per sample, in one call of the network; DisCo-Diff's way of training.

        Args:
            codes: drawn from the encoder, int64, shape (B, num_codes).
            targets: its probabilities, without gradient, shape (B, N_i) each.
            positions: which code of each sample, int64, shape (B,); see `random_positions`.

        Returns:
            Nats, shape (B,); num_codes times its mean estimates the cross-entropy of all codes together.
        """
        check_codes(positions, self.layout.num_codes)
        column = positions.to(codes.device)[:, None]
        logits = self._logits(hide_from(codes, column))
        return self._against(logits, targets).gather(1, column).squeeze(1)

    def _against(self, logits: Sequence[Tensor], targets: Sequence[Tensor]) -> Tensor:
        rows = zip(logits, self.masks, targets, strict=True)
        return torch.stack([categorical.cross_entropy(each, mask, target) for each, mask, target in rows], dim=1)

    def _logits(self, codes: Tensor) -> tuple[Tensor, ...]:
        """Call the network and check the shapes of what it returns."""
        logits = tuple(self.code_logits(codes))
        expected = [(codes.shape[0], mask.shape[-1]) for mask in self.masks]
        if [tuple(each.shape) for each in logits] != expected:
            raise ValueError(f"the prior network returned {[tuple(each.shape) for each in logits]}, not {expected}")
        return logits

    def _restricted(self, allowed: Sequence[Tensor | None] | None) -> tuple[Tensor, ...]:
        if allowed is None:
            return self.masks
        rows = zip(self.masks, allowed, strict=True)
        return tuple(mask if only is None else mask & only.to(mask.device) for mask, only in rows)


def hide_from(codes: Tensor, index: int | Tensor) -> Tensor:
    """Hard codes (B, num_codes) with the null code from `index` on; index is one for all, or of shape (B, 1)."""
    return drop_codes(codes, torch.arange(codes.shape[1], device=codes.device) < index)


def random_positions(num_samples: int, num_codes: int, generator: torch.Generator) -> Tensor:
    """One random position per sample for `CodePrior.cross_entropy_at`, int64, shape (B,), on the generator's device."""
    return torch.randint(num_codes, (num_samples,), generator=generator, device=generator.device)
