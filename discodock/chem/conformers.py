"""Starting conformers of a ligand: RDKit embeddings, and their torsions matched to a given pose."""

from __future__ import annotations

import logging
import time
from typing import Any

import numpy as np
from rdkit import Chem, rdBase
from rdkit.Chem import rdDistGeom, rdForceFieldHelpers

from discodock.chem.ligand import heavy_molecule
from discodock.chem.ligand_features import TorsionTopology
from discodock.chem.stereo import labelled_stereo, perceived_stereo, with_positions
from discodock.errors import InputError

logger = logging.getLogger(__name__)

EMBED_TIMEOUT_S = 20
"""Wall-clock bound of one embedding stage, a backstop for chains of 100 atoms and more; others end by iterations."""

READY_ITERATIONS = 30
RELAX_ITERATIONS = 200
RELAX_ATOMS = 150  # with more atoms than this, hydrogens included, fewer iterations
RETRY_FACTOR = 4
MATCH_ITERATIONS = 30
MATCH_TOLERANCE = 1e-4  # Å: smallest RMSD gain worth another iteration


def generate_conformers(mol: Chem.Mol, num: int, seed: int) -> np.ndarray:
    """Embed conformers from the molecular graph and its stereo labels alone; existing coordinates are never read.

    Each conformer is relaxed briefly, which brings its local geometry closer to crystals (median matched RMSD 0.36 Å
    instead of 0.56 Å on 177 conformers of the validation split). Stages, each tried only when the one before gives
    nothing: ETKDGv3; the same from random coordinates; plain distance geometry with tolerant bounds; the same without
    hydrogens. Training and prediction both start from these.

    Args:
        mol: sanitised molecule, its stereo assigned; explicit hydrogens are ignored.
        num: conformers wanted, at least 1; when fewer can be embedded they are repeated.
        seed: random seed; equal seeds give equal conformers.

    Returns:
        Heavy-atom coordinates in the molecule's atom order, Å, centred, float64, shape (num, L, 3).

    Raises:
        InputError: no stage embeds the molecule.
    Source: Riniker and Landrum 2015 (ETKDG); Wang et al. 2020 (ETKDGv3).
    """
    heavy = heavy_molecule(mol)
    full = Chem.AddHs(heavy)
    fallback: np.ndarray | None = None
    started = time.monotonic()
    for graph, stage in (
        (full, _etkdg),
        (full, _random_coordinates),
        (full, _distance_geometry),
        (heavy, _last_resort),
    ):
        if time.monotonic() - started > EMBED_TIMEOUT_S and stage is not _last_resort:
            continue
        pos = _embed(graph, num, stage(_rdkit_seed(seed)))[:, : heavy.GetNumAtoms()]
        faithful = pos[_shows_stereo(heavy, pos)]
        if len(faithful):
            return _repeat_centred(faithful, num)
        if len(pos) and fallback is None:
            fallback = pos
        logger.debug("%s: embedding stage %s failed", Chem.MolToSmiles(heavy), stage.__name__)
    if fallback is not None:
        logger.warning("%s: conformers differ from the stereo asked for", Chem.MolToSmiles(heavy))
        return _repeat_centred(fallback, num)
    raise InputError(
        f"{Chem.MolToSmiles(heavy)}: no 3-D conformer can be built; check the structure, above all ring stereo centres"
    )


def embeds_readily(mol: Chem.Mol) -> bool:
    """Whether a conformer is found in `READY_ITERATIONS` tries; existing coordinates are never read.

    Of strained cages it may take minutes, or there is none. Tries are counted, not timed, so that the answer is the
    same on every machine.

    Args:
        mol: sanitised molecule, its stereo assigned; explicit hydrogens are ignored.
    """
    params: Any = _random_coordinates(_rdkit_seed(0))
    params.maxIterations = READY_ITERATIONS
    with rdBase.BlockLogs():
        return int(rdDistGeom.EmbedMolecule(Chem.AddHs(heavy_molecule(mol)), params)) >= 0


