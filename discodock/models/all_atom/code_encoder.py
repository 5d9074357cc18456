"""The code encoder: which codes describe how a ligand is bound, read off the bound complex."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar, Final, Literal, cast

import torch
from pydantic import Field
from torch import Tensor, nn

from discodock.graphs import LigandGraph, ReceptorGraph
from discodock.latents.pointer import gather_nodes
from discodock.latents.posterior import CodeDraw, CodePosterior
from discodock.latents.registry import CodeLayout
from discodock.latents.relaxation import straight_through_gumbel_softmax
from discodock.latents.space import CodeSpace
from discodock.models.all_atom.edges import NUM_PAIR_ATTR, contact_edges, ligand_edges, reverse_edges
from discodock.models.all_atom.encoders import LigandEncoder, PoseNetworkConfig, ReceptorEncoder
from discodock.models.code_nodes import LIGAND, RESIDUES, check_layout, code_nodes, pointers_into
from discodock.nn.features import Features
from discodock.nn.interaction import InteractionLayer
from discodock.nn.radial import GaussianBasis
from discodock.noise import NoiseLike

DISTANCE_BIAS: Final = 3.0
"""Initial slope of logits over distances, 1/Å; nodes differ by an Å or two in it, so that a few of them stand out."""


class CodeEncoderConfig(PoseNetworkConfig):
    """Sizes of the code encoder, smaller than the score model."""

    kind: Literal["all_atom"] = "all_atom"
    num_scalars: int = Field(32, gt=0, le=1024, description="scalar (0e) channels of every node")
    num_vectors: int = Field(8, gt=0, le=256, description="vector (1o) channels of every node")
    num_layers: int = Field(2, gt=0, le=64, description="rounds of ligand-ligand and receptor-ligand convolutions")
    num_receptor_layers: int = Field(1, ge=0, le=64, description="rounds of receptor convolutions")
    num_ligand_layers: int = Field(2, ge=0, le=64, description="rounds over the molecular graph")
    code_reach: float = Field(16.0, gt=0, le=1000, description="farthest distance resolved between pointed nodes, Å")

    embedding_size: ClassVar[int] = 0
    """It reads no embeddings of residues."""


@dataclass(frozen=True)
class BoundComplexes:
    """What the encoder makes of B bound complexes; invariant but for the positions.

    Attributes:
        features: features of the nodes of each set, padding zero, shape (B, N, S).
        pos: positions of the same nodes, Å, shape (B, N, 3).
        masks: real nodes, bool, shape (B, N).
        summary: mean over ligand atoms, shape (B, S).
    """

    features: dict[str, Tensor]
    pos: dict[str, Tensor]
    masks: dict[str, Tensor]
    summary: Tensor


class CodeEncoder(nn.Module):
    """q(z_1 ... z_m given the bound complex) = prod_i q(z_i given z_<i, complex), invariant under rigid motions.

    The codes are drawn one after the other, unlike DisCo-Diff's, whose codes are independent given the complex: "this
    atom" and "the residue beside it" then fit together from the first step on, before either has settled.
    """

    def __init__(self, config: CodeEncoderConfig, layout: CodeLayout) -> None:
        super().__init__()
        check_layout(layout)
        self.config, self.layout = config, layout
        size = (config.num_scalars, config.num_vectors)
        self.receptor_encoder, self.ligand_encoder = ReceptorEncoder(config), LigandEncoder(config)
        self.ligand_basis = GaussianBasis(config.num_basis, config.ligand_cutoff)
        self.contact_basis = GaussianBasis(config.num_basis, config.contact_cutoff)
        self.layers = nn.ModuleList(
            InteractionLayer(
                *size,
                (config.num_basis + NUM_PAIR_ATTR, config.num_basis),
                mean_degrees=(12.0, 20.0),
                convolution=config.convolution,
                dropout=config.layer_dropout,
            )
            for _ in range(config.num_layers)
        )
        self.receptor_layer = None
        if pointers_into(layout, RESIDUES):
            self.receptor_layer = InteractionLayer(
                *size,
                (config.num_basis,),
                mean_degrees=(5.0,),
                convolution=config.convolution,
                dropout=config.layer_dropout,
            )
            self.receptor_layer.norm.vector_gain.requires_grad_(False)  # only the sources' vectors count here
        self.heads = nn.ModuleList(CodeHead(config, layout, index) for index in range(layout.num_codes))

    def forward(self, receptor: ReceptorGraph, ligand: LigandGraph, pos: Tensor) -> BoundComplexes:
        """Encode B complexes with their ligands bound at `pos`, Å, shape (B, L, 3)."""
        config, mask = self.config, ligand.topology.atom_mask
        own = torch.arange(len(pos), device=pos.device)
        atoms = self.receptor_encoder(receptor)
        scalars = self.ligand_encoder(ligand)
        features = Features(scalars, scalars.new_zeros(scalars.shape[0], 3, config.num_vectors))
        contacts = contact_edges(receptor, mask, pos, own, self.contact_basis, config.contact_cutoff)
        edges = [ligand_edges(ligand, pos, own, self.ligand_basis, config.ligand_cutoff), contacts]
        for module in self.layers:
            layer = cast(InteractionLayer, module)
            features = layer(features, edges, [None, layer.convolution(1).project(atoms)])
        if self.receptor_layer is not None:
            source = self.receptor_layer.convolution(0).project(features)
            atoms = self.receptor_layer(atoms, [reverse_edges(contacts)], [source])
        nodes = code_nodes(receptor, ligand)
        padded = features.scalars.new_zeros(*mask.shape, config.num_scalars)
        padded[mask] = features.scalars
        return BoundComplexes(
            features={LIGAND: padded, RESIDUES: nodes.pool(atoms).scalars},
            pos={LIGAND: pos, RESIDUES: nodes.residue_pos},
            masks=nodes.masks,
            summary=masked_mean(padded, mask),
        )

    def draw(self, bound: BoundComplexes, pose_complex: Tensor, noise: NoiseLike, temperature: float = 1.0) -> CodeDraw:
        """Draw the codes of P poses independently.

        Args:
            bound: encoded complexes, from `forward`.
            pose_complex: the complex of each pose, int64, shape (P,).
            noise: source of the Gumbel numbers.
            temperature: temperature of the Gumbel-softmax whose gradient the weights have; which codes are drawn does
                not depend on it.
        """
        weights: list[Tensor] = []
        logits: list[Tensor] = []
        masks = self.layout.masks({n: m[pose_complex] for n, m in bound.masks.items()}, pose_complex.device)
        for head, mask in zip(self.heads, masks, strict=True):
            logits.append(head(bound, pose_complex, weights))
            weights.append(straight_through_gumbel_softmax(logits[-1], mask, temperature, noise))
        return CodeDraw(tuple(weights), CodePosterior(tuple(logits), masks))


class CodeHead(nn.Module):
    """Logits of one code given the earlier ones.

    Node n has the logit f(h_n, codes < i) + c e_n, where c is learned and e_n is where a pointer looks at first: beside
    the first earlier pointer into the other set that has no partner yet; else a residue beside the ligand's centroid,
    an atom far from it, and from the atoms pointed at already. "The outermost atom, and the residue beside it" says
    something about the pose from the first step on; random codes would teach the score model not to listen.
    """

    def __init__(self, config: CodeEncoderConfig, layout: CodeLayout, index: int) -> None:
        super().__init__()
        self.space, self.earlier = layout.spaces[index], layout.spaces[:index]
        self.pointers = _earlier_pointers(self.space, self.earlier)
        width = config.num_scalars
        self.node = nn.Sequential(nn.LayerNorm(width), nn.Linear(width, width))
        self.choices = nn.ModuleList(nn.Linear(space.num_entries or width, width) for space in self.earlier)
        self.basis = GaussianBasis(config.num_basis, config.code_reach)
        self.distances = nn.ModuleDict({str(j): nn.Linear(config.num_basis, width, bias=False) for j in self.pointers})
        entries = self.space.num_entries or 1
        self.out = nn.Sequential(nn.SiLU(), nn.Linear(width, width), nn.SiLU(), nn.Linear(width, entries))
        self.distance_bias = nn.Parameter(torch.tensor(DISTANCE_BIAS), requires_grad=self.space.node_set is not None)

    def forward(self, bound: BoundComplexes, pose_complex: Tensor, weights: Sequence[Tensor]) -> Tensor:
        """Logits (P, N_i), given the weights (P, N_j) of the earlier codes."""
        # (P, S): what the earlier codes say, the same for all nodes
        shift = bound.summary.new_zeros(len(pose_complex), bound.summary.shape[1])
        for linear, space, each in zip(self.choices, self.earlier, weights, strict=True):
            shift = shift + linear(_choice(space, each, bound, pose_complex))
        name = self.space.node_set
        if name is None:
            return self.out(self.node(bound.summary)[pose_complex] + shift)
        hidden = self.node(bound.features[name])[pose_complex] + shift[:, None]  # (P, N, S)
        distances: dict[int, Tensor] = {}
        for j, other in self.pointers.items():
            # Weights may be soft: the place pointed at is a mean of positions, through which gradients reach code j.
            target = gather_nodes(weights[j], bound.pos[other][pose_complex])
            distances[j] = node_distances(bound.pos[name][pose_complex], target)
            hidden = hidden + self.distances[str(j)](self.basis(distances[j].flatten())).view_as(hidden)
        preference = self._distance_preference(name, bound, pose_complex, distances)
        return self.out(hidden).squeeze(-1) + self.distance_bias * preference

    def _distance_preference(
        self, name: str, bound: BoundComplexes, pose_complex: Tensor, distances: dict[int, Tensor]
    ) -> Tensor:
        """e_n in Å of the nodes of a set, shape (P, N)."""
        same = [distances[j] for j, other in self.pointers.items() if other == name]
        others = [distances[j] for j, other in self.pointers.items() if other != name]
        if len(same) < len(others):
            return -others[len(same)]
        if same and name == LIGAND:
            return torch.stack(same).amin(dim=0)
        center = masked_mean(bound.pos[LIGAND], bound.masks[LIGAND])[pose_complex]
        away = node_distances(bound.pos[name][pose_complex], center)
        return away if name == LIGAND else -away


def node_distances(pos: Tensor, target: Tensor) -> Tensor:
    """Distances in Å of nodes (P, N, 3) from one point each (P, 3), shape (P, N)."""
    return ((pos - target[:, None]).square().sum(dim=-1) + 1e-6).sqrt()


def masked_mean(values: Tensor, mask: Tensor) -> Tensor:
    """Mean of values (B, N, C) over real nodes, shape (B, C)."""
    return (values * mask[..., None]).sum(dim=1) / mask.sum(dim=1, keepdim=True)


def _earlier_pointers(space: CodeSpace, earlier: Sequence[CodeSpace]) -> dict[int, str]:
    """Earlier pointers, whose distance from the nodes of a pointer counts: number -> set of nodes."""
    if space.node_set is None:
        return {}
    return {j: other.node_set for j, other in enumerate(earlier) if other.node_set is not None}


def _choice(space: CodeSpace, weights: Tensor, bound: BoundComplexes, pose_complex: Tensor) -> Tensor:
    """What an earlier code chose: the features of its node, or the weights of the code's own entries."""
    if space.node_set is None:
        return weights
    return gather_nodes(weights, bound.features[space.node_set][pose_complex])
