"""Prepared complexes as heterogeneous graphs of PyTorch Geometric, for networks of one's own.

Nothing else here imports torch-geometric, which takes seconds: docking and training do without.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

import numpy as np
import torch
from scipy.spatial import cKDTree
from torch import Tensor
from torch_geometric.data import Dataset, HeteroData

from discodock.data.store import PreparedStore
from discodock.errors import InputError, PreparedDataError
from discodock.schema import LIGAND_ATOM_FEATURES

RECEPTOR_CATEGORIES = ("element", "residue_type", "atom_name", "residue_idx")


def hetero_data(arrays: Mapping[str, np.ndarray], cutoff: float) -> HeteroData:
    """Graph of a complex: its heavy atoms, and what joins them. Categories are those of `discodock.schema`, int64.

    | of | there is |
    | --- | --- |
    | `"ligand"` | `pos`, Å, float32, shape (L, 3); every one of `schema.LIGAND_ATOM_FEATURES` by its name, shape (L,) |
    | `"receptor"` | `pos`, Å, float32, (R, 3); `element`, `residue_type`, `atom_name`, `residue_idx`: shape (R,) |
    | `"ligand", "bond", "ligand"` | `edge_index`, each bond in both directions; `bond_type` |
    | `"ligand", "rotatable", "ligand"` | `edge_index`, from the fixed to the moving end of each rotatable bond |
    | `"receptor", "contact", "ligand"` | `edge_index`, pairs within the cutoff, by atom; `distance`, Å, float32 |
    | `"ligand", "contact", "receptor"` | the same pairs in the same order, from the ligand |

    `residue_idx` counts from 0 in every complex, in batches too. `pos` of the ligand is the crystal pose, and contacts
    are those of that pose: a network that is to find it must not be given them.

    Args:
        arrays: a prepared complex (`discodock.schema.FIELDS`), whole or cropped by `data.crop`; not changed.
        cutoff: largest distance of a ligand and a receptor atom in contact, Å.

    Raises:
        InputError: the cutoff is not above 0.
    """
    if not cutoff > 0:
        raise InputError(f"cutoff of contacts: {cutoff} Å given; it must be above 0")
    data = HeteroData()
    data["ligand"].pos = torch.tensor(arrays["ligand_pos"])
    for name, column in zip(LIGAND_ATOM_FEATURES, arrays["ligand_atom_feat"].T, strict=True):
        data["ligand"][name] = _int64(column)
    data["receptor"].pos = torch.tensor(arrays["receptor_pos"])
    for name in RECEPTOR_CATEGORIES:
        data["receptor"][name] = _int64(arrays[f"receptor_{name}"])
    data["ligand", "bond", "ligand"].edge_index = _int64(arrays["ligand_bond_index"])
    data["ligand", "bond", "ligand"].bond_type = _int64(arrays["ligand_bond_type"])
    data["ligand", "rotatable", "ligand"].edge_index = _int64(arrays["ligand_tor_bond"].T)
    pairs, distance = _contacts(arrays["ligand_pos"], arrays["receptor_pos"], cutoff)
    data["ligand", "contact", "receptor"].edge_index, data["ligand", "contact", "receptor"].distance = pairs, distance
    data["receptor", "contact", "ligand"].edge_index = pairs.flip(0)
    data["receptor", "contact", "ligand"].distance = distance
    return data


class StoreDataset(Dataset):
    """Complexes of a prepared store as `hetero_data`, each read when it is asked for; writes no files of its own.

    A graph's `complex_id` is its name in the store.

    Args:
        store: store of the complexes.
        split: name of the split to take, such as `train`; None takes all complexes.
        cutoff: largest distance of a ligand and a receptor atom in contact, Å.
        transform: function that makes another graph of each one, such as those of `torch_geometric.transforms`.

    Raises:
        PreparedDataError: the store has no complex in that split.
    """

    def __init__(
        self,
        store: PreparedStore,
        split: str | None,
        cutoff: float,
        transform: Callable[[HeteroData], HeteroData] | None = None,
    ) -> None:
        super().__init__(transform=transform)
        self.store, self.ids, self.cutoff = store, store.ids(split), cutoff
        if not self.ids:
            known = ", ".join(sorted({row.split for row in store.index})) or "none"
            raise PreparedDataError(f"{store.root}: no complex in split {split!r}; splits there: {known}")

    def len(self) -> int:
        """Number of complexes."""
        return len(self.ids)

    def get(self, idx: int) -> HeteroData:
        """The graph of one complex, before the transform."""
        data = hetero_data(self.store.load(self.ids[idx]), self.cutoff)
        data.complex_id = self.ids[idx]
        return data


def _int64(array: np.ndarray) -> Tensor:
    return torch.from_numpy(array.astype(np.int64, order="C"))


def _contacts(ligand_pos: np.ndarray, receptor_pos: np.ndarray, cutoff: float) -> tuple[Tensor, Tensor]:
    """Pairs (ligand atom, receptor atom) within the cutoff, in order, int64, shape (2, E), and their distances, Å."""
    trees = [cKDTree(pos.astype(np.float64)) for pos in (ligand_pos, receptor_pos)]
    found = np.sort(trees[0].sparse_distance_matrix(trees[1], cutoff, output_type="ndarray"), order=("i", "j"))
    return _int64(np.stack([found["i"], found["j"]])), torch.from_numpy(found["v"].astype(np.float32))
