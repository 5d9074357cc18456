"""A receptor with a pose in it, written as one PDB file for viewers and rescoring tools."""

import string
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Sequence
from itertools import product
from pathlib import Path
from typing import Final

import gemmi
import numpy as np
from rdkit import Chem

from discodock.chem.receptor import MovedAtoms, Receptor, Residue
from discodock.chem.residues import is_standard_atom
from discodock.files import write_atomically

LIGAND_NAME: Final = "LIG"
_LIGAND_CHAINS: Final = "LXZ"
_LETTERS: Final = string.ascii_uppercase + string.ascii_lowercase + string.digits


def write_complex(receptor: Receptor, pose: Chem.Mol, path: str | Path) -> None:
    """Write a receptor and a pose as a PDB file; the ligand is residue `LIG` in a chain of its own, with its bonds.

    Chain names, residue numbers and insertion codes are those of the input; modified amino acids that carry no atoms
    beyond their parent's have the parent's name; names of four letters end in the column before the chain. Beyond 62
    chains names have two characters, of which the first is in that column, as gemmi reads them. The file appears
    complete or not at all.

    Args:
        receptor: the receptor, as read from its file.
        pose: molecule with a conformer in the receptor's frame, hydrogens or not.
        path: file to write.
    """
    structure = gemmi.Structure()
    model = gemmi.Model(1)
    _add_receptor(model, receptor, range(len(receptor.residues)))
    used = {chain.name for chain in model}
    ligand_chain = next(name for name in _chain_names(_LIGAND_CHAINS) if name not in used)
    model.add_chain(_ligand_chain(pose, ligand_chain))
    structure.add_model(model)
    text = _pdb_text(structure)
    body = [line for line in text.splitlines() if line.strip() and not line.startswith("END")]
    write_atomically(Path(path), _ascii("\n".join([*body, *_bond_records(body, pose), "END"]) + "\n"))


def write_receptor(receptor: Receptor, path: str | Path) -> None:
    """Write a receptor as a PDB file; names and numbers are those of `write_complex`.

    Args:
        receptor: the receptor, as read from its file.
        path: file to write, complete or not at all.
    """
    structure, model = gemmi.Structure(), gemmi.Model(1)
    _add_receptor(model, receptor, range(len(receptor.residues)))
    structure.add_model(model)
    text = _pdb_text(structure)
    write_atomically(Path(path), _ascii(text))


def write_side_chains(receptor: Receptor, moved: Sequence[MovedAtoms | None], path: str | Path) -> None:
    """Write the residues that moved with any of N poses as a PDB file of N models, whole, as they lie around each pose.

    Names and numbers are those of `write_complex`. The file appears complete or not at all.

    Args:
        receptor: the receptor, as read from its file.
        moved: receptor atoms that moved with each pose; None where nothing did.
        path: file to write.
    """
    atoms = np.concatenate([np.empty(0, dtype=np.int64), *(each.atoms for each in moved if each is not None)])
    residues = np.unique(receptor.residue_idx[atoms]).tolist()
    structure = gemmi.Structure()
    for number, each in enumerate(moved, start=1):
        model = gemmi.Model(number)
        _add_receptor(model, receptor.with_moved(each), residues)
        structure.add_model(model)
    text = _pdb_text(structure)
    write_atomically(Path(path), _ascii(text))


def _add_receptor(model: gemmi.Model, receptor: Receptor, residues: Iterable[int]) -> None:
    """Add residues of a receptor in chains; long names are replaced, by one character as long as there are any left."""
    short = _short_chain_names(receptor)
    chains: dict[str, gemmi.Chain] = {}
    atoms: dict[int, list[int]] = defaultdict(list)
    for atom, residue_idx in enumerate(receptor.residue_idx):
        atoms[int(residue_idx)].append(atom)
    for index in residues:
        residue = receptor.residues[index]
        chain = chains.setdefault(residue.chain, gemmi.Chain(short[residue.chain]))
        chain.add_residue(_gemmi_residue(receptor, residue, atoms[index]))
    for chain in chains.values():
        model.add_chain(chain)


