"""The score model: ligand poses in the field of a receptor that was encoded once."""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar, Literal

from torch import Tensor

from discodock.geometry.pose import PoseTangent
from discodock.latents.registry import CodeLayout
from discodock.models.pose_trunk import ComplexContext, PoseTrunk, PoseTrunkConfig
from discodock.models.readout import GeneralisedForces


class ScoreModelConfig(PoseTrunkConfig):
    """Sizes of the score model."""

    kind: Literal["all_atom"] = "all_atom"


class ScoreModel(PoseTrunk):
    """Unit-scale score of ligand poses over translation, rotation and torsions.

    SE(3)-equivariant: rotating receptor and poses rotates `tr` and `rot` and leaves `tor`; under a reflection `tr` is
    polar, `rot` axial, `tor` changes sign. Receptor features do not depend on pose, time or codes (`encode`).

    Args:
        config: sizes.
        layout: discrete codes that the network reads; None for a network without.
    """

    whole_receptor: ClassVar[bool] = False
    """It works on the crop around a site, not on the whole receptor."""

    def __init__(self, config: ScoreModelConfig, layout: CodeLayout | None = None) -> None:
        super().__init__(config, layout)
        self.readout = GeneralisedForces(config.num_scalars, config.num_vectors, config.num_time)

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
            context: from `encode`.
            pos: ligand atoms in the frame of the receptor, Å, shape (P, L, 3).
            pose_complex: the complex of each pose, int64, shape (P,).
            t: diffusion time of each pose in [0, 1], shape (P,).
            codes: weights (P, N_i) of every code of the layout, rows of zeros for null codes; None for no codes.

        Returns:
            tr (P, 3), rot (P, 3), tor (P, T), of about unit variance; `PoseProcess.to_score` scales them.

        Raises:
            ValueError: there are codes, and the network was made without.
        """
        time = self.time_embedding(t)
        features = self.features(context, pos, pose_complex, time, codes)
        return self.readout(features, pos, context.ligand.topology.select(pose_complex), time)
