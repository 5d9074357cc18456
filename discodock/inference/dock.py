"""Docking one ligand into one receptor: `dock` for files, `DockingPipeline` for structures that are read already.

The way of a pose: sample and relax all candidates, score their confidence, select the best, finish their relaxation.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from discodock.chem.ligand import LigandRecord, read_ligand
from discodock.chem.receptor import Receptor
from discodock.errors import ConfigError, InputError
from discodock.files import home_expanded
from discodock.inference.candidates import Candidates, candidates_of, given_poses, select, with_code_words
from discodock.inference.compute.device import choose_device
from discodock.inference.compute.threads import docking_threads, one_thread_each
from discodock.inference.confidence import score_confidence
from discodock.inference.config import DockingConfig
from discodock.inference.docked_pose import docked_poses
from discodock.inference.inputs import (
    docking_arrays,
    embedding_arrays,
    read_docking_receptor,
    with_rigid_axes,
)
from discodock.inference.network import load_network
from discodock.inference.pocket import Pocket, PocketSpec, pocket_spec, resolve_pocket
from discodock.inference.relaxation.config import RelaxationConfig
from discodock.inference.relaxation.relax import check_relaxation, relax_poses
from discodock.inference.rescore import rescored
from discodock.inference.result import DockingResult
from discodock.inference.result_warnings import result_warnings
from discodock.inference.sample import StepCallback, sample_at_sites
from discodock.inference.sites import MISSING_POCKET, choose_sites
from discodock.inference.validity import with_validity
from discodock.models.site.distinct import allocate_samples


class DockingPipeline:
    """A loaded network, ready to dock any number of ligands.

    Attributes:
        network: the network, its process and its device.
    """

    def __init__(self, checkpoint: Path | None = None, device: str = "auto") -> None:
        self.network = load_network(checkpoint, choose_device(device))

    def dock(
        self,
        receptor: Receptor,
        ligand: LigandRecord,
        pocket: Pocket | None,
        config: DockingConfig,
        *,
        name: str | None = None,
        on_step: StepCallback | None = None,
    ) -> DockingResult:
        """Dock a ligand; its own coordinates, if it has any, are never used.

        Args:
            receptor: receptor from `read_docking_receptor`.
            ligand: ligand to dock.
            pocket: pocket from `resolve_pocket`; None searches the whole receptor for sites (blind docking).
            config: settings of docking.
            name: name of the result; None takes the ligand's.
            on_step: progress callback.

        Raises:
            InputError: the ligand cannot be embedded, no pose fits into memory, or there is neither a pocket nor a site
                model to find one.
        """
        started = time.monotonic()
        first = config.model_copy(update={"relaxation": config.relaxation.first})
        candidates = self.sample(receptor, ligand, pocket, first, on_step=on_step)
        with one_thread_each():
            candidates = score_confidence(self.network, candidates)
            chosen = select(candidates, config.samples, receptor)
            chosen = self._finish(chosen, receptor, ligand, config.relaxation)
        poses = docked_poses(chosen, ligand, receptor)
        if config.rescore == "vina":
            poses = rescored(poses, ligand, receptor)
        if config.validity:
            poses = with_validity(poses, receptor)
        return DockingResult(
            name=name or ligand.name,
            poses=poses,
            ligand=ligand,
            receptor=receptor,
            sites=chosen.sites,
            seed=config.seed,
            seconds=time.monotonic() - started,
            warnings=result_warnings(chosen, poses, ligand, receptor, pocket),
        )

    def sample(
        self,
        receptor: Receptor,
        ligand: LigandRecord,
        pocket: Pocket | None,
        config: DockingConfig,
        *,
        on_step: StepCallback | None = None,
    ) -> Candidates:
        """Sample and relax all candidates; arguments and errors as of `dock`."""
        self.check_pocket(pocket)
        network, device = self.network, self.network.device
        threads = docking_threads(device, config.threads)  # before `one_thread_each`, after which torch would say one
        arrays = docking_arrays(receptor, ligand, config)
        with one_thread_each():
            arrays |= embedding_arrays(network, receptor)
            sites = choose_sites(network, arrays, receptor, pocket, config)
            counts = allocate_samples(config.num_candidates, [site.prob for site in sites])
            centers = [site.pocket.center for site in sites]
            rigid = with_rigid_axes(arrays, ligand)
            sampled = sample_at_sites(network, rigid, centers, counts, config, on_step=on_step, threads=threads)
            relaxed = relax_poses(sampled.pos, ligand, receptor, arrays, config.relaxation, device, threads=threads)
        candidates = candidates_of(arrays, sites, np.repeat(np.arange(len(sites)), counts), sampled, relaxed)
        layout = None if network.code_prior is None else network.code_prior.layout
        return candidates if layout is None else with_code_words(candidates, layout, ligand, receptor)

    def rank_poses(
        self, receptor: Receptor, ligand: LigandRecord, pos: np.ndarray, threads: int | None = None
    ) -> tuple[np.ndarray, np.ndarray]:
        """Rank poses from anywhere, where they lie.

        Args:
            receptor: receptor of the poses.
            ligand: ligand of the poses.
            pos: heavy atoms of the poses, Å, shape (N, L, 3).
            threads: CPU cores, as in `DockingConfig`.

        Returns:
            The order of the poses, best first, and of each in the order given the probability to be below 2 Å, (N,).

        Raises:
            ConfigError: the checkpoint has no confidence model.
        """
        arrays = docking_arrays(receptor, ligand, DockingConfig())
        unrelaxed, device = RelaxationConfig(method="none"), self.network.device
        threads = docking_threads(device, threads)
        with one_thread_each():
            relaxed = relax_poses(pos, ligand, receptor, arrays, unrelaxed, device, threads=threads)
            relaxed = replace(relaxed, ranking_energy=relaxed.vina_score)
            confidences = score_confidence(self.network, given_poses(arrays, relaxed)).confidences
        if confidences is None:
            raise ConfigError(f"{self.network.path}: has no confidence model; give another checkpoint")
        return np.argsort(-confidences.log_odds, kind="stable"), confidences.prob

    def check_pocket(self, pocket: Pocket | PocketSpec | None) -> None:
        """Refuse to dock without a pocket if the checkpoint cannot find one.

        Raises:
            InputError: there is neither a pocket nor a network that finds one.
        """
        if pocket is None and not self.network.supports_blind_docking:
            raise InputError(MISSING_POCKET)

    def _finish(
        self, chosen: Candidates, receptor: Receptor, ligand: LigandRecord, relaxation: RelaxationConfig
    ) -> Candidates:
        """The chosen poses after the part of relaxation that is not done to all, with their confidence then."""
        start, device = chosen.sampled.pos, self.network.device
        relaxed = relax_poses(start, ligand, receptor, chosen.arrays, relaxation, device, done=chosen.relaxed)
        if relaxed is chosen.relaxed:
            return chosen
        return score_confidence(self.network, replace(chosen, relaxed=relaxed))


def dock(
    protein: str | Path,
    ligand: str | Path | LigandRecord,
    *,
    pocket_ligand: str | Path | None = None,
    pocket_center: Sequence[float] | None = None,
    pocket_residues: Sequence[str] = (),
    name: str | None = None,
    device: str = "auto",
    checkpoint: str | Path | None = None,
    config: DockingConfig | None = None,
    **options: Any,
) -> DockingResult:
    """Dock one ligand into a protein: into a pocket named by one of a ligand, a point or residues, or wherever it fits.

    >>> result = dock("protein.pdb", "ligand.sdf")
    >>> result = dock("protein.pdb", "ligand.sdf", pocket_center=(1.0, 2.0, 3.0), samples=10, relax="openmm")
    >>> result.best.mol, result.best.rank_score

    Args:
        protein: PDB or mmCIF file, gzipped or not.
        ligand: ligand file with one record, a SMILES string, or a record that is read already.
        pocket_ligand: file of a ligand that lies in the pocket; only its centroid is used.
        pocket_center: point in the pocket, Å, in the protein's frame.
        pocket_residues: residues around the pocket, such as ["A:12", "A:15"].
        name: name of the result; None takes the ligand's.
        device: auto, cpu, cuda, cuda:N or mps.
        checkpoint: weights; None takes those that ship with the package.
        config: settings of docking; None takes the defaults.
        **options: single settings that win over `config`, named as the options of `discodock predict`: samples,
            exhaustiveness, steps, solver, guidance, seed, threads, batch_size, conformers, pocket_radius, relax,
            flexible_side_chains, rescore, validity, keep, drop, cofactors (`DockingConfig` has their meaning).

    Returns:
        All poses, best first, as RDKit molecules with their scores.

    Raises:
        DiscodockError: an input, the pocket or the checkpoint cannot be used; the message says what to do.
    """
    config = (config or DockingConfig()).with_options(options)
    check_relaxation(config.relaxation)
    reference = None if pocket_ligand is None else home_expanded(str(pocket_ligand))
    spec = pocket_spec(reference, pocket_center, pocket_residues, config.pocket_radius)
    record = (
        ligand
        if isinstance(ligand, LigandRecord)
        else read_ligand(home_expanded(ligand) if isinstance(ligand, str) else ligand.expanduser())
    )
    pipeline = DockingPipeline(None if checkpoint is None else Path(home_expanded(str(checkpoint))), device)
    pipeline.check_pocket(spec)
    receptor = read_docking_receptor(Path(home_expanded(str(protein))), record, spec, config.receptor)
    pocket = None if spec is None else resolve_pocket(spec, receptor)
    return pipeline.dock(receptor, record, pocket, config, name=name)
