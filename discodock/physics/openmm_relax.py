"""Relaxation of a ligand with OpenMM: MMFF94 within it, ff14SB for the pocket, Lennard-Jones and Coulomb between them.

The whole ligand moves, and of the pocket what nobody has seen: hydrogens, and atoms that a side chain lacks, which the
ligand does not feel. The pocket's heavy atoms stay, but for those that a call sets free.
"""

from __future__ import annotations

import io
import random
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

import numpy as np
from pydantic import Field

from discodock.errors import ConfigError, InputError
from discodock.physics.mmff_forces import mmff_forces
from discodock.settings import Settings

if TYPE_CHECKING:
    import openmm

FORCE_FIELD: Final = "amber14/protein.ff14SB.xml"
PH: Final = 7.0
KCAL: Final = 4.184  # kJ/mol
OTHER_DEPTH: Final = 0.1  # kcal/mol, Lennard-Jones well of atoms that no force field is at hand for
REMEDY: Final = "pip install 'discodock[relax]', or take --relax fast"


class OpenMMConfig(Settings):
    """How poses are relaxed with OpenMM."""

    radius: float = Field(8.0, gt=0, description="residues this near to a pose are in the system, Å")
    dielectric: float = Field(4.0, ge=1, description="constant that divides all electrostatics")
    restraint: float = Field(0.5, ge=0, description="of heavy ligand atoms to their start, kcal/mol/Å²")
    flexible: float = Field(0.0, ge=0, description="side chains with an atom this near to a pose move too, Å; 0: none")
    side_chain_restraint: float = Field(1.0, ge=0, description="of their heavy atoms to their start, kcal/mol/Å²")
    max_iterations: int = Field(300, ge=1, description="steps of L-BFGS at most")
    tolerance: float = Field(0.5, gt=0, description="root mean square force to stop at, kcal/mol/Å")


@dataclass(frozen=True)
class OtherAtoms:
    """Atoms that hold still and only take up room: metals, cofactors, parts of modified residues.

    Attributes:
        pos: Å, shape (K, 3).
        radius: Å, shape (K,).
    """

    pos: np.ndarray
    radius: np.ndarray


@dataclass(frozen=True)
class OpenMMPose:
    """A relaxed ligand and what it lies in.

    Attributes:
        ligand: atoms and hydrogens, Å, shape (N, 3).
        protein: the atoms of the pocket's PDB text in its order, Å, shape (M, 3).
    """

    ligand: np.ndarray
    protein: np.ndarray


def check_openmm() -> None:
    """Make sure that OpenMM and PDBFixer are there.

    Raises:
        ConfigError: one is not.
    """
    try:
        import openmm.app  # noqa: F401
        import pdbfixer  # noqa: F401
    except ImportError as error:
        raise ConfigError(f"--relax openmm needs {error.name}; {REMEDY}") from None


class OpenMMRelaxer:
    """A pocket and a ligand as an OpenMM system, ready for any number of poses.

    Raises:
        InputError: the force field cannot take up the pocket.
    """

    def __init__(self, pdb: str, other: OtherAtoms, mmff: dict[str, np.ndarray], config: OpenMMConfig) -> None:
        """Build the system.

        Args:
            pdb: standard amino acids, from `chem.pocket_pdb.pocket_structure`.
            other: atoms that only take up room.
            mmff: the ligand's terms, from `chem.mmff.mmff_arrays`.
            config: how.
        """
        import openmm

        if "ATOM" not in pdb:
            raise InputError("no amino acid is near the pose")
        pocket = _complete(pdb)
        system = _protein_system(pocket)
        charges = next(force for force in system.getForces() if isinstance(force, openmm.NonbondedForce))
        _soften(pocket, charges, config.dielectric)
        _add_others(system, charges, other)
        self._given, self._free = pocket.given, np.empty(0, dtype=np.int64)
        self._still = np.concatenate([pocket.pos, other.pos])
        first, num_atoms = len(self._still), len(mmff["atom_value"])
        _add_ligand(system, charges, mmff, first, config.dielectric)
        self._held = np.concatenate([first + np.arange(num_atoms), pocket.given])  # particles that may have a spring
        self._springs = _add_springs(system, self._held)
        self._config = config
        self._context = openmm.Context(system, openmm.VerletIntegrator(0.001), _platform())

    def relax(self, pos: np.ndarray, is_heavy: np.ndarray, free: np.ndarray | None = None) -> OpenMMPose | None:
        """One pose of the ligand with its hydrogens, relaxed.

        Args:
            pos: Å, shape (N, 3).
            is_heavy: atoms that are held near their start, bool, shape (N,).
            free: atoms of the PDB text, by their number in it, that move too, held near their start; int64, shape (K,).

        Returns:
            None if the minimisation left the numbers.
        """
        import openmm

        self._set_free(np.empty(0, dtype=np.int64) if free is None else free)
        start = np.concatenate([self._still, pos]) / 10
        self._set_springs(start, is_heavy)
        self._context.setPositions(start)
        tolerance = self._config.tolerance * KCAL * 10
        try:
            openmm.LocalEnergyMinimizer.minimize(self._context, tolerance, self._config.max_iterations)
        except openmm.OpenMMException:  # it says so when coordinates are no longer numbers
            return None
        state = self._context.getState(getPositions=True)
        found = np.asarray(state.getPositions(asNumpy=True).value_in_unit(openmm.unit.angstrom))
        pose = OpenMMPose(found[len(self._still) :], found[self._given])
        return pose if np.isfinite(pose.ligand).all() and np.isfinite(pose.protein).all() else None

    def _set_free(self, free: np.ndarray) -> None:
        """Give these atoms of the PDB text a mass, and no other heavy ones of the pocket."""
        if np.array_equal(free, self._free):
            return
        system = self._context.getSystem()
        for indices, mass in ((self._free, 0.0), (free, 1.0)):
            for index in self._given[indices].tolist():
                system.setParticleMass(index, mass)
        self._context.reinitialize()
        self._free = free

    def _set_springs(self, start: np.ndarray, is_heavy: np.ndarray) -> None:
        """Springs to the start positions (particles, 3), nm, of heavy ligand atoms and of what is free."""
        side_chains = np.zeros(len(self._given))
        side_chains[self._free] = self._config.side_chain_restraint
        strengths = np.concatenate([self._config.restraint * is_heavy, side_chains]) * KCAL * 100
        for number, (particle, strength) in enumerate(zip(self._held.tolist(), strengths.tolist(), strict=True)):
            self._springs.setParticleParameters(number, particle, [*start[particle].tolist(), strength])
        self._springs.updateParametersInContext(self._context)


