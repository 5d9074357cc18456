"""The prior of DisCo-DiffDock's codes: the score network at t = 1, asked for codes instead of a score.

Source: DisCo-Diff, arXiv 2407.03300, stage 2.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from torch import Tensor

from discodock.geometry.alignment import masked_centroid
from discodock.graphs import LigandGraph, ReceptorGraph
from discodock.latents.prior import CodePrior
from discodock.latents.registry import CodeLayout
from discodock.models.code_nodes import CodeNodes, code_nodes
from discodock.models.disco_diffdock.code_heads import ResidueCodeHeads
from discodock.models.disco_diffdock.config import ResidueCodePriorConfig, ResidueScoreModelConfig
from discodock.models.disco_diffdock.embedding import complex_masks
from discodock.models.disco_diffdock.score_model import ResidueContext, ResidueTrunk
from discodock.models.prior_network import PriorNetwork


@dataclass(frozen=True)
class ResiduePriorContext:
    """What the codes of B complexes are drawn from.

    Attributes:
        nodes: residues by their numbers; of those without an alpha carbon no code is drawn.
        residues: receptors and molecular graphs as the network sees them.
        center: point where conformers are put, Å, shape (B, 3).
    """

    nodes: CodeNodes
    residues: ResidueContext
    center: Tensor


class ResiduePriorNetwork(ResidueTrunk, PriorNetwork[ResiduePriorContext]):
    """p(z_1 ... z_m given receptor, ligand and conformer) = prod_i p(z_i given z_<i, the same).

    Each sample has its own conformer of random orientation u, and p(. given u) is normalised exactly; moving receptor
    and conformer together changes nothing. Samples then follow the mean of p(. given u) over all orientations, so that
    the codes that are drawn do not depend on how the receptor lies in its file. Mirror images differ, as in the paper.
    """

    score_parts: ClassVar[tuple[str, ...]] = ("time_embedding", "network")

    def __init__(self, config: ResidueCodePriorConfig, layout: CodeLayout, sizes: ResidueScoreModelConfig) -> None:
        super().__init__(sizes, layout)
        self.layout = layout
        self.heads = ResidueCodeHeads(layout, config.num_hidden, self.network.irreps_by_set)

    def encode(self, receptor: ReceptorGraph, ligand: LigandGraph, center: Tensor) -> ResiduePriorContext:
        """Find residues and their neighbours; see `PriorNetwork.encode`."""
        nodes = code_nodes(receptor, ligand)
        return ResiduePriorContext(nodes, self.context(receptor, ligand, nodes), center)

    def prior(self, context: ResiduePriorContext, sample_complex: Tensor, conformer: Tensor) -> CodePrior:
        """The distribution of the codes of P samples; see `PriorNetwork.prior`."""
        residues = context.residues
        masks = complex_masks(residues.ligand.topology.atom_mask, residues.receptor.mask, sample_complex)
        code_masks = self.layout.masks(masks, sample_complex.device)
        atom_mask = residues.ligand.topology.atom_mask[sample_complex]
        shift = context.center[sample_complex] - masked_centroid(conformer, atom_mask)
        pos = conformer + shift[:, None]

        def code_logits(codes: Tensor) -> tuple[Tensor, ...]:
            weights = self.layout.one_hot(codes, code_masks, pos.dtype)
            poses = self.poses(residues, pos, sample_complex, pos.new_ones(len(pos)), weights)
            return self.heads.logits(self.network(poses), masks)

        return CodePrior(self.layout, code_logits, code_masks)
