"""The site model: at which residue of a whole protein a ligand binds, and where beside it; prior of the site code."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from pydantic import Field
from torch import Tensor, nn

from discodock.geometry import cavities
from discodock.graphs import LigandGraph, ReceptorGraph, ResidueGraph
from discodock.latents.pointer import Pointer
from discodock.latents.prior import CodePrior
from discodock.latents.registry import CodeLayout
from discodock.models.all_atom.encoders import EncoderConfig, LigandEncoder, ReceptorEncoder
from discodock.nn.features import Features, GatedUpdate
from discodock.nn.interaction import InteractionLayer, make_edges
from discodock.nn.neighbors import flat_index, nearest_pairs
from discodock.nn.radial import GaussianBasis
from discodock.nn.scatter import scatter_max, scatter_mean

SITE_LAYOUT = CodeLayout(spaces=(Pointer(nodes="receptor_residues"),))
"""The site code: a pointer at a residue of the whole receptor."""


class SiteModelConfig(EncoderConfig):
    """Sizes of the site model."""

    num_layers: int = Field(3, gt=0, le=64, description="rounds of convolutions between residues")
    num_ligand_layers: int = Field(2, ge=0, le=64, description="rounds over the molecular graph")
    residue_cutoff: float = Field(15.0, gt=0, le=100, description="edges between residue centroids, Å")
    max_neighbors: int = Field(24, gt=0, le=1000, description="most edges of a residue")
    dropout: float = Field(0.1, ge=0, lt=1, description="dropout of the residues' input features")


@dataclass(frozen=True)
class SitePrediction:
    """What the site model says about every residue of B receptors.

    Attributes:
        logits: logits of the site code, shape (B, N); meaningless where `mask` is false.
        center: position of the ligand's centroid if it bound at this residue, Å, shape (B, N, 3).
        mask: true for real residues, bool, shape (B, N).
    """

    logits: Tensor
    center: Tensor
    mask: Tensor

    def prior(self) -> CodePrior:
        """The distribution of the site code; `CodePrior.restricted` takes the residues of a pocket."""
        return CodePrior(SITE_LAYOUT, lambda codes: (self.logits,), (self.mask,))


class SiteModel(nn.Module):
    """Logits (invariant) and offset vectors (polar) of all residues, from two views of the protein.

    `encode_receptor` sees atoms, with the encoder of the score model, which is not trained here, so that its output can
    be kept; `forward` sees residues, the empty space beside them, and the ligand's graph.
    """

    def __init__(self, config: SiteModelConfig) -> None:
        super().__init__()
        self.config = config
        size = (config.num_scalars, config.num_vectors)
        self.receptor_encoder = ReceptorEncoder(config).requires_grad_(False)
        num_inputs = 2 * config.num_scalars + cavities.NUM_SCALARS
        self.input_norm = nn.LayerNorm(2 * config.num_scalars)
        self.input_scalars = nn.Linear(num_inputs, config.num_scalars)
        self.input_vectors = nn.Linear(config.num_vectors + cavities.NUM_VECTORS, config.num_vectors, bias=False)
        self.dropout = nn.Dropout(config.dropout)
        self.ligand_encoder = LigandEncoder(config)
        self.ligand_shift = nn.Linear(config.num_scalars, 2 * config.num_scalars)
        self.basis = GaussianBasis(config.num_basis, config.residue_cutoff)
        degree = (float(config.max_neighbors),)
        self.layers = nn.ModuleList(
            InteractionLayer(
                *size,
                (config.num_basis,),
                mean_degrees=degree,
                convolution=config.convolution,
                dropout=config.layer_dropout,
            )
            for _ in range(config.num_layers)
        )
        self.update = GatedUpdate(*size)
        self.logit = nn.Sequential(nn.LayerNorm(size[0]), nn.Linear(size[0], size[0]), nn.SiLU(), nn.Linear(size[0], 1))
        self.offset = nn.Linear(config.num_vectors, 1, bias=False)

    def compile_layers(self) -> None:
        """Have `torch.compile` fuse every round of message passing; it needs a C++ compiler and a minute to start."""
        for module in self.modules():
            if isinstance(module, InteractionLayer):
                module.compile(dynamic=True)

    @torch.no_grad()
    def encode_receptor(self, receptor: ReceptorGraph) -> tuple[Tensor, Tensor]:
        """Atom features pooled to residues, independent of the ligand; residues count up from 0 in each receptor.

        Returns:
            Mean and largest scalars, shape (B, N, 2 S), and mean vectors, shape (B, N, 3, V); zero in the padding.
        """
        features = self.receptor_encoder(receptor)
        num_residues = int(receptor.residue_idx.max()) + 1
        sample = torch.arange(len(receptor.mask), device=receptor.mask.device)[:, None]
        index = (sample * num_residues + receptor.residue_idx)[receptor.mask]
        size = len(receptor.mask) * num_residues
        mean = scatter_mean(features.scalars, index, size)
        largest = scatter_max(features.scalars, index, size)
        vectors = scatter_mean(features.vectors, index, size)
        scalars = torch.cat([mean, largest], dim=-1)
        return scalars.unflatten(0, (-1, num_residues)), vectors.unflatten(0, (-1, num_residues))

    def forward(self, residues: ResidueGraph, ligand: LigandGraph) -> SitePrediction:
        """Predict the site of each ligand on its receptor, B of both."""
        mask = residues.mask
        scalars = torch.cat([self.input_norm(residues.scalars[mask]), residues.cavity_scalars[mask]], dim=-1)
        vectors = torch.cat([residues.vectors[mask], residues.cavity_vectors[mask]], dim=-1)
        features = Features(self.input_scalars(self.dropout(scalars)), self.input_vectors(vectors))
        gain, shift = self.ligand_shift(self._ligand_summary(ligand)).chunk(2, dim=-1)  # (B, S)
        sample = torch.arange(len(mask), device=mask.device).repeat_interleave(mask.sum(dim=1))
        features = Features(features.scalars * (1 + gain[sample]) + shift[sample], features.vectors)
        pairs = nearest_pairs(residues.pos, mask, self.config.residue_cutoff, self.config.max_neighbors)
        index = flat_index(mask)
        target, source = index[pairs.sample, pairs.target], index[pairs.sample, pairs.source]
        no_attr = pairs.vec.new_zeros(len(target), 0)
        edges = make_edges(target, source, pairs.vec, self.basis, self.config.residue_cutoff, no_attr)
        for layer in self.layers:
            features = layer(features, [edges], [None])
        features = features + self.update(features)
        logits = residues.pos.new_zeros(mask.shape)
        logits[mask] = self.logit(features.scalars).squeeze(-1).to(logits.dtype)
        offset = torch.zeros_like(residues.pos)
        offset[mask] = self.offset(features.vectors).squeeze(-1).to(offset.dtype)
        return SitePrediction(logits, residues.pos + offset, mask)

    def _ligand_summary(self, ligand: LigandGraph) -> Tensor:
        """Mean over the atoms of each ligand, shape (B, S)."""
        mask = ligand.topology.atom_mask
        flat = self.ligand_encoder(ligand)
        sample = torch.arange(len(mask), device=mask.device).repeat_interleave(mask.sum(dim=1))
        return scatter_mean(flat, sample, len(mask))
