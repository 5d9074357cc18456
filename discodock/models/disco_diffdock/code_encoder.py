"""The code encoder of DisCo-DiffDock: three of DiffDock's convolutions over the bound complex, codes independent."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor, nn

from discodock.graphs import LigandGraph, ReceptorGraph
from discodock.latents.posterior import CodeDraw, CodePosterior
from discodock.latents.registry import CodeLayout
from discodock.models.code_nodes import LIGAND, code_nodes
from discodock.models.disco_diffdock.code_heads import ResidueCodeHeads
from discodock.models.disco_diffdock.config import ResidueCodeEncoderConfig
from discodock.models.disco_diffdock.embedding import Poses
from discodock.models.disco_diffdock.graph import alpha_carbon_graph
from discodock.models.disco_diffdock.network import ResidueNetwork
from discodock.noise import NoiseLike


@dataclass(frozen=True)
class BoundResidues:
    """What the encoder makes of B bound complexes.

    Attributes:
        logits: logits of every code, shape (B, N_i), zero in the padding.
        masks: real nodes of each set, bool, shapes (B, L), (B, N) and (B, L + N).
    """

    logits: tuple[Tensor, ...]
    masks: dict[str, Tensor]


class ResidueCodeEncoder(nn.Module):
    """q(z_1 ... z_m given the bound complex) = prod_i q(z_i given the complex), with the interface of `CodeEncoder`.

    Invariant under rotations and translations, not under reflections: pseudoscalars count, as in the paper.
    """

    def __init__(self, config: ResidueCodeEncoderConfig, layout: CodeLayout) -> None:
        super().__init__()
        self.config, self.layout = config, layout
        reads_residues = any(space.node_set != LIGAND for space in layout.spaces)
        self.network = ResidueNetwork(config, 1, None, updates_receptor=reads_residues)
        self.heads = ResidueCodeHeads(layout, config.num_hidden, self.network.irreps_by_set)

    def forward(self, receptor: ReceptorGraph, ligand: LigandGraph, pos: Tensor) -> BoundResidues:
        """Encode B complexes with their ligands bound at `pos`, Å, shape (B, L, 3)."""
        config = self.config
        graph = alpha_carbon_graph(
            receptor,
            code_nodes(receptor, ligand),
            max_neighbors=config.receptor_neighbors,
            cutoff=config.receptor_cutoff,
        )
        own = torch.arange(len(pos), device=pos.device)
        told = pos.new_zeros(len(pos), 1)  # nothing of time and noise
        poses = Poses(
            graph, ligand, pos, own, condition=told, cross_cutoff=pos.new_full((len(pos),), config.cross_cutoff)
        )
        masks = poses.masks()
        return BoundResidues(self.heads.logits(self.network(poses), masks), masks)

    def draw(self, bound: BoundResidues, pose_complex: Tensor, noise: NoiseLike, temperature: float = 1.0) -> CodeDraw:
        """Draw the codes of P poses independently; arguments as in `CodeEncoder.draw`."""
        logits = tuple(each[pose_complex] for each in bound.logits)
        masks = self.layout.masks({name: mask[pose_complex] for name, mask in bound.masks.items()}, pose_complex.device)
        return CodePosterior(logits, masks).draw(noise, temperature)
