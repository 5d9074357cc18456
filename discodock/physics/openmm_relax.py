"""Relaxation of a ligand with OpenMM: MMFF94 within it, ff14SB for the pocket, Lennard-Jones and Coulomb between them.

Heavy atoms of the receptor stay; its hydrogens, which nobody has seen, and the whole ligand move.
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
        topology, self._protein_pos = _complete(pdb)
        system, num_protein = _protein_system(topology), len(self._protein_pos)
        charges = next(force for force in system.getForces() if isinstance(force, openmm.NonbondedForce))
        _soften_ends(topology, charges, config.dielectric)
        _add_others(system, charges, other)
        self._first = num_protein + len(other.pos)
        self._other_pos = other.pos
        _add_ligand(system, charges, mmff, self._first, config.dielectric)
        self._restraint = _add_restraint(system, self._first, len(mmff["atom_value"]), config.restraint)
        self._config = config
        self._context = openmm.Context(system, openmm.VerletIntegrator(0.001), _platform())

    def relax(self, pos: np.ndarray, is_heavy: np.ndarray) -> np.ndarray | None:
        """One pose of the ligand with its hydrogens, relaxed.

        Args:
            pos: Å, shape (N, 3).
            is_heavy: atoms that are held near their start, bool, shape (N,).

        Returns:
            Å, shape (N, 3); None if the minimisation left the numbers.
        """
        import openmm

        start = np.concatenate([self._protein_pos, self._other_pos, pos]) / 10
        for index, (x, y, z) in enumerate(start[self._first :]):
            values = [x, y, z, float(is_heavy[index])]
            self._restraint.setParticleParameters(index, self._first + index, values)
        self._restraint.updateParametersInContext(self._context)
        self._context.setPositions(start)
        tolerance = self._config.tolerance * KCAL * 10
        try:
            openmm.LocalEnergyMinimizer.minimize(self._context, tolerance, self._config.max_iterations)
        except openmm.OpenMMException:  # it says so when coordinates are no longer numbers
            return None
        state = self._context.getState(getPositions=True)
        found = state.getPositions(asNumpy=True).value_in_unit(openmm.unit.angstrom)[self._first :]
        return np.asarray(found) if np.isfinite(found).all() else None


def _platform() -> openmm.Platform:
    """The CPU with one thread, so that equal poses give equal results."""
    import openmm

    platform = openmm.Platform.getPlatformByName("CPU")
    platform.setPropertyDefaultValue("Threads", "1")
    platform.setPropertyDefaultValue("DeterministicForces", "true")
    return platform


def _complete(pdb: str) -> tuple[Any, np.ndarray]:
    """Topology and positions, Å, of the pocket with missing atoms and hydrogens built."""
    from openmm import unit
    from pdbfixer import PDBFixer

    fixer = PDBFixer(pdbfile=io.StringIO(pdb), platform=_platform())
    fixer.missingResidues = {}
    state = random.getstate()
    random.seed(0)  # OpenMM's Modeller puts hydrogens at random places first, and takes no generator
    try:
        fixer.findMissingAtoms()
        fixer.addMissingAtoms(seed=1)
        fixer.addMissingHydrogens(PH)
    finally:
        random.setstate(state)
    return fixer.topology, np.array(fixer.positions.value_in_unit(unit.angstrom))


def _protein_system(topology: Any) -> openmm.System:
    """The pocket under its force field; heavy atoms have no mass and stay."""
    from openmm import app

    try:
        system = app.ForceField(FORCE_FIELD).createSystem(topology, nonbondedMethod=app.NoCutoff, constraints=None)
    except ValueError as error:
        raise InputError(f"the pocket does not fit {FORCE_FIELD}: {str(error).splitlines()[0]}; {REMEDY}") from None
    for index, atom in enumerate(topology.atoms()):
        if atom.element.symbol != "H":
            system.setParticleMass(index, 0.0)
    return system


def _soften_ends(topology: Any, nonbonded: openmm.NonbondedForce, dielectric: float) -> None:
    """Divide the electrostatics by the dielectric, and take the charge off the artificial chain ends."""
    chains = [list(chain.residues()) for chain in topology.chains()]
    ends = {residue.index for residues in chains for residue in (residues[0], residues[-1])}
    for index, atom in enumerate(topology.atoms()):
        charge, sigma, depth = nonbonded.getParticleParameters(index)
        factor = 0.0 if atom.residue.index in ends else dielectric**-0.5
        nonbonded.setParticleParameters(index, charge * factor, sigma, depth)
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


def _add_restraint(system: openmm.System, first: int, num_atoms: int, strength: float) -> openmm.CustomExternalForce:
    """A spring for every ligand atom that is told to have one."""
    import openmm

    force = openmm.CustomExternalForce(f"{strength * KCAL * 100}*held*((x-x0)^2+(y-y0)^2+(z-z0)^2)")
    for name in ("x0", "y0", "z0", "held"):
        force.addPerParticleParameter(name)
    for index in range(num_atoms):
        force.addParticle(first + index, [0.0, 0.0, 0.0, 0.0])
    system.addForce(force)
    return force


def _sigma(distance: float) -> float:
    """Lennard-Jones sigma, nm, of the distance of least energy, Å."""
    return distance / 2 ** (1 / 6) / 10