def _short_chain_names(receptor: Receptor) -> dict[str, str]:
    names = dict.fromkeys(residue.chain for residue in receptor.residues)
    short = {name: name for name in names if len(name) == 1}
    free = (name for name in _chain_names() if name not in names)
    for name in names:
        if name not in short:
            short[name] = next(free)
    return short


def _chain_names(first: str = "") -> Iterator[str]:
    """Names of chains in order of preference: those of one character in `first`, any of one, any of two."""
    yield from first + _LETTERS
    yield from map("".join, product(_LETTERS, repeat=2))


def _gemmi_residue(receptor: Receptor, residue: Residue, atoms: list[int]) -> gemmi.Residue:
    result = gemmi.Residue()
    is_plain = all(is_standard_atom(residue.parent, str(receptor.atom_name[atom])) for atom in atoms)
    result.name = residue.parent if is_plain else residue.name
    result.seqid = gemmi.SeqId(residue.number, residue.icode or " ")
    result.het_flag = "A" if residue.kind in ("amino_acid", "nucleic") else "H"
    for atom in atoms:
        result.add_atom(_gemmi_atom(str(receptor.atom_name[atom]), str(receptor.element[atom]), receptor.pos[atom]))
    return result


def _gemmi_atom(name: str, element: str, pos: object) -> gemmi.Atom:
    atom = gemmi.Atom()
    atom.name = name
    atom.element = gemmi.Element(element)
    x, y, z = (float(value) for value in pos)  # type: ignore[attr-defined]
    atom.pos = gemmi.Position(x, y, z)
    atom.occ, atom.b_iso = 1.0, 0.0
    return atom


def _ligand_chain(pose: Chem.Mol, chain_name: str) -> gemmi.Chain:
    residue = gemmi.Residue()
    residue.name, residue.seqid, residue.het_flag = LIGAND_NAME, gemmi.SeqId(1, " "), "H"
    counts: Counter[str] = Counter()
    for atom, pos in zip(pose.GetAtoms(), pose.GetConformer().GetPositions(), strict=True):
        symbol = atom.GetSymbol()
        counts[symbol] += 1
        residue.add_atom(_gemmi_atom(f"{symbol.upper()}{counts[symbol]}", symbol, pos))
    chain = gemmi.Chain(chain_name)
    chain.add_residue(residue)
    return chain


def _bond_records(lines: list[str], pose: Chem.Mol) -> list[str]:
    """CONECT records of the ligand, its atoms being the last of the file in the molecule's order."""
    serials = [line[6:11] for line in lines if line.startswith("HETATM")][-pose.GetNumAtoms() :]
    return [
        f"CONECT{serials[atom.GetIdx()]}" + "".join(serials[other.GetIdx()] for other in neighbors)
        for atom in pose.GetAtoms()
        for neighbors in _in_fours(list(atom.GetNeighbors()))
    ]


def _in_fours(atoms: list[Chem.Atom]) -> list[list[Chem.Atom]]:
    return [atoms[start : start + 4] for start in range(0, len(atoms), 4)]


def _pdb_text(structure: gemmi.Structure) -> str:
    """PDB text in which residue names of four letters reach into the blank before the chain, as force fields write."""
    structure.setup_entities()
    text = structure.make_pdb_string(gemmi.PdbWriteOptions(minimal=True, cryst1_record=False))
    long = {
        (residue.name[:3], chain.name, f"{residue.seqid!s:>4}"): residue.name
        for model in structure
        for chain in model
        for residue in chain
        if len(residue.name) == 4 and len(chain.name) == 1
    }
    if not long:
        return text
    lines = []
    for line in text.splitlines(keepends=True):
        name = long.get((line[17:20], line[20:22].strip(), line[22:27].rstrip()))
        lines.append(line if name is None else f"{line[:17]}{name}{line[21:]}")
    return "".join(lines)


def _ascii(text: str) -> bytes:
    return text.encode("ascii", errors="replace")
