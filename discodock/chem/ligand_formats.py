"""Ligand file formats: what a file holds, told from its content, and its records as unsanitised molecules."""

from __future__ import annotations

import gzip
import re
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from rdkit import Chem, rdBase

from discodock.chem.mol2 import parse_mol2
from discodock.errors import InputError

LigandFormat = Literal["sdf", "mol2", "pdb", "smi"]

_FORMAT_BY_SUFFIX: dict[str, LigandFormat] = {
    ".sdf": "sdf", ".sd": "sdf", ".mol": "sdf", ".mdl": "sdf", ".mol2": "mol2", ".pdb": "pdb", ".ent": "pdb",
    ".smi": "smi", ".smiles": "smi", ".ism": "smi", ".can": "smi",
}  # fmt: skip
LIGAND_SUFFIXES = (*_FORMAT_BY_SUFFIX, ".gz")
ATOM_NAME = "name"
"""Atom property with the name of an atom in MOL2 and PDB; SDF carries it as RDKit's `atom.prop.name` tag."""

_COUNTS_LINE = re.compile(r"^.{39}V[23]000", re.MULTILINE)
_MOL2_START = "@<TRIPOS>MOLECULE"
_NOT_A_NUMBER = re.compile(r"(?i)(?<![\w.])[-+]?(nan|inf(inity)?)(?![\w.])")
_UNSUPPORTED = (
    (re.compile(r"^(ROOT|TORSDOF)\b", re.MULTILINE), "PDBQT, which has no bond orders"),
    (re.compile(r"^(data_|_atom_site\.)", re.MULTILINE), "CIF, which is read for proteins only"),
    (re.compile(r"^\s*<(\?xml|html|!DOCTYPE)", re.IGNORECASE), "a web page or XML"),
)


@dataclass(frozen=True)
class RawLigand:
    """One record of a file, before sanitisation.

    Attributes:
        title: name in the record, may be empty.
        mol: molecule as drawn, unsanitised, hydrogens kept; None if it could not be parsed.
        problem: why `mol` is None, one line; empty otherwise.
    """

    title: str
    mol: Chem.Mol | None
    problem: str = ""


def load_text(path: Path) -> str:
    """Text of a ligand file, gunzipped if it is gzip, whatever its name says.

    Raises:
        InputError: missing, unreadable, empty, truncated gzip, or binary.
    """
    try:
        if not path.exists():
            raise InputError(f"{path}: no such ligand file; check the path")
        if not path.is_file():
            raise InputError(f"{path}: is a folder, not a ligand file; name the file in it")
        data = path.read_bytes()
        if data.startswith(b"\x1f\x8b"):
            data = gzip.decompress(data)
    except (EOFError, zlib.error, gzip.BadGzipFile):
        raise InputError(f"{path}: truncated or damaged gzip file; copy or download it again") from None
    except OSError as error:
        raise InputError(f"{path}: cannot be read ({error.strerror}); check the path and its permissions") from None
    if b"\x00" in data:
        raise InputError(f"{path}: binary data, not a ligand file; give SDF, MOL2, PDB or SMILES")
    text = data.decode("utf-8-sig", errors="replace").replace("\r\n", "\n").replace("\r", "\n")
    if not text.strip():
        raise InputError(f"{path}: the ligand file is empty; write it again")
    return text


def suffix_format(path: Path) -> LigandFormat | None:
    """Format that the file name promises, `.gz` looked through; None for an unknown ending."""
    suffixes = [suffix.lower() for suffix in path.suffixes]
    if suffixes and suffixes[-1] == ".gz":
        suffixes.pop()
    return _FORMAT_BY_SUFFIX.get(suffixes[-1]) if suffixes else None


def detect_format(text: str, path: Path) -> LigandFormat:
    """Format judged by content; the name decides only where the content leaves it open.

    Raises:
        InputError: the content is no ligand format, or one without bond orders.
    """
    head = text[:20_000]
    if _MOL2_START in head:
        return "mol2"
    if _COUNTS_LINE.search(head) or "\nM  END" in text:
        return "sdf"
    for pattern, what in _UNSUPPORTED:
        if pattern.search(head):
            raise InputError(f"{path}: looks like {what}; give the ligand as SDF, MOL2 or SMILES")
    if re.search(r"^(ATOM  |HETATM)", head, re.MULTILINE):
        return "pdb"
    promised = suffix_format(path)
    if promised in ("mol2", "pdb"):
        raise InputError(f"{path}: holds no {promised.upper()} record; check that it is a complete ligand file")
    if promised == "sdf" and len(text.splitlines()) >= 4:
        return "sdf"
    if promised == "smi" or _is_smiles(text.split()[0]):
        return "smi"
    raise InputError(f"{path}: not a ligand in a known format; give SDF, MOL, MOL2, PDB (with a template) or SMILES")


