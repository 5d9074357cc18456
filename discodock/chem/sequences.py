"""Amino-acid sequences of a receptor's chains, as protein language models read them."""

from __future__ import annotations

from dataclasses import dataclass

import gemmi
import numpy as np

from discodock.chem.receptor import Receptor


@dataclass(frozen=True)
class ChainSequences:
    """The chains of a receptor with N residues; gaps in a chain are not marked, as in DiffDock.

    Attributes:
        sequences: one-letter codes of each chain's amino acids, in file order.
        chain: number of each residue's sequence, -1 for metals, cofactors and nucleotides, int32, shape (N,).
        position: position of each residue in its sequence, int32, shape (N,).
    """

    sequences: tuple[str, ...]
    chain: np.ndarray
    position: np.ndarray


def chain_sequences(receptor: Receptor) -> ChainSequences:
    """Read the sequences off the residues; modified amino acids count as their parents."""
    letters: dict[str, list[str]] = {}
    chain = np.full(len(receptor.residues), -1, dtype=np.int32)
    position = np.zeros(len(receptor.residues), dtype=np.int32)
    for index, residue in enumerate(receptor.residues):
        if residue.kind != "amino_acid":
            continue
        sequence = letters.setdefault(residue.chain, [])
        chain[index], position[index] = list(letters).index(residue.chain), len(sequence)
        letter = gemmi.find_tabulated_residue(residue.parent).one_letter_code.upper().strip()
        sequence.append(letter or "X")
    return ChainSequences(tuple("".join(each) for each in letters.values()), chain, position)
