"""The chemistry contract: what was read comes back in every pose, and a change never passes unseen."""

import gzip
import os
from pathlib import Path

import numpy as np
import pytest
from rdkit import Chem

from discodock.chem.conformers import generate_conformers
from discodock.chem.ligand import LigandRecord, heavy_indices, heavy_positions, read_ligand
from discodock.chem.write import check_chemistry, pose_mol, pose_mols, write_poses
from discodock.errors import InputError
from tests.chem.ligand_samples import CRYSTAL_LIGANDS, DATA, embedded, mol2, read_ligands, rigidly_moved, sdf


def shuffled_record(name: str, seed: int, tmp_path: Path) -> LigandRecord:
    """A crystal ligand with hydrogens, its atoms (hydrogens among them) in random order, and SD tags."""
    mol = Chem.AddHs(read_ligand(DATA / f"{name}.sdf").mol, addCoords=True)
    order = np.random.default_rng(seed).permutation(mol.GetNumAtoms()).tolist()
    path = tmp_path / "shuffled.sdf"
    path.write_text(sdf(Chem.RenumberAtoms(mol, order), {"supplier": "ACME 12", "rank": "old", "two lines": "a\nb"}))
    return read_ligand(path)


@pytest.mark.parametrize("name", CRYSTAL_LIGANDS)
@pytest.mark.parametrize("seed", range(2))
def test_round_trip_keeps_everything(name: str, seed: int, tmp_path: Path) -> None:
    record = shuffled_record(name, seed, tmp_path)
    poses = generate_conformers(record.mol, 2, seed) + 5.0
    path = tmp_path / "poses.sdf"
    tags = [{"rank": i + 1, "confidence": 0.25, "pocket_ok": True} for i in range(2)]
    assert write_poses(record, poses, tags, path) == [None, None]
    written = [mol for mol in Chem.SDMolSupplier(str(path), removeHs=False)]
    for i, mol in enumerate(written):
        assert [a.GetSymbol() for a in mol.GetAtoms()] == [a.GetSymbol() for a in record.mol.GetAtoms()]
        assert [a.GetFormalCharge() for a in mol.GetAtoms()] == [a.GetFormalCharge() for a in record.mol.GetAtoms()]
        np.testing.assert_allclose(mol.GetConformer().GetPositions()[heavy_indices(record.mol)], poses[i], atol=1e-4)
        assert mol.GetProp("_Name") == record.name
        assert mol.GetProp("supplier") == "ACME 12" and mol.GetProp("two lines") == "a\nb"
        assert (mol.GetProp("rank"), mol.GetProp("input_rank")) == (str(i + 1), "old")
        assert (mol.GetProp("confidence"), mol.GetProp("pocket_ok")) == ("0.25", "true")
        Chem.AssignStereochemistryFrom3D(mol)
        assert Chem.MolToSmiles(mol) == Chem.MolToSmiles(record.mol)
        kekule = [[b.GetPropsAsDict(True)["_MolFileBondType"] for b in m.GetBonds()] for m in (mol, record.mol)]
        assert kekule[0] == kekule[1]  # the very bond orders of the file, also in aromatic rings
    assert list(tmp_path.glob(".*")) == []  # no temporary file stays


@pytest.mark.parametrize("name", CRYSTAL_LIGANDS)
def test_hydrogens_follow_a_rigid_motion_exactly(name: str, tmp_path: Path) -> None:
    record = shuffled_record(name, 3, tmp_path)
    moved = rigidly_moved(record.mol.GetConformer().GetPositions(), 4)
    pose = pose_mol(record, moved[heavy_indices(record.mol)])
    np.testing.assert_allclose(pose.GetConformer().GetPositions(), moved, atol=1e-6)


@pytest.mark.parametrize(
    "smiles", ["CC(=O)Nc1ccc(O)cc1", "C/C(=N/[H])N", "C[C@H]([NH3+])C(=O)[O-]", "C", "CC", "C#C", "[H]OCC([2H])=O", "N"]
)
@pytest.mark.parametrize("flat", [False, True])
def test_placed_hydrogens_are_sound(smiles: str, flat: bool, tmp_path: Path) -> None:
    mol = embedded(smiles)
    if flat:
        mol.RemoveAllConformers()
    record = LigandRecord("x", mol, has_3d=not flat, source="test")
    poses = generate_conformers(mol, 4, 1)
    assert write_poses(record, poses, [{}] * 4, tmp_path / "x.sdf") == [None] * 4
    for pose in pose_mols(record, poses):
        pos = pose.GetConformer().GetPositions()
        for bond in pose.GetBonds():
            if 1 in (bond.GetBeginAtom().GetAtomicNum(), bond.GetEndAtom().GetAtomicNum()):
                assert 0.9 < np.linalg.norm(pos[bond.GetBeginAtomIdx()] - pos[bond.GetEndAtomIdx()]) < 1.2
        distances = np.linalg.norm(pos[:, None] - pos[None], axis=-1) + 9 * np.eye(len(pos))
        assert distances.min() > 0.85


def test_names_of_mol2_atoms_come_back(tmp_path: Path) -> None:
    mol = embedded("C[C@H]([NH3+])C(=O)[O-]")
    path = tmp_path / "ala.mol2"
    path.write_text(mol2(mol, ["C.3", "C.3", "N.4", "C.2", "O.co2", "O.co2"] + ["H"] * 7))
    record = read_ligand(path)
    out = tmp_path / "poses.sdf"
    assert write_poses(record, heavy_positions(record.mol)[None], [{}], out) == [None]
    (written,) = read_ligands(out)
    assert [a.GetProp("name") for a in written.mol.GetAtoms()] == [a.GetProp("name") for a in record.mol.GetAtoms()]


