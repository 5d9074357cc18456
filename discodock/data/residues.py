"""Whole receptors by residue, as the site model sees them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from discodock.data.batch import Arrays, collate_ligands, collate_receptors, pad
from discodock.geometry.cavities import cavity_features, residue_centroids
from discodock.graphs import LigandGraph, ReceptorGraph, ResidueGraph
from discodock.schema import RESIDUE_TYPES
from discodock.tensors import TensorRecord

EncodeReceptor = Callable[[ReceptorGraph], tuple[Tensor, Tensor]]
"""One receptor -> scalars (1, N, S) and vectors (1, N, 3, V) of its residues."""

HETERO_TYPES = [RESIDUE_TYPES.index(name) for name in ("COFACTOR", "METAL")]


@dataclass(frozen=True)
class SiteBatch(TensorRecord):
    """B receptors and ligands padded.

    Attributes:
        residues: the receptors by residue.
        ligand: molecular graphs of the ligands.
        ligand_center: centroids of the crystal ligands, Å, shape (B, 3).
    """

    residues: ResidueGraph
    ligand: LigandGraph
    ligand_center: Tensor


def residue_arrays(arrays: Arrays, encode: EncodeReceptor) -> Arrays:
    """A receptor by residue: centroids, pooled atom features, cavities.

    Cofactors and metals take up space beside the residues, but are no residues to point at, and the network does not
    see them: which of them a structure has, and which a data set keeps, would tell where its ligand is.

    Args:
        arrays: a prepared complex (`discodock.schema.FIELDS`); only its receptor is read.
        encode: the network's view of the atoms.

    Returns:
        `residue_pos` and so on, named as in `graphs.ResidueGraph`, float32, in the frame of `arrays`.
    """
    pos, residue_idx = arrays["receptor_pos"], arrays["receptor_residue_idx"]
    is_polymer = ~np.isin(arrays["receptor_residue_type"], HETERO_TYPES)
    if not is_polymer.any():
        is_polymer[:] = True
    mask = np.bincount(residue_idx, is_polymer) > 0
    polymer = {name: value[is_polymer] for name, value in arrays.items() if name.startswith("receptor_")}
    polymer["receptor_residue_idx"] = (mask.cumsum() - 1)[residue_idx[is_polymer]]
    scalars, vectors = encode(collate_receptors([polymer]))
    cavity_scalars, cavity_vectors = cavity_features(pos, residue_idx)
    return {
        "residue_pos": residue_centroids(pos, residue_idx).astype("float32"),
        "residue_mask": mask,
        "residue_scalars": _spread(scalars[0], mask),
        "residue_vectors": _spread(vectors[0], mask),
        "residue_cavity_scalars": cavity_scalars,
        "residue_cavity_vectors": cavity_vectors,
    }


def collate_residues(complexes: Sequence[Arrays]) -> SiteBatch:
    """Pad and stack complexes of `SiteDataset`."""
    names = ("pos", "mask", "scalars", "vectors", "cavity_scalars", "cavity_vectors")
    residues = ResidueGraph(**{name: pad([c[f"residue_{name}"] for c in complexes]) for name in names})
    center = torch.stack([torch.from_numpy(c["ligand_pos"].mean(axis=0)) for c in complexes])
    return SiteBatch(residues, collate_ligands(complexes), center)


def _spread(values: Tensor, mask: np.ndarray) -> np.ndarray:
    """Rows of the true entries of a mask, zeros elsewhere; float32, shape (len(mask), ...)."""
    spread = np.zeros((len(mask), *values.shape[1:]), dtype=np.float32)
    spread[mask] = values.float().cpu().numpy()
    return spread
