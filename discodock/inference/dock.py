"""Docking one ligand into one receptor: `dock` for files, `Docker` for structures that are read already."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import ArrayLike

from discodock.chem.conformers import generate_conformers
from discodock.chem.ligand import LigandRecord, heavy_indices, read_ligand
from discodock.chem.ligand_features import ligand_arrays
from discodock.chem.protein import Receptor, ReferenceLigand, read_receptor
from discodock.chem.receptor_features import receptor_arrays
from discodock.chem.write import pose_mols
from discodock.data.batch import Arrays
from discodock.data.crop import crop_site, move_origin
from discodock.errors import ConfigError, InputError
from discodock.inference.codes import code_labels, pointed_residues
from discodock.inference.confidence import PoseConfidence, judge_poses
from discodock.inference.config import DockingConfig, ReceptorConfig
from discodock.inference.device import choose_device
from discodock.inference.drawn import DrawnPoses, given_poses
from discodock.inference.embedding import embedding_arrays
from discodock.inference.modes import Mode, find_modes, surroundings
from discodock.inference.network import load_network
from discodock.inference.pocket import Pocket, PocketSpec, pocket_spec, reference_positions, resolve_pocket
from discodock.inference.pose_facts import pose_facts
from discodock.inference.ranking import best_distinct, rank_scores
from discodock.inference.relax import RelaxedPoses, check_relaxation, relax_poses
from discodock.inference.relaxation.config import RelaxationConfig
from discodock.inference.rescore import rescored
from discodock.inference.result import DockedPose, DockingResult
from discodock.inference.sample import SampledPoses, StepCallback, joined, sample_poses
from discodock.inference.sites import NO_PLACE, DockingSite, choose_sites
from discodock.inference.threads import docking_threads, one_thread_each
from discodock.inference.validity import with_validity
from discodock.models.sites import allot

TRAINED_HEAVY_ATOMS: Final = 60
"""Heavy atoms of the largest ligands in training; beyond, a warning."""

TRAINED_RESIDUES: Final = 54
"""Residues of the smallest protein in training; below, a warning."""


class Docker:
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
            receptor: as read.
            ligand: as read.
            pocket: from `resolve_pocket`; None searches the whole receptor for sites (blind docking).
            config: settings of docking.
            name: of the result; None takes the ligand's.
            on_step: progress callback.

        Raises:
            InputError: the ligand cannot be embedded, no pose fits into memory, or there is neither a pocket nor a site
                model to find one.
        """
        started = time.monotonic()
        first = config.model_copy(update={"relaxation": config.relaxation.first})
        candidates = self.draw(receptor, ligand, pocket, first, on_step=on_step)
        with one_thread_each():
            belief = judge_poses(self.network, candidates)
            scores = _scores(candidates.relaxed, candidates.agreement(), belief)
            kept = best_distinct(scores, candidates.distances, config.samples)
            facts = self._sample_facts(candidates, kept, ligand, receptor)
            chosen = None if belief is None else belief[kept]
            drawn, confidence = self._finish(candidates[kept], chosen, ligand, receptor, config.relaxation)
        poses = _rank(drawn, [facts[index] for index in kept], confidence, ligand, receptor)
        warnings = [*receptor.warnings, *ligand.warnings, *_size_warnings(ligand, receptor), *drawn.relaxed.warnings]
        warnings += [] if confidence is None else confidence.warnings()
        if config.rescore == "vina":
            poses = rescored(poses, ligand, receptor)
        if config.validity:
            poses = with_validity(poses, receptor)
        if not any(pose.pocket_ok for pose in poses):
            radius = poses[0].site.pocket.radius
            warnings.append(f"no pose has its centroid within {radius:g} Å of its pocket's centre")
        return DockingResult(
            name=name or ligand.name,
            poses=poses,
            ligand=ligand,
            receptor=receptor,
            sites=drawn.sites,
            seed=config.seed,
            seconds=time.monotonic() - started,
            warnings=tuple(warnings),
        )

    def draw(
        self,
        receptor: Receptor,
        ligand: LigandRecord,
        pocket: Pocket | None,
        config: DockingConfig,
        *,
        on_step: StepCallback | None = None,
    ) -> DrawnPoses:
        """Sample and relax all candidates, in no order yet; arguments and errors as of `dock`."""
        self.check_pocket(pocket)
        arrays = docking_arrays(receptor, ligand, config) | embedding_arrays(self.network, receptor)
        with one_thread_each():
            sites = choose_sites(self.network, arrays, receptor, pocket, config)
            pose_site = np.repeat(np.arange(len(sites)), allot(config.num_candidates, [site.prob for site in sites]))
            sampled = self._sample(arrays, sites, pose_site, config, on_step)
            relax, device = config.relaxation, self.network.device
            threads = docking_threads(device, config.threads)
            relaxed = relax_poses(sampled.pos, ligand, receptor, arrays, relax, device, threads=threads)
        return DrawnPoses(arrays, sites, pose_site, sampled, relaxed)

    def rank_poses(
        self, receptor: Receptor, ligand: LigandRecord, pos: np.ndarray, threads: int | None = None
    ) -> tuple[np.ndarray, np.ndarray]:
        """Judge poses from anywhere, where they lie.

        Args:
            receptor: as read.
            ligand: as read.
            pos: heavy atoms, Å, shape (N, L, 3).
            threads: CPU cores, as in `DockingConfig`.

        Returns:
            The order of the poses, best first, and of each in the order given the probability to be below 2 Å, (N,).

        Raises:
            ConfigError: the checkpoint has no confidence model.
        """
        arrays = docking_arrays(receptor, ligand, DockingConfig())
        with one_thread_each():
            device = self.network.device
            unrelaxed, threads = RelaxationConfig(method="none"), docking_threads(device, threads)
            relaxed = relax_poses(pos, ligand, receptor, arrays, unrelaxed, device, threads=threads)
            relaxed = replace(relaxed, contact_energy=relaxed.vina_score)
            judged = judge_poses(self.network, given_poses(arrays, relaxed))
        if judged is None:
            raise ConfigError(f"{self.network.path}: has no confidence model; give another checkpoint")
        return np.argsort(-judged.log_odds, kind="stable"), judged.prob

    def check_pocket(self, pocket: Pocket | PocketSpec | None) -> None:
        """Refuse to dock without a pocket if the checkpoint cannot find one.

        Raises:
            InputError: there is neither a pocket nor a network that finds one.
        """
        if pocket is None and not self.network.finds_place:
            raise InputError(NO_PLACE)

    def _sample(
        self,
        arrays: Arrays,
        sites: Sequence[DockingSite],
        pose_site: np.ndarray,
        config: DockingConfig,
        on_step: StepCallback | None,
    ) -> SampledPoses:
        """Poses (N, L, 3), Å, and their codes, in the order of `pose_site`, the ascending index of the site of each."""
        conformers = arrays["ligand_conformer_pos"].astype(np.float32)  # free of any site until a pose is drawn
        whole = self.network.score_model.whole_receptor
        used = np.unique(pose_site)
        centers = [sites[index].pocket.center for index in used]
        places = []
        for index, center in zip(used, centers, strict=True):
            cropped = move_origin(arrays, center) if whole else crop_site(arrays, center)
            first, last = np.flatnonzero(pose_site == index)[[0, -1]]
            places.append((cropped | {"ligand_conformer_pos": conformers}, range(int(first), int(last) + 1)))
        parts = sample_poses(
            self.network, places, config, on_step, docking_threads(self.network.device, config.threads)
        )
        return joined([replace(part, pos=part.pos + center) for part, center in zip(parts, centers, strict=True)])

    def _finish(
        self,
        drawn: DrawnPoses,
        confidence: PoseConfidence | None,
        ligand: LigandRecord,
        receptor: Receptor,
        relax: RelaxationConfig,
    ) -> tuple[DrawnPoses, PoseConfidence | None]:
        """The poses after what relaxation was not done to all candidates, and what is then believed of them."""
        start, device = drawn.sampled.pos, self.network.device
        relaxed = relax_poses(start, ligand, receptor, drawn.arrays, relax, device, done=drawn.relaxed)
        if relaxed is drawn.relaxed:
            return drawn, confidence
        drawn = replace(drawn, relaxed=relaxed)
        return drawn, judge_poses(self.network, drawn)

    def _sample_facts(
        self, drawn: DrawnPoses, kept: np.ndarray, ligand: LigandRecord, receptor: Receptor
    ) -> list[_SampleFacts]:
        """What is known of every candidate beside its pose; `kept` are the numbers of those to be kept, best first."""
        prior, num = self.network.code_prior, len(drawn.pose_site)
        codes: list[tuple[str, ...]] = [()] * num
        near: list[tuple[str, ...]] = [()] * num
        if prior is not None:
            layout, residues = prior.layout, receptor.residue_labels
            atoms = [f"{ligand.mol.GetAtomWithIdx(int(i)).GetSymbol()}{i + 1}" for i in heavy_indices(ligand.mol)]
            rows = drawn.sampled.entries.tolist()
            codes = [tuple(code_labels(layout, row, atoms, residues)) for row in rows]
            near = [pointed_residues(layout, row, len(atoms), residues) for row in rows]
        around = surroundings(drawn.relaxed.pos, near, receptor)
        modes = find_modes(drawn.distances, drawn.pose_site.tolist(), around, best=int(kept[0]), kept=kept.tolist())
        return [
            _SampleFacts(number, drawn.sites[site], *each)
            for number, (site, *each) in enumerate(
                zip(drawn.pose_site, codes, modes, drawn.agreement().tolist(), strict=True)
            )
        ]


