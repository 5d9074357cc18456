"""One ligand in one receptor, ready to score poses by Vina and MMFF94's torsions, and to relax them by these."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace
from functools import partial
from threading import Event
from typing import Final, Protocol

import numpy as np
import torch
from torch import Tensor

from discodock.chem.ligand import LigandRecord, heavy_indices
from discodock.chem.mmff import torsion_terms
from discodock.chem.receptor import MovedAtoms, Receptor
from discodock.chem.vina_types import VinaTypes, count_rotors, internal_pairs, ligand_vina_types, receptor_vina_types
from discodock.data.batch import Arrays, collate_ligands
from discodock.geometry.topology import LigandTopology
from discodock.inference.compute.threads import interruptible, map_in_threads
from discodock.inference.relaxation.config import RelaxationConfig
from discodock.inference.relaxation.relaxed import RelaxedPoses, joined, pose_shift
from discodock.physics.energy import Pocket, PoseEnergy
from discodock.physics.minimise import minimise
from discodock.physics.torsions import TorsionSeries
from discodock.physics.vina import CUTOFF, VINA, InternalPairs, VinaAtoms, VinaWeights, vina_score
from discodock.physics.vina import internal_pairs as make_internal_pairs

POSES_RELAXED_AT_ONCE: Final = 64
"""Poses relaxed together; more are no faster, and the distances to a large pocket take much memory."""

SOFTENED: Final = VINA.model_copy(update={"repulsion": 0.3 * VINA.repulsion})
"""For ranking poses that are not relaxed: small clashes would drown everything else."""

GUESS_WARNING_RADIUS: Final = 4.0  # Å from the poses within which guesses about the receptor give a warning
MAX_NAMED_RESIDUES: Final = 5  # residues named in a warning, the rest is counted
NEIGHBOR_MARGIN: Final = 6.0
"""Å around the start poses within which relaxation finds its neighbours, beyond the cutoff."""


class Relaxer(Protocol):
    """A relaxation method; `relaxation.config.METHODS` has them all."""

    def relax(self, pos: np.ndarray, scorer: PoseScorer) -> RelaxedPoses:
        """The poses after relaxation, with their scores; `strain` is the intramolecular energy, `shift` from `pos`.

        Args:
            pos: heavy atoms, Å, shape (N, L, 3).
            scorer: the ligand, its receptor and the settings.
        """
        ...


class PoseScorer:
    """One ligand and one receptor as tensors, ready to score poses and to lower Vina's energy of them."""

    def __init__(
        self,
        ligand: LigandRecord,
        receptor: Receptor,
        arrays: Arrays,
        config: RelaxationConfig,
        device: torch.device,
        threads: int,
    ) -> None:
        self.ligand, self.mol, self.config, self.device, self.threads = ligand, ligand.mol, config, device, threads
        self.tor_bond = arrays["ligand_tor_bond"]
        self.conformers = arrays["ligand_conformer_pos"]
        self.topology = collate_ligands([arrays]).topology.to(device)
        types = ligand_vina_types(ligand.mol)
        self.atoms = self._atoms(types)
        heavy = heavy_indices(ligand.mol)[types.guessed]
        self.unknown_elements = sorted({ligand.mol.GetAtomWithIdx(int(i)).GetSymbol() for i in heavy})
        self.num_rotors = count_rotors(ligand.mol)
        index = internal_pairs(ligand.mol, arrays["ligand_mask_rotate"])
        self.internal: InternalPairs = make_internal_pairs(self.atoms, torch.from_numpy(index).to(device))
        self.receptor, self.receptor_types = receptor, receptor_vina_types(receptor)
        self.stop = Event()  # set when threads at work should give up
        self.notes: dict[str, None] = {}  # in the order of their first appearance

    def relax_all(self, pos: np.ndarray, *, is_moving: bool) -> RelaxedPoses:
        """Poses (N, L, 3), relaxed by the fast method or as they are; `strain` is the intramolecular energy."""
        parts = np.array_split(pos, math.ceil(len(pos) / POSES_RELAXED_AT_ONCE))
        relax = partial(self._relax, receptor_pos=self.receptor.pos, is_moving=is_moving)
        return joined(map_in_threads(relax, parts, self.threads, self.stop))

    def scored(
        self,
        start: np.ndarray,
        pos: np.ndarray,
        side_chains: tuple[MovedAtoms | None, ...] = (),
        warnings: tuple[str, ...] = (),
    ) -> RelaxedPoses:
        """Poses that a relaxer has moved, with their scores; `strain` is the intramolecular energy.

        Args:
            start: heavy atoms before, Å, shape (N, L, 3).
            pos: heavy atoms after, Å, shape (N, L, 3).
            side_chains: atoms of the receptor that moved with each pose; empty if it was rigid.
            warnings: remarks on what could not be done as asked.
        """
        found = self._score_as_is(pos, side_chains)
        shift = pose_shift(start, pos)
        return replace(found, ranking_energy=found.vina_score, shift=shift, side_chains=side_chains, warnings=warnings)

    def _score_as_is(self, pos: np.ndarray, side_chains: Sequence[MovedAtoms | None]) -> RelaxedPoses:
        """Poses (N, L, 3) as they are, each in the receptor as its side chains are."""
        if all(moved is None for moved in side_chains):
            return self.relax_all(pos, is_moving=False)
        places = [self.receptor.with_moved(moved).pos for moved in side_chains]
        return joined([self._relax(pos[i : i + 1], place, is_moving=False) for i, place in enumerate(places)])

    def _relax(self, pos: np.ndarray, receptor_pos: np.ndarray, *, is_moving: bool) -> RelaxedPoses:
        center = pos.mean(axis=(0, 1))  # single precision is finest near the origin
        start = self._tensor(pos - center)
        pocket = self._pocket(pos, receptor_pos, center, start)
        energy, topology = self._energy(pos, start, pocket), self._topology(len(pos))
        moved, torsion_change, weights = start, start.new_zeros(topology.tor_mask.shape), SOFTENED
        if is_moving:
            found = minimise(interruptible(energy, self.stop), start, topology, self.config.minimiser)
            moved, torsion_change, weights = found.pos, found.tor, VINA
        shift = (moved - start).square().sum(-1).mean(-1).sqrt()
        is_still = (shift == 0).cpu().numpy()[:, None, None]
        return RelaxedPoses(
            pos=np.where(is_still, pos, moved.cpu().numpy().astype(np.float64) + center),
            vina_score=self._score(pocket, moved, VINA),
            ranking_energy=self._score(pocket, moved, weights),
            strain=energy.internal_energy(moved, torsion_change).cpu().numpy().astype(np.float64),
            shift=shift.cpu().numpy().astype(np.float64),
        )

    def unbound_energy(self) -> float:
        """Lowest intramolecular energy, kcal/mol, that its conformers reach without the receptor."""
        conformers = self.conformers - self.conformers.mean(axis=1, keepdims=True)
        start = self._tensor(conformers)
        found = minimise(
            self._energy(conformers, start, None), start, self._topology(len(start)), self.config.minimiser
        )
        return float(found.energy.min())

    def guesses(self, pos: np.ndarray) -> list[str]:
        """What was guessed of the ligand and of receptor residues near the poses (N, L, 3)."""
        notes = []
        if unknown := self.unknown_elements:
            notes.append(f"Vina has no type for {', '.join(unknown)}: taken as a sphere of 2 Å")
        low, high = pos.min(axis=(0, 1)) - GUESS_WARNING_RADIUS, pos.max(axis=(0, 1)) + GUESS_WARNING_RADIUS
        is_near = ((self.receptor.pos > low) & (self.receptor.pos < high)).all(axis=1) & self.receptor_types.guessed
        labels = [self.receptor.residues[i].label for i in np.unique(self.receptor.residue_idx[is_near])]
        if labels:
            more = f" and {len(labels) - MAX_NAMED_RESIDUES} more" if len(labels) > MAX_NAMED_RESIDUES else ""
            notes.append(f"hydrogen bonding guessed from heavy atoms: {', '.join(labels[:MAX_NAMED_RESIDUES])}{more}")
        return notes

    def _energy(self, pos: np.ndarray, start: Tensor, pocket: Pocket | None) -> PoseEnergy:
        terms = torsion_terms(self.mol, self.tor_bond, pos)
        num_bonds = len(self.tor_bond)
        if terms is None:
            self.notes["MMFF94 does not know an atom of the ligand: strain is without its torsion energy"] = None
            series = TorsionSeries.zero(len(pos), num_bonds, start)
        else:
            bond = torch.from_numpy(terms.bond).to(self.device)
            corners, barrier = self._tensor(terms.corners), self._tensor(terms.barrier)
            series = TorsionSeries.of(corners, bond, barrier, num_bonds)
        return PoseEnergy(start, pocket, self.internal, series, self.config.energy)

    def _pocket(self, pos: np.ndarray, receptor_pos: np.ndarray, center: np.ndarray, start: Tensor) -> Pocket:
        reach = CUTOFF + NEIGHBOR_MARGIN
        low, high = pos.min(axis=(0, 1)) - reach, pos.max(axis=(0, 1)) + reach
        near = ((receptor_pos > low) & (receptor_pos < high)).all(axis=1)
        types = self.receptor_types
        chosen = VinaTypes(*(getattr(types, name)[near] for name in VinaTypes.__dataclass_fields__))
        return Pocket(start, self.atoms, self._tensor(receptor_pos[near] - center), self._atoms(chosen))

    def _score(self, pocket: Pocket, pos: Tensor, weights: VinaWeights) -> np.ndarray:
        energy = pocket.energy(pos, torch.arange(len(pos), device=self.device), weights)[0]
        return vina_score(energy, self.num_rotors, weights).cpu().numpy().astype(np.float64)

    def _topology(self, num_poses: int) -> LigandTopology:
        return self.topology.select(torch.zeros(num_poses, dtype=torch.int64, device=self.device))

    def _atoms(self, types: VinaTypes) -> VinaAtoms:
        flags = (torch.from_numpy(flag).to(self.device) for flag in (types.hydrophobic, types.donor, types.acceptor))
        return VinaAtoms(self._tensor(types.radius), *flags)

    def _tensor(self, array: np.ndarray) -> Tensor:
        return torch.from_numpy(np.ascontiguousarray(array, dtype=np.float32)).to(self.device)
