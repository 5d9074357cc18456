"""The pose-code prior: which codes an unbound ligand will have at a site, before anything is docked."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from typing import ClassVar, Literal

import torch
import torch.nn.functional as F
from pydantic import Field
from torch import Tensor, nn

from discodock import schema
from discodock.graphs import LigandGraph, ReceptorGraph
from discodock.latents.heads import CodeHeads
from discodock.latents.prior import CodePrior
from discodock.latents.registry import CodeLayout
from discodock.models.all_atom.encoders import LigandEncoder, ReceptorEncoder
from discodock.models.all_atom.score_model import ScoreModelConfig
from discodock.models.code_marks import MarkedCodesEmbedding
from discodock.models.code_nodes import LIGAND, RESIDUES, CodeNodes, check_layout, code_nodes
from discodock.models.prior_network import PriorNetwork
from discodock.nn.radial import GaussianBasis
from discodock.settings import Settings

NUM_SHAPE = 3
"""Features of an atom's place in the molecular graph: mean and largest number of bonds to the rest, and its size."""


class CodePriorConfig(Settings):
    """Sizes of the pose-code prior; its encoders have those of the score model."""

    kind: Literal["all_atom"] = "all_atom"
    num_channels: int = Field(64, gt=0, le=4096, description="channels of the tokens, a multiple of the heads")
    num_heads: int = Field(4, gt=0, le=128, description="attention heads")
    num_context_rounds: int = Field(2, ge=0, le=64, description="rounds between atoms and residues, per complex")
    num_code_rounds: int = Field(2, ge=0, le=64, description="further rounds that know the earlier codes, per draw")
    num_basis: int = Field(16, gt=1, le=1024, description="radial basis functions of distances between residues")
    reach: float = Field(24.0, gt=0, le=1000, description="farthest distance resolved between residues, Å")
    dropout: float = Field(
        0.1, ge=0, lt=1, description="dropout of the encoders' features and of every update of the tokens"
    )


@dataclass(frozen=True)
class PriorContext:
    """What the codes of B complexes are drawn from, computed once: T = L + N tokens, ligand atoms before residues.

    Attributes:
        nodes: the sets of nodes of the codes.
        tokens: tokens after the rounds that know no codes, shape (B, T, C).
        bias: bias of the attention of every later round and head, minus infinity towards padding, shape (B, rounds,
            heads, T, T).
    """

    nodes: CodeNodes
    tokens: Tensor
    bias: Tensor


