"""Validity of poses: PoseBusters' own verdicts on real poses and on poses broken in every way, only cheaper."""

import dataclasses
import io
import math

import numpy as np
import pytest
import rdkit
from posebusters import PoseBusters
from rdkit import Chem, rdBase

from discodock.chem.ligand import heavy_positions, read_ligand
from discodock.chem.read_receptor import read_receptor
from discodock.chem.validity import _energy_ratio, check_validity, neighbourhood, within_bounds
from discodock.chem.write import pose_mols, sdf_text
from tests.tiny import COMPLEXES, SMALL

MAGNESIUM = COMPLEXES.parents[2] / "examples" / "complexes" / "8c3n_ADP"
NADPH = COMPLEXES / "3nxo_D2B"


@dataclasses.dataclass
class Case:
    receptor: object
    record: object
    pos: np.ndarray
    pdb: str

    @classmethod
    def read(cls, folder):
        record = read_ligand(folder / "ligand.sdf")
        extra = folder / "cofactors.pdb" if (folder / "cofactors.pdb").exists() else None
        receptor = read_receptor(folder / "protein.pdb", extra=extra, reference_ligands=[record.mol])
        texts = [path.read_text() for path in (folder / "protein.pdb", extra) if path is not None]
        pdb = "".join(line + "\n" for text in texts for line in text.splitlines() if line[:6] in ("ATOM  ", "HETATM"))
        return cls(receptor, record, heavy_positions(record.mol), pdb)


@pytest.fixture(scope="module", params=[SMALL, MAGNESIUM], ids=lambda folder: folder.name)
def case(request):
    return Case.read(request.param)


def poses_of(case):
    """The crystal pose, moved, clashing, far, stretched, bent, folded onto itself, puckered, on top of the metal."""
    pos, rng = case.pos, np.random.default_rng(0)
    mol = case.record.mol
    ring = next(ring for ring in mol.GetRingInfo().AtomRings() if mol.GetAtomWithIdx(ring[0]).GetIsAromatic())
    stretched, folded, puckered = pos.copy(), pos.copy(), pos.copy()
    stretched[0] += 1.5 * (pos[0] - pos[1])
    folded[-1] = pos[0] + 0.6
    puckered[ring[0]] += 0.9 * np.cross(pos[ring[1]] - pos[ring[0]], pos[ring[-1]] - pos[ring[0]])
    middle = case.receptor.pos[np.linalg.norm(case.receptor.pos - pos.mean(axis=0), axis=1).argsort()[20]]
    shaken, shrunk = pos + rng.normal(scale=0.25, size=pos.shape), pos.mean(axis=0) + 0.6 * (pos - pos.mean(axis=0))
    buried = pos - pos.mean(axis=0) + middle
    poses = [pos, pos + 0.3, pos + 2.5, buried, pos + 60.0, stretched, folded, puckered, shaken, shrunk]
    has_metal = case.receptor.residues[-1].kind == "metal"
    return np.stack([*poses, pose_on(case, "metal")] if has_metal else poses)


def pose_on(case, kind):
    """The crystal pose with its first atom next to the first receptor atom of a kind."""
    kinds = [residue.kind for residue in case.receptor.residues]
    return case.pos - case.pos[0] + case.receptor.pos[list(case.receptor.residue_idx).index(kinds.index(kind))] + 0.7


def verdicts_of_posebusters(mols, case, folder):
    (folder / "protein.pdb").write_text(case.pdb)
    (folder / "poses.sdf").write_text(sdf_text(mols))
    table = PoseBusters(config="dock").bust(folder / "poses.sdf", None, folder / "protein.pdb")
    return [{name for name, ok in row.items() if ok is not True} for row in table.astype(bool).to_dict("records")]


def test_verdicts_are_those_of_posebusters_on_the_same_files(case, tmp_path):
    mols = pose_mols(case.record, poses_of(case))
    found = check_validity(mols, case.receptor)
    expected = verdicts_of_posebusters(mols, case, tmp_path)
    assert [set(validity.failed) for validity in found] == expected
    assert [validity.is_valid for validity in found] == [not names for names in expected]
    assert len({*map(frozenset, expected)}) > 5 and found[0].is_valid  # the poses do differ, and the crystal's is right


def test_organic_cofactors_count_as_what_they_are(tmp_path):
    case = Case.read(NADPH)
    mols = pose_mols(case.record, np.stack([case.pos, pose_on(case, "cofactor")]))
    found = [set(validity.failed) for validity in check_validity(mols, case.receptor)]
    assert found == verdicts_of_posebusters(mols, case, tmp_path)
    assert "minimum_distance_to_organic_cofactors" in found[1] - found[0]


