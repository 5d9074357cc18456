"""Relaxation of a ligand with OpenMM: MMFF94 within it, ff14SB for the pocket, Lennard-Jones and Coulomb between them.

The whole ligand moves, and of the pocket what nobody has seen: hydrogens, and atoms that a side chain lacks, which the
ligand does not feel. The pocket's heavy atoms stay, but for those that a call sets free.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import numpy as np

from discodock.errors import InputError
from discodock.physics.config import OpenMMConfig
from discodock.physics.mmff_forces import mmff_forces
from discodock.physics.openmm_pocket import complete_pocket, cpu_platform, protein_system, soften

if TYPE_CHECKING:
    import openmm

KCAL: Final = 4.184  # kJ/mol
OTHER_DEPTH: Final = 0.1  # kcal/mol, Lennard-Jones well of atoms that no force field is at hand for
COORDINATION: Final = 3.0
"""Å: an atom that binds metals and starts this near to one stays as near, by a spring in place of repulsion."""

COORDINATION_SPRING: Final = 200.0  # kcal/mol/Å²
BOUND_LENGTH: Final = 2.2
"""Å, of the least Lennard-Jones energy between a metal and such an atom, about the length of their bonds."""


@dataclass(frozen=True)
class OtherAtoms:
    """Atoms that hold still and only take up room: metals, cofactors, parts of modified residues.

    Attributes:
        pos: positions, Å, shape (K, 3).
        radius: radius of each atom, Å, shape (K,).
        is_metal: true for metals, bool, shape (K,).
    """

    pos: np.ndarray
    radius: np.ndarray
    is_metal: np.ndarray


@dataclass(frozen=True)
class LigandTerms:
    """A ligand of N atoms, hydrogens included, as the force field has it.

    Attributes:
        mmff: parameters of MMFF94, from `chem.mmff.mmff_arrays`.
        is_heavy: true for heavy atoms, bool, shape (N,).
        binds_metal: atoms with a lone pair that metals take, bool, shape (N,).
    """

    mmff: dict[str, np.ndarray]
    is_heavy: np.ndarray
    binds_metal: np.ndarray


@dataclass(frozen=True)
class OpenMMPose:
    """A relaxed ligand and what it lies in.

    Attributes:
        ligand: atoms and hydrogens, Å, shape (N, 3).
        protein: the atoms of the pocket's PDB text in its order, Å, shape (M, 3).
    """

    ligand: np.ndarray
    protein: np.ndarray


class OpenMMRelaxer:
    """A pocket and a ligand as an OpenMM system, ready for any number of poses.

    Raises:
        InputError: the force field cannot take up the pocket.
    """

    def __init__(self, pdb: str, other: OtherAtoms, ligand: LigandTerms, config: OpenMMConfig) -> None:
        """Build the system.

        Args:
            pdb: standard amino acids, from `chem.pocket_pdb.pocket_structure`.
            other: atoms that only take up room.
            ligand: force-field terms of the ligand.
            config: settings of the relaxation.
        """
        import openmm

        if "ATOM" not in pdb:
            raise InputError("no amino acid is near the pose")
        pocket = complete_pocket(pdb)
        system = protein_system(pocket)
        charges = next(force for force in system.getForces() if isinstance(force, openmm.NonbondedForce))
        soften(pocket, charges, config.dielectric)
        _add_others(system, charges, other)
        self._given, self._free = pocket.given, np.empty(0, dtype=np.int64)
        self._still = np.concatenate([pocket.pos, other.pos])
        first = len(self._still)  # particles: pocket, other atoms, ligand
        _add_ligand(system, charges, ligand.mmff, first, config.dielectric)
        self._held = np.concatenate([first + np.flatnonzero(ligand.is_heavy), pocket.given])  # may have a spring
        self._springs = _add_springs(system, self._held)
        metals = len(pocket.pos) + np.flatnonzero(other.is_metal)
        self._pairs = np.array([(m, first + a) for m in metals for a in np.flatnonzero(ligand.binds_metal)])
        self._bonds = _add_coordination(system, charges, self._pairs)
        self._config = config
        # Only minimised: the integrator never takes a step, but a context must have one.
        self._context = openmm.Context(system, openmm.VerletIntegrator(0.001), cpu_platform())

    def relax(self, pos: np.ndarray, free: np.ndarray | None = None) -> OpenMMPose | None:
        """One pose of the ligand with its hydrogens, relaxed.

        Args:
            pos: ligand atoms, hydrogens among them, Å, shape (N, 3).
            free: atoms of the PDB text, by their number in it, that move too, held near their start; int64, shape (K,).

        Returns:
            None if the minimisation left the numbers.
        """
        import openmm

        self._set_free(np.empty(0, dtype=np.int64) if free is None else free)
        start = np.concatenate([self._still, pos]) / 10  # nm, shape (particles, 3)
        self._set_springs(start)
        self._set_coordination(start)
        self._context.setPositions(start)
        tolerance = self._config.tolerance * KCAL * 10  # kcal/mol/Å -> kJ/mol/nm
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
            # OpenMM does not move particles without mass
            for index in self._given[indices].tolist():
                system.setParticleMass(index, mass)
        self._context.reinitialize()  # a context keeps the masses that it was made with
        self._free = free

    def _set_springs(self, start: np.ndarray) -> None:
        """Springs to the start positions (particles, 3), nm, of heavy ligand atoms and of what is free."""
        side_chains = np.zeros(len(self._given))
        side_chains[self._free] = self._config.side_chain_restraint
        ligand = np.full(len(self._held) - len(self._given), self._config.restraint)
        strengths = np.concatenate([ligand, side_chains]) * KCAL * 100  # kcal/mol/Å² -> kJ/mol/nm²
        for number, (particle, strength) in enumerate(zip(self._held.tolist(), strengths.tolist(), strict=True)):
            self._springs.setParticleParameters(number, particle, [*start[particle].tolist(), strength])
        self._springs.updateParametersInContext(self._context)

    def _set_coordination(self, start: np.ndarray) -> None:
        """Bonds of metals to ligand atoms, as long as they are at the start (particles, 3), nm."""
        if not len(self._pairs):
            return
        for number, (metal, atom) in enumerate(self._pairs.tolist()):
            length = float(np.linalg.norm(start[metal] - start[atom]))
            # one system serves all poses, so bonds that a pose does not have stay, without strength
            strength = COORDINATION_SPRING * KCAL * 100 if length < COORDINATION / 10 else 0.0
            self._bonds.setBondParameters(number, metal, atom, [length, strength])
        self._bonds.updateParametersInContext(self._context)


def _add_others(system: openmm.System, nonbonded: openmm.NonbondedForce, other: OtherAtoms) -> None:
    """Particles without mass, so that they hold still, and without charge."""
    for radius in other.radius:
        system.addParticle(0.0)
        nonbonded.addParticle(0.0, _sigma(2 * radius), OTHER_DEPTH * KCAL)


def _add_ligand(
    system: openmm.System, nonbonded: openmm.NonbondedForce, mmff: dict[str, np.ndarray], first: int, dielectric: float
) -> None:
    """MMFF94 within the ligand; towards the rest its sizes, depths and charges in Amber's functions."""
    for size, depth, charge in mmff["atom_value"]:
        system.addParticle(1.0)  # any mass: a minimum does not depend on it
        # Both partners of a pair carry the root, so that the product of their charges is over the dielectric constant.
        nonbonded.addParticle(charge * dielectric**-0.5, _sigma(size), depth * KCAL)
    num_atoms = len(mmff["atom_value"])
    for i in range(num_atoms):
        for j in range(i):  # pairs within the ligand are left to MMFF94, whose functions are others
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


def _add_coordination(
    system: openmm.System, nonbonded: openmm.NonbondedForce, pairs: np.ndarray
) -> openmm.CustomBondForce:
    """Bonds between metals and ligand atoms, pairs (K, 2), without strength yet, and no repulsion at that length."""
    import openmm

    force = openmm.CustomBondForce("strength*(r-length)^2")
    for name in ("length", "strength"):
        force.addPerBondParameter(name)
    for metal, atom in pairs.tolist():
        nonbonded.addException(metal, atom, 0.0, _sigma(BOUND_LENGTH), OTHER_DEPTH * KCAL)
        force.addBond(metal, atom, [0.0, 0.0])
    system.addForce(force)
    return force


def _sigma(distance: float) -> float:
    """Lennard-Jones sigma, nm, of the distance of least energy, Å."""
    return distance / 2 ** (1 / 6) / 10
