"""Symmetry-corrected RMSD of poses against a reference pose of the same molecule."""

from __future__ import annotations

import warnings
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import numpy as np

from discodock.chem.ligand import heavy_indices

if TYPE_CHECKING:
    from rdkit import Chem

MAX_SYMMETRIES: Final = 20_000
"""Permutations looked at before giving up on an exhaustive search; drug-like molecules have fewer than a thousand."""


@dataclass(frozen=True)
class SymmetricRmsd:
    """RMSD of N poses.

    Attributes:
        values: RMSD of each pose, Å, shape (N,).
        is_exact: whether all symmetries were tried; otherwise `values` are upper bounds over those tried.
    """

    values: np.ndarray
    is_exact: bool


def symmetric_rmsd(
    reference: np.ndarray,
    poses: np.ndarray,
    atomic_numbers: np.ndarray,
    adjacency: np.ndarray,
    *,
    max_symmetries: int = MAX_SYMMETRIES,
) -> SymmetricRmsd:
    """Heavy-atom RMSD without superposition, the smallest over the symmetries of the molecular graph.

    Symmetries keep elements and bonds but not bond orders, so that the two oxygens of a carboxylate are alike. The work
    is spyrmsd's; a molecule with too many symmetries falls back to those found first.

    Args:
        reference: heavy atoms of the reference pose, Å, shape (L, 3).
        poses: same atom order, Å, shape (N, L, 3).
        atomic_numbers: atomic number of each heavy atom, shape (L,).
        adjacency: 1 where two atoms are bonded, shape (L, L).
        max_symmetries: number of permutations above which the search is cut short.

    Raises:
        ValueError: the shapes do not fit.
    Source: Meli and Biggin 2020, doi 10.1186/s13321-020-00455-2.
    """
    if reference.shape != poses.shape[1:] or len(atomic_numbers) != len(reference):
        raise ValueError(f"reference {reference.shape}, poses {poses.shape} and {len(atomic_numbers)} atoms do not fit")
    permutations, is_exact = _symmetries(atomic_numbers, adjacency, max_symmetries)
    if not is_exact:
        return SymmetricRmsd(_smallest(reference, poses, permutations), is_exact=False)
    from spyrmsd import rmsd

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # one about unconnected graphs, which metal complexes and salts may be
        values = rmsd.symmrmsd(reference, list(poses), atomic_numbers, atomic_numbers, adjacency, adjacency)
    return SymmetricRmsd(np.asarray(values, dtype=np.float64), is_exact=True)


def ligand_rmsd(mol: Chem.Mol, reference: np.ndarray, poses: np.ndarray) -> SymmetricRmsd:
    """`symmetric_rmsd` of a molecule's heavy atoms; reference (L, 3) and poses (N, L, 3) in its atom order, Å."""
    heavy = heavy_indices(mol)
    place = {int(index): number for number, index in enumerate(heavy)}
    adjacency = np.zeros((len(heavy), len(heavy)), dtype=int)
    for bond in mol.GetBonds():
        i, j = place.get(bond.GetBeginAtomIdx()), place.get(bond.GetEndAtomIdx())
        if i is not None and j is not None:
            adjacency[i, j] = adjacency[j, i] = 1
    numbers = np.array([mol.GetAtomWithIdx(int(index)).GetAtomicNum() for index in heavy])
    return symmetric_rmsd(reference, poses, numbers, adjacency)


def _smallest(reference: np.ndarray, poses: np.ndarray, permutations: np.ndarray) -> np.ndarray:
    squares = [((poses[:, permutation] - reference) ** 2).sum(axis=2).mean(axis=1) for permutation in permutations]
    return np.sqrt(np.min(squares, axis=0))


def _symmetries(atomic_numbers: np.ndarray, adjacency: np.ndarray, max_symmetries: int) -> tuple[np.ndarray, bool]:
    """Permutations that map the graph onto itself, shape (S, L), identity first, and whether these are all."""
    import rustworkx

    graph = rustworkx.PyGraph(multigraph=False)
    graph.add_nodes_from([int(number) for number in atomic_numbers])
    graph.add_edges_from_no_data([(int(i), int(j)) for i, j in np.argwhere(np.triu(adjacency))])
    found = [np.arange(len(atomic_numbers))]
    mappings = rustworkx.vf2_mapping(graph, graph, node_matcher=lambda a, b: a == b, subgraph=False)
    for count, mapping in enumerate(mappings, start=1):
        if count > max_symmetries:
            return np.stack(found), False
        found.append(np.array([mapping[i] for i in range(len(atomic_numbers))]))
    return np.stack(found), True