def test_gzip_and_far_coordinates(tmp_path: Path) -> None:
    record = read_ligand("C[C@H](O)CC")
    poses = generate_conformers(record.mol, 1, 0) + 20_000.0  # beyond V2000's columns
    assert write_poses(record, poses, [{"note": "a\n\nb"}], tmp_path / "x.sdf.gz") == [None]
    text = gzip.decompress((tmp_path / "x.sdf.gz").read_bytes()).decode()
    assert "V3000" in text and "> <note>" in text.replace("  ", " ")
    np.testing.assert_allclose(heavy_positions(read_ligand(tmp_path / "x.sdf.gz").mol), poses[0], atol=1e-3)


def test_unwritable_folder_is_an_input_error_and_leaves_the_old_file(tmp_path: Path) -> None:
    record = read_ligand("CCO")
    poses = generate_conformers(record.mol, 1, 0)
    target = tmp_path / "taken.sdf"
    os.mkdir(target)
    with pytest.raises(InputError, match="cannot be written"):
        write_poses(record, poses, [{}], target)
    assert [p.name for p in tmp_path.iterdir()] == ["taken.sdf"]


def test_poses_of_the_wrong_size_are_refused() -> None:
    with pytest.raises(ValueError, match="3 heavy atoms"):
        pose_mol(read_ligand("CCO"), np.zeros((4, 3)))


def mirrored(mol: Chem.Mol) -> None:
    for i, (x, y, z) in enumerate(mol.GetConformer().GetPositions()):
        mol.GetConformer().SetAtomPosition(i, (-x, y, z))


def test_mirror_image_is_noticed_where_stereo_is_defined_only() -> None:
    for smiles, noticed in (("C[C@H](O)CN", True), ("CC(O)CN", False), ("CCO", False), ("OC1CCC(F)CC1", False),
                            ("O[C@H]1CC[C@@H](F)CC1", False)):  # fmt: skip
        record = read_ligand(smiles)
        pose = pose_mol(record, generate_conformers(record.mol, 1, 0)[0])
        assert check_chemistry(record.mol, pose) is None
        mirrored(pose)
        assert (check_chemistry(record.mol, pose) is not None) == noticed


def test_double_bond_and_ring_stereo_are_noticed() -> None:
    for smiles, other in (("C/C=C/C(=O)O", "C/C=C\\C(=O)O"), ("O[C@H]1CC[C@@H](F)CC1", "O[C@H]1CC[C@H](F)CC1")):
        record, twin = read_ligand(smiles), read_ligand(other)
        pose = pose_mol(record, generate_conformers(twin.mol, 1, 0)[0])
        assert "stereo" in str(check_chemistry(record.mol, pose))


def fix_hydrogens(mol: Chem.Mol, *counts: int) -> None:
    for idx, count in enumerate(counts):
        mol.GetAtomWithIdx(idx).SetNoImplicit(True)
        mol.GetAtomWithIdx(idx).SetNumExplicitHs(count)


def double_bond(mol: Chem.Mol) -> None:
    fix_hydrogens(mol, 3, 1)
    mol.GetBondWithIdx(0).SetBondType(Chem.BondType.DOUBLE)


CHANGES = {
    "charge": lambda mol: mol.GetAtomWithIdx(3).SetFormalCharge(1),
    "element": lambda mol: mol.GetAtomWithIdx(0).SetAtomicNum(7),
    "isotope": lambda mol: mol.GetAtomWithIdx(0).SetIsotope(13),
    "hydrogen count": lambda mol: fix_hydrogens(mol, 2),
    "name": lambda mol: mol.GetAtomWithIdx(0).SetProp("name", "other"),
    "bond 1-2: single became double": double_bond,
    "no finite coordinates": lambda mol: mol.GetConformer().SetAtomPosition(0, (float("nan"), 0.0, 0.0)),
}


@pytest.mark.parametrize("what", CHANGES)
def test_every_kind_of_change_is_noticed(what: str) -> None:
    record = read_ligand("CC(F)CN")
    pose = pose_mol(record, generate_conformers(record.mol, 1, 0)[0])
    assert check_chemistry(record.mol, pose) is None
    CHANGES[what](pose)
    pose.UpdatePropertyCache(strict=False)
    assert what in str(check_chemistry(record.mol, pose))


def test_swapped_atoms_missing_atoms_and_unreadable_poses_are_noticed() -> None:
    record = read_ligand("OCCN")
    pose = pose_mol(record, generate_conformers(record.mol, 1, 0)[0])
    assert check_chemistry(record.mol, Chem.RenumberAtoms(pose, [3, 2, 1, 0])) is not None
    assert "4 atoms became" in str(check_chemistry(record.mol, Chem.AddHs(pose)))
    assert "cannot be read back" in str(check_chemistry(record.mol, None))


def test_tags_survive_any_number_of_generations(tmp_path: Path) -> None:
    record = shuffled_record(CRYSTAL_LIGANDS[0], 0, tmp_path)
    pos = heavy_positions(record.mol)[None]
    for generation in range(4):
        path = tmp_path / f"{generation}.sdf"
        assert write_poses(record, pos, [{"rank": generation}], path) == [None]
        record = read_ligand(path)
    tags = [record.mol.GetProp(f"{'input_' * number}rank") for number in range(5)]
    assert tags == ["3", "2", "1", "0", "old"]
