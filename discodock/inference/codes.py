"""The pose codes of samples: drawn from the prior before anything is docked, and the binding modes that they name."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import torch
from pydantic import Field
from torch import Tensor

from discodock.diffusion.noise import PoseNoise
from discodock.latents.categorical import NULL_CODE, SamplingConfig
from discodock.latents.pointer import Pointer
from discodock.latents.registry import CodeLayout
from discodock.models.code_nodes import RESIDUES, pointers_into
from discodock.models.code_prior import CodePriorNetwork
from discodock.models.graphs import LigandGraph, ReceptorGraph
from discodock.settings import Settings

CODE_STREAMS: Final = 1 << 32
"""Added to the seed for codes, so that a pose has the same noise whether or not it has codes."""


class PoseCodeConfig(Settings):
    """How the codes of poses are drawn and followed."""

    draw: SamplingConfig = Field(SamplingConfig(), description="temperature, top-k and top-p of the prior")
    guidance_weight: float = Field(
        0.0, ge=-1, description="w of s_c + w (s_c - s_null): 0 follows the codes as trained, -1 ignores them; no unit"
    )


@dataclass(frozen=True)
class PoseCodes:
    """Codes of P poses.

    Attributes:
        weights: one-hot rows of every code, shape (P, N_i).
        entries: what each code chose: the number of a heavy atom, of a residue of the complex, or of a codebook entry;
            int64, shape (P, num_codes).
    """

    weights: tuple[Tensor, ...]
    entries: Tensor

    def __getitem__(self, poses: slice) -> PoseCodes:
        """Codes of some of the poses."""
        return PoseCodes(tuple(each[poses] for each in self.weights), self.entries[poses])


class PoseCodeSampler:
    """The prior of one crop and one ligand, encoded once and ready to draw the codes of any poses of it."""

    def __init__(self, network: CodePriorNetwork, receptor: ReceptorGraph, ligand: LigandGraph) -> None:
        self.network = network
        self.context = network.encode(receptor, ligand, receptor.pos.new_zeros(len(receptor.pos), 3))

    def draw(self, numbers: Sequence[int], seed: int, config: PoseCodeConfig) -> PoseCodes:
        """Draw codes; those of a pose depend on the seed and its own number alone.

        Args:
            numbers: of the poses, which name their random streams.
            seed: of all random streams.
            config: how codes are drawn.
        """
        pose_complex = torch.zeros(len(numbers), dtype=torch.int64, device=self.context.tokens.device)
        prior = self.network.prior(self.context, pose_complex)
        codes = prior.sample(len(numbers), PoseNoise(CODE_STREAMS + seed, numbers), config.draw).codes
        weights = self.network.layout.one_hot(codes, prior.masks)
        return PoseCodes(weights, self._entries(codes))

    def _entries(self, codes: Tensor) -> Tensor:
        """Codes with rows of the crop replaced by the numbers of residues."""
        columns = []
        for space, column in zip(self.network.layout.spaces, codes.unbind(1), strict=True):
            points = isinstance(space, Pointer) and space.nodes == RESIDUES
            columns.append(self.context.nodes.residue_idx[0][column] if points else column)
        return torch.stack(columns, dim=1)


def code_labels(
    layout: CodeLayout, entries: Sequence[int], atom_names: Sequence[str], residue_names: Sequence[str]
) -> list[str]:
    """Codes of one pose in words, such as ["atom=N12", "near=A:ASP86", "code=7"]; null codes are left out.

    Args:
        layout: what the codes are.
        entries: from `PoseCodes.entries`, of one pose.
        atom_names: of the ligand's heavy atoms.
        residue_names: of the complex's residues.
    """
    labels = []
    for space, entry in zip(layout.spaces, entries, strict=True):
        if entry == NULL_CODE:
            continue
        if not isinstance(space, Pointer):
            labels.append(f"code={entry}")
        elif space.nodes == RESIDUES:
            labels.append(f"near={residue_names[entry]}")
        else:
            labels.append(f"atom={atom_names[entry]}")
    return labels


def pointed_residues(layout: CodeLayout, entries: Sequence[int], residue_names: Sequence[str]) -> tuple[str, ...]:
    """The residues that the codes of one pose point at, such as ("A:ASP86",); arguments as of `code_labels`."""
    return tuple(residue_names[entries[i]] for i in pointers_into(layout, RESIDUES) if entries[i] != NULL_CODE)
