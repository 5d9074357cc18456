"""What to dock: jobs from the command line's files or from a table of many, each with its own name."""

from __future__ import annotations

import difflib
import re
import unicodedata
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final

from discodock.chem.ligand import LigandRecord, iter_ligands
from discodock.chem.ligand_formats import known_formats, suffix_format
from discodock.errors import InputError
from discodock.failures import LOG_FILE, reason_of
from discodock.files import home_expanded
from discodock.inference.config import DEFAULT_RADIUS
from discodock.inference.pocket import PocketSpec, pocket_spec
from discodock.input_files import InputKind, TableRow, read_csv

REQUIRED_COLUMNS: Final = ("name", "protein", "ligand")
TABLE_OF_JOBS: Final = InputKind("table of jobs", "give a CSV table of jobs")
POCKET_COLUMNS: Final = ("pocket_ligand", "pocket_center", "pocket_residues", "pocket_radius")
KNOWN_COLUMNS: Final = (*REQUIRED_COLUMNS, *POCKET_COLUMNS, "template_smiles")
TELLING_WORDS: Final = {
    "pocket_center": {"center", "centre", "centers", "centroid", "box", "grid", "xyz", "coords", "coordinates"},
    "pocket_residues": {"residue", "residues", "resid", "resids"},
    "pocket_radius": {"radius"},
    "template_smiles": {"template"},
    "pocket_ligand": {"pocket", "site", "autobox", "cavity", "bindingsite", "bindingpocket", "activesite"},
}
"""Words in names of columns that mean a pocket or a template, whatever else the names have."""

AXIS: Final = re.compile(r"(.*[^a-z])?[cp]?[xyz]")
"""Names of columns with one coordinate of a centre, or one edge of a box."""

NEARLY_EQUAL: Final = 0.85
"""Similarity of two names from which one is taken for a misspelling of the other."""

TABLE_SUFFIXES: Final = frozenset({".csv", ".tsv"})
"""Files that are read as lists of SMILES if named, but may be anything in a folder."""

MAX_NAME_BYTES: Final = 200
"""File systems take names of 255 bytes, and drafts and numbers need some of them."""

RESERVED_NAMES: Final = frozenset({"summary.csv", "docking.yaml", "index.html", LOG_FILE})
"""Names of files that stand beside the folders of the jobs."""


@dataclass(frozen=True)
class Job:
    """One ligand to dock.

    Attributes:
        name: name of its output folder, unique in a run.
        protein: structure file.
        pocket: pocket to dock into; None for blind docking.
        ligand: the ligand, or None if it could not be read.
        problem: reason why the job cannot be run at all, or None.
        note: remark on its name that a user should see, or None.
    """

    name: str
    protein: Path
    pocket: PocketSpec | None
    ligand: LigandRecord | None
    problem: str | None = None
    note: str | None = None


def jobs_of_ligand(
    protein: Path,
    ligand: str,
    pocket: PocketSpec | None,
    *,
    name: str | None = None,
    template_smiles: str | None = None,
) -> list[Job]:
    """One job per record of a ligand file or SMILES string, all against one protein and pocket.

    A record that cannot be used becomes a job with a `problem`, so that the others can run.

    Args:
        protein: structure file.
        ligand: ligand file or SMILES string.
        pocket: pocket to dock into; None for blind docking.
        name: name of the job; with several records it precedes the records' own names. None takes these alone.
        template_smiles: chemistry of a ligand that comes as a PDB file.

    Raises:
        InputError: the ligand file cannot be read at all.
    """
    records = list(iter_ligands(ligand, template_smiles=template_smiles))
    is_single = len(records) == 1
    jobs = []
    for number, record in enumerate(records, start=1):
        own_name = f"record_{number}" if isinstance(record, InputError) else record.name
        full_name = own_name if name is None else name if is_single else f"{name}_{own_name}"
        folder = folder_name(full_name, fallback=_stem(ligand) or "ligand")
        if isinstance(record, InputError):
            jobs.append(Job(folder, protein, pocket, None, str(record)))
        else:
            jobs.append(Job(folder, protein, pocket, record))
    return jobs


