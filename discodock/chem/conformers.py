"""Starting conformers of a ligand, embedded by RDKit from its graph."""

from __future__ import annotations

import logging
from typing import Any, Final

import numpy as np
from rdkit import Chem, rdBase
from rdkit.Chem import rdDistGeom, rdForceFieldHelpers

from discodock.chem.axes import turned_axis, with_known_hands
from discodock.chem.ligand import heavy_molecule
from discodock.chem.stereo import labelled_stereo, perceived_stereo, with_positions
from discodock.errors import InputError

logger = logging.getLogger(__name__)

ETKDG_TRIES: Final = 20
FALLBACK_TRIES: Final = 100
"""Tries to embed one conformer. Work is counted and never timed, so that all machines give the same conformers."""

FULL_EFFORT_ATOMS: Final = 200
"""Atoms, hydrogens included, above which there are fewer tries and conformers: a try takes about as long as the cube of
their number, 0.3 s for 120 and 10 s for 450. Of drug-like ligands hardly one has as many."""

FEWEST_TRIES: Final = 3

READY_TRIES: Final = 30
READY_WORK: Final = 6.0
"""Tries to embed a molecule of 100 atoms, about a second of work; larger ones get fewer, by the cube of their size."""

RELAX_ITERATIONS = 200
RELAX_ATOMS = 150  # with more atoms than this, hydrogens included, fewer iterations


def generate_conformers(mol: Chem.Mol, num: int, seed: int) -> np.ndarray:
    """Embed conformers from the molecular graph and its stereo labels alone; existing coordinates are never read.

    Each conformer is relaxed briefly, which brings its local geometry closer to crystals (median matched RMSD 0.36 Å
    instead of 0.56 Å on 177 conformers of the validation split). Stages, each tried only when the one before gives
    nothing: ETKDGv3; the same from random coordinates; plain distance geometry with tolerant bounds; the same without
    hydrogens. Training and prediction both start from these. Very large molecules get fewer different ones.

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
    num_different = scaled_effort(num, full.GetNumAtoms(), fewest=1)
    for graph, stage in (
        (full, _etkdg),
        (full, _random_coordinates),
        (full, _distance_geometry),
        (heavy, _last_resort),
    ):
        params: Any = stage(_rdkit_seed(seed))
        params.maxIterations = scaled_effort(params.maxIterations, graph.GetNumAtoms())
        if stage is not _etkdg and not len(_embed(graph, 1, params)):
            continue  # where the first conformer takes all tries in vain, others would, for minutes
        pos = _embed(graph, num_different, params)[:, : heavy.GetNumAtoms()]
        faithful = pos[_shows_stereo(heavy, pos)]
        if not len(faithful):
            turned = with_known_hands(heavy, pos)
            faithful = turned[_shows_stereo(heavy, turned)]
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


def scaled_effort(number: int, num_atoms: int, fewest: int = FEWEST_TRIES) -> int:
    """A number of tries or conformers, smaller for very large molecules, so that the time stays bounded.

    Args:
        number: number for molecules of up to `FULL_EFFORT_ATOMS` atoms.
        num_atoms: atoms of the molecule, hydrogens included.
        fewest: smallest number for any molecule.
    """
    scale = min(1.0, FULL_EFFORT_ATOMS / num_atoms) ** 3
    return min(number, max(fewest, round(number * scale)))


def embeds_readily(mol: Chem.Mol) -> bool:
    """Whether a conformer is found with little work; existing coordinates are never read.

    Of strained cages it may take minutes, or there is none; of large rings, such as cyclosporin's, each one takes
    seconds. Tries are counted by what they cost at the molecule's size, not timed, so that the answer is the same on
    every machine.

    Args:
        mol: sanitised molecule, its stereo assigned; explicit hydrogens are ignored.
    """
    full = Chem.AddHs(heavy_molecule(mol))
    params: Any = _random_coordinates(_rdkit_seed(0))
    params.maxIterations = min(READY_TRIES, int(READY_WORK * (100 / full.GetNumAtoms()) ** 3))
    if params.maxIterations == 0:
        return False
    with rdBase.BlockLogs():
        return int(rdDistGeom.EmbedMolecule(full, params)) >= 0


def _embed(full: Chem.Mol, num: int, params: rdDistGeom.EmbedParameters) -> np.ndarray:
    """Conformers, relaxed if the molecule has its hydrogens, Å, shape (C, atoms, 3); C may be below `num`, also 0."""
    with rdBase.BlockLogs():
        ids = list(rdDistGeom.EmbedMultipleConfs(full, num, params))
        if not any(atom.GetTotalNumHs() for atom in full.GetAtoms()):
            _relax(full, ids)
    if not ids:
        return np.zeros((0, full.GetNumAtoms(), 3))
    return np.stack([full.GetConformer(i).GetPositions() for i in ids])


def _shows_stereo(heavy: Chem.Mol, pos: np.ndarray) -> np.ndarray:
    """Which conformers show the stereo the molecule defines, bool, shape (C,)."""
    wanted = labelled_stereo(heavy)
    shown = [perceived_stereo(heavy, with_positions(heavy, p)) == wanted and turned_axis(heavy, p) is None for p in pos]
    return np.array(shown, dtype=bool)


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
    params.maxIterations = ETKDG_TRIES
    return params


def _random_coordinates(seed: int) -> rdDistGeom.EmbedParameters:
    params: Any = _etkdg(seed)
    params.useRandomCoords = True
    params.maxIterations = FALLBACK_TRIES
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