def docking_arrays(receptor: Receptor, ligand: LigandRecord, config: DockingConfig) -> Arrays:
    """Receptor, ligand and fresh conformers as networks take them (`schema.FIELDS`); the ligand's own pose is not used.

    Raises:
        InputError: the ligand cannot be embedded.
    """
    conformers = generate_conformers(ligand.mol, config.conformers, config.seed)
    arrays = receptor_arrays(receptor) | ligand_arrays(ligand.mol)
    return arrays | {"ligand_pos": conformers[0], "ligand_conformer_pos": conformers}


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
    spec = pocket_spec(pocket_ligand, pocket_center, pocket_residues, config.pocket_radius)
    record = ligand if isinstance(ligand, LigandRecord) else read_ligand(ligand)
    docker = Docker(None if checkpoint is None else Path(checkpoint), device)
    docker.check_pocket(spec)
    receptor = read_docking_receptor(Path(protein), record, spec, config.receptor)
    pocket = None if spec is None else resolve_pocket(spec, receptor)
    return docker.dock(receptor, record, pocket, config, name=name)


def read_docking_receptor(
    protein: Path,
    ligand: LigandRecord,
    spec: PocketSpec | None,
    config: ReceptorConfig,
) -> Receptor:
    """The receptor without copies of the ligand to be docked and of the pocket's reference ligand.

    Raises:
        InputError: a file cannot be used.
    """
    references: list[ReferenceLigand] = [ligand.mol]
    if spec is not None and spec.ligand is not None:
        references.append(reference_positions(spec.ligand))
    return read_receptor(
        protein, extra=config.cofactors, keep=config.keep, drop=config.drop, reference_ligands=references
    )


