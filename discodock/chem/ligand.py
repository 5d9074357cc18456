"""Ligands as read from a file or a SMILES string, with everything a user put into them."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from rdkit import Chem, rdBase

from discodock.chem.axes import label_axes, open_axes
from discodock.chem.ligand_formats import (
    FORMATS,
    detect_format,
    has_ligand_suffix,
    known_formats,
    load_text,
    suffix_format,
)
from discodock.chem.open_stereo import atom_label, form_groups, undefined_stereo
from discodock.chem.pdb_template import apply_template
from discodock.chem.records.bounds import too_many_records
from discodock.chem.records.raw_ligand import RawLigand
from discodock.chem.records.sd_tags import Tags
from discodock.chem.records.smiles_file import parse_smiles
from discodock.chem.sanitise import largest_fragment, sanitise
from discodock.errors import InputError
from discodock.failures import reason_of
from discodock.text import printable

logger = logging.getLogger(__name__)

MAX_HEAVY_ATOMS = 150
MAX_CHARGE = 4
"""Elementary charges of one atom, either sign, beyond which a file is in error."""

FLAT_Z = 1e-3  # Å: coordinates this close to z = 0 are a drawing
SHOWN_CHARACTERS = 60  # of a SMILES string in messages
MIN_BOND, MAX_BOND = 0.5, 4.0  # Å: outside, the coordinates are no structure


@dataclass(frozen=True)
class LigandRecord:
    """One ligand as the user gave it; poses are written back onto this molecule.

    Attributes:
        name: title of the record, or the file's stem.
        mol: sanitised molecule with the input's atom order, hydrogens, charges, stereo and SD tags.
        has_3d: whether `mol` carries a 3-D conformer (its coordinates, Å).
        source: origin of the record, for messages ("ligands.sdf, record 3").
        warnings: changes and guesses made while reading, one sentence each.
        tags: the record's SD tags as raw text; `mol` has as properties those that RDKit can carry.
    """

    name: str
    mol: Chem.Mol
    has_3d: bool
    source: str
    warnings: tuple[str, ...] = ()
    tags: Tags = ()


def heavy_molecule(mol: Chem.Mol) -> Chem.Mol:
    """The molecule without explicit hydrogens, its heavy atoms in the same order; coordinates are dropped."""
    bare = Chem.RemoveAllHs(mol)
    bare.RemoveAllConformers()
    return bare


def heavy_indices(mol: Chem.Mol) -> np.ndarray:
    """Indices of the heavy atoms in `mol`, ascending, int64, shape (L,)."""
    return np.array([atom.GetIdx() for atom in mol.GetAtoms() if atom.GetAtomicNum() != 1], dtype=np.int64)


def heavy_positions(mol: Chem.Mol) -> np.ndarray:
    """Coordinates of the heavy atoms of the molecule's first conformer, Å, float64, shape (L, 3)."""
    return np.asarray(mol.GetConformer().GetPositions())[heavy_indices(mol)]


def read_ligand(source: str | Path, *, template_smiles: str | None = None) -> LigandRecord:
    """Read the only ligand of a file, or a SMILES string; see `iter_ligands`.

    Raises:
        InputError: it cannot be used, or the file holds several ligands.
    """
    records = []
    for record in iter_ligands(source, template_smiles=template_smiles):
        if isinstance(record, InputError):
            raise record
        records.append(record)
        if len(records) > 1:
            raise InputError(f"{source}: holds several ligands where one is needed; split the file or dock a list")
    return records[0]


def to_smiles(record: LigandRecord) -> str:
    """Canonical isomeric SMILES without explicit hydrogens: the same for every way to write the molecule down."""
    return Chem.MolToSmiles(Chem.RemoveHs(record.mol))


