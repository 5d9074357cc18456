"""Ligand file formats: what a file holds, told from its content, and its records as unsanitised molecules.

To add a format, write how its records are parsed and describe it in `FORMATS`; reading, messages and help texts know it
then. RDKit is imported where a record is parsed, so that `--help` stays instant.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from discodock.chem.mol2 import MOL2_START, parse_mol2_file
from discodock.chem.records.bounds import pdb_problem, sdf_problem
from discodock.chem.records.raw_ligand import ATOM_NAME, NOT_A_NUMBER, RawLigand, parse_each, rdkit_reason
from discodock.chem.records.sd_tags import set_properties, split_record, split_records
from discodock.chem.records.smiles_file import is_smiles_file, parse_smiles_file
from discodock.errors import InputError
from discodock.input_files import InputKind, read_text

_HEAD: Final = 20_000
"""Characters at the beginning of a file that show what it is."""

_COUNTS_LINE = re.compile(r"^.{39}V[23]000", re.MULTILINE)
_UNSUPPORTED = (
    (re.compile(r"^(ROOT|TORSDOF)\b", re.MULTILINE), "PDBQT, which has no bond orders"),
    (re.compile(r"^(data_|_atom_site\.)", re.MULTILINE), "CIF, which is read for proteins only"),
    (re.compile(r"^\s*<(\?xml|html|!DOCTYPE)", re.IGNORECASE), "a web page or XML"),
)


@dataclass(frozen=True)
class LigandFormat:
    """A file format and how to read it.

    Attributes:
        description: name of the format in messages.
        suffixes: endings of its files, lower case, besides `.gz`.
        sniff: whether a text shows that it is of this format.
        parse: every record of a text, broken ones with their problem.
        trusts_name: whether a text that shows no format is read as this one because the file's name says so.
        has_bond_orders: whether records say the orders of bonds; without, a template is needed.
    """

    description: str
    suffixes: tuple[str, ...]
    sniff: Callable[[str], bool]
    parse: Callable[[str], Iterator[RawLigand]]
    trusts_name: Callable[[str], bool] = lambda text: False
    has_bond_orders: bool = True


def known_formats(*, without_template: bool = False) -> str:
    """The formats in words, such as "MOL2, SDF or SMILES".

    Args:
        without_template: leave out formats that need a template.
    """
    names = [each.description for each in FORMATS.values() if each.has_bond_orders or not without_template]
    return f"{', '.join(names[:-1])} or {names[-1]}"


def load_text(path: Path) -> str:
    """Text of a ligand file, gunzipped if it is gzip, whatever its name says.

    Raises:
        InputError: missing, unreadable, empty, too large, truncated gzip, or binary.
    """
    kind = InputKind("ligand file", f"check the path, and give {known_formats()}")
    text = read_text(path, kind)
    if not text.strip():
        raise InputError(f"{path}: the ligand file is empty; write it again")
    return text


def suffix_format(path: Path) -> str | None:
    """Name in `FORMATS` that the file name promises, `.gz` looked through; None for an unknown ending."""
    suffixes = [suffix.lower() for suffix in path.suffixes]
    if suffixes and suffixes[-1] == ".gz":
        suffixes.pop()
    return next((name for name, each in FORMATS.items() if suffixes and suffixes[-1] in each.suffixes), None)


def has_ligand_suffix(path: Path) -> bool:
    """Whether a file name ends like that of a ligand file, gzipped or not."""
    return path.suffix.lower() == ".gz" or suffix_format(path) is not None


def detect_format(text: str, path: Path) -> str:
    """Name in `FORMATS` judged by content; the file's name decides only where the content leaves it open.

    Raises:
        InputError: the content is no ligand format, or one without bond orders.
    """
    for name, each in FORMATS.items():
        if each.sniff(text):
            return name
    if unsupported := _unsupported(text):
        raise InputError(f"{path}: looks like {unsupported}; give the ligand as {known_formats(without_template=True)}")
    promised = suffix_format(path)
    if promised is not None and FORMATS[promised].trusts_name(text):
        return promised
    if is_smiles_file(text):
        return "smi"
    if promised is not None:
        raise InputError(f"{path}: holds no {promised.upper()} record; check that it is a complete ligand file")
    raise InputError(f"{path}: not a ligand in a known format; give {known_formats()}")


def _unsupported(text: str) -> str | None:
    """What a text is that looks like no format here, in words; None if that is not known either."""
    return next((what for pattern, what in _UNSUPPORTED if pattern.search(text[:_HEAD])), None)


def _is_sdf(text: str) -> bool:
    return _COUNTS_LINE.search(text[:_HEAD]) is not None or "\nM  END" in text


def _parse_sdf_file(text: str) -> Iterator[RawLigand]:
    return parse_each(_parse_sdf, split_records(text))


def _parse_sdf(record: str) -> RawLigand:
    from rdkit import Chem, rdBase

    title = record.partition("\n")[0].strip()
    if (problem := sdf_problem(record)) is not None:
        return RawLigand(title, None, problem)
    record, tags = split_record(_without_query_columns(record))
    supplier = Chem.SDMolSupplier()
    with rdBase.BlockLogs(), rdBase.CaptureErrorLog() as log:
        mol = None
        for strict in (True, False):
            if mol is None and "\nM  END" in record:
                supplier.SetData(record, sanitize=False, removeHs=False, strictParsing=strict)
                mol = next(supplier, None)
    if mol is not None:
        set_properties(mol, tags)
        return RawLigand(title, mol, tags=tags)
    if NOT_A_NUMBER.search(record.partition("M  END")[0]):
        return RawLigand(title, None, "coordinates that are not numbers (NaN or infinite)")
    if "\nM  END" not in record:
        return RawLigand(title, None, "truncated SDF record, no 'M  END' line")
    return RawLigand(title, None, f"damaged SDF record{rdkit_reason(log)}")


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


def _is_mol2(text: str) -> bool:
    return MOL2_START in text[:_HEAD]


def _is_pdb(text: str) -> bool:
    """PDBQT and CIF have ATOM lines too."""
    return re.search(r"^(ATOM  |HETATM)", text[:_HEAD], re.MULTILINE) is not None and not _unsupported(text)


def _parse_pdb_file(text: str) -> Iterator[RawLigand]:
    return parse_each(_parse_pdb, [text])


def _parse_pdb(text: str) -> RawLigand:
    from rdkit import Chem, rdBase

    if (problem := pdb_problem(text)) is not None:
        return RawLigand("", None, problem)
    with rdBase.BlockLogs(), rdBase.CaptureErrorLog() as log:
        mol = Chem.MolFromPDBBlock(text, sanitize=False, removeHs=False)
    if mol is None or mol.GetNumAtoms() == 0:
        problem = "coordinates that are not numbers" if NOT_A_NUMBER.search(text) else "truncated or damaged PDB file"
        return RawLigand("", None, f"{problem}{rdkit_reason(log)}")
    for atom in mol.GetAtoms():
        atom.SetProp(ATOM_NAME, atom.GetPDBResidueInfo().GetName().strip())
    return RawLigand(mol.GetAtomWithIdx(0).GetPDBResidueInfo().GetResidueName().strip(), mol)


FORMATS: Final[dict[str, LigandFormat]] = {
    "mol2": LigandFormat("MOL2", (".mol2",), _is_mol2, parse_mol2_file),
    "sdf": LigandFormat(
        "SDF",
        (".sdf", ".sd", ".mol", ".mdl"),
        _is_sdf,
        _parse_sdf_file,
        trusts_name=lambda text: len(text.splitlines()) >= 4,
    ),
    "pdb": LigandFormat("PDB (with a template)", (".pdb", ".ent"), _is_pdb, _parse_pdb_file, has_bond_orders=False),
    "smi": LigandFormat(
        "SMILES",
        (".smi", ".smiles", ".cxsmiles", ".ism", ".can", ".csv", ".tsv"),
        lambda text: False,
        parse_smiles_file,
        trusts_name=lambda text: True,
    ),
}
"""Every format by name; the first that a text shows itself to be is what it is read as."""
