"""Prepared complexes as graphs of PyTorch Geometric: nothing lost, contacts as they are, batches as each alone."""

import re
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import nn
from torch_geometric.loader import DataLoader
from torch_geometric.nn import GINEConv, HeteroConv

from discodock.data.pyg import StoreDataset, hetero_data
from discodock.data.store import PreparedStore
from discodock.errors import InputError, PreparedDataError
from discodock.schema import ATOM_NAMES, BOND_TYPES, ELEMENTS, LIGAND_ATOM_FEATURES

CUTOFF = 4.5
ROOT = Path(__file__).resolve().parent.parent.parent
BOND = ("ligand", "bond", "ligand")
ROTATABLE = ("ligand", "rotatable", "ligand")
TO_LIGAND = ("receptor", "contact", "ligand")
TO_RECEPTOR = ("ligand", "contact", "receptor")


@pytest.fixture
def store(prepared):
    return PreparedStore(prepared)


@pytest.fixture
def graphs(store):
    return StoreDataset(store, None, CUTOFF)


def test_positions_and_features_are_those_of_the_store(store, graphs):
    assert len(graphs) == len(store) and [graph.complex_id for graph in graphs] == list(store.ids())
    for graph in graphs:
        arrays = store.load(graph.complex_id)
        assert graph.validate() and set(graph.node_types) == {"ligand", "receptor"}
        for kind in ("ligand", "receptor"):
            assert graph[kind].pos.dtype == torch.float32
            np.testing.assert_array_equal(graph[kind].pos, arrays[f"{kind}_pos"])
        for column, (name, size) in enumerate(LIGAND_ATOM_FEATURES.items()):
            np.testing.assert_array_equal(graph["ligand"][name], arrays["ligand_atom_feat"][:, column], err_msg=name)
            assert graph["ligand"][name].dtype == torch.int64 and graph["ligand"][name].max() < size
        for name in ("element", "residue_type", "atom_name", "residue_idx"):
            np.testing.assert_array_equal(graph["receptor"][name], arrays[f"receptor_{name}"], err_msg=name)


def test_bonds_and_rotatable_bonds_are_those_of_the_store(store, graphs):
    assert sum(graph[ROTATABLE].num_edges for graph in graphs) > 0
    for graph in graphs:
        arrays = store.load(graph.complex_id)
        types = dict(zip(map(tuple, graph[BOND].edge_index.T.tolist()), graph[BOND].bond_type.tolist(), strict=True))
        bonds = map(tuple, arrays["ligand_bond_index"].T.tolist())
        assert types == dict(zip(bonds, arrays["ligand_bond_type"].tolist(), strict=True))
        for torsion, (fixed, moving) in enumerate(graph[ROTATABLE].edge_index.T.tolist()):
            mask = arrays["ligand_mask_rotate"][torsion]
            assert (fixed, moving) in types and mask[moving] and not mask[fixed]


@pytest.mark.parametrize("cutoff", [2.0, CUTOFF, 9.0])
def test_contacts_are_those_of_the_distance_matrix(store, cutoff):
    for name in store.ids():
        arrays = store.load(name)
        graph = hetero_data(arrays, cutoff)
        ligand_pos, receptor_pos = (arrays[f"{kind}_pos"].astype(np.float64) for kind in ("ligand", "receptor"))
        distance = np.linalg.norm(ligand_pos[:, None] - receptor_pos, axis=-1)
        pairs = np.argwhere(distance <= cutoff).T
        assert cutoff < 3 or pairs.size
        np.testing.assert_array_equal(graph[TO_RECEPTOR].edge_index, pairs)
        np.testing.assert_array_equal(graph[TO_LIGAND].edge_index, pairs[::-1])
        for kind in (TO_RECEPTOR, TO_LIGAND):
            np.testing.assert_allclose(graph[kind].distance, distance[*pairs], rtol=1e-6)


class Network(nn.Module):
    """Two rounds of messages along bonds and contacts."""

    def __init__(self, width=8):
        super().__init__()
        self.ligand, self.receptor = nn.Embedding(len(ELEMENTS), width), nn.Embedding(len(ATOM_NAMES), width)
        self.bond, self.contact = nn.Embedding(len(BOND_TYPES), width), nn.Linear(1, width)
        rounds = [{kind: GINEConv(nn.Linear(width, width)) for kind in (BOND, TO_LIGAND, TO_RECEPTOR)} for _ in "12"]
        self.rounds = nn.ModuleList(HeteroConv(convolutions) for convolutions in rounds)

    def forward(self, graph):
        nodes = {"ligand": self.ligand(graph["ligand"].element), "receptor": self.receptor(graph["receptor"].atom_name)}
        edges = {kind: self.contact(graph[kind].distance[:, None]) for kind in (TO_LIGAND, TO_RECEPTOR)}
        edges[BOND] = self.bond(graph[BOND].bond_type)
        for messages in self.rounds:
            nodes = {kind: x.tanh() for kind, x in messages(nodes, graph.edge_index_dict, edges).items()}
        return nodes


def test_a_batch_of_three_gives_what_each_gives_alone(graphs):
    torch.manual_seed(0)
    network = Network()
    three = graphs[[0, 3, 1]]
    (batch,) = DataLoader(three, batch_size=3)
    together = network(batch)
    for place, graph in enumerate(three):
        assert batch.complex_id[place] == graph.complex_id
        for kind, alone in network(graph).items():
            torch.testing.assert_close(together[kind][batch[kind].batch == place], alone)
            assert alone.std(dim=0).max() > 0.1  # atoms differ, so that mixing them up would show


def test_a_dataset_takes_its_split_and_a_transform_and_writes_nothing(store, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    before = sorted(store.root.rglob("*"))
    split = store.index[0].split
    graphs = StoreDataset(store, split, CUTOFF, transform=lambda graph: (graph.complex_id, "transformed"))
    assert list(graphs) == [(name, "transformed") for name in store.ids(split)]
    assert sorted(store.root.rglob("*")) == before and not list(tmp_path.iterdir())


def test_wrong_splits_and_cutoffs_are_refused(store):
    with pytest.raises(PreparedDataError, match="no complex in split 'trian'; splits there: .*train"):
        StoreDataset(store, "trian", CUTOFF)
    for cutoff in (0.0, -1.0, float("nan")):
        with pytest.raises(InputError, match="cutoff"):
            hetero_data(store.load(store.ids()[0]), cutoff)


def test_the_snippet_of_the_documentation_runs(prepared, tmp_path, monkeypatch, capsys):
    (snippet,) = re.findall(r"```python\n(.*?)```", (ROOT / "docs" / "training.md").read_text(), re.DOTALL)
    (tmp_path / "prepared").mkdir()
    (tmp_path / "prepared" / "pdbbind").symlink_to(prepared, target_is_directory=True)
    monkeypatch.chdir(tmp_path)
    exec(compile(snippet, "docs/training.md", "exec"), {"__name__": "snippet"})
    assert capsys.readouterr().out.startswith("torch.Size([")
