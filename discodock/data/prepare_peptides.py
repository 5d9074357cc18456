"""Peptides cut out of prepared receptors, as further complexes to train on.

A stretch of one to three residues that is packed against the rest of its protein, capped at both ends, is the ligand;
the protein without it and its neighbours along the chain is the receptor. How amino acids pack against each other then
teaches how molecules do, in every protein and not in its binding site alone.

Source: the idea is that of DiffDock-L (Corso et al. 2024, arXiv 2402.18396): side chains docked into their own protein.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Final

import numpy as np
from pydantic import Field
from scipy.spatial import cKDTree

from discodock.chem.peptides import CappedPeptide, capped_peptide
from discodock.data.batch import Arrays
from discodock.data.featurize import complex_seed
from discodock.data.ledger import Ledger
from discodock.data.prepare import Progress
from discodock.data.store import COMPLEX_DIR, FailureRow, IndexRow, PreparedStore, write_arrays
from discodock.schema import AMINO_ACIDS, ATOM_NAMES, RESIDUE_TYPES, SCHEMA_VERSION
from discodock.settings import Seed, Settings

PEPTIDES_VERSION: Final = 1
"""Raised whenever a change of code changes peptides."""

MAX_PEPTIDE_BOND: Final = 1.7  # Å: longest distance of C and the next N that are bonded
CLASH: Final = 2.4  # Å: nearer receptor atoms are bonded, as in disulfides, or misplaced
TOUCH: Final = 4.5  # Å: heavy atoms that are in contact
RECEPTOR_RADIUS: Final = 22.0  # Å around the peptide's centre; crops in training are smaller


class PeptideConfig(Settings):
    """Which peptides are cut out; every field is part of the content key."""

    per_receptor: int = Field(4, ge=1, le=1000, description="peptides of each receptor, at most")
    max_residues: int = Field(3, ge=1, le=10, description="longest peptide, without its caps")
    max_atoms: int = Field(34, ge=5, description="largest peptide, heavy atoms")
    chain_gap: int = Field(3, ge=1, description="residues at either end that are left out of the receptor")
    min_buried: float = Field(0.75, ge=0, le=1, description="fraction of a peptide's atoms that touch the receptor")
    split: str = Field("train", description="receptors of this split alone")
    seed: Seed = Field(0, description="seed of the choice, mixed with each complex's id")


@dataclass(frozen=True)
class Chains:
    """The residues of a receptor and how they follow each other.

    Attributes:
        arrays: the receptor's fields.
        first_atom: index of the first atom of each residue, and the number of atoms; shape (N + 1,).
        is_bonded: whether a residue is bonded to the next one, bool, shape (N,).
    """

    arrays: Arrays
    first_atom: np.ndarray
    is_bonded: np.ndarray

    @classmethod
    def of(cls, arrays: Arrays) -> Chains:
        """The chains of a prepared complex."""
        residue_idx = arrays["receptor_residue_idx"]
        first_atom = np.searchsorted(residue_idx, np.arange(residue_idx[-1] + 2))
        chains = cls(arrays, first_atom, np.zeros(residue_idx[-1] + 1, dtype=bool))
        for residue in range(len(chains.is_bonded) - 1):
            end, start = chains.atom(residue, "C"), chains.atom(residue + 1, "N")
            if end is not None and start is not None:
                gap = arrays["receptor_pos"][end] - arrays["receptor_pos"][start]
                chains.is_bonded[residue] = float(np.linalg.norm(gap)) < MAX_PEPTIDE_BOND
        return chains

    def atom(self, residue: int, name: str) -> int | None:
        """The atom of a residue by name; None if it is missing."""
        low, high = self.first_atom[residue], self.first_atom[residue + 1]
        found = np.flatnonzero(self.arrays["receptor_atom_name"][low:high] == ATOM_NAMES.index(name))
        return int(low + found[0]) if len(found) == 1 else None

    def name(self, residue: int) -> str:
        """Residue type, an entry of `RESIDUE_TYPES`."""
        return RESIDUE_TYPES[self.arrays["receptor_residue_type"][self.first_atom[residue]]]

    def stretches(self, length: int) -> np.ndarray:
        """First residues of all stretches of bonded amino acids that have a residue before and after, int64."""
        num = len(self.is_bonded)
        usable = np.array([self.name(residue) in AMINO_ACIDS for residue in range(num)])
        found = np.arange(1, max(num - length, 1))
        whole = [(self.is_bonded[i - 1 : i + length] & usable[i - 1 : i + length]).all() for i in found]
        return found[np.array(whole, dtype=bool)] if len(found) else found


def prepare_peptides(
    source: Path,
    out: Path,
    config: PeptideConfig,
    on_progress: Callable[[Progress], None] | None = None,
) -> int:
    """Cut peptides out of all receptors of a store, and write them to a store of their own.

    Split and cluster of a peptide are those of its complex. What is there already is not made again.

    Args:
        source: prepared complexes.
        out: the new store.
        config: limits and number of the peptides.
        on_progress: callback after each receptor.

    Returns:
        Number of peptides in the new store.

    Raises:
        PreparedDataError: the source is no store.
        InputError: the new store cannot be written.
    """
    store = PreparedStore(source)
    with Ledger(out, _key(config)) as ledger:
        rows = [row for row in store.index if row.split == config.split]
        for number, row in enumerate(rows, start=1):
            for found in _of_complex(store, row, ledger, config):
                ledger.add(found)
            if on_progress is not None:
                on_progress(Progress(number, len(rows), len(ledger.failures)))
        ledger.finish(
            {
                "schema_version": SCHEMA_VERSION,
                "peptides_version": PEPTIDES_VERSION,
                "settings": config.model_dump(),
                "source": str(source),
                "source_fingerprint": store.manifest.get("fingerprint"),
                "versions": {name: version(name) for name in ("discodock", "rdkit", "numpy")},
            }
        )
    return len(ledger.rows)


def cut_peptides(arrays: Arrays, config: PeptideConfig, generator: np.random.Generator) -> Iterator[Arrays]:
    """Complexes of peptides of one receptor, in random order, without end but for the lack of peptides.

    Args:
        arrays: a prepared complex; its own ligand is not used.
        config: limits and number of the peptides.
        generator: source of the random choice.
    """
    chains = Chains.of(arrays)
    lengths = range(1, config.max_residues + 1)
    stretches = [(int(first), length) for length in lengths for first in chains.stretches(length)]
    taken = np.zeros(len(chains.is_bonded), dtype=bool)
    for index in generator.permutation(len(stretches)):
        first, length = stretches[index]
        if not taken[first : first + length].any():
            found = cut_peptide(chains, first, length, config)
            if found is not None:
                taken[first : first + length] = True
                yield found


def cut_peptide(chains: Chains, first: int, length: int, config: PeptideConfig) -> Arrays | None:
    """The complex of one stretch of residues; None if it is incomplete, too large, or not packed well."""
    peptide = capped_peptide(tuple(chains.name(first + i) for i in range(length)))
    index = _atoms_of(chains, first - 1, peptide)
    if index is None or len(index) > config.max_atoms:
        return None
    arrays = chains.arrays
    pos = arrays["receptor_pos"][index]
    residue = arrays["receptor_residue_idx"]
    low, high = _along_chain(chains, first, length, config.chain_gap)
    center = pos.mean(axis=0)
    kept = (residue < low) | (residue > high)
    kept &= np.linalg.norm(arrays["receptor_pos"] - center, axis=1) < RECEPTOR_RADIUS
    if not kept.any():
        return None
    distance = cKDTree(arrays["receptor_pos"][kept]).query(pos)[0]
    if distance.min() < CLASH or (distance < TOUCH).mean() < config.min_buried:
        return None
    receptor = {name: value[kept] for name, value in arrays.items() if name.startswith("receptor_")}
    receptor["receptor_residue_idx"] = np.unique(residue[kept], return_inverse=True)[1].astype(np.int32)
    own = {"ligand_pos": pos, "ligand_conformer_pos": pos[None]}
    return receptor | peptide.arrays | own


def _atoms_of(chains: Chains, before: int, peptide: CappedPeptide) -> np.ndarray | None:
    """Receptor atoms that are the peptide's, whose first cap is part of residue `before`; None if one is missing."""
    found = [chains.atom(before + residue, name) for residue, name in peptide.atoms]
    return None if None in found else np.array(found)


