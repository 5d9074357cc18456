"""Docking one ligand into one receptor: `dock` for files, `Docker` for structures that are read already."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final

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
from discodock.inference.device import choose_device
from discodock.inference.drawn import DrawnPoses, given_poses
from discodock.inference.embedding import embedding_arrays
from discodock.inference.modes import Mode, find_modes, surroundings
from discodock.inference.network import load_network
from discodock.inference.pocket import DEFAULT_RADIUS, Pocket, PocketSpec, reference_positions, resolve_pocket
from discodock.inference.pose_facts import pose_facts
from discodock.inference.ranking import best_distinct, rank_scores
from discodock.inference.relax import RelaxConfig, RelaxedPoses, RelaxMethod, relax_poses
from discodock.inference.rescore import RescoreMethod, checked_rescore, rescored
from discodock.inference.result import DockedPose, DockingResult
from discodock.inference.sample import SampledPoses, SamplingConfig, StepCallback, joined, sample_poses
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
        threads: batches of poses to work on at the same time; they change no pose (but see `sample_poses`).
    """

    def __init__(self, checkpoint: Path | None = None, device: str = "auto", threads: int | None = None) -> None:
        self.network = load_network(checkpoint, choose_device(device))
        self.threads = docking_threads(self.network.device, threads)

    def dock(
        self,
        receptor: Receptor,
        ligand: LigandRecord,
        pocket: Pocket | None,
        config: SamplingConfig,
        *,
        relax: RelaxConfig | None = None,
        name: str | None = None,
        rescore: RescoreMethod = "none",
        validity: bool = True,
        on_step: StepCallback | None = None,
    ) -> DockingResult:
        """Dock a ligand; its own coordinates, if it has any, are never used.

        Args:
            receptor: as read.
            ligand: as read.
            pocket: from `resolve_pocket`; None searches the whole receptor for sites (blind docking).
            config: how poses are drawn.
            relax: how they are relaxed; None takes the default, `fast`.
            name: of the result; None takes the ligand's.
            rescore: vina lets AutoDock Vina optimise, score and rank the poses.
            validity: check the poses' physical validity.
            on_step: progress callback.

        Raises:
            InputError: the ligand cannot be embedded, no pose fits into memory, or there is neither a pocket nor a site
                model to find one.
        """
        started = time.monotonic()
        relax = relax or RelaxConfig()
        candidates = self.draw(receptor, ligand, pocket, config, relax=relax.first, on_step=on_step)
        with one_thread_each():
            belief = judge_poses(self.network, candidates)
            scores = _scores(candidates.relaxed, candidates.agreement(), belief)
            kept = best_distinct(scores, candidates.distances, config.samples)
            facts = self._sample_facts(candidates, kept, ligand, receptor)
            chosen = None if belief is None else belief[kept]
            drawn, confidence = self._finish(candidates[kept], chosen, ligand, receptor, relax)
        poses = _rank(drawn, [facts[index] for index in kept], confidence, ligand, receptor)
        warnings = [*receptor.warnings, *ligand.warnings, *_size_warnings(ligand, receptor), *drawn.relaxed.warnings]
        warnings += [] if confidence is None else confidence.warnings()
        if rescore == "vina":
            poses = rescored(poses, ligand, receptor)
        if validity:
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
        config: SamplingConfig,
        *,
        relax: RelaxConfig | None = None,
        on_step: StepCallback | None = None,
    ) -> DrawnPoses:
        """Sample and relax all candidates, in no order yet; arguments and errors as of `dock`."""
        self.check_pocket(pocket)
        arrays = docking_arrays(receptor, ligand, config) | embedding_arrays(self.network, receptor)
        with one_thread_each():
            sites = choose_sites(self.network, arrays, receptor, pocket, config.sites)
            pose_site = np.repeat(np.arange(len(sites)), allot(config.num_candidates, [site.prob for site in sites]))
            sampled = self._sample(arrays, sites, pose_site, config, on_step)
            relax, device = relax or RelaxConfig(), self.network.device
            relaxed = relax_poses(sampled.pos, ligand, receptor, arrays, relax, device, threads=self.threads)
        return DrawnPoses(arrays, sites, pose_site, sampled, relaxed)

    def rank_poses(self, receptor: Receptor, ligand: LigandRecord, pos: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Judge poses from anywhere, where they lie.

        Args:
            receptor: as read.
            ligand: as read.
            pos: heavy atoms, Å, shape (N, L, 3).

        Returns:
            The order of the poses, best first, and of each in the order given the probability to be below 2 Å, (N,).

        Raises:
            ConfigError: the checkpoint has no confidence model.
        """
        arrays = docking_arrays(receptor, ligand, SamplingConfig())
        with one_thread_each():
            device = self.network.device
            relaxed = relax_poses(
                pos, ligand, receptor, arrays, RelaxConfig(method="none"), device, threads=self.threads
            )
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
        config: SamplingConfig,
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
        parts = sample_poses(self.network, places, config, on_step, self.threads)
        return joined([replace(part, pos=part.pos + center) for part, center in zip(parts, centers, strict=True)])

    def _finish(
        self,
        drawn: DrawnPoses,
        confidence: PoseConfidence | None,
        ligand: LigandRecord,
        receptor: Receptor,
        relax: RelaxConfig,
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


def docking_arrays(receptor: Receptor, ligand: LigandRecord, config: SamplingConfig) -> Arrays:
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
    pocket_radius: float = DEFAULT_RADIUS,
    cofactors: str | Path | None = None,
    keep: Sequence[str] = (),
    drop: Sequence[str] = (),
    name: str | None = None,
    rescore: str = "none",
    validity: bool = True,
    samples: int = 40,
    exhaustiveness: int = 2,
    steps: int = 20,
    solver: str | None = None,
    relax: RelaxMethod = "fast",
    flexible_side_chains: float = 0.0,
    seed: int = 0,
    device: str = "auto",
    threads: int | None = None,
    checkpoint: str | Path | None = None,
) -> DockingResult:
    """Dock one ligand into a protein: into a pocket named by one of a ligand, a point or residues, or wherever it fits.

    >>> result = dock("protein.pdb", "ligand.sdf")
    >>> result = dock("protein.pdb", "ligand.sdf", pocket_center=(1.0, 2.0, 3.0))
    >>> result.best.mol, result.best.rank_score

    Args:
        protein: PDB or mmCIF file, gzipped or not.
        ligand: ligand file with one record, a SMILES string, or a record that is read already.
        pocket_ligand: file of a ligand that lies in the pocket; only its centroid is used.
        pocket_center: point in the pocket, Å, in the protein's frame.
        pocket_residues: residues around the pocket, such as ["A:12", "A:15"].
        pocket_radius: Å from the pocket's centre within which a pose counts as in the pocket.
        cofactors: further PDB or mmCIF file that belongs to the receptor.
        keep: receptor residues to keep although a rule would drop them, such as ["HOH", "A:301"].
        drop: receptor residues to drop.
        name: of the result; None takes the ligand's.
        rescore: vina lets AutoDock Vina optimise, score and rank the poses (extra `vina`).
        validity: check the poses' physical validity.
        samples: poses to keep.
        exhaustiveness: candidates that are drawn and relaxed for each pose that is kept.
        steps: solver steps from noise to pose.
        solver: name in `discodock.diffusion.solvers.SOLVERS`; None takes `sample.default_solver`.
        relax: what is done to the poses: none, fast (Vina's terms and torsions in the rigid receptor), or openmm (a
            force field after that; needs the extra `relax`).
        flexible_side_chains: with openmm, side chains with an atom this near to a pose move with it, Å; 0 for none.
        seed: of all random numbers.
        device: auto, cpu, cuda, cuda:N or mps.
        threads: CPU cores to dock with; None takes all, at most four.
        checkpoint: weights; None takes those that ship with the package.

    Returns:
        All poses, best first, as RDKit molecules with their scores.

    Raises:
        DiscodockError: an input, the pocket or the checkpoint cannot be used; the message says what to do.
    """
    spec = pocket_spec(pocket_ligand, pocket_center, pocket_residues, pocket_radius)
    walk = {"steps": steps} | ({"solver": solver} if solver is not None else {})
    many = {"samples": samples, "exhaustiveness": exhaustiveness}
    config = SamplingConfig.checked({**many, "seed": seed, "solver": walk})
    relaxation = RelaxConfig.checked(relax, flexible_side_chains)
    record = ligand if isinstance(ligand, LigandRecord) else read_ligand(ligand)
    docker = Docker(None if checkpoint is None else Path(checkpoint), device, threads)
    docker.check_pocket(spec)
    extra = None if cofactors is None else Path(cofactors)
    receptor = read_docking_receptor(Path(protein), record, spec, extra=extra, keep=keep, drop=drop)
    pocket = None if spec is None else resolve_pocket(spec, receptor)
    return docker.dock(
        receptor,
        record,
        pocket,
        config,
        relax=relaxation,
        name=name,
        rescore=checked_rescore(rescore, relaxation),
        validity=validity,
    )


def pocket_spec(
    ligand: str | Path | None, center: Sequence[float] | None, residues: Sequence[str], radius: float
) -> PocketSpec | None:
    """A checked `PocketSpec` from loosely typed values; None if they name no pocket at all.

    Raises:
        InputError: more than one way of naming the pocket is given, or numbers are unusable.
    """
    if ligand is None and center is None and not residues and radius == DEFAULT_RADIUS:
        return None
    if center is not None and len(center) != 3:
        raise InputError(f"a pocket centre has three coordinates, not {len(center)}")
    point = (float(center[0]), float(center[1]), float(center[2])) if center is not None else None
    spec = PocketSpec(None if ligand is None else Path(ligand), point, tuple(residues), radius)
    spec.check()
    return spec


def read_docking_receptor(
    protein: Path,
    ligand: LigandRecord,
    spec: PocketSpec | None,
    *,
    extra: Path | None = None,
    keep: Sequence[str] = (),
    drop: Sequence[str] = (),
) -> Receptor:
    """The receptor without copies of the ligand to be docked and of the pocket's reference ligand.

    Raises:
        InputError: a file cannot be used.
    """
    references: list[ReferenceLigand] = [ligand.mol]
    if spec is not None and spec.ligand is not None:
        references.append(reference_positions(spec.ligand))
    return read_receptor(protein, extra=extra, keep=keep, drop=drop, reference_ligands=references)


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
