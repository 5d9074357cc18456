"""The score model of DisCo-DiffDock-S: residues, whole receptors, time in every feature, pointers at any node."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from torch import Tensor, nn

from discodock.geometry.pose import PoseTangent
from discodock.graphs import LigandGraph, ReceptorGraph
from discodock.latents.registry import CodeLayout
from discodock.models.code_nodes import LIGAND, CodeNodes, code_nodes
from discodock.models.disco_diffdock.config import ResidueScoreModelConfig
from discodock.models.disco_diffdock.embedding import Poses
from discodock.models.disco_diffdock.graph import AlphaCarbonGraph, alpha_carbon_graph
from discodock.models.disco_diffdock.heads import BondHead, CenterHead
from discodock.models.disco_diffdock.network import ResidueNetwork
from discodock.nn.radial import TimeEmbedding


@dataclass(frozen=True)
class ResidueContext:
    """What all poses of B complexes share.

    Attributes:
        receptor: residues and their neighbours.
        ligand: the padded molecular graphs.
    """

    receptor: AlphaCarbonGraph
    ligand: LigandGraph


class ResidueTrunk(nn.Module):
    """Features of atoms and residues of poses at their times: what the score model and the prior have in common.

    Time is mixed into all features, as in the paper, so that the receptor is embedded again for every pose and time.

    Args:
        config: sizes.
        layout: discrete codes that the network reads; None for a network without.
    """

    def __init__(self, config: ResidueScoreModelConfig, layout: CodeLayout | None) -> None:
        super().__init__()
        self.config = config
        self.time_embedding = TimeEmbedding(config.num_time)
        self.network = ResidueNetwork(config, config.num_time, layout, updates_receptor=False)

    def context(self, receptor: ReceptorGraph, ligand: LigandGraph, nodes: CodeNodes) -> ResidueContext:
        """Residues and their neighbours in B receptors with these nodes, for any number of poses and times."""
        config = self.config
        graph = alpha_carbon_graph(
            receptor, nodes, max_neighbors=config.receptor_neighbors, cutoff=config.receptor_cutoff
        )
        return ResidueContext(graph, ligand)

    def poses(
        self,
        context: ResidueContext,
        pos: Tensor,
        pose_complex: Tensor,
        t: Tensor,
        codes: Sequence[Tensor] | None = None,
    ) -> Poses:
        """What the network reads of P poses; arguments as in `score_model.ScoreModel.forward`."""
        return Poses(
            context.receptor,
            context.ligand,
            pos,
            pose_complex,
            condition=self.time_embedding(t),
            cross_cutoff=self.cross_cutoff(t),
            codes=codes,
        )

    def cross_cutoff(self, t: Tensor) -> Tensor:
        """Longest ligand-receptor edge at times (P,), 3 sigma_tr(t) + 20 Å in the paper; Å, shape (P,)."""
        config = self.config
        sigma = config.tr_sigma_min ** (1 - t) * config.tr_sigma_max**t
        return config.cross_cutoff + config.cross_cutoff_slope * sigma


class ResidueScoreModel(ResidueTrunk):
    """Unit-scale score of ligand poses, with the interface of `score_model.ScoreModel`.

    SE(3)-equivariant, not under reflections (`heads`). Poses start at the receptor's centre, and see all of it.
    """

    def __init__(self, config: ResidueScoreModelConfig, layout: CodeLayout | None = None) -> None:
        super().__init__(config, layout)
        irreps = self.network.irreps_by_set[LIGAND]
        self.center_head = CenterHead(irreps, config, config.num_time)
        self.bond_head = BondHead(irreps, config)

    def encode(self, receptor: ReceptorGraph, ligand: LigandGraph) -> ResidueContext:
        """Find residues and their neighbours in B receptors, for any number of poses and times."""
        return self.context(receptor, ligand, code_nodes(receptor, ligand))

    def forward(
        self,
        context: ResidueContext,
        pos: Tensor,
        pose_complex: Tensor,
        t: Tensor,
        codes: Sequence[Tensor] | None = None,
    ) -> PoseTangent:
        """Unit-scale scores of P poses; arguments and result as in `score_model.ScoreModel.forward`."""
        poses = self.poses(context, pos, pose_complex, t, codes)
        features = self.network(poses).ligand
        topology = context.ligand.topology.select(pose_complex)
        tr, rot = self.center_head(features, pos, topology, poses.condition)
        return PoseTangent(tr, rot, self.bond_head(features, pos, topology))
