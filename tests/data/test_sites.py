import numpy as np
import pytest
import torch

from discodock.data.featurize import PrepareConfig
from discodock.data.prepare import prepare
from discodock.data.residues import collate_residues, residue_arrays
from discodock.data.sites import SiteDataset
from discodock.data.store import PreparedStore
from discodock.schema import RESIDUE_TYPES
from tests.tiny import COMPLEXES


@pytest.fixture(scope="module")
def store(tmp_path_factory):
    root = tmp_path_factory.mktemp("prepared")
    prepare(COMPLEXES, root, PrepareConfig(num_conformers=1))
    return PreparedStore(root)


def count_atoms(receptor):
    """In place of a network: the number of atoms of each residue, and their mean position."""
    index, pos = receptor.residue_idx[0], receptor.pos[0]
    number = torch.bincount(index).float()
    total = torch.zeros(len(number), 3).index_add(0, index, pos)
    return number[None, :, None], (total / number[:, None])[None, :, :, None]


def test_cofactors_and_metals_take_up_space_and_are_hidden_from_the_network(store):
    arrays = store.load("3nxo_D2B")
    kinds = [RESIDUE_TYPES.index(name) for name in ("COFACTOR", "METAL")]
    is_hetero = np.isin(arrays["receptor_residue_type"], kinds)
    assert is_hetero.any()
    residues = residue_arrays(arrays, count_atoms)
    hidden = np.unique(arrays["receptor_residue_idx"][is_hetero])
    assert np.flatnonzero(~residues["residue_mask"]).tolist() == hidden.tolist()
    assert (residues["residue_scalars"][hidden] == 0).all()
    shown = residues["residue_mask"]
    np.testing.assert_array_equal(
        residues["residue_scalars"][shown, 0], np.bincount(arrays["receptor_residue_idx"])[shown]
    )
    np.testing.assert_allclose(residues["residue_vectors"][shown, :, 0], residues["residue_pos"][shown], atol=1e-3)
    empty = {name: value[~is_hetero] if name.startswith("receptor_") else value for name, value in arrays.items()}
    emptied = residue_arrays(empty, count_atoms)
    kept = np.unique(empty["receptor_residue_idx"])
    assert np.abs(emptied["residue_cavity_scalars"][kept] - residues["residue_cavity_scalars"][kept]).max() > 0.1


def test_batches_are_padded_and_what_is_loaded_is_kept(store):
    calls = []

    def encode(receptor):
        calls.append(1)
        return count_atoms(receptor)

    data = SiteDataset(store, ["2azr_982", "1cbs_REA"], encode)
    items = [data[0], data[(1, 7)], data[0]]
    assert len(calls) == 2
    batch = collate_residues(items[:2])
    sizes = [len(item["residue_pos"]) for item in items[:2]]
    assert batch.residues.pos.shape == (2, max(sizes), 3)
    assert batch.residues.mask.sum(dim=1).tolist() == [int(item["residue_mask"].sum()) for item in items[:2]]
    for row, item in enumerate(items[:2]):
        np.testing.assert_allclose(batch.ligand_center[row], item["ligand_pos"].mean(axis=0), rtol=1e-6)