def _size_warnings(ligand: LigandRecord, receptor: Receptor) -> list[str]:
    warnings, num_atoms, num_residues = [], len(heavy_indices(ligand.mol)), len(receptor.residues)
    if num_atoms > TRAINED_HEAVY_ATOMS:
        warnings.append(f"{num_atoms} heavy atoms: the network was trained on ligands of at most {TRAINED_HEAVY_ATOMS}")
    if num_residues < TRAINED_RESIDUES:
        warnings.append(
            f"a receptor of {num_residues} residues: the network was trained on {TRAINED_RESIDUES} and more; is the"
            " file complete?"
        )
    return warnings


@dataclass(frozen=True)
class _SampleFacts:
    """What is known of a candidate among all others.

    Attributes:
        number: of its random stream.
        site: where it started.
        codes: what its codes say.
        mode: the binding mode that it belongs to.
        agreement: how densely the other candidates lie around it.
    """

    number: int
    site: DockingSite
    codes: tuple[str, ...]
    mode: Mode
    agreement: float


def _scores(relaxed: RelaxedPoses, agreements: ArrayLike, confidence: PoseConfidence | None) -> np.ndarray:
    """What poses are ranked by, higher is better, shape (N,)."""
    if confidence is not None:
        return confidence.log_odds
    return rank_scores(np.asarray(agreements), relaxed.contact_energy)


def _rank(
    drawn: DrawnPoses,
    facts: Sequence[_SampleFacts],
    confidence: PoseConfidence | None,
    ligand: LigandRecord,
    receptor: Receptor,
) -> tuple[DockedPose, ...]:
    """The N poses with their scores, best first; equal scores keep their order."""
    relaxed, pos = drawn.relaxed, drawn.relaxed.pos
    scores = _scores(relaxed, [each.agreement for each in facts], confidence)
    order = np.argsort(-scores, kind="stable")
    poses = []
    for rank, (index, mol) in enumerate(zip(order, pose_mols(ligand, pos[order]), strict=True), start=1):
        known = facts[index]
        side_chains = relaxed.side_chains[index] if relaxed.side_chains else None
        poses.append(
            DockedPose(
                mol=mol,
                pos=pos[index],
                rank=rank,
                sample=known.number,
                rank_score=float(scores[index]),
                agreement=known.agreement,
                vina_score=float(relaxed.vina_score[index]),
                strain=float(relaxed.strain[index]),
                relax_shift=float(relaxed.shift[index]),
                site=known.site,
                codes=known.codes,
                mode=known.mode,
                belief=None if confidence is None else confidence.of(int(index)),
                **pose_facts(known.site, mol, pos[index], ligand, receptor, side_chains),
            )
        )
    return tuple(poses)
