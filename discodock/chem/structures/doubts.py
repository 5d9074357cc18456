"""Signs that a structure file is not all of what was meant: models, a cut, residues announced but not there."""

from collections.abc import Sequence
from typing import Final

import gemmi
import numpy as np

from discodock.chem.residues import is_nucleotide, parent_amino_acid
from discodock.chem.structures.change_log import ChangeLog
from discodock.chem.structures.pdb_records import ATOM_RECORDS
from discodock.chem.structures.repeated_chains import stand_apart

MIN_SEEN: Final = 0.5
"""Share of a chain's announced residues below which more seems missing than flexible ends."""

_BACKBONE: Final = frozenset({"N", "CA", "C", "O"})
_CHAIN_ENDS: Final = frozenset({"OXT", "OT2", "OC2"})


def without_ends(lines: Sequence[str], log: ChangeLog) -> list[str]:
    """Lines without END, at which gemmi stops although hetero groups may follow, as where files were joined.

    What follows an END and has an atom that was there before, as the further frames of a trajectory have, is left out,
    unless it lies elsewhere.

    Args:
        lines: lines of a PDB file with usable coordinates.
        log: log of what a user must know.
    """
    kept: list[str] = []
    seen: set[str] = set()
    section: list[str] = []
    num_frames = 0
    for line in [*lines, "END"]:
        if line.strip() != "END":
            section.append(line)
            continue
        atoms = {other[12:27] for other in section if other.startswith(ATOM_RECORDS)}
        if not atoms & seen or stand_apart(_positions(kept), _positions(section)):
            kept += section
            seen |= atoms
        else:
            num_frames += 1
        section = []
    if num_frames:
        log.warn(f"{num_frames} more structures of the same atoms follow a line END: only the first is used")
    return kept


def _positions(lines: Sequence[str]) -> np.ndarray:
    atoms = [line for line in lines if line.startswith(ATOM_RECORDS)]
    return np.array([[float(line[at : at + 8]) for at in (30, 38, 46)] for line in atoms]).reshape(-1, 3)


def doubt_models(structure: gemmi.Structure, log: ChangeLog) -> None:
    """Warn of models that are not read, and say if they are the parts of an assembly."""
    if len(structure) < 2:
        return
    log.line(f"{len(structure)} models: the first is used")
    first, second = (np.array([site.atom.pos.tolist() for site in structure[i].all()]) for i in (0, 1))
    if stand_apart(first.reshape(-1, 3), second.reshape(-1, 3)):
        log.warn(
            f"{len(structure)} models that lie beside each other, as in an assembly: only the first is used; for a"
            " pocket between them write them as chains of one model"
        )
    else:
        log.warn(f"{len(structure)} models: only the first is used; for another, give it in a file of its own")


def doubt_sequences(structure: gemmi.Structure, log: ChangeLog) -> None:
    """Warn of chains of which the file announces the sequence but gives less than half."""
    if len(structure) == 0:
        return
    structure.setup_entities()
    for chain in structure[0]:
        polymer = chain.get_polymer()
        entity = structure.get_entity_of(polymer) if len(polymer) else None
        num_announced = 0 if entity is None else len(entity.full_sequence)
        num_seen = sum(1 for _ in polymer.first_conformer())
        if num_seen < MIN_SEEN * num_announced:
            log.warn(
                f"chain {chain.name or '(blank)'} has {num_seen} of the {num_announced} residues of its sequence; is"
                " the file complete?"
            )


def doubt_end(lines: Sequence[str], structure: gemmi.Structure, log: ChangeLog) -> None:
    """Warn of a PDB file that stops in a chain, where no file ends; what follows chains has no order to judge by.

    Args:
        lines: lines of the file.
        structure: structure that was read from them.
        log: log of what a user must know.
    """
    last = next((line for line in reversed(lines) if line.strip()), "")
    if len(structure) == 0 or not last.startswith((*ATOM_RECORDS, "ANISOU", "SIGATM", "SIGUIJ")):
        return
    atom = next(line for line in reversed(lines) if line.startswith(ATOM_RECORDS))
    residue = _residue_at(structure, np.array([float(atom[at : at + 8]) for at in (30, 38, 46)]))
    if residue is None or not _is_open_chain(residue[1]):
        return
    announced = dict.fromkeys(line[11].strip() for line in lines if line.startswith("SEQRES"))
    gone = [name for name in announced if name not in {chain.name for chain in structure[0]}]
    log.warn(
        f"the file ends {'after' if _is_whole(residue[1]) else 'within'} {_label(residue)}, without END"
        + (f", and chains {', '.join(gone)} are missing" if gone else "")
        + ": if it was cut, give all of it; if not, close it with a line END"
    )


def doubt_table_end(block: gemmi.cif.Block, structure: gemmi.Structure, log: ChangeLog) -> None:
    """Warn of an mmCIF file that announces chains without atoms, or whose last residue is not whole."""
    seen = {gemmi.cif.as_string(value) for value in block.find_values("_atom_site.label_asym_id")}
    gone = [name for name in map(gemmi.cif.as_string, block.find_values("_struct_asym.id")) if name not in seen]
    if gone and seen:
        log.warn(f"chains without atoms, though the file announces them: {', '.join(gone)}; is the file complete?")
    places = [list(block.find_values(f"_atom_site.Cartn_{axis}")) for axis in "xyz"]
    if len(structure) == 0 or not all(places):
        return
    residue = _residue_at(structure, np.array([gemmi.cif.as_number(values[-1]) for values in places]))
    if residue is not None and not _is_whole(residue[1]):
        log.warn(f"the file ends within {_label(residue)}: if it was cut, give all of it")


def _is_open_chain(residue: gemmi.Residue) -> bool:
    """Whether a residue is one of a chain that may go on."""
    is_polymer = parent_amino_acid(residue.name) is not None or is_nucleotide(residue.name)
    return is_polymer and not _CHAIN_ENDS & {atom.name for atom in residue}


def _is_whole(residue: gemmi.Residue) -> bool:
    """Whether a residue that is an amino acid has its backbone."""
    return parent_amino_acid(residue.name) is None or {atom.name for atom in residue} >= _BACKBONE


def _label(residue: tuple[gemmi.Chain, gemmi.Residue]) -> str:
    return f"{residue[0].name}:{residue[1].name}{residue[1].seqid}"


def _residue_at(structure: gemmi.Structure, pos: np.ndarray) -> tuple[gemmi.Chain, gemmi.Residue] | None:
    """The residue of the first model with an atom in a place, with its chain."""
    sites = list(structure[0].all())
    distance = np.abs(np.array([site.atom.pos.tolist() for site in sites]).reshape(-1, 3) - pos).max(axis=1)
    return next(
        ((site.chain, site.residue) for site, gap in zip(sites, distance.tolist(), strict=True) if gap < 1e-3), None
    )
