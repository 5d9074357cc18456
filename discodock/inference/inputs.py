"""Inputs of a docking: files and records as the networks take them, and what about them a user should know."""

from __future__ import annotations

from functools import lru_cache
from pathlib import Path
from typing import Final

import numpy as np

from discodock.chem.axes import known_hands
from discodock.chem.conformers import generate_conformers
from discodock.chem.ligand import LigandRecord, heavy_indices, heavy_molecule
from discodock.chem.ligand_features import ligand_arrays
from discodock.chem.pocket_reference import read_reference
from discodock.chem.read_receptor import read_receptor
from discodock.chem.receptor import Receptor
from discodock.chem.receptor_features import receptor_arrays
from discodock.chem.receptor_selection import ReferenceLigand
from discodock.chem.sequences import chain_sequences
from discodock.data.batch import Arrays
from discodock.data.embeddings import ResidueChains
from discodock.data.esm import EsmEmbedder
from discodock.errors import CheckpointError
from discodock.inference.config import DockingConfig, ReceptorConfig
from discodock.inference.network import DockingNetwork
from discodock.inference.pocket import PocketSpec

TRAINED_HEAVY_ATOMS: Final = 60
"""Heavy atoms of the largest ligands in training; beyond, a warning."""

TRAINED_RESIDUES: Final = 54
"""Residues of the smallest protein in training; below, a warning."""


def read_docking_receptor(
    protein: Path,
    ligand: LigandRecord | None,
    spec: PocketSpec | None,
    config: ReceptorConfig,
) -> Receptor:
    """The receptor without copies of the ligand to be docked and of the pocket's reference ligand.

    Args:
        protein: structure file.
        ligand: ligand to be docked; None for a receptor that many are docked into.
        spec: pocket to dock into; None for blind docking.
        config: residues to keep and drop.

    Raises:
        InputError: a file cannot be used.
    """
    references: list[ReferenceLigand] = [] if ligand is None else [ligand.mol]
    if spec is not None and spec.ligand is not None:
        references.append(read_reference(spec.ligand).pos)
    return read_receptor(
        protein, extra=config.cofactors, keep=config.keep, drop=config.drop, reference_ligands=references
    )


def docking_arrays(receptor: Receptor, ligand: LigandRecord, config: DockingConfig) -> Arrays:
    """Receptor, ligand and fresh conformers as networks take them (`schema.FIELDS`); the ligand's own pose is not used.

    Raises:
        InputError: the ligand cannot be embedded.
    """
    conformers = generate_conformers(ligand.mol, config.conformers, config.seed)
    arrays = receptor_arrays(receptor) | ligand_arrays(ligand.mol)
    return arrays | {"ligand_pos": conformers[0], "ligand_conformer_pos": conformers}


def with_rigid_axes(arrays: Arrays, ligand: LigandRecord) -> Arrays:
    """The arrays without the rotatable bonds whose hand is that of an axis, so that drawing a pose cannot turn it over.

    Args:
        arrays: arrays from `docking_arrays`.
        ligand: the ligand of these.
    """
    axes = {frozenset(axis.ends) for axis, _ in known_hands(heavy_molecule(ligand.mol))}
    if not axes:
        return arrays
    turns = np.array([frozenset(bond) not in axes for bond in arrays["ligand_tor_bond"].tolist()], dtype=bool)
    return arrays | {name: arrays[name][turns] for name in ("ligand_tor_bond", "ligand_mask_rotate")}


def embedding_arrays(network: DockingNetwork, receptor: Receptor) -> Arrays:
    """`residue_embedding` (N, E) as the network read it in training; nothing for networks that read none.

    Raises:
        ConfigError, InputError: the language model is not installed, or its weights are not here.
        CheckpointError: it is not the model that the network was trained with.
    """
    size = network.score_model.config.embedding_size
    if size == 0:
        return {}
    embedder = _embedder(str(network.info.get("esm")), str(network.device))
    if embedder.size != size:
        raise CheckpointError(
            f"{network.path}: reads embeddings of {size} channels, {embedder.model} has {embedder.size}; train it again"
        )
    chains = chain_sequences(receptor)
    residues = ResidueChains(chains.sequences, chains.chain, chains.position, key="")
    return {"residue_embedding": residues.gather((embedder.embed(each) for each in chains.sequences), size)}


def size_warnings(ligand: LigandRecord, receptor: Receptor) -> list[str]:
    """What is larger or smaller than all that the packaged networks were trained on, a sentence each."""
    warnings, num_atoms, num_residues = [], len(heavy_indices(ligand.mol)), len(receptor.residues)
    if num_atoms > TRAINED_HEAVY_ATOMS:
        warnings.append(f"{num_atoms} heavy atoms: the network was trained on ligands of at most {TRAINED_HEAVY_ATOMS}")
    if num_residues < TRAINED_RESIDUES:
        warnings.append(
            f"a receptor of {num_residues} residues: the network was trained on {TRAINED_RESIDUES} and more; is the"
            " file complete?"
        )
    return warnings


@lru_cache(maxsize=1)
def _embedder(model: str, device: str) -> EsmEmbedder:
    return EsmEmbedder(model, device)
