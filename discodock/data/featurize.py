"""From a receptor and its bound ligand to the arrays of a prepared complex."""

import hashlib
import json
from importlib.metadata import version
from typing import Final

import numpy as np
from pydantic import Field, model_validator

from discodock.chem.ligand import LigandRecord, heavy_positions
from discodock.chem.ligand_features import TorsionTopology, ligand_arrays
from discodock.chem.receptor import Receptor
from discodock.chem.receptor_features import receptor_arrays
from discodock.chem.torsion_matching import matched_conformers
from discodock.data.crystal import StageError
from discodock.data.datasets.source import EXCLUDED
from discodock.errors import InputError
from discodock.schema import SCHEMA_VERSION
from discodock.settings import Seed, Settings

PREPARE_VERSION: Final = 2
"""Raised whenever a change of code changes prepared arrays, so that nothing stale is kept."""

MAX_LIGAND_GAP: Final = 6.0  # Å: a ligand without receptor atoms so near is not bound to it


class PrepareConfig(Settings):
    """What a prepared complex is made of; every field is part of the content key."""

    num_conformers: int = Field(3, ge=1, le=100, description="RDKit conformers matched to the crystal pose, count")
    max_match_rmsd: float = Field(2.0, gt=0, description="leave out ligands no conformer matches within this RMSD, Å")
    min_ligand_atoms: int = Field(4, ge=1, description="smallest ligand, heavy atoms")
    max_ligand_atoms: int = Field(60, ge=1, description="largest ligand, heavy atoms")
    receptor_radius: float | None = Field(
        None, gt=0, description="keep only residues with an atom this near the ligand, Å; null keeps the whole receptor"
    )
    keep: tuple[str, ...] = Field((), description="residues kept although a rule drops them: name or chain:number")
    drop: tuple[str, ...] = Field((), description="residues dropped: name or chain:number")
    seed: Seed = Field(0, description="seed of the conformers, mixed with each complex's id")

    @model_validator(mode="after")
    def _sizes_in_order(self) -> "PrepareConfig":
        if self.min_ligand_atoms > self.max_ligand_atoms:
            raise ValueError("min_ligand_atoms is larger than max_ligand_atoms")
        return self

    @property
    def key(self) -> str:
        """Hash of the settings, the schema and the code version."""
        text = json.dumps([self.model_dump(), SCHEMA_VERSION, PREPARE_VERSION, version("discodock")], sort_keys=True)
        return hashlib.blake2b(text.encode(), digest_size=8).hexdigest()


def featurize(
    receptor: Receptor, record: LigandRecord, config: PrepareConfig, *, seed: int = 0
) -> dict[str, np.ndarray]:
    """All fields of a prepared complex from a receptor and its bound ligand.

    Args:
        receptor: receptor in the frame of the ligand.
        record: ligand in its crystal pose.
        config: limits of size, number of conformers, radius of the receptor.
        seed: seed of the conformers.

    Raises:
        StageError: the complex cannot be used; `stage` says where it failed.
    """
    crystal_pos = heavy_positions(record.mol)
    if not np.isfinite(crystal_pos).all():
        raise StageError("ligand", "coordinates that are not numbers")
    if not config.min_ligand_atoms <= len(crystal_pos) <= config.max_ligand_atoms:
        limits = f"{config.min_ligand_atoms} to {config.max_ligand_atoms}"
        raise StageError(EXCLUDED, f"{len(crystal_pos)} heavy atoms, outside {limits}")
    arrays = receptor_arrays(receptor)
    distance = _distance_to(arrays["receptor_pos"], crystal_pos)
    if distance.min() > MAX_LIGAND_GAP:
        raise StageError("pocket", f"the ligand is {distance.min():.1f} Å away from the receptor")
    if config.receptor_radius is not None:
        arrays = _within_radius(arrays, distance, config.receptor_radius)
    arrays |= ligand_arrays(record.mol)
    conformers = _conformers(record, crystal_pos, arrays, config, seed)
    return arrays | {"ligand_pos": crystal_pos.astype(np.float32), "ligand_conformer_pos": conformers}


def _conformers(
    record: LigandRecord, crystal_pos: np.ndarray, arrays: dict[str, np.ndarray], config: PrepareConfig, seed: int
) -> np.ndarray:
    topology = TorsionTopology(arrays["ligand_tor_bond"], arrays["ligand_mask_rotate"])
    try:
        pos = matched_conformers(record.mol, crystal_pos, topology, num=config.num_conformers, seed=seed)
    except InputError as error:
        raise StageError("conformers", str(error)) from None
    rmsd = np.sqrt(((pos - crystal_pos) ** 2).sum(-1).mean(-1))
    if rmsd.min() > config.max_match_rmsd:
        raise StageError("conformers", f"no conformer matches the pose: {rmsd.min():.2f} Å at best")
    return pos.astype(np.float32)


def _distance_to(receptor_pos: np.ndarray, ligand_pos: np.ndarray) -> np.ndarray:
    """Distance of every receptor atom to its nearest ligand atom, Å, shape (R,)."""
    square = np.full(len(receptor_pos), np.inf)
    for pos in ligand_pos:
        square = np.minimum(square, ((receptor_pos - pos) ** 2).sum(-1))
    return np.sqrt(square)


def _within_radius(arrays: dict[str, np.ndarray], distance: np.ndarray, radius: float) -> dict[str, np.ndarray]:
    """Whole residues that have an atom within the radius of the ligand."""
    residue_idx = arrays["receptor_residue_idx"]
    near = np.zeros(residue_idx.max() + 1, dtype=bool)
    near[residue_idx[distance <= radius]] = True
    kept = {name: array[near[residue_idx]] for name, array in arrays.items()}
    _, renumbered = np.unique(kept["receptor_residue_idx"], return_inverse=True)
    return kept | {"receptor_residue_idx": renumbered.astype(np.int32)}


def complex_seed(seed: int, complex_id: str) -> int:
    """Seed of one complex: it does not depend on the order or number of the others."""
    return int.from_bytes(hashlib.blake2b(f"{seed}/{complex_id}".encode(), digest_size=4).digest(), "big") >> 1
