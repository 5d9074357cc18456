"""DiffDock's network: ligand atoms and receptor residues that send each other messages, layer after layer.

    h_a  <-  h_a  +  sum over kinds of edges of  BatchNorm( mean_b  h_b (x)_psi_ab Y(r_ab) )

with psi_ab an MLP of the edge's embedding and of the scalars of both ends; features grow from scalars to
`feature_irreps`. Source: Corso et al. 2023, arXiv 2210.01776, section 4.3 and appendix C.
"""

from __future__ import annotations

from typing import Final, cast

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from discodock.latents.registry import CodeLayout
from discodock.models.code_nodes import LIGAND, RESIDUES
from discodock.models.disco_diffdock.config import ResidueNetworkConfig
from discodock.models.disco_diffdock.embedding import HARMONICS, PoseEmbedding, PoseNodes, Poses
from discodock.nn.fully_connected import FullyConnectedConvolution, IrrepsEdges, feature_irreps

EDGE_KINDS: Final = ("ligand", "to_ligand", "receptor", "to_receptor")


class ResidueLayer(nn.Module):
    """One round: convolutions over every kind of edge. The last round of the score model leaves the receptor alone."""

    def __init__(self, config: ResidueNetworkConfig, number: int, *, updates_receptor: bool) -> None:
        super().__init__()
        irreps = [feature_irreps(config.num_scalars, config.num_vectors, number + k) for k in (0, 1)]
        self.grows_by = irreps[1].dim - irreps[0].dim
        self.num_scalars, self.updates_receptor = config.num_scalars, updates_receptor
        self.convolutions = nn.ModuleDict(
            {
                kind: FullyConnectedConvolution(
                    irreps[0],
                    HARMONICS,
                    irreps[1],
                    3 * config.num_scalars,
                    dropout=config.dropout,
                    kind=config.convolution,
                )
                for kind in (EDGE_KINDS if updates_receptor else EDGE_KINDS[:2])
            }
        )

    def forward(self, nodes: PoseNodes, edges: dict[str, IrrepsEdges]) -> PoseNodes:
        """Update the features of P poses; they grow at their end."""
        ligand = F.pad(nodes.ligand, (0, self.grows_by))
        ligand = ligand + self._message("ligand", nodes.ligand, nodes.ligand, edges)
        ligand = ligand + self._message("to_ligand", nodes.residues, nodes.ligand, edges)
        if not self.updates_receptor:
            return PoseNodes(ligand, nodes.residues)
        residues = F.pad(nodes.residues, (0, self.grows_by))
        residues = residues + self._message("receptor", nodes.residues, nodes.residues, edges)
        residues = residues + self._message("to_receptor", nodes.ligand, nodes.residues, edges)
        return PoseNodes(ligand, residues)

    def _message(self, kind: str, source: Tensor, target: Tensor, edges: dict[str, IrrepsEdges]) -> Tensor:
        each = edges[kind]
        scalars = [
            target[:, : self.num_scalars].index_select(0, each.target),
            source[:, : self.num_scalars].index_select(0, each.source),
        ]
        attr = torch.cat([each.attr, *scalars], dim=-1)
        convolution = cast(FullyConnectedConvolution, self.convolutions[kind])
        return convolution(source, IrrepsEdges(each.target, each.source, each.sh, attr), len(target))


class ResidueNetwork(nn.Module):
    """Features of ligand atoms and residues of poses; scalars come first.

    Args:
        config: sizes.
        num_condition: channels of what poses are told.
        layout: codes that the network reads; None for a network without.
        updates_receptor: whether the last layer updates the residues too.
    """

    def __init__(
        self, config: ResidueNetworkConfig, num_condition: int, layout: CodeLayout | None, *, updates_receptor: bool
    ) -> None:
        super().__init__()
        self.embedding = PoseEmbedding(config, num_condition, layout)
        self.layers = nn.ModuleList(
            ResidueLayer(config, number, updates_receptor=updates_receptor or number < config.num_layers - 1)
            for number in range(config.num_layers)
        )
        size = (config.num_scalars, config.num_vectors)
        self.irreps_by_set = {
            LIGAND: feature_irreps(*size, config.num_layers),
            RESIDUES: feature_irreps(*size, config.num_layers - (not updates_receptor)),
        }

    def forward(self, poses: Poses) -> PoseNodes:
        """Features of irreps `irreps_by_set`; those of residues are a layer behind if the last leaves them alone."""
        nodes, edges = self.embedding(poses)
        for layer in self.layers:
            nodes = layer(nodes, edges)
        return nodes