def jobs_of_ligands(
    protein: Path,
    ligands: Sequence[str],
    pocket: PocketSpec | None,
    *,
    name: str | None = None,
    template_smiles: str | None = None,
) -> list[Job]:
    """As `jobs_of_ligand` for several files, folders of files and SMILES strings, in this order.

    Of several, a file that cannot be read at all becomes a job with a `problem` too.

    Args:
        protein: structure file.
        ligands: ligand files, folders, whose ligand files count in the order of their names, or SMILES strings.
        pocket: pocket to dock into; None for blind docking.
        name: name of the job; with several records it precedes their own names. None takes these alone.
        template_smiles: chemistry of ligands that come as PDB files.

    Raises:
        InputError: the only file cannot be read, a folder holds no ligand file, or a ligand is an empty text.
    """
    sources = [each for ligand in ligands for each in _files_in(ligand, has_template=template_smiles is not None)]
    if len(sources) == 1:
        return jobs_of_ligand(protein, sources[0], pocket, name=name, template_smiles=template_smiles)
    jobs: list[Job] = []
    for source in sources:
        try:
            jobs += jobs_of_ligand(protein, source, pocket, template_smiles=template_smiles)
        except InputError as error:
            jobs.append(Job(folder_name(Path(source).name.partition(".")[0]), protein, pocket, None, str(error)))
    return jobs if name is None else [replace(job, name=folder_name(f"{name}_{job.name}")) for job in jobs]


def _files_in(ligand: str, *, has_template: bool) -> list[str]:
    """The ligand files of a folder, by name; anything else as it stands. Tables and, without template, PDB are none.

    Raises:
        InputError: the folder holds none, or the text is empty, which as a path would be the working folder.
    """
    if not ligand.strip():
        raise InputError("a ligand that is an empty text; give a file, a folder or a SMILES string")
    try:
        if not Path(ligand).is_dir():
            return [ligand]
        files = sorted(path for path in Path(ligand).iterdir() if path.is_file() and not path.name.startswith("."))
    except (OSError, ValueError):  # a long SMILES is no possible file name
        return [ligand]
    wanted = {"mol2", "sdf", "smi"} | ({"pdb"} if has_template else set())
    found = [str(path) for path in files if suffix_format(path) in wanted and not TABLE_SUFFIXES & set(path.suffixes)]
    if not found:
        raise InputError(f"{ligand}: a folder without ligand files; give {known_formats(without_template=True)} files")
    return found


def read_jobs(
    table: Path,
    default_pocket: PocketSpec | None,
    *,
    default_radius: float = DEFAULT_RADIUS,
    template_smiles: str | None = None,
) -> list[Job]:
    """Jobs of a CSV table; paths in it are relative to its folder.

    Columns are name, protein, ligand and optionally pocket_ligand, pocket_center ("x y z"), pocket_residues
    ("A:12 A:18-20"), pocket_radius and template_smiles; further ones are ignored unless they may mean one of these.
    A row whose ligand or pocket cannot be used, or that lacks a value, becomes a job with a `problem`, so that the
    others can run; one without a name is called after its number. Values may be separated by commas, semicolons or
    tabs, and names of columns written in any case, with blanks for underscores.

    Args:
        table: the CSV file.
        default_pocket: pocket of rows that name none; None docks them blindly.
        default_radius: radius of the pockets of rows that name a place but no radius, Å.
        template_smiles: template of rows without one of their own, as SMILES.

    Raises:
        InputError: the table itself cannot be used.
    """
    jobs: list[Job] = []
    for number, each in enumerate(_read_rows(table), start=1):
        row = each.cells
        name = folder_name(row["name"] or f"row_{number}")
        protein = Path(_resolve(row["protein"], table)) if row["protein"] else Path()
        empty = next((column for column in REQUIRED_COLUMNS if not row[column]), None)
        try:
            if empty is not None:
                raise InputError(f"{table}: row {number} has no {empty}; fill it in or delete the row")
            if each.surplus:
                raise InputError(f"{table}: row {number} has too many values ({each.surplus!r}); put them in quotes")
            pocket = _row_pocket(row, table, default_pocket, default_radius)
            template = row.get("template_smiles") or template_smiles
            jobs += jobs_of_ligand(protein, _resolve(row["ligand"], table), pocket, name=name, template_smiles=template)
        except Exception as error:
            jobs.append(Job(name, protein, default_pocket, None, reason_of(error)))
    return jobs


def with_distinct_names(jobs: Sequence[Job]) -> list[Job]:
    """Jobs of which no two write to one folder: the second of a name gets `_2`, and so on, with a note.

    Upper and lower case count as the same, as some file systems have it.

    Raises:
        InputError: there is no job.
    """
    if not jobs:
        raise InputError("there is nothing to dock: no ligand was found")
    taken = {job.name.lower() for job in jobs}
    seen: set[str] = set()
    distinct = []
    for job in jobs:
        name, number = job.name, 1
        while name.lower() in seen or (number > 1 and name.lower() in taken):
            number += 1
            name = f"{job.name}_{number}"
        seen.add(name.lower())
        note = None if name == job.name else f"called {name}, because an earlier ligand is called {job.name} as well"
        distinct.append(replace(job, name=name, note=note))
    return distinct


