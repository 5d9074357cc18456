"""MMFF94 terms out of RDKit: the same changes of energy as RDKit's own force field gives."""

import numpy as np
import pytest
import torch
from rdkit import Chem
from rdkit.Chem import rdForceFieldHelpers, rdMolTransforms

from discodock.chem.conformers import generate_conformers
from discodock.chem.ligand import heavy_molecule, read_ligand
from discodock.chem.ligand_features import torsion_topology
from discodock.chem.mmff import metal_binders, torsion_terms
from discodock.physics.torsions import TorsionSeries
from tests.chem.ligand_samples import CRYSTAL_LIGANDS, DATA


def rdkit_torsion_energy(full):
    """MMFF94's torsion term alone, of a molecule with hydrogens and a conformer, kcal/mol."""
    properties = rdForceFieldHelpers.MMFFGetMoleculeProperties(full)
    for term in ("Bond", "Angle", "StretchBend", "Oop", "VdW", "Ele"):
        getattr(properties, f"SetMMFF{term}Term")(False)
    return rdForceFieldHelpers.MMFFGetMoleculeForceField(full, properties).CalcEnergy()


@pytest.mark.parametrize("name", CRYSTAL_LIGANDS[:6])
def test_turning_a_bond_changes_the_torsion_energy_as_in_rdkit(name):
    mol = heavy_molecule(read_ligand(DATA / f"{name}.sdf").mol)
    bonds = torsion_topology(mol).tor_bond
    pos = generate_conformers(mol, 1, seed=0)
    terms = torsion_terms(mol, bonds, pos)
    series = TorsionSeries.of(*map(torch.from_numpy, (terms.corners, terms.bond, terms.barrier)), len(bonds))
    posed = Chem.Mol(mol)
    conformer = Chem.Conformer(mol.GetNumAtoms())
    conformer.SetPositions(pos[0])
    posed.AddConformer(conformer)
    full = Chem.AddHs(posed, addCoords=True)
    start = rdkit_torsion_energy(full)
    for number, (u, v) in enumerate(bonds.tolist()):
        a = next(n.GetIdx() for n in full.GetAtomWithIdx(u).GetNeighbors() if n.GetIdx() != v)
        b = next(n.GetIdx() for n in full.GetAtomWithIdx(v).GetNeighbors() if n.GetIdx() != u)
        for turn in (0.4, 2.0, -2.5):
            turned = Chem.Mol(full)
            angle = rdMolTransforms.GetDihedralRad(full.GetConformer(), a, u, v, b)
            rdMolTransforms.SetDihedralRad(turned.GetConformer(), a, u, v, b, angle + turn)
            tor = torch.zeros(1, len(bonds), dtype=torch.float64)
            tor[0, number] = turn
            ours = series.energy(tor)[0] - series.energy(tor * 0)[0]
            assert float(ours) == pytest.approx(rdkit_torsion_energy(turned) - start, abs=1e-6)


def test_each_pose_has_its_own_hydrogens():
    mol = Chem.MolFromSmiles("CCC(=O)NCC")
    bonds = torsion_topology(mol).tor_bond
    poses = generate_conformers(mol, 3, seed=1)
    terms = torsion_terms(mol, bonds, poses)
    for i in range(3):
        alone = torsion_terms(mol, bonds, poses[i : i + 1])
        assert np.abs(alone.corners[0] - terms.corners[i]).max() < 1e-9


def test_a_ligand_that_mmff_does_not_know_has_no_terms():
    mol = Chem.MolFromSmiles("CCCB(O)O")
    assert torsion_terms(mol, torsion_topology(mol).tor_bond, generate_conformers(mol, 1, seed=0)) is None


def test_a_ligand_without_rotatable_bonds_has_empty_terms():
    mol = Chem.MolFromSmiles("c1ccccc1")
    terms = torsion_terms(mol, torsion_topology(mol).tor_bond, generate_conformers(mol, 2, seed=0))
    assert terms.corners.shape == (2, 0, 4, 3) and terms.barrier.shape == (0, 3)


@pytest.mark.parametrize(
    ("smiles", "expected"), [("CC(=O)NO", "ONO"), ("C[NH3+]", ""), ("CN", "N"), ("c1ccccc1S", "S"), ("CCCl", "")]
)
def test_atoms_that_metals_bind_have_a_lone_pair(smiles, expected):
    full = Chem.AddHs(Chem.MolFromSmiles(smiles))
    found = [atom.GetSymbol() for atom, binds in zip(full.GetAtoms(), metal_binders(full), strict=True) if binds]
    assert "".join(found) == expected
