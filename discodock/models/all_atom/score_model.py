"""The score model: ligand poses in the field of a receptor that was encoded once."""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar, Final, Literal

from pydantic import Field
from torch import Tensor

from discodock.geometry.pose import PoseTangent
from discodock.latents.registry import CodeLayout
from discodock.models.all_atom.readout import GeneralisedForces
from discodock.models.all_atom.trunk import ComplexContext, PoseTrunk, PoseTrunkConfig
from discodock.nn.radial import ComponentTimes

LIGAND_NEIGHBORS: Final = 30
CONTACTS_PER_ATOM: Final = 60
"""Upper ends of what one ligand atom has within 6 Å, of its own kind and of the receptor's."""

COPIES: Final = 3
"""Tensors of the size of an edge's features alive at once; the estimate is then about 1.7 times the measured peak."""


class ScoreModelConfig(PoseTrunkConfig):
    """Sizes of the score model."""

    kind: Literal["all_atom"] = "all_atom"
    component_times: bool = Field(False, description="a diffusion time for each of translation, rotation and torsions")

    embedding_size: ClassVar[int] = 0
    """It reads no embeddings of residues."""

    translation_sigmas: ClassVar[tuple[float, float] | None] = None
    """It is not made for a certain translation noise."""

    def bytes_per_pose(self, num_ligand: int, num_receptor: int, num_residues: int) -> int:
        """Rough upper estimate of the memory that one pose takes in one step.

        Args:
            num_ligand: number of atoms of the ligand.
            num_receptor: number of atoms of the receptor.
            num_residues: number of residues of the receptor, which does not matter here.
        """
        num_edges = num_ligand * (min(num_ligand, LIGAND_NEIGHBORS) + min(num_receptor, CONTACTS_PER_ATOM))
        floats_per_edge = COPIES * (self.num_scalars + 3 * self.num_vectors)
        distances = num_ligand * (num_ligand + num_receptor) * 4
        return 4 * (num_edges * floats_per_edge + distances)


class ScoreModel(PoseTrunk):
    """Unit-scale score of ligand poses over translation, rotation and torsions.

    SE(3)-equivariant: rotating receptor and poses rotates `tr` and `rot` and leaves `tor`; under a reflection `tr` is
    polar, `rot` axial, `tor` changes sign. Receptor features do not depend on pose, time or codes (`encode`).

    Args:
        config: sizes.
        layout: discrete codes that the network reads; None for a network without.
    """

    config: ScoreModelConfig

    def __init__(self, config: ScoreModelConfig, layout: CodeLayout | None = None) -> None:
        super().__init__(config, layout)
        self.readout = GeneralisedForces(config.num_scalars, config.num_vectors, config.num_time)
        self.component_times = ComponentTimes(3, config.num_time) if config.component_times else None

    def forward(
        self,
        context: ComplexContext,
        pos: Tensor,
        pose_complex: Tensor,
        t: Tensor,
        codes: Sequence[Tensor] | None = None,
    ) -> PoseTangent:
        """Unit-scale scores of P poses.

        Args:
            context: context of the complexes, from `encode`.
            pos: ligand atoms in the frame of the receptor, Å, shape (P, L, 3).
            pose_complex: the complex of each pose, int64, shape (P,).
            t: diffusion times of the poses in [0, 1], shape (P,), or (P, 3) for one of each component (tr, rot, tor).
            codes: weights (P, N_i) of every code of the layout, rows of zeros for null codes; None for no codes.

        Returns:
            tr (P, 3), rot (P, 3), tor (P, T), of about unit variance; `PoseProcess.to_score` scales them.

        Raises:
            ValueError: there are codes, or times of components, and the network was made without.
        """
        time = self.embed_times(t)
        features = self.features(context, pos, pose_complex, time, codes)
        return self.readout(features, pos, context.ligand.topology.select(pose_complex), time)

    def embed_times(self, t: Tensor) -> Tensor:
        """Embedding of times (P,), or (P, 3) by component, shape (P, num_time).

        Raises:
            ValueError: there is a time for each component, and the network was made for one.
        """
        if t.ndim == 1:
            return self.time_embedding(t)
        if self.component_times is None:
            raise ValueError("a score model with one time was given a time for each component")
        return self.component_times(self.time_embedding(t.flatten()).unflatten(0, t.shape))