def _embed(full: Chem.Mol, num: int, params: rdDistGeom.EmbedParameters) -> np.ndarray:
    """Conformers, relaxed if the molecule has its hydrogens, Å, shape (C, atoms, 3); C may be below `num`, also 0."""
    with rdBase.BlockLogs():
        ids = [i for i in rdDistGeom.EmbedMultipleConfs(full, num, params) if i >= 0]  # a time-out gives -1
        if not any(atom.GetTotalNumHs() for atom in full.GetAtoms()):
            _relax(full, ids)
    if not ids:
        return np.zeros((0, full.GetNumAtoms(), 3))
    return np.stack([full.GetConformer(i).GetPositions() for i in ids])


def _shows_stereo(heavy: Chem.Mol, pos: np.ndarray) -> np.ndarray:
    """Which conformers show the stereo the molecule defines, bool, shape (C,)."""
    wanted = labelled_stereo(heavy)
    return np.array([perceived_stereo(heavy, with_positions(heavy, p)) == wanted for p in pos], dtype=bool)


def _repeat_centred(pos: np.ndarray, num: int) -> np.ndarray:
    pos = pos[np.arange(num) % len(pos)]
    return pos - pos.mean(axis=1, keepdims=True)


def _rdkit_seed(seed: int) -> int:
    """A well-mixed positive seed: RDKit multiplies the seed by the conformer's number, so that 0 gives equal ones."""
    return int(np.random.SeedSequence(seed).generate_state(1)[0] & 0x3FFFFFFF) | 1