def _along_chain(chains: Chains, first: int, length: int, gap: int) -> tuple[int, int]:
    """First and last residue of a stretch together with up to `gap` neighbours at either end of it."""
    low, high = first, first + length - 1
    for _ in range(gap):
        low -= int(low > 0 and chains.is_bonded[low - 1])
        high += int(chains.is_bonded[high])
    return low, high


def _key(config: PeptideConfig, *parts: str) -> str:
    """Hash of the settings, of the versions, and of further parts such as the key of a complex."""
    versions = [PEPTIDES_VERSION, SCHEMA_VERSION, version("discodock")]
    text = json.dumps([config.model_dump(), versions, parts], sort_keys=True)
    return hashlib.blake2b(text.encode(), digest_size=12).hexdigest()


def _of_complex(
    store: PreparedStore, row: IndexRow, ledger: Ledger, config: PeptideConfig
) -> Iterator[IndexRow | FailureRow]:
    """Peptides of one complex, written or found to be there."""
    key = _key(config, row.key)
    names = [f"{row.id}_peptide{number}" for number in range(config.per_receptor)]
    earlier = [ledger.earlier(name, key, split=row.split, cluster=row.cluster) for name in names]
    if any(each is not None for each in earlier) and not any(ledger.has_lost(name, key) for name in names):
        yield from (each for each in earlier if each is not None)
        return
    generator = np.random.default_rng(complex_seed(config.seed, row.id))
    num = 0
    for name, arrays in zip(names, cut_peptides(store.load(row.id), config, generator), strict=False):
        file = f"{COMPLEX_DIR}/{name}.npz"
        digest = write_arrays(ledger.out / file, arrays)
        num += 1
        yield IndexRow(
            id=name,
            split=row.split,
            cluster=row.cluster,
            num_ligand_atoms=len(arrays["ligand_pos"]),
            num_torsions=len(arrays["ligand_tor_bond"]),
            num_residues=int(arrays["receptor_residue_idx"][-1]) + 1,
            file=file,
            key=key,
            digest=digest,
        )
    if num == 0:
        yield FailureRow(row.id, "peptides", "no stretch of its chains is packed well enough")