def iter_ligands(source: str | Path, *, template_smiles: str | None = None) -> Iterator[LigandRecord | InputError]:
    """Read ligands one by one; a bad record comes as the error it would raise, and the next ones follow.

    Args:
        source: file in one of `ligand_formats.FORMATS`, also gzipped and under a wrong name, or a SMILES string.
        template_smiles: bond orders and charges for a PDB file, which has none.

    Yields:
        Sanitised ligands with at least one atom, at most `MAX_HEAVY_ATOMS` heavy ones, stereo assigned (from the
        coordinates where they are 3-D), or the reason why a record is none.

    Raises:
        InputError: the file is missing, unreadable, or in no known format.
    """
    text = str(source).strip()
    path = Path(source)
    if isinstance(source, str) and not _names_file(text):
        raw = parse_smiles(text) if text else RawLigand("", None, "empty string")
        if raw.mol is None:
            raise InputError(f"{_shown(text)!r}: no such file and no SMILES string: {raw.problem}; check the spelling")
        yield _finish_or_error(raw, raw.title or "ligand", f"SMILES {_shown(text)!r}", None)
        return
    content = load_text(path)
    file_format = detect_format(content, path)
    if (problem := too_many_records(content, file_format)) is not None:
        raise InputError(f"{path}: {problem}")
    promised = suffix_format(path)
    notes = (f"named {path.suffix} but read as {file_format.upper()}",) if promised not in (None, file_format) else ()
    raws = list(FORMATS[file_format].parse(content))
    if not raws:
        raise InputError(f"{path}: holds no ligand record; check that the file is complete")
    template = _read_template(template_smiles, path) if not FORMATS[file_format].has_bond_orders else None
    for number, raw in enumerate(raws, start=1):
        where = f"{path}, record {number}" if len(raws) > 1 else str(path)
        name = raw.title or (_stem(path) if len(raws) == 1 else f"{_stem(path)}_{number}")
        yield _finish_or_error(raw, name, where, template, notes)


def read_record(text: str, file_format: str, *, name: str, where: str) -> LigandRecord:
    """Read one record that was told apart already, such as one of a library.

    Args:
        text: text of the record.
        file_format: name of its format in `ligand_formats.FORMATS`, one with bond orders.
        name: name of the ligand.
        where: origin of the record, for messages.

    Raises:
        InputError: it cannot be used, or is not one record.
    """
    if not FORMATS[file_format].has_bond_orders:
        raise InputError(f"{where}: has no bond orders; give it as {known_formats(without_template=True)}")
    raws = [parse_smiles(text)] if file_format == "smi" else list(FORMATS[file_format].parse(text))
    if len(raws) != 1:
        raise InputError(f"{where}: {len(raws)} ligands where one is expected; write the record again")
    record = _finish_or_error(raws[0], name, where, None)
    if isinstance(record, InputError):
        raise record
    return record


def _names_file(text: str) -> bool:
    """Whether a string is meant as a file: it exists, or ends like a ligand file."""
    try:
        return bool(text) and (Path(text).exists() or has_ligand_suffix(Path(text)))
    except (OSError, ValueError):  # a long SMILES is no possible file name
        return False


def _shown(smiles: str) -> str:
    return smiles if len(smiles) <= SHOWN_CHARACTERS else f"{smiles[:SHOWN_CHARACTERS]}…"


def _stem(path: Path) -> str:
    return path.name.removesuffix(".gz").rpartition(".")[0] or path.name


def _read_template(template_smiles: str | None, path: Path) -> Chem.Mol:
    if template_smiles is None:
        others = known_formats(without_template=True)
        raise InputError(f"{path}: has no bond orders; give a template SMILES, or the ligand as {others}")
    raw = parse_smiles(template_smiles) if template_smiles.strip() else RawLigand("", None, "empty string")
    if raw.mol is None:
        raise InputError(f"template SMILES {template_smiles!r}: {raw.problem}; correct it")
    try:
        return heavy_molecule(largest_fragment(sanitise(raw.mol)[0])[0])
    except InputError as error:
        raise InputError(f"template SMILES {template_smiles!r}: {error}") from None


def _finish_or_error(
    raw: RawLigand, name: str, where: str, template: Chem.Mol | None, notes: tuple[str, ...] = ()
) -> LigandRecord | InputError:
    if raw.mol is None:
        return InputError(f"{where}: {raw.problem}; write the ligand again or correct it")
    try:
        mol, has_3d, more = _finish(raw.mol, template)
    except InputError as error:
        return InputError(f"{where}: {error}")
    except Exception as error:  # of RDKit, on chemistry that nobody thought of: this record alone is lost
        return InputError(f"{where}: {reason_of(error)}; correct the record")
    warnings = (*notes, *raw.notes, *more)
    for warning in warnings:
        logger.warning("%s: %s", where, warning)
    name = printable(name)
    mol.SetProp("_Name", name)
    return LigandRecord(name, mol, has_3d, where, warnings, raw.tags)


