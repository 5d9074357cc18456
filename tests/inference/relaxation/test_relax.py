"""Relaxation and scores: AutoDock Vina's own values, crystal poses stay, clashes go, and nothing crashes."""

import dataclasses
from pathlib import Path

import numpy as np
import pytest
import torch

from discodock.chem.conformers import generate_conformers
from discodock.chem.ligand import heavy_positions, read_ligand
from discodock.chem.ligand_features import ligand_arrays
from discodock.chem.read_receptor import read_receptor
from discodock.chem.receptor import Residue
from discodock.inference.relaxation.config import RelaxationConfig
from discodock.inference.relaxation.relax import relax_poses
from discodock.inference.relaxation.scorer import POSES_RELAXED_AT_ONCE
from discodock.physics.config import EnergyConfig
from tests.tiny import COMPLEXES, NOT_RELAXED

EXAMPLES = Path(__file__).resolve().parents[3] / "examples" / "complexes"
CPU = torch.device("cpu")

VINA_SCORES = {"1stp_BTN": -6.576, "7n03_ZRP": -8.615, "7off_VCB": -8.500, "7p5t_5YG": -8.189, "8c3n_ADP": -6.342}
"""Of crystal poses, kcal/mol, by vina 1.2.7 with meeko 0.8.0: `python -m benchmarks.vina_score`."""


@dataclasses.dataclass
class Case:
    ligand: object
    receptor: object
    arrays: dict
    pos: np.ndarray

    def relax(self, poses, config=None):
        return relax_poses(poses, self.ligand, self.receptor, self.arrays, config or RelaxationConfig(), CPU)


def read_case(folder):
    ligand = read_ligand(folder / "ligand.sdf")
    receptor = read_receptor(folder / "protein.pdb", reference_ligands=[ligand.mol])
    arrays = ligand_arrays(ligand.mol) | {"ligand_conformer_pos": generate_conformers(ligand.mol, 3, seed=0)}
    return Case(ligand, receptor, arrays, heavy_positions(ligand.mol))


@pytest.fixture(scope="module")
def cases():
    return {folder.name: read_case(folder) for folder in sorted(COMPLEXES.iterdir())[:4]}


@pytest.fixture(scope="module")
def small():
    return read_case(COMPLEXES / "2azr_982")


def amino_acids(receptor):
    keep = np.array([residue.kind == "amino_acid" for residue in receptor.residues])[receptor.residue_idx]
    fields = {name: getattr(receptor, name)[keep] for name in ("pos", "element", "atom_name", "residue_idx")}
    return dataclasses.replace(receptor, **fields)


@pytest.mark.parametrize("name", VINA_SCORES)
def test_scores_are_those_of_autodock_vina(name):
    case = read_case(EXAMPLES / name)
    case.receptor = amino_acids(case.receptor)
    assert case.relax(case.pos[None], NOT_RELAXED).vina_score[0] == pytest.approx(VINA_SCORES[name], rel=0.01)


def test_without_relaxation_poses_are_only_judged(small):
    poses = np.stack([small.pos, small.pos + 1.0])
    found = small.relax(poses, NOT_RELAXED)
    assert (found.pos == poses).all() and (found.shift == 0).all()
    assert (found.ranking_energy[1] != found.vina_score[1]) and np.isfinite(found.strain).all()


def test_crystal_poses_stay(cases):
    for name, case in cases.items():
        before, after = case.relax(case.pos[None], NOT_RELAXED), case.relax(case.pos[None])
        assert after.vina_score[0] < before.vina_score[0] + 0.5, name  # what the ligand's own strain may cost
        assert after.shift[0] < 1.0, name
        moved = np.sqrt(((after.pos[0] - case.pos) ** 2).sum(axis=1).mean())
        assert after.shift[0] == pytest.approx(moved, abs=1e-3)


def test_displaced_poses_come_closer_and_clashes_go(cases):
    for name, case in cases.items():
        directions = np.random.default_rng(0).normal(size=(12, 1, 3))
        poses = case.pos + 0.8 * directions / np.linalg.norm(directions, axis=-1, keepdims=True)
        before, after = case.relax(poses, NOT_RELAXED), case.relax(poses)
        assert (after.vina_score < before.vina_score).all(), name
        rmsd = np.sqrt(((after.pos - case.pos) ** 2).sum(axis=2).mean(axis=1))
        assert np.median(rmsd) < 0.8, name
        gaps = [np.linalg.norm(p[:, None] - case.receptor.pos[None], axis=2).min() for p in after.pos]
        assert np.median(gaps) > 2.4, name


