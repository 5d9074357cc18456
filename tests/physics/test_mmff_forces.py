"""MMFF94 in OpenMM against RDKit's own force field, term by term and as a whole, on crystal ligands."""

import numpy as np
import pytest
from rdkit import Chem
from rdkit.Chem import rdForceFieldHelpers

from discodock.chem.conformers import generate_conformers
from discodock.chem.ligand import heavy_molecule, heavy_positions, read_ligand
from discodock.chem.mmff import mmff_arrays, with_hydrogens
from discodock.physics.mmff_forces import mmff_forces
from tests.chem.ligand_samples import CRYSTAL_LIGANDS, DATA

openmm = pytest.importorskip("openmm")

TERMS = ("Bond", "Angle", "StretchBend", "Oop", "Torsion", "VdW", "Ele")
GROUPS = {"Bond": (0,), "Angle": (1, 2), "StretchBend": (3,), "Oop": (4,), "Torsion": (5,), "VdW": (), "Ele": ()}


def rdkit_energies(full):
    """Energy of every term, kcal/mol."""
    energies = {}
    for wanted in TERMS:
        properties = rdForceFieldHelpers.MMFFGetMoleculeProperties(full)
        for term in TERMS:
            getattr(properties, f"SetMMFF{term}Term")(term == wanted)
        field = rdForceFieldHelpers.MMFFGetMoleculeForceField(full, properties, nonBondedThresh=1e4)
        energies[wanted] = field.CalcEnergy()
    return energies


def openmm_energies(full):
    """Energy of every force, kcal/mol, and of all."""
    system = openmm.System()
    for _ in range(full.GetNumAtoms()):
        system.addParticle(1.0)
    for group, force in enumerate(mmff_forces(mmff_arrays(full))):
        force.setForceGroup(group)
        system.addForce(force)
    platform = openmm.Platform.getPlatformByName("Reference")
    context = openmm.Context(system, openmm.VerletIntegrator(0.001), platform)
    context.setPositions(np.asarray(full.GetConformer().GetPositions()) / 10)

    def energy(groups):
        value = context.getState(getEnergy=True, groups=groups).getPotentialEnergy()
        return value.value_in_unit(openmm.unit.kilocalorie_per_mole)

    return [energy({group}) for group in range(7)], energy(set(range(7)))


@pytest.mark.parametrize("name", CRYSTAL_LIGANDS)
def test_every_term_is_rdkits(name):
    mol = read_ligand(DATA / f"{name}.sdf").mol
    full = with_hydrogens(heavy_molecule(mol), heavy_positions(mol)[None])
    expected = rdkit_energies(full)
    forces, total = openmm_energies(full)
    for term, groups in GROUPS.items():
        if groups:
            found = sum(forces[group] for group in groups)
            assert found == pytest.approx(expected[term], rel=1e-3, abs=1e-3), term
    assert forces[6] == pytest.approx(expected["VdW"] + expected["Ele"], rel=1e-3, abs=1e-2)
    assert total == pytest.approx(sum(expected.values()), rel=0.01)


@pytest.mark.parametrize("smiles", ["CC#CC", "CC#N", "C=C=C", "CN=[N+]=[N-]", "C1CC1C", "c1ccsc1", "CS(=O)(=O)N", "O"])
def test_unusual_geometries_too(smiles):
    mol = Chem.MolFromSmiles(smiles)
    full = with_hydrogens(mol, generate_conformers(mol, 1, seed=0))
    assert openmm_energies(full)[1] == pytest.approx(sum(rdkit_energies(full).values()), rel=0.01, abs=0.01)


def test_what_mmff_does_not_know_has_no_arrays():
    mol = Chem.MolFromSmiles("CB(O)O")
    assert mmff_arrays(with_hydrogens(mol, generate_conformers(mol, 1, seed=0))) is None