def folder_name(name: str, fallback: str = "ligand") -> str:
    """A name as a folder: anything but letters, digits, dot, dash and underscore becomes an underscore.

    Args:
        name: name of a ligand or job.
        fallback: name in place of one without any letter or digit, such as Open Babel's "*****".
    """
    clean = re.sub(r"[^\w.-]+", "_", unicodedata.normalize("NFC", name).strip()).strip("._")
    if not re.search(r"[^\W_]", clean):
        return "ligand" if name == fallback else folder_name(fallback, fallback)
    short = clean.encode()[:MAX_NAME_BYTES].decode(errors="ignore")
    return f"{short}_ligand" if short.lower() in RESERVED_NAMES else short


def _stem(ligand: str) -> str:
    """The stem of a ligand file; empty for a SMILES string."""
    try:
        return Path(ligand).name.partition(".")[0] if Path(ligand).is_file() else ""
    except (OSError, ValueError):  # a long SMILES is no possible file name
        return ""


def _read_rows(path: Path) -> tuple[TableRow, ...]:
    table = read_csv(path, TABLE_OF_JOBS)
    missing = [column for column in REQUIRED_COLUMNS if column not in table.columns]
    if missing:
        raise InputError(f"{path}: lacks column {', '.join(missing)}; needed are {', '.join(REQUIRED_COLUMNS)}")
    if any(not row.cells.get("", "0").isdigit() and row.cells[""] for row in table.rows):  # numbers are of an index
        raise InputError(f"{path}: a column with values has no name; give it one")
    for column in table.columns:
        if column not in KNOWN_COLUMNS and (meant := _meant_column(column)) is not None:
            what = "put the three into one, such as '7 7 13', " if meant == "pocket_center" and _is_axis(column) else ""
            raise InputError(
                f"{path}: unknown column {column!r}; {what}call it {meant} if it is that, or else note_{column}"
            )
    if not table.rows:
        raise InputError(f"{path}: has no rows; give one job a row")
    return table.rows


def _meant_column(name: str) -> str | None:
    """The column that an unknown one may stand for; None if it is a remark of the user's.

    To pass over a pocket in silence would be to dock blindly, so any name that may mean one is refused.
    """
    words = set(re.findall(r"[a-z]+", name))
    if "note" in words:
        return None
    if _is_axis(name):
        return "pocket_radius" if "size" in words else "pocket_center"
    for column, telling in TELLING_WORDS.items():
        if words & telling:
            return column
    if words & {"ref", "reference", "crystal", "xtal", "native"} and words & {"ligand", "lig", "pose", "sdf"}:
        return "pocket_ligand"
    return next(iter(difflib.get_close_matches(name, KNOWN_COLUMNS, n=1, cutoff=NEARLY_EQUAL)), None)


def _is_axis(name: str) -> bool:
    return AXIS.fullmatch(name) is not None


def _row_pocket(
    row: Mapping[str, str], table: Path, default: PocketSpec | None, default_radius: float
) -> PocketSpec | None:
    """The pocket of a row, or the default one for a row without."""
    ligand, center, residues = (row.get(column) or "" for column in POCKET_COLUMNS[:3])
    radius = _numbers(row.get("pocket_radius") or "", "pocket_radius", 1)
    if not (ligand or center or residues) and default is not None:
        return replace(default, radius=radius[0]) if radius else default
    return pocket_spec(
        _resolve(ligand, table) if ligand else None,
        _numbers(center, "pocket_center", 3) or None,
        re.split(r"[\s,;]+", residues) if residues else (),
        radius[0] if radius else default_radius,
    )


def _numbers(text: str, column: str, count: int) -> list[float]:
    """`count` numbers separated by blanks, commas or semicolons; an empty text has none."""
    bare = text.strip("()[]{} \t")
    words = re.split(r"[\s,;]+", bare) if bare else []
    try:
        values = [float(word) for word in words]
    except ValueError:
        values = []
    if words and len(values) != count:
        raise InputError(f"{column} {text!r} is not {count} number{'s' if count > 1 else ''}")
    return values


def _resolve(text: str, table: Path) -> str:
    """A path in a table: relative to the table's folder where that exists, else, as a SMILES is, taken as it stands."""
    text = home_expanded(text)
    try:
        return str(table.parent / text) if (table.parent / text).exists() else text
    except (OSError, ValueError):  # a long SMILES is no possible file name
        return text
