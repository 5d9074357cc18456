"""Poses of other programs: any order of atoms, hydrogens, lost bond orders; never another molecule."""

import dataclasses

import numpy as np
import pytest
from rdkit import Chem
from rdkit.Chem import rdDistGeom

from discodock.chem.ligand import heavy_positions, read_ligand
from discodock.chem.match import matched_positions
from discodock.chem.pose_file import read_poses
from discodock.chem.stereo import labelled_stereo, perceived_stereo, with_positions
from discodock.chem.write import sdf_text
from discodock.errors import InputError
from tests.tiny import COMPLEXES

LIGANDS = [COMPLEXES / name / "ligand.sdf" for name in ("2azr_982", "1cbs_REA", "3nxo_D2B", "7f5d_EUO")]


@pytest.fixture(scope="module", params=LIGANDS, ids=lambda path: path.parent.name)
def ligand(request):
    return read_ligand(request.param)


def shuffled(mol, seed):
    order = np.random.default_rng(seed).permutation(mol.GetNumAtoms())
    return Chem.RenumberAtoms(mol, [int(index) for index in order])


def without_orders(mol):
    bare = Chem.RWMol(mol)
    for bond in bare.GetBonds():
        bond.SetBondType(Chem.BondType.SINGLE)
        bond.SetIsAromatic(False)
    for atom in bare.GetAtoms():
        atom.SetIsAromatic(False)
        atom.SetFormalCharge(0)
    return bare.GetMol()


@pytest.mark.parametrize("seed", range(5))
def test_any_order_of_atoms_with_hydrogens_and_without_bond_orders_comes_back(ligand, seed):
    pose = shuffled(without_orders(Chem.AddHs(ligand.mol, addCoords=True)), seed)
    (found,) = matched_positions(ligand, [pose])
    crystal = heavy_positions(ligand.mol)
    off = np.linalg.norm(found - crystal, axis=1) > 1e-4
    assert np.abs(np.sort(found, axis=0) - np.sort(crystal, axis=0)).max() < 1e-4  # the same places
    for index in np.flatnonzero(off):  # only atoms that are alike but for bond orders may have changed places
        assert found[index] in crystal[[a.GetIdx() for a in ligand.mol.GetAtoms() if a.GetDegree() == 1]]


def test_the_given_order_is_kept_where_it_fits(ligand):
    pose = Chem.Mol(ligand.mol)
    shift = np.random.default_rng(0).normal(size=pose.GetConformer().GetPositions().shape)
    pose.GetConformer().SetPositions(pose.GetConformer().GetPositions() + 0.05 * shift)
    assert matched_positions(ligand, [pose])[0] == pytest.approx(heavy_positions(pose))


def test_the_fit_that_shows_the_stereo_is_taken():
    full = Chem.AddHs(Chem.MolFromSmiles("OC[C@@H](F)C=O"))
    assert rdDistGeom.EmbedMolecule(full, randomSeed=7) == 0
    ligand = dataclasses.replace(read_ligand("CCO"), mol=Chem.RemoveHs(full), has_3d=True)
    turned = Chem.RenumberAtoms(ligand.mol, [5, 4, 2, 3, 1, 0])  # alcohol for aldehyde: the same skeleton

    def stereo_of(pos):
        return perceived_stereo(ligand.mol, with_positions(ligand.mol, pos))

    (found,) = matched_positions(ligand, [turned])
    assert stereo_of(found) == labelled_stereo(ligand.mol) != stereo_of(turned.GetConformer().GetPositions())


def test_another_molecule_is_refused(ligand):
    other = Chem.RWMol(ligand.mol)
    other.GetAtomWithIdx(0).SetAtomicNum(9 if other.GetAtomWithIdx(0).GetAtomicNum() != 9 else 7)
    with pytest.raises(InputError, match="pose 2 is another molecule"):
        matched_positions(ligand, [ligand.mol, other.GetMol()])
    other.RemoveAtom(0)
    with pytest.raises(InputError, match="heavy atoms"):
        matched_positions(ligand, [other.GetMol()])


def test_files_of_poses_are_read_in_order_and_damage_is_named(ligand, tmp_path):
    path = tmp_path / "poses.sdf"
    text = sdf_text([ligand.mol, shuffled(ligand.mol, 0)])
    path.write_text(text)
    assert [mol.GetNumAtoms() for mol in read_poses(path)] == [ligand.mol.GetNumAtoms()] * 2
    lines = text.splitlines(keepends=True)
    path.write_text("".join([*lines[:3], "damaged\n", *lines[4:]]))
    with pytest.raises(InputError, match="record 1 is damaged"):
        read_poses(path)
    path.write_text("")
    with pytest.raises(InputError, match="no pose"):
        read_poses(path)
    with pytest.raises(InputError, match="no such file of poses"):
        read_poses(tmp_path / "missing.sdf")