def _finish(mol: Chem.Mol, template: Chem.Mol | None) -> tuple[Chem.Mol, bool, tuple[str, ...]]:
    """Check, reduce, sanitise and label one parsed molecule; errors come without the file's name."""
    _check_atoms(mol)
    mol, dropped = largest_fragment(mol)
    num_heavy = len(heavy_indices(mol))
    if num_heavy == 0:
        raise InputError("no heavy atoms; give a ligand with at least one")
    if num_heavy > MAX_HEAVY_ATOMS:
        raise InputError(f"{num_heavy} heavy atoms, at most {MAX_HEAVY_ATOMS} are supported; is this a small molecule?")
    if template is not None:
        mol = apply_template(mol, template)
    mol, repairs = sanitise(mol)
    has_3d = _is_3d(mol)
    _assign_stereo(mol, has_3d)
    notes = [*dropped, *repairs, *form_groups(mol)]
    if radicals := [atom_label(atom) for atom in mol.GetAtoms() if atom.GetNumRadicalElectrons()]:
        notes.append(f"radicals, docked as they are: {', '.join(radicals)}; add the hydrogens if none are meant")
    if mol.GetNumConformers() and not has_3d:
        notes.append("no 3-D coordinates: stereo is taken from the drawing, the 3-D structure is built afresh")
    if is_open := undefined_stereo(mol):
        notes.append(f"undefined stereo, an arbitrary form is docked: {', '.join(is_open)}")
    if is_open := open_axes(mol):
        notes.append(f"undefined axis, either hand may be docked: {', '.join(is_open)}")
    return mol, has_3d, tuple(notes)


def _check_atoms(mol: Chem.Mol) -> None:
    if mol.GetNumAtoms() == 0:
        raise InputError("a ligand without atoms; write it again")
    for atom in mol.GetAtoms():
        if atom.GetAtomicNum() == 0 or atom.HasQuery():
            raise InputError(f"atom {atom.GetIdx() + 1} is a query or dummy atom; replace it by an element")
        if abs(atom.GetFormalCharge()) > MAX_CHARGE:
            raise InputError(f"{atom_label(atom)} has a charge of {atom.GetFormalCharge():+d}; correct it")
    if any(bond.HasQuery() for bond in mol.GetBonds()):
        raise InputError("a query bond (any, single or double); draw a definite bond order")
    if mol.GetNumConformers() and not np.isfinite(mol.GetConformer().GetPositions()).all():
        raise InputError("coordinates that are not numbers (NaN or infinite); write the ligand again")


def _is_3d(mol: Chem.Mol) -> bool:
    """Whether the coordinates are a usable 3-D structure: off the plane z = 0, bonded atoms a bond apart."""
    if not mol.GetNumConformers():
        return False
    pos = mol.GetConformer().GetPositions()
    if mol.GetNumAtoms() > 1 and (np.abs(pos[:, 2]) < FLAT_Z).all():
        return False
    ends = np.array([(b.GetBeginAtomIdx(), b.GetEndAtomIdx()) for b in mol.GetBonds()], dtype=np.int64).reshape(-1, 2)
    lengths = np.linalg.norm(pos[ends[:, 0]] - pos[ends[:, 1]], axis=1)
    return bool(((lengths > MIN_BOND) & (lengths < MAX_BOND)).all())


def _assign_stereo(mol: Chem.Mol, has_3d: bool) -> None:
    """Label stereo from 3-D coordinates, else from the wedges, double-bond geometry or SMILES marks already read."""
    with rdBase.BlockLogs():
        if has_3d:
            mol.GetConformer().Set3D(True)
            Chem.AssignStereochemistryFrom3D(mol, replaceExistingTags=True)
            label_axes(mol)
            return
        if mol.GetNumConformers():
            mol.GetConformer().Set3D(False)
            Chem.AssignChiralTypesFromBondDirs(mol)
            Chem.DetectBondStereochemistry(mol)
        Chem.AssignStereochemistry(mol, cleanIt=True, force=True)