def test_bonds_and_angles_stay_and_centres_keep_their_hand(small):
    found = small.relax(small.pos[None] + 0.5)
    bonds = small.arrays["ligand_bond_index"]
    before, after = (np.linalg.norm(p[bonds[0]] - p[bonds[1]], axis=1) for p in (small.pos, found.pos[0]))
    assert np.abs(before - after).max() < 1e-3


def test_the_softer_energy_ranks_crystal_poses_above_shifted_ones(cases):
    for name, case in cases.items():
        directions = np.random.default_rng(0).normal(size=(20, 1, 3))
        shifted = case.pos + 3.0 * directions / np.linalg.norm(directions, axis=-1, keepdims=True)
        energy = case.relax(np.concatenate([case.pos[None], shifted]), NOT_RELAXED).ranking_energy
        assert (energy[0] < energy[1:]).mean() >= 0.9, name


def test_poses_do_not_depend_on_how_many_there_are(small, monkeypatch):
    poses = small.pos + np.random.default_rng(0).normal(size=(5, 1, 3))
    together, again = small.relax(poses), small.relax(poses)
    assert (together.pos == again.pos).all()
    monkeypatch.setattr("discodock.inference.relaxation.scorer.POSES_RELAXED_AT_ONCE", 2)
    assert POSES_RELAXED_AT_ONCE > 5
    apart = small.relax(poses)
    close = np.abs(apart.pos - together.pos).max(axis=(1, 2)) < 0.05  # single precision may tip a step
    assert close.sum() >= 4 and apart.strain[close] == pytest.approx(together.strain[close], abs=0.1)


def test_strain_of_a_free_conformer_is_small_and_of_a_folded_one_large(small):
    far = small.arrays["ligand_conformer_pos"] + 500.0
    relaxed = small.relax(far, RelaxationConfig(energy=EnergyConfig(restraint=0.0)))
    assert relaxed.strain.min() == pytest.approx(0.0, abs=0.05) and (relaxed.vina_score == 0).all()
    assert (small.relax(far, NOT_RELAXED).strain > relaxed.strain - 1e-3).all()


@pytest.mark.parametrize("smiles", ["[Na+]", "CO", "C#N", "c1ccccc1", "CCCB(O)O"])
def test_anything_can_be_relaxed(small, smiles):
    ligand = read_ligand(smiles)
    conformers = generate_conformers(ligand.mol, 2, seed=0)
    arrays = ligand_arrays(ligand.mol) | {"ligand_conformer_pos": conformers}
    case = Case(ligand, small.receptor, arrays, conformers[0] + small.pos.mean(axis=0))
    found = case.relax(case.pos[None])
    assert all(np.isfinite(value).all() for value in (found.pos, found.vina_score, found.strain, found.shift))
    assert any("MMFF94" in warning for warning in found.warnings) == ("B" in smiles)


def test_metals_and_unknown_residues_beside_the_ligand_do_no_harm(small):
    receptor = small.receptor
    extra = {"Zn": "metal", "Xe": "other", "C": "cofactor", "N": "cofactor"}
    spots = small.pos.mean(axis=0) + np.array([[4.0, 0, 0], [0, 4.0, 0], [0, 0, 4.0], [0, 1.4, 4.0]])
    count = len(receptor.residues)
    grown = dataclasses.replace(
        receptor,
        pos=np.concatenate([receptor.pos, spots]),
        element=np.append(receptor.element, list(extra)),
        atom_name=np.append(receptor.atom_name, ["ZN", "XE", "C1", "N1"]),
        residue_idx=np.append(receptor.residue_idx, [count, count + 1, count + 2, count + 2]),
        residues=(
            *receptor.residues,
            *(Residue("Z", n, "", "UNK", "UNK", kind) for n, kind in enumerate(extra.values())),
        ),
    )
    found = dataclasses.replace(small, receptor=grown).relax(small.pos[None])
    assert np.isfinite(found.pos).all() and found.shift[0] > 0
    assert any("UNK" in warning for warning in found.warnings)