def test_every_kind_of_damage_is_named(case):
    found = [set(validity.failed) for validity in check_validity(pose_mols(case.record, poses_of(case)), case.receptor)]
    assert {"minimum_distance_to_protein", "volume_overlap_with_protein"} <= found[3]
    assert found[4] == {"protein-ligand_maximum_distance"}
    assert "bond_lengths" in found[5] and "internal_steric_clash" in found[6]
    assert "aromatic_ring_flatness" in found[7] and "bond_lengths" in found[9]
    if case.receptor.residues[-1].kind == "metal":
        assert "minimum_distance_to_inorganic_cofactors" in found[10]


def test_a_pose_is_judged_alike_alone_and_among_others(case):
    mols = pose_mols(case.record, poses_of(case))
    assert [check_validity([mol], case.receptor)[0] for mol in mols[4:6]] == check_validity(mols, case.receptor)[4:6]


def test_input_poses_and_the_log_streams_of_rdkit_are_left_alone(case):
    mols = pose_mols(case.record, poses_of(case)[:2])
    before, streams = sdf_text([Chem.Mol(mol) for mol in mols]), rdBase.LogStatus()
    check_validity(mols, case.receptor)
    assert sdf_text(mols) == before and rdBase.LogStatus() == streams
    with rdBase.CaptureErrorLog() as log:  # what the ligand reader depends on
        assert Chem.MolFromSmiles("C1CC") is None
    assert "unclosed ring" in log.messages


def test_a_closed_log_stream_breaks_no_check(case, monkeypatch):
    closed = io.StringIO()
    closed.close()
    monkeypatch.setattr(rdkit.log_handler, "stream", closed)
    (crystal,) = check_validity(pose_mols(case.record, case.pos[None]), case.receptor)
    assert crystal.is_valid and rdkit.log_handler.stream is closed


def test_without_poses_there_is_nothing_to_say(case):
    assert check_validity([], case.receptor) == []


def test_the_neighbourhood_is_the_atoms_within_the_distance(case):
    near = neighbourhood(case.receptor, case.pos, 5.0)
    gaps = np.linalg.norm(case.receptor.pos[:, None] - case.pos[None], axis=2).min(axis=1)
    assert near.GetNumAtoms() == (gaps <= 5.0).sum() < len(gaps)
    assert neighbourhood(case.receptor, case.pos + 500, 5.0).GetNumAtoms() == 1


@pytest.mark.parametrize("seed", range(5))
def test_bounds_are_widened_by_the_tolerance_on_either_side(seed):
    tolerance = np.random.default_rng(seed).uniform(0.1, 0.4)
    table = {"atom_pair": [(0, 1)], "lower_bound": [2.0], "upper_bound": [3.0]}
    ends = [2.0 * (1 - tolerance), 3.0 * (1 + tolerance)]
    distances = np.array([ends[0] - 1e-6, ends[0] + 1e-6, ends[1] - 1e-6, ends[1] + 1e-6])
    pos = np.zeros((4, 2, 3))
    pos[:, 1, 0] = distances
    assert within_bounds(pos, table, tolerance).tolist() == [False, True, True, False]
    assert within_bounds(pos, table, tolerance, only_lower=True).tolist() == [False, True, True, True]


def test_atoms_of_unknown_element_do_not_end_the_checks(case):
    gaps = np.linalg.norm(case.receptor.pos[:, None] - case.pos[None], axis=2).min(axis=1)
    element = case.receptor.element.copy()
    element[np.argsort(gaps)[5]] = "X"
    receptor = dataclasses.replace(case.receptor, element=element)
    assert [atom.GetSymbol() for atom in neighbourhood(receptor, case.pos).GetAtoms()].count("*") == 1
    (found,) = check_validity(pose_mols(case.record, case.pos[None]), receptor)
    assert found.is_valid


def test_a_molecule_without_conformers_is_asked_for_them_once():
    asked = []

    def check(mol_pred, **_settings):
        asked.append(mol_pred)
        return {"results": {"mol_pred_energy": 1.0, "ensemble_avg_energy": math.nan, "energy_ratio": math.nan}}

    found = _energy_ratio(check, {"threshold_energy_ratio": 100.0}, [Chem.MolFromSmiles("C")] * 5, Chem.Mol())
    assert len(asked) == 1 and len(found) == 5 and all(math.isnan(each["energy_ratio"]) for each in found)


def test_a_molecule_that_hardly_embeds_has_no_verdict_on_its_energy():
    def check(**_settings):
        raise AssertionError("PoseBusters would look for conformers for minutes")

    impossible = Chem.MolFromSmiles("C[C@]12CC[C@@](C)(C1)C2")
    assert _energy_ratio(check, {"threshold_energy_ratio": 100.0}, [impossible] * 3, Chem.Mol()) == [{}, {}, {}]
