"""A pocket of standard amino acids as OpenMM wants it: complete, with hydrogens, under Amber's ff14SB."""

from __future__ import annotations

import io
import random
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from discodock.errors import InputError

if TYPE_CHECKING:
    import openmm

FORCE_FIELD: Final = "amber14/protein.ff14SB.xml"
PH: Final = 7.0
REMEDY: Final = "pip install 'discodock[relax]', or take --relax fast"


@dataclass(frozen=True)
class CompletePocket:
    """Amino acids with everything that the force field wants of them.

    Attributes:
        topology: topology for OpenMM, P atoms.
        pos: positions of its atoms, Å, shape (P, 3).
        given: the atoms of the PDB text, int64, shape (M,).
        is_invented: atoms that the text lacks, with their hydrogens, bool, shape (P,).
    """

    topology: Any
    pos: np.ndarray
    given: np.ndarray
    is_invented: np.ndarray


def complete_pocket(pdb: str) -> CompletePocket:
    """The amino acids of a PDB text with missing atoms and hydrogens built."""
    from openmm import unit
    from pdbfixer import PDBFixer

    fixer = PDBFixer(pdbfile=io.StringIO(pdb), platform=cpu_platform())
    written = [(atom.residue.index, atom.name) for atom in fixer.topology.atoms()]
    fixer.missingResidues = {}
    state = random.getstate()
    random.seed(0)  # OpenMM's Modeller puts hydrogens at random places first, and takes no generator
    try:
        fixer.findMissingAtoms()
        fixer.addMissingAtoms(seed=1)
        fixer.addMissingHydrogens(PH)
    finally:
        random.setstate(state)
    topology = fixer.topology
    place = {(atom.residue.index, atom.name): atom.index for atom in topology.atoms()}
    given = np.array([place[key] for key in written])
    is_hydrogen = np.array([atom.element.symbol == "H" for atom in topology.atoms()])
    is_invented = ~is_hydrogen
    is_invented[given] = False
    for bond in topology.bonds():
        ends = [bond.atom1.index, bond.atom2.index]
        if is_hydrogen[ends].any() and is_invented[ends].any():
            is_invented[ends] = True
    return CompletePocket(topology, np.array(fixer.positions.value_in_unit(unit.angstrom)), given, is_invented)


def protein_system(pocket: CompletePocket) -> openmm.System:
    """The pocket under its force field; heavy atoms of the PDB text have no mass and stay."""
    from openmm import app

    forces = app.ForceField(FORCE_FIELD)
    try:
        system = forces.createSystem(pocket.topology, nonbondedMethod=app.NoCutoff, constraints=None)
    except ValueError as error:
        raise InputError(f"the pocket does not fit {FORCE_FIELD}: {str(error).splitlines()[0]}; {REMEDY}") from None
    for index in pocket.given.tolist():
        system.setParticleMass(index, 0.0)
    return system


def soften(pocket: CompletePocket, nonbonded: openmm.NonbondedForce, dielectric: float) -> None:
    """Divide electrostatics by the dielectric; take charges off artificial chain ends, and all off invented atoms."""
    chains = [list(chain.residues()) for chain in pocket.topology.chains()]
    ends = {residue.index for residues in chains for residue in (residues[0], residues[-1])}
    for index, atom in enumerate(pocket.topology.atoms()):
        charge, sigma, depth = nonbonded.getParticleParameters(index)
        is_invented = bool(pocket.is_invented[index])
        factor = 0.0 if is_invented or atom.residue.index in ends else dielectric**-0.5
        nonbonded.setParticleParameters(index, charge * factor, sigma, 0.0 if is_invented else depth)
    for index in range(nonbonded.getNumExceptions()):
        i, j, product, sigma, depth = nonbonded.getExceptionParameters(index)
        nonbonded.setExceptionParameters(index, i, j, product / dielectric, sigma, depth)


def cpu_platform() -> openmm.Platform:
    """The CPU with one thread, so that equal poses give equal results."""
    import openmm

    platform = openmm.Platform.getPlatformByName("CPU")
    platform.setPropertyDefaultValue("Threads", "1")
    platform.setPropertyDefaultValue("DeterministicForces", "true")
    return platform
