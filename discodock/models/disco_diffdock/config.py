"""Sizes of the networks of DisCo-DiffDock, apart from the networks, which need e3nn."""

from __future__ import annotations

from typing import Final, Literal

from pydantic import Field

from discodock.settings import Settings

COPIES: Final = 12
"""Floats that an edge takes for every scalar channel: it is embedded from 9 scalars, as 3."""


class ResidueNetworkConfig(Settings):
    """Sizes that the score model and the code encoder of DisCo-DiffDock have in common."""

    num_scalars: int = Field(24, gt=0, le=1024, description="scalar (0e, 0o) channels of every node: the paper's n_s")
    num_vectors: int = Field(6, gt=0, le=256, description="vector (1o, 1e) channels of every node: the paper's n_v")
    num_layers: int = Field(5, gt=0, le=64, description="rounds of convolutions")
    num_basis: int = Field(32, gt=1, le=1024, description="radial basis functions per edge")
    ligand_cutoff: float = Field(5.0, gt=0, le=100, description="ligand-ligand edges, Å")
    receptor_cutoff: float = Field(15.0, gt=0, le=100, description="longest residue-residue edge, Å")
    receptor_neighbors: int = Field(24, gt=0, le=1000, description="residue-residue edges that end at a residue")
    dropout: float = Field(0.1, ge=0, lt=1, description="dropout of the hidden layers of edge networks")
    embedding_size: int = Field(0, ge=0, le=16384, description="channels of the ESM-2 embeddings; 0: none, 1280: 650M")
    convolution: Literal["factorised", "e3nn"] = Field("factorised", description="tensor product: fast path or e3nn")


class ResidueScoreModelConfig(ResidueNetworkConfig):
    """Sizes of the score model of DisCo-DiffDock-S; the defaults are the paper's."""

    kind: Literal["residue"] = "residue"
    num_time: int = Field(32, gt=0, le=1024, description="channels of the time embedding")
    cross_cutoff: float = Field(20.0, gt=0, le=200, description="ligand-receptor edges at no noise, Å")
    cross_cutoff_slope: float = Field(3.0, ge=0, le=100, description="growth of these edges per Å of translation noise")
    tr_sigma_min: float = Field(0.1, gt=0, le=1000, description="translation noise at t = 0, Å, as in the process")
    tr_sigma_max: float = Field(19.0, gt=0, le=1000, description="translation noise at t = 1, Å, as in the process")

    @property
    def translation_sigmas(self) -> tuple[float, float]:
        """Translation noise at t = 0 and at t = 1 that the ligand-receptor edges are made for, Å."""
        return self.tr_sigma_min, self.tr_sigma_max

    def bytes_per_pose(self, num_ligand: int, num_receptor: int, num_residues: int) -> int:
        """Rough upper estimate of the memory that one pose takes in one step.

        Args:
            num_ligand: number of atoms of the ligand.
            num_receptor: number of atoms of the receptor, which does not matter here.
            num_residues: number of residues of the receptor.
        """
        num_edges = num_residues * (self.receptor_neighbors + 2 * num_ligand) + num_ligand**2
        return 4 * num_edges * (COPIES * self.num_scalars + 6 * self.num_vectors)


class ResidueCodeEncoderConfig(ResidueNetworkConfig):
    """Sizes of the code encoder of DisCo-DiffDock-S; the defaults are the paper's."""

    kind: Literal["residue"] = "residue"
    num_vectors: int = Field(4, gt=0, le=256, description="vector (1o, 1e) channels of every node")
    num_layers: int = Field(3, gt=0, le=64, description="rounds of convolutions")
    cross_cutoff: float = Field(30.0, gt=0, le=200, description="ligand-receptor edges, Å")
    num_hidden: int = Field(128, gt=0, le=4096, description="width of the networks that give the logits")


class ResidueCodePriorConfig(Settings):
    """Sizes of the prior of DisCo-DiffDock-S that its score model does not give."""

    kind: Literal["residue"] = "residue"
    num_hidden: int = Field(128, gt=0, le=4096, description="width of the networks that give the logits")
