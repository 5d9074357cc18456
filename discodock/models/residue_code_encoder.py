"""The code encoder of DisCo-DiffDock: three of DiffDock's convolutions over the bound complex, codes independent."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, cast

import torch
from pydantic import Field
from torch import Tensor, nn
from torch_geometric.utils import scatter

from discodock.latents.codebook import Codebook
from discodock.latents.noise import NoiseLike
from discodock.latents.pointer import Pointer
from discodock.latents.registry import AnyCodeSpace, CodeLayout
from discodock.models.code_encoder import CodeDraw
from discodock.models.code_nodes import COMPLEX, LIGAND, RESIDUES, code_nodes
from discodock.models.graphs import LigandGraph, ReceptorGraph
from discodock.models.residue_embedding import PoseNodes, Poses, ResidueNetworkConfig
from discodock.models.residue_graph import alpha_carbon_graph
from discodock.models.residue_network import ResidueNetwork


class ResidueCodeEncoderConfig(ResidueNetworkConfig):
    """Sizes of the code encoder of DisCo-DiffDock-S; the defaults are the paper's."""

    kind: Literal["residue"] = "residue"
    num_vectors: int = Field(4, gt=0, description="vector (1o, 1e) channels of every node")
    num_layers: int = Field(3, gt=0, description="rounds of convolutions")
    cross_cutoff: float = Field(30.0, gt=0, description="ligand-receptor edges, Å")
    num_hidden: int = Field(128, gt=0, description="width of the networks that give the logits")


@dataclass(frozen=True)
class BoundResidues:
    """What the encoder makes of B bound complexes.

    Attributes:
        logits: of every code, shape (B, N_i), zero in the padding.
        masks: real nodes of each set, bool, shapes (B, L), (B, N) and (B, L + N).
    """

    logits: tuple[Tensor, ...]
    masks: dict[str, Tensor]


class ResidueCodeEncoder(nn.Module):
    """q(z_1 ... z_m given the bound complex) = prod_i q(z_i given the complex), with the interface of `CodeEncoder`.

    Invariant under rotations and translations, not under reflections: pseudoscalars count, as in the paper.
    """

    scalar_idx: Tensor

    def __init__(self, config: ResidueCodeEncoderConfig, layout: CodeLayout) -> None:
        super().__init__()
        self.config, self.layout = config, layout
        reads_residues = any(not isinstance(space, Pointer) or space.nodes != LIGAND for space in layout.spaces)
        self.network = ResidueNetwork(config, 1, None, updates_receptor=reads_residues)
        irreps = self.network.irreps_out
        scalars = [
            torch.arange(s.start, s.stop) for s, (_, ir) in zip(irreps.slices(), irreps, strict=True) if ir.l == 0
        ]
        self.register_buffer("scalar_idx", torch.cat(scalars), persistent=False)
        self.heads = nn.ModuleList(self._heads(space) for space in layout.spaces)

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
        nodes, masks = self.network(poses), poses.masks()
        rows = zip(self.layout.spaces, self.heads, strict=True)
        logits = tuple(self._logits(space, cast(nn.ModuleDict, heads), nodes, masks) for space, heads in rows)
        return BoundResidues(logits, masks)

    def draw(self, bound: BoundResidues, pose_complex: Tensor, noise: NoiseLike, temperature: float = 1.0) -> CodeDraw:
        """Draw the codes of P poses independently; arguments as in `CodeEncoder.draw`."""
        logits = [each[pose_complex] for each in bound.logits]
        masks = self.layout.masks({name: mask[pose_complex] for name, mask in bound.masks.items()}, pose_complex.device)
        return CodeDraw(self.layout.relax(logits, masks, temperature, noise), self.layout.probs(logits, masks))

    def _heads(self, space: AnyCodeSpace) -> nn.ModuleDict:
        width = len(self.scalar_idx)
        if isinstance(space, Codebook):
            return nn.ModuleDict({"pooled": _mlp(2 * width, self.config.num_hidden, space.codebook_size)})
        names = (LIGAND, RESIDUES) if space.nodes == COMPLEX else (space.nodes,)
        return nn.ModuleDict({name: _mlp(width, self.config.num_hidden, 1) for name in names})

    def _logits(self, space: AnyCodeSpace, heads: nn.ModuleDict, nodes: PoseNodes, masks: dict[str, Tensor]) -> Tensor:
        flat = {name: each[:, self.scalar_idx] for name, each in ((LIGAND, nodes.ligand), (RESIDUES, nodes.residues))}
        if isinstance(space, Codebook):
            means = [
                scatter(each, masks[name].nonzero()[:, 0], dim_size=len(masks[name]), reduce="mean")
                for name, each in flat.items()
            ]
            return heads["pooled"](torch.cat(means, dim=-1))
        columns = []
        for name, head in heads.items():
            each = head(flat[name]).squeeze(-1)
            columns.append(each.new_zeros(masks[name].shape).masked_scatter(masks[name], each))
        return torch.cat(columns, dim=1)


def _mlp(num_in: int, num_hidden: int, num_out: int) -> nn.Sequential:
    return nn.Sequential(
        nn.Linear(num_in, num_hidden),
        nn.ReLU(),
        nn.Linear(num_hidden, num_hidden),
        nn.ReLU(),
        nn.Linear(num_hidden, num_out),
    )