@dataclass(frozen=True)
class _Pocket:
    """Amino acids with everything that the force field wants of them.

    Attributes:
        topology: OpenMM's, P atoms.
        pos: Å, shape (P, 3).
        given: the atoms of the PDB text, int64, shape (M,).
        is_invented: atoms that the text lacks, with their hydrogens, bool, shape (P,).
    """

    topology: Any
    pos: np.ndarray
    given: np.ndarray
    is_invented: np.ndarray


def _platform() -> openmm.Platform:
    """The CPU with one thread, so that equal poses give equal results."""
    import openmm

    platform = openmm.Platform.getPlatformByName("CPU")
    platform.setPropertyDefaultValue("Threads", "1")
    platform.setPropertyDefaultValue("DeterministicForces", "true")
    return platform


def _complete(pdb: str) -> _Pocket:
    """The amino acids of a PDB text with missing atoms and hydrogens built."""
    from openmm import unit
    from pdbfixer import PDBFixer

    fixer = PDBFixer(pdbfile=io.StringIO(pdb), platform=_platform())
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
    return _Pocket(topology, np.array(fixer.positions.value_in_unit(unit.angstrom)), given, is_invented)


def _protein_system(pocket: _Pocket) -> openmm.System:
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


def _soften(pocket: _Pocket, nonbonded: openmm.NonbondedForce, dielectric: float) -> None:
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


def _add_others(system: openmm.System, nonbonded: openmm.NonbondedForce, other: OtherAtoms) -> None:
    for radius in other.radius:
        system.addParticle(0.0)
        nonbonded.addParticle(0.0, _sigma(2 * radius), OTHER_DEPTH * KCAL)


def _add_ligand(
    system: openmm.System, nonbonded: openmm.NonbondedForce, mmff: dict[str, np.ndarray], first: int, dielectric: float
) -> None:
    """MMFF94 within the ligand; towards the rest its sizes, depths and charges in Amber's functions."""
    for size, depth, charge in mmff["atom_value"]:
        system.addParticle(1.0)
        nonbonded.addParticle(charge * dielectric**-0.5, _sigma(size), depth * KCAL)
    num_atoms = len(mmff["atom_value"])
    for i in range(num_atoms):
        for j in range(i):
            nonbonded.addException(first + i, first + j, 0.0, 0.1, 0.0)
    for force in mmff_forces(mmff, first, dielectric):
        system.addForce(force)


def _add_springs(system: openmm.System, particles: np.ndarray) -> openmm.CustomExternalForce:
    """A spring for each of these particles, without strength yet."""
    import openmm

    force = openmm.CustomExternalForce("strength*((x-x0)^2+(y-y0)^2+(z-z0)^2)")
    for name in ("x0", "y0", "z0", "strength"):
        force.addPerParticleParameter(name)
    for particle in particles.tolist():
        force.addParticle(particle, [0.0, 0.0, 0.0, 0.0])
    system.addForce(force)
    return force


def _sigma(distance: float) -> float:
    """Lennard-Jones sigma, nm, of the distance of least energy, Å."""
    return distance / 2 ** (1 / 6) / 10