def _relax(full: Chem.Mol, ids: list[int]) -> None:
    """Minimise conformers in place by MMFF94s, or UFF where MMFF lacks parameters; leave them if both do."""
    props = rdForceFieldHelpers.MMFFGetMoleculeProperties(full, mmffVariant="MMFF94s")
    if props is not None:
        props.SetMMFFEleTerm(False)  # bare charges in vacuum fold a ligand onto itself
    elif not rdForceFieldHelpers.UFFHasAllMoleculeParams(full):
        return
    iterations = min(RELAX_ITERATIONS, RELAX_ITERATIONS * RELAX_ATOMS // full.GetNumAtoms())
    for i in ids:
        if props is not None:
            field = rdForceFieldHelpers.MMFFGetMoleculeForceField(full, props, confId=i)
        else:
            field = rdForceFieldHelpers.UFFGetMoleculeForceField(full, confId=i)
        field.Initialize()
        field.Minimize(maxIts=iterations)


def _etkdg(seed: int) -> rdDistGeom.EmbedParameters:
    params: Any = rdDistGeom.ETKDGv3()
    params.randomSeed = seed
    params.maxIterations = 20
    params.timeout = EMBED_TIMEOUT_S
    return params


def _random_coordinates(seed: int) -> rdDistGeom.EmbedParameters:
    params: Any = _etkdg(seed)
    params.useRandomCoords = True
    params.maxIterations = 100
    return params


def _distance_geometry(seed: int) -> rdDistGeom.EmbedParameters:
    params: Any = _random_coordinates(seed)
    params.useExpTorsionAnglePrefs = False
    params.useBasicKnowledge = False
    params.useMacrocycleTorsions = False
    params.useSmallRingTorsions = False
    params.ignoreSmoothingFailures = True
    return params


def _last_resort(seed: int) -> rdDistGeom.EmbedParameters:
    params: Any = _distance_geometry(seed)
    params.useExpTorsionAnglePrefs = True
    return params


def match_conformers(
    mol: Chem.Mol, conformers: np.ndarray, crystal_pos: np.ndarray, tor_bond: np.ndarray, mask_rotate: np.ndarray
) -> np.ndarray:
    """Turn each conformer's rotatable bonds towards a given pose and lay it on that pose.

    The dihedrals are set to the pose's, then all torsions are refined together by damped Gauss-Newton steps on the
    aligned RMSD. Bond lengths, angles and rings stay the conformer's: what remains is the local geometry that
    prediction will also see.

    Args:
        mol: the molecule; explicit hydrogens are ignored.
        conformers: heavy-atom coordinates, Å, shape (C, L, 3).
        crystal_pos: the pose to match, same atom order, Å, shape (L, 3).
        tor_bond: rotatable bonds (fixed end, moving end), shape (T, 2).
        mask_rotate: atoms moved by each bond, bool, shape (T, L).

    Returns:
        Matched and aligned conformers, Å, float64, shape (C, L, 3).
    """
    target = np.asarray(crystal_pos, dtype=np.float64)
    neighbors = [[n.GetIdx() for n in atom.GetNeighbors()] for atom in heavy_molecule(mol).GetAtoms()]
    bonds = [(int(fixed), int(moving)) for fixed, moving in tor_bond]
    matched = []
    for conformer in np.asarray(conformers, dtype=np.float64):
        start = _set_dihedrals(conformer, target, bonds, mask_rotate, neighbors)
        matched.append(_refine(start, target, bonds, mask_rotate))
    return np.stack(matched)


def matched_conformers(
    mol: Chem.Mol,
    crystal_pos: np.ndarray,
    topology: TorsionTopology,
    *,
    num: int,
    seed: int,
    max_rmsd: float = 1.5,
) -> np.ndarray:
    """Fresh conformers matched to a pose; those that stay too far off are replaced from one further, larger batch.

    Rings keep the shape they were embedded with, so that a macrocycle or a fused ring can be far off in one conformer
    and close in the next.

    Args:
        mol: the molecule; explicit hydrogens are ignored.
        crystal_pos: the pose to match, Å, shape (L, 3).
        topology: rotatable bonds.
        num: conformers wanted.
        seed: random seed.
        max_rmsd: conformers above this RMSD to the pose, Å, are replaced by the best of the further batch.

    Returns:
        Matched and aligned conformers, Å, float64, shape (num, L, 3), in order of embedding.

    Raises:
        InputError: the molecule cannot be embedded.
    """
    first = match_conformers(
        mol, generate_conformers(mol, num, seed), crystal_pos, topology.tor_bond, topology.mask_rotate
    )
    rmsd = np.array([_rmsd(pos, crystal_pos) for pos in first])
    if (rmsd <= max_rmsd).all():
        return first
    fresh = generate_conformers(mol, RETRY_FACTOR * num, seed + 1)
    more = match_conformers(mol, fresh, crystal_pos, topology.tor_bond, topology.mask_rotate)
    pool = np.concatenate([first, more])
    pool_rmsd = np.array([_rmsd(pos, crystal_pos) for pos in pool])
    # Conformers already good enough stay; the rest of the places go to the closest ones.
    rank = np.argsort(np.concatenate([np.where(rmsd <= max_rmsd, 0.0, rmsd), pool_rmsd[num:]]), kind="stable")
    return pool[np.sort(rank[:num])]


def _set_dihedrals(
    pos: np.ndarray,
    target: np.ndarray,
    bonds: list[tuple[int, int]],
    mask_rotate: np.ndarray,
    neighbors: list[list[int]],
) -> np.ndarray:
    """Turn each bond by the circular mean, over all neighbour pairs, of how far its dihedrals are off."""
    pos = pos.copy()
    for (fixed, moving), mask in zip(bonds, mask_rotate, strict=True):
        before = [n for n in neighbors[fixed] if n != moving]
        after = [n for n in neighbors[moving] if n != fixed]
        have, want = (_half_planes(p, fixed, moving, before, after) for p in (pos, target))
        # sum over pairs of exp(i (wanted - present)), each weighted by how far the atoms are off the axis
        delta = np.angle(np.vdot(have, want))
        pos[mask] = _rotate(pos[mask], pos[moving], pos[moving] - pos[fixed], float(delta))
    return pos


def _half_planes(pos: np.ndarray, fixed: int, moving: int, before: list[int], after: list[int]) -> np.ndarray:
    """exp(i dihedral) of all neighbour pairs about a bond, times both distances from the axis; complex, flat."""
    axis = pos[moving] - pos[fixed]
    axis = axis / np.linalg.norm(axis)
    reference = np.eye(3)[np.argmin(np.abs(axis))]
    u = np.cross(axis, reference)
    u /= np.linalg.norm(u)
    v = np.cross(axis, u)
    first = (pos[before] - pos[fixed]) @ u + 1j * ((pos[before] - pos[fixed]) @ v)
    second = (pos[after] - pos[moving]) @ u + 1j * ((pos[after] - pos[moving]) @ v)
    return (second[None, :] * first.conj()[:, None]).ravel()


def _refine(start: np.ndarray, target: np.ndarray, bonds: list[tuple[int, int]], mask_rotate: np.ndarray) -> np.ndarray:
    """Minimise the aligned RMSD over the torsions by Levenberg-Marquardt, keeping only steps that lower it."""
    best = _align(start, target)
    best_rmsd = _rmsd(best, target)
    damping = 1e-2
    for _ in range(MATCH_ITERATIONS if bonds else 0):
        jacobian = _jacobian(best, bonds, mask_rotate)
        residual = (target - best).ravel()
        normal = jacobian @ jacobian.T
        step = np.linalg.solve(normal + damping * np.diag(normal.diagonal() + 1e-6), jacobian @ residual)
        trial = best
        for (fixed, moving), mask, angle in zip(bonds, mask_rotate, step[6:], strict=True):
            trial = trial.copy()
            trial[mask] = _rotate(trial[mask], trial[moving], trial[moving] - trial[fixed], angle)
        trial = _align(trial, target)
        gain = best_rmsd - _rmsd(trial, target)
        if gain <= 0:
            damping *= 10
            if damping > 1e3:
                break
            continue
        best, best_rmsd, damping = trial, best_rmsd - gain, damping / 5
        if gain < MATCH_TOLERANCE:
            break
    return best


def _jacobian(pos: np.ndarray, bonds: list[tuple[int, int]], mask_rotate: np.ndarray) -> np.ndarray:
    """Derivatives of all coordinates by translation, rotation about the centroid and torsions, shape (6 + T, 3 L)."""
    num_atoms = len(pos)
    fixed, moving = np.array(bonds).T
    axis = pos[moving] - pos[fixed]
    axis /= np.linalg.norm(axis, axis=1, keepdims=True)
    rotation = np.cross(np.eye(3)[:, None, :], (pos - pos.mean(axis=0))[None, :, :])
    torsion = np.cross(axis[:, None, :], pos[None, :, :] - pos[moving][:, None, :]) * mask_rotate[:, :, None]
    translation = np.broadcast_to(np.eye(3)[:, None, :], (3, num_atoms, 3))
    return np.concatenate([translation, rotation, torsion]).reshape(-1, 3 * num_atoms)


def _rotate(pos: np.ndarray, origin: np.ndarray, axis: np.ndarray, angle: float) -> np.ndarray:
    """Rodrigues' rotation of points about an axis through `origin`, right-handed, radians."""
    axis = axis / np.linalg.norm(axis)
    vec = pos - origin
    along = np.outer(vec @ axis, axis)
    return origin + along + np.cos(angle) * (vec - along) + np.sin(angle) * np.cross(axis, vec)


def _align(mobile: np.ndarray, target: np.ndarray) -> np.ndarray:
    """Least-squares superposition (Kabsch 1976) without reflection."""
    mobile_mean, target_mean = mobile.mean(axis=0), target.mean(axis=0)
    u, _, vt = np.linalg.svd((mobile - mobile_mean).T @ (target - target_mean))
    sign = np.sign(np.linalg.det(u @ vt))
    rotmat = (u * np.array([1.0, 1.0, sign])) @ vt
    return (mobile - mobile_mean) @ rotmat + target_mean


def _rmsd(a: np.ndarray, b: np.ndarray) -> float:
    return float(np.sqrt(((a - b) ** 2).sum(axis=1).mean()))
