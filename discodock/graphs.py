"""What data sets make and docking networks are given: padded batches of receptors and ligands as plain tensors."""

from __future__ import annotations

from dataclasses import dataclass

from torch import Tensor

from discodock.geometry.topology import LigandTopology
from discodock.tensors import TensorRecord


@dataclass(frozen=True)
class ReceptorGraph(TensorRecord):
    """Heavy atoms of B receptor crops, padded to R atoms; categories as in `discodock.schema`.

    Attributes:
        pos: positions of the heavy atoms, Å, shape (B, R, 3).
        mask: true for real atoms, bool, shape (B, R).
        element: element of each atom, an index into `schema.ELEMENTS`, int64, shape (B, R).
        residue_type: type of each atom's residue, an index into `schema.RESIDUE_TYPES`, int64, shape (B, R).
        atom_name: name of each atom, an index into `schema.ATOM_NAMES`, int64, shape (B, R).
        residue_idx: residue of each atom, int64, shape (B, R).
    """

    pos: Tensor
    mask: Tensor
    element: Tensor
    residue_type: Tensor
    atom_name: Tensor
    residue_idx: Tensor


@dataclass(frozen=True)
class EmbeddedReceptorGraph(ReceptorGraph):
    """Receptors with the embeddings of a protein language model.

    Attributes:
        residue_embedding: embeddings of all residues by their number, cropped away or not, shape (B, N, E).
    """

    residue_embedding: Tensor


@dataclass(frozen=True)
class LigandGraph(TensorRecord):
    """Molecular graphs of B ligands, padded to L heavy atoms; no coordinates.

    Attributes:
        atom_feat: categories of `discodock.schema.LIGAND_ATOM_FEATURES`, int64, shape (B, L, columns).
        bond_type: 0 for no bond, else 1 + index into `schema.BOND_TYPES`, int64, shape (B, L, L).
        hops: bonds on the shortest path, int64, shape (B, L, L).
        topology: rotatable bonds and padding masks.
    """

    atom_feat: Tensor
    bond_type: Tensor
    hops: Tensor
    topology: LigandTopology


@dataclass(frozen=True)
class ResidueGraph(TensorRecord):
    """Residues of B whole receptors, padded to N.

    Attributes:
        pos: centroids of their heavy atoms, Å, shape (B, N, 3).
        mask: true for residues that the site code may point at, bool, shape (B, N).
        scalars: pooled atom features of `SiteModel.encode_receptor`, shape (B, N, 2 S).
        vectors: pooled vector features of the same origin, shape (B, N, 3, V).
        cavity_scalars: invariant features of cavities, from `geometry.cavities.cavity_features`, shape (B, N,
            cavities.NUM_SCALARS).
        cavity_vectors: vector features of cavities, of the same origin, shape (B, N, 3, cavities.NUM_VECTORS).
    """

    pos: Tensor
    mask: Tensor
    scalars: Tensor
    vectors: Tensor
    cavity_scalars: Tensor
    cavity_vectors: Tensor
