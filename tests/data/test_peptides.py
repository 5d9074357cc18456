"""Peptides cut out of real receptors."""

import numpy as np
import pytest
from scipy.spatial.distance import cdist

from discodock.data.featurize import PrepareConfig
from discodock.data.prepare import prepare
from discodock.data.prepare_peptides import Chains, PeptideConfig, cut_peptides, prepare_peptides
from discodock.data.store import PreparedStore
from discodock.schema import AMINO_ACIDS
from tests.tiny import COMPLEXES

CONFIG = PeptideConfig(per_receptor=3)


@pytest.fixture(scope="module")
def store(tmp_path_factory):
    root = tmp_path_factory.mktemp("prepared")
    prepare(COMPLEXES, root, PrepareConfig(num_conformers=1))
    return PreparedStore(root)


@pytest.fixture(scope="module")
def peptides(store):
    arrays = store.load(store.ids()[0])
    return arrays, list(cut_peptides(arrays, CONFIG, np.random.default_rng(0)))


def test_a_peptide_keeps_its_place_and_the_lengths_of_its_bonds(peptides):
    arrays, found = peptides
    assert len(found) > 5
    for peptide in found:
        pos = peptide["ligand_pos"]
        assert cdist(pos, arrays["receptor_pos"]).min(axis=1).max() == 0
        first, second = peptide["ligand_bond_index"].astype(int)
        lengths = np.linalg.norm(pos[first] - pos[second], axis=1)
        assert lengths.min() > 1.1 and lengths.max() < 2.0


def test_what_is_left_of_the_receptor_is_near_but_not_bonded(peptides):
    for peptide in peptides[1]:
        distance = cdist(peptide["ligand_pos"], peptide["receptor_pos"]).min(axis=1)
        assert distance.min() > 2.4
        assert (distance < 4.5).mean() >= CONFIG.min_buried
        residue = peptide["receptor_residue_idx"]
        assert residue[0] == 0 and set(np.diff(residue)) <= {0, 1}


def test_neighbours_along_the_chain_are_left_out(peptides):
    arrays, found = peptides
    chains = Chains.of(arrays)
    peptide = found[0]
    distance = cdist(peptide["ligand_pos"], arrays["receptor_pos"])
    own = np.unique(arrays["receptor_residue_idx"][distance.argmin(axis=1)])
    for residue in range(own.min() - CONFIG.chain_gap + 1, own.max() + CONFIG.chain_gap):
        if 0 <= residue < len(chains.is_bonded) and chains.name(residue) in AMINO_ACIDS:
            gone = arrays["receptor_pos"][chains.atom(residue, "CA")]
            is_bonded_on = chains.is_bonded[min(residue, own.min()) : max(residue, own.max())].all()
            assert not is_bonded_on or cdist(gone[None], peptide["receptor_pos"]).min() > 0.5


def test_chains_end_where_there_is_no_peptide_bond(store):
    arrays = store.load(store.ids()[0])
    whole = Chains.of(arrays)
    usable = set(whole.stretches(1).tolist())
    last = next(r for r in usable if {r - 1, r + 1, r + 2} <= usable)  # the chain is to end behind this one
    moved = arrays | {"receptor_pos": arrays["receptor_pos"].copy()}
    moved["receptor_pos"][whole.first_atom[last + 1] :] += 50.0
    cut = Chains.of(moved)
    assert whole.is_bonded[last] and not cut.is_bonded[last]
    assert np.array_equal(np.delete(whole.is_bonded, last), np.delete(cut.is_bonded, last))
    assert usable - set(cut.stretches(1).tolist()) == {last, last + 1}


def test_no_residue_is_in_two_peptides(peptides):
    arrays, found = peptides
    chains = Chains.of(arrays)
    beta = [chains.atom(residue, "CB") for residue in range(len(chains.is_bonded))]
    places = {tuple(arrays["receptor_pos"][atom]) for atom in beta if atom is not None}
    taken = [tuple(pos) for peptide in found for pos in peptide["ligand_pos"] if tuple(pos) in places]
    assert len(taken) > 5 and len(set(taken)) == len(taken)


def test_the_store_is_made_once_and_follows_its_source(store, tmp_path):
    number = prepare_peptides(store.root, tmp_path, CONFIG)
    made = PreparedStore(tmp_path)
    assert number == len(made) == 3 * len(store)
    assert {row.cluster for row in made.index} == {row.cluster for row in store.index}
    times = {path: path.stat().st_mtime_ns for path in (tmp_path / "complexes").iterdir()}
    assert prepare_peptides(store.root, tmp_path, CONFIG) == number
    assert times == {path: path.stat().st_mtime_ns for path in (tmp_path / "complexes").iterdir()}
    other = prepare_peptides(store.root, tmp_path, PeptideConfig(per_receptor=1))
    assert other == len(store)


def test_other_splits_are_left_alone(store, tmp_path):
    assert prepare_peptides(store.root, tmp_path, PeptideConfig(split="test")) == 0