def parse_records(text: str, file_format: LigandFormat) -> Iterator[RawLigand]:
    """Every record of a file's text, broken ones with their problem."""
    if file_format == "sdf":
        yield from (_parse_sdf(record) for record in _split_sdf(text))
    elif file_format == "mol2":
        parts = re.split(rf"^(?={re.escape(_MOL2_START)})", text, flags=re.MULTILINE)
        yield from (_parse_mol2(part) for part in parts if part.startswith(_MOL2_START))
    elif file_format == "pdb":
        yield _parse_pdb(text)
    else:
        yield from _parse_smiles_file(text)


def parse_smiles(line: str) -> RawLigand:
    """A SMILES string, a name may follow after white space."""
    smiles, *title = line.split(maxsplit=1)
    params: Any = Chem.SmilesParserParams()
    params.sanitize = False
    params.removeHs = False
    with rdBase.BlockLogs(), rdBase.CaptureErrorLog() as log:
        mol = Chem.MolFromSmiles(smiles, params)
    return RawLigand("".join(title).strip(), mol, "" if mol else f"not a valid SMILES{_reason(log.messages)}")


def _parse_smiles_file(text: str) -> Iterator[RawLigand]:
    lines = [line for line in text.splitlines() if line.strip() and not line.startswith("#")]
    if len(lines) > 1 and re.match(r"(?i)(canonical_?)?smiles\b", lines[0]):
        lines = lines[1:]
    for line in lines:
        yield parse_smiles(line)


def _split_sdf(text: str) -> list[str]:
    """Records of an SDF, without what is only white space after the last one."""
    records = re.split(r"^\$\$\$\$.*\n?", text, flags=re.MULTILINE)
    return [record for record in records if record.strip()]


def _parse_sdf(record: str) -> RawLigand:
    title = record.partition("\n")[0].strip()
    record = _without_query_columns(record)
    supplier = Chem.SDMolSupplier()
    with rdBase.BlockLogs(), rdBase.CaptureErrorLog() as log:
        mol = None
        for strict in (True, False):
            if mol is None and "\nM  END" in record:
                supplier.SetData(record, sanitize=False, removeHs=False, strictParsing=strict)
                mol = next(supplier, None)
    if mol is not None:
        return RawLigand(title, mol)
    if _NOT_A_NUMBER.search(record.partition("M  END")[0]):
        return RawLigand(title, None, "coordinates that are not numbers (NaN or infinite)")
    if "\nM  END" not in record:
        return RawLigand(title, None, "truncated SDF record, no 'M  END' line")
    return RawLigand(title, None, f"damaged SDF record{_reason(log.messages)}")


def _without_query_columns(record: str) -> str:
    """Blank V2000's hydrogen-count and bond-topology columns, which RDKit takes for queries.

    PDBbind's X-TOOL fills them for every atom and bond.
    """
    lines = record.split("\n")
    counts = lines[3] if len(lines) > 3 else ""
    if "V2000" not in counts or not (counts[:3].strip().isdigit() and counts[3:6].strip().isdigit()):
        return record
    bonds_start = 4 + int(counts[:3])
    for i in range(4, min(bonds_start + int(counts[3:6]), len(lines))):
        column = 42 if i < bonds_start else 15
        if len(lines[i]) >= column + 3:
            lines[i] = f"{lines[i][:column]}  0{lines[i][column + 3 :]}"
    return "\n".join(lines)


def _parse_mol2(block: str) -> RawLigand:
    title = (block.splitlines() + ["", ""])[1].strip()
    with rdBase.BlockLogs(), rdBase.CaptureErrorLog() as log:
        mol = parse_mol2(block)
    if mol is not None:
        for atom in mol.GetAtoms():
            atom.SetProp(ATOM_NAME, atom.GetProp("_TriposAtomName"))
        return RawLigand(title, mol)
    if _NOT_A_NUMBER.search(block):
        return RawLigand(title, None, "coordinates that are not numbers (NaN or infinite)")
    return RawLigand(title, None, f"truncated or damaged MOL2 record{_reason(log.messages)}")


def _parse_pdb(text: str) -> RawLigand:
    with rdBase.BlockLogs(), rdBase.CaptureErrorLog() as log:
        mol = Chem.MolFromPDBBlock(text, sanitize=False, removeHs=False)
    if mol is None or mol.GetNumAtoms() == 0:
        problem = "coordinates that are not numbers" if _NOT_A_NUMBER.search(text) else "truncated or damaged PDB file"
        return RawLigand("", None, f"{problem}{_reason(log.messages)}")
    for atom in mol.GetAtoms():
        atom.SetProp(ATOM_NAME, atom.GetPDBResidueInfo().GetName().strip())
    return RawLigand(mol.GetAtomWithIdx(0).GetPDBResidueInfo().GetResidueName().strip(), mol)


def _is_smiles(word: str) -> bool:
    return parse_smiles(word).mol is not None


def _reason(messages: str) -> str:
    """The first message RDKit logged, as ' (message)', without its time stamp; empty if it was silent."""
    lines = [re.sub(r"^\[[\d:]+\]\s*", "", line).strip() for line in messages.splitlines()]
    first = next((line for line in lines if line), "")
    return f" ({first})" if first else ""