class CodePriorNetwork(PriorNetwork[PriorContext]):
    """p(z_1 ... z_m given crop and unbound ligand) = prod_i p(z_i given z_<i, crop, ligand), invariant.

    It sees no coordinates of the ligand, only its graph: not even a conformer, so nothing of the bound pose can leak.
    """

    score_parts: ClassVar[tuple[str, ...]] = ("receptor_encoder", "ligand_encoder")

    def __init__(self, config: CodePriorConfig, layout: CodeLayout, encoders: ScoreModelConfig) -> None:
        super().__init__()
        check_layout(layout)
        self.config, self.layout = config, layout
        width, num_rounds = config.num_channels, config.num_context_rounds + config.num_code_rounds
        num_biases = num_rounds * config.num_heads
        self.receptor_encoder, self.ligand_encoder = ReceptorEncoder(encoders), LigandEncoder(encoders)
        self.basis = GaussianBasis(config.num_basis, config.reach)
        self.dropout = nn.Dropout(config.dropout)
        self.atom_token = nn.Linear(encoders.num_scalars + NUM_SHAPE, width)
        self.residue_token = nn.Linear(encoders.num_scalars + encoders.num_vectors + config.num_basis, width)
        self.hop_bias = nn.Embedding(schema.MAX_HOPS + 1, num_biases)
        self.distance_bias = nn.Linear(config.num_basis, num_biases)
        self.cross_bias = nn.Parameter(torch.zeros(2, num_biases))
        self.embedding = MarkedCodesEmbedding(layout, width)
        self.rounds = nn.ModuleList(AttentionRound(config) for _ in range(num_rounds))
        self.norm = nn.LayerNorm(width)
        self.heads = CodeHeads(layout, lambda _: nn.Linear(width, 1), partial(nn.Linear, width))

    def encode(self, receptor: ReceptorGraph, ligand: LigandGraph, center: Tensor) -> PriorContext:
        """Encode B complexes once, for any number of draws.

        Args:
            receptor: crops.
            ligand: unbound molecules.
            center: centre of each site, in the frame of the crop, Å, shape (B, 3).
        """
        nodes, atom_mask = code_nodes(receptor, ligand), ligand.topology.atom_mask
        pooled = nodes.pool(self.receptor_encoder(receptor))
        distance = (nodes.residue_pos - center[:, None]).norm(dim=-1)
        norms = (pooled.vectors.square().sum(dim=2) + 1e-6).sqrt()
        residues = self.residue_token(
            torch.cat([self.dropout(pooled.scalars), self.dropout(norms), self._expand(distance)], dim=-1)
        )
        flat = self.ligand_encoder(ligand)
        scalars = flat.new_zeros(*atom_mask.shape, flat.shape[1])
        scalars[atom_mask] = flat
        atoms = self.atom_token(torch.cat([self.dropout(scalars), graph_shape(ligand).to(flat.dtype)], dim=-1))
        tokens, bias = torch.cat([atoms, residues], dim=1), self._bias(nodes, ligand)
        known = self.config.num_context_rounds
        for index, module in enumerate(self.rounds[:known]):
            tokens = module(tokens, bias[:, index])
        return PriorContext(nodes, tokens, bias[:, known:])

    def prior(self, context: PriorContext, sample_complex: Tensor, conformer: Tensor | None = None) -> CodePrior:
        """The distribution of the codes of P samples; see `PriorNetwork.prior`. Conformers are not read."""
        masks = {name: mask[sample_complex] for name, mask in context.nodes.masks.items()}
        return CodePrior(
            self.layout,
            lambda codes: self.code_logits(context, sample_complex, codes),
            self.layout.masks(masks, sample_complex.device),
        )

    def code_logits(self, context: PriorContext, sample_complex: Tensor, codes: Tensor) -> tuple[Tensor, ...]:
        """Logits (P, N_i) of every code given hard codes (P, num_codes), null where unknown."""
        masks = {name: mask[sample_complex] for name, mask in context.nodes.masks.items()}
        num_atoms = masks[LIGAND].shape[1]
        tokens = context.tokens[sample_complex]
        weights = self.layout.one_hot(codes, self.layout.masks(masks, codes.device), tokens.dtype)
        atoms, residues = tokens.split([num_atoms, tokens.shape[1] - num_atoms], dim=1)
        sets = {LIGAND: atoms, RESIDUES: residues}
        # A known pointer marks the token that it points at, and all tokens hear what each code is.
        marks = torch.cat([self.embedding.marks(weights, name, masks[name]) for name in (LIGAND, RESIDUES)], dim=1)
        tokens = tokens + marks + self.embedding(weights, sets).sum(dim=1, keepdim=True)
        bias = context.bias[sample_complex]
        for index, module in enumerate(self.rounds[self.config.num_context_rounds :]):
            tokens = module(tokens, bias[:, index])
        tokens = self.norm(tokens)
        mask = torch.cat([masks[LIGAND], masks[RESIDUES]], dim=1)[..., None]
        # Entries of codebooks are read off the mean of all real tokens, pointers off each token.
        mean = (tokens * mask).sum(dim=1) / mask.sum(dim=1)
        by_set = {LIGAND: tokens[:, :num_atoms], RESIDUES: tokens[:, num_atoms:]}
        return self.heads(lambda _: mean, lambda head, name, _: head(by_set[name]).squeeze(-1))

    def _expand(self, distance: Tensor) -> Tensor:
        """Radial basis in a new last dimension."""
        return self.basis(distance.flatten()).view(*distance.shape, -1)

    def _bias(self, nodes: CodeNodes, ligand: LigandGraph) -> Tensor:
        """Attention biases of all rounds and heads, shape (B, rounds, heads, T, T).

        The T tokens are L atoms, then N residues. Atoms know each other by bonds in between, residues by distance.
        Between the two there is one number per direction: how far an atom is from a residue would tell the pose,
        which the prior must not see.
        """
        num_atoms, num_residues = (nodes.masks[name].shape[1] for name in (LIGAND, RESIDUES))
        between_atoms = self.hop_bias(ligand.hops)  # (B, L, L, biases)
        # (B, N, N, biases)
        between_residues = self.distance_bias(self._expand(torch.cdist(nodes.residue_pos, nodes.residue_pos)))
        from_residues, from_atoms = self.cross_bias.to(between_atoms.dtype)[:, None, None, None]
        batch = len(between_atoms)
        upper = torch.cat([between_atoms, from_residues.expand(batch, num_atoms, num_residues, -1)], dim=2)
        lower = torch.cat([from_atoms.expand(batch, num_residues, num_atoms, -1), between_residues], dim=2)
        bias = torch.cat([upper, lower], dim=1).unflatten(-1, (len(self.rounds), self.config.num_heads))
        mask = torch.cat([nodes.masks[LIGAND], nodes.masks[RESIDUES]], dim=1)  # nobody listens to padding
        return bias.permute(0, 3, 4, 1, 2).masked_fill(~mask[:, None, None, None], -torch.inf)


class AttentionRound(nn.Module):
    """Attention with pair biases, then a feed-forward update, both on normalised tokens and added to them."""

    def __init__(self, config: CodePriorConfig) -> None:
        super().__init__()
        width = config.num_channels
        self.num_heads = config.num_heads
        self.attention_norm, self.update_norm = nn.LayerNorm(width), nn.LayerNorm(width)
        self.qkv, self.out = nn.Linear(width, 3 * width), nn.Linear(width, width)
        self.update = nn.Sequential(nn.Linear(width, 2 * width), nn.SiLU(), nn.Linear(2 * width, width))
        self.dropout = nn.Dropout(config.dropout)

    def forward(self, tokens: Tensor, bias: Tensor) -> Tensor:
        """Tokens (P, T, C) after one round with attention biases (P, heads, T, T)."""
        split = self.qkv(self.attention_norm(tokens)).unflatten(-1, (3, self.num_heads, -1)).permute(2, 0, 3, 1, 4)
        mixed = F.scaled_dot_product_attention(split[0], split[1], split[2], attn_mask=bias)
        tokens = tokens + self.dropout(self.out(mixed.transpose(1, 2).flatten(2)))
        return tokens + self.dropout(self.update(self.update_norm(tokens)))


def graph_shape(ligand: LigandGraph) -> Tensor:
    """Mean and largest number of bonds from each atom to the others, and log of their number, shape (B, L, 3)."""
    mask = ligand.topology.atom_mask
    num_atoms = mask.sum(dim=1)[:, None].float()
    hops = ligand.hops.float() * mask[:, None]
    size = num_atoms.log().expand(mask.shape)
    return torch.stack([hops.sum(dim=2) / num_atoms, hops.amax(dim=2), size], dim=-1) * mask[..., None]
