"""The prepared store: one small npz per complex plus an index, safe to load (no pickles) and written atomically.

Receptor positions are stored as differences of thousandths of an Å, the precision of PDB files, so that they compress;
`load` gives back the fields, dtypes and units of `discodock.schema.FIELDS`.
"""

import csv
import hashlib
import io
import re
import zipfile
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Any, Final

import numpy as np

from discodock.errors import PreparedDataError
from discodock.files import write_atomically, write_text
from discodock.input_files import InputKind, read_csv, read_json, read_npz
from discodock.schema import FIELDS, LIGAND_ATOM_FEATURES, POSE_FACT, POSE_FIELDS, SCHEMA_VERSION
from discodock.text import plain_cell, table_cell

INDEX_FILE: Final = "index.csv"
FAILURES_FILE: Final = "failures.csv"
MANIFEST_FILE: Final = "prepare.json"
COMPLEX_DIR: Final = "complexes"

_DTYPE: Final = re.compile(r"\b(?:u?int\d+|float\d+|bool)\b")
_POS_SCALE: Final = 1000.0  # stored units per Å
_REMEDY: Final = "run `discodock prepare` again"

PREPARED: Final = InputKind("prepared complex", f"delete it and {_REMEDY}", PreparedDataError)
INDEX: Final = InputKind("index of prepared complexes", _REMEDY, PreparedDataError)
MANIFEST: Final = InputKind("manifest", _REMEDY, PreparedDataError)


@dataclass(frozen=True)
class IndexRow:
    """One complex of a prepared store.

    Attributes:
        id: name of the complex, unique in the store.
        split: train, val or test.
        cluster: protein family; complexes of one cluster are never in two splits.
        num_ligand_atoms: heavy atoms of the ligand, L.
        num_torsions: rotatable bonds, T.
        num_residues: residues and hetero groups of the receptor, N.
        file: path of the npz relative to the store.
        key: hash of everything the file depends on: input files, settings, versions of schema and code.
        digest: hash of the file; empty in stores of earlier versions.
        settings: hash of the settings, versions included, that all files of a store share; empty as `digest`.
    """

    id: str
    split: str
    cluster: str
    num_ligand_atoms: int
    num_torsions: int
    num_residues: int
    file: str
    key: str
    digest: str = ""
    settings: str = ""


@dataclass(frozen=True)
class FailureRow:
    """One complex left out of a prepared store: the stage that refused it and why."""

    id: str
    stage: str
    reason: str


class PreparedStore:
    """A folder of prepared complexes.

    Attributes:
        root: the folder.
        index: one row per complex, in the order of `index.csv`.
    """

    def __init__(self, root: str | Path) -> None:
        self.root = Path(root)
        if not (self.root / INDEX_FILE).is_file():
            raise PreparedDataError(f"{self.root}: no prepared data here ({INDEX_FILE} is missing); {_REMEDY}")
        self.manifest = read_manifest(self.root)
        version = self.manifest.get("schema_version", SCHEMA_VERSION)
        if version != SCHEMA_VERSION:
            raise PreparedDataError(
                f"{self.root}: prepared under schema version {version}, needed is {SCHEMA_VERSION}; {_REMEDY}"
            )
        self.index: tuple[IndexRow, ...] = read_index(self.root)
        self._row_by_id = {row.id: row for row in self.index}
        self._refuse_mixture()

    def _refuse_mixture(self) -> None:
        """Refuse a store whose last preparation was killed while it replaced complexes made with other settings."""
        made_with = {row.settings for row in self.index}
        expected = self.manifest.get("settings_key")
        if len(made_with) > 1 or (made_with and expected not in (None, *made_with)):
            raise PreparedDataError(f"{self.root}: not finished after its settings were changed; {_REMEDY}")

    def __len__(self) -> int:
        return len(self.index)

    def ids(self, split: str | None = None) -> tuple[str, ...]:
        """Ids of the complexes of a split, or of all."""
        return tuple(row.id for row in self.index if split is None or row.split == split)

    def row(self, complex_id: str) -> IndexRow:
        """Index row of a complex.

        Raises:
            PreparedDataError: the id is not in the index.
        """
        try:
            return self._row_by_id[complex_id]
        except KeyError:
            raise PreparedDataError(f"{self.root}: no prepared complex {complex_id!r}; see {INDEX_FILE}") from None

    def load(self, complex_id: str) -> dict[str, np.ndarray]:
        """Arrays of one complex, named and typed as in `discodock.schema.FIELDS`.

        Raises:
            PreparedDataError: the complex is unknown, or its file is missing, damaged or incomplete.
        """
        row = self.row(complex_id)
        return load_arrays(self.root / row.file, row.digest)


def write_arrays(path: Path, arrays: Mapping[str, np.ndarray]) -> str:
    """Write a prepared complex to an npz in one go; its receptor positions are rounded to 0.001 Å.

    Returns:
        Hash of the file, for `IndexRow.digest`.

    Raises:
        PreparedDataError: the arrays do not follow the schema.
    """
    check_arrays(arrays)
    packed = {name: array for name, array in arrays.items() if not name.startswith("receptor_")}
    packed |= _pack_receptor(arrays)
    buffer = io.BytesIO()
    # zlib level 4: within 2 % of level 6 in size here, at half the time
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED, compresslevel=4) as archive:
        for name, array in packed.items():
            member = io.BytesIO()
            np.lib.format.write_array(member, np.ascontiguousarray(array), allow_pickle=False)
            archive.writestr(zipfile.ZipInfo(f"{name}.npy"), member.getvalue(), zipfile.ZIP_DEFLATED, 4)
    write_atomically(path, buffer.getvalue())
    return _digest(buffer.getvalue())


def is_whole(path: Path, digest: str) -> bool:
    """Whether a file is there and is the one with this hash; a hash that is not known is of none."""
    try:
        return bool(digest) and _digest(path.read_bytes()) == digest
    except OSError:
        return False


def _digest(data: bytes) -> str:
    return hashlib.blake2b(data, digest_size=12).hexdigest()


def load_arrays(path: Path, digest: str = "") -> dict[str, np.ndarray]:
    """Read a prepared complex written by `write_arrays`.

    Args:
        path: the npz.
        digest: hash that it must have; empty takes any.

    Raises:
        PreparedDataError: the file is missing, damaged, not the one of that hash, or lacks a field.
    """
    packed = read_npz(path, PREPARED)
    if digest and not is_whole(path, digest):
        raise PreparedDataError(f"{path}: not the file that {INDEX_FILE} speaks of; {_REMEDY}")
    try:
        receptor = _unpack_receptor(packed)
    except (ValueError, TypeError, KeyError, IndexError) as error:
        raise PreparedDataError(f"{path}: damaged prepared complex ({error}); delete it and {_REMEDY}") from None
    arrays = {name: array for name, array in packed.items() if not name.startswith("receptor_")} | receptor
    missing = FIELDS.keys() - arrays.keys()
    if missing:
        raise PreparedDataError(f"{path}: lacks {', '.join(sorted(missing))}; delete it and {_REMEDY}")
    return arrays


def _pack_receptor(arrays: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
    """Receptor fields in their stored form; residue types once per residue, positions as differences."""
    residue_idx = arrays["receptor_residue_idx"]
    starts = np.flatnonzero(np.diff(residue_idx, prepend=-1)).astype(np.int32)
    steps = np.diff(np.rint(arrays["receptor_pos"].astype(np.float64) * _POS_SCALE).astype(np.int64), axis=0, prepend=0)
    fits = np.abs(steps[1:]).max(initial=0) < 2**15
    return {
        "receptor_pos_start": steps[0].astype(np.int32),
        "receptor_pos_step": steps[1:].astype(np.int16 if fits else np.int32),
        "receptor_kind": np.stack([arrays["receptor_element"], arrays["receptor_atom_name"]]),
        "receptor_residue_start": starts,
        "receptor_residue_kind": arrays["receptor_residue_type"][starts],
    }


def _unpack_receptor(packed: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
    element, atom_name = packed["receptor_kind"]
    num_atoms = len(element)
    start, step = packed["receptor_pos_start"], packed["receptor_pos_step"]
    pos = np.cumsum(np.concatenate([start[None], step]), axis=0, dtype=np.int64)
    residue_start = packed["receptor_residue_start"]
    lengths = np.diff(residue_start, append=num_atoms)
    return {
        "receptor_pos": (pos / _POS_SCALE).astype(np.float32),
        "receptor_element": element,
        "receptor_atom_name": atom_name,
        "receptor_residue_type": np.repeat(packed["receptor_residue_kind"], lengths),
        "receptor_residue_idx": np.repeat(np.arange(len(residue_start), dtype=np.int32), lengths),
    }


def check_arrays(arrays: Mapping[str, np.ndarray]) -> None:
    """Check names, dtypes, shapes and index ranges of a prepared complex against the schema.

    Raises:
        PreparedDataError: naming the first field that does not fit.
    """
    known = FIELDS
    if "pose_pos" in arrays:
        known = FIELDS | {name: POSE_FACT for name in arrays if name.startswith("pose_")} | POSE_FIELDS
    if set(arrays) != set(known):
        wrong = ", ".join(sorted(set(arrays) ^ set(known)))
        raise PreparedDataError(f"prepared complex: fields missing or unknown: {wrong}")
    for name, shape in expected_shapes(arrays).items():
        dtype = _DTYPE.findall(known[name])[0]
        if arrays[name].dtype.name != dtype or arrays[name].shape != shape:
            found = f"{arrays[name].dtype.name} {arrays[name].shape}"
            raise PreparedDataError(f"prepared complex: {name} is {found}, expected {dtype} {shape}")
        if not np.isfinite(arrays[name]).all():
            raise PreparedDataError(f"prepared complex: {name} has values that are not finite")
    residue_idx = arrays["receptor_residue_idx"]
    if len(residue_idx) == 0 or residue_idx[0] != 0 or not np.isin(np.diff(residue_idx), (0, 1)).all():
        raise PreparedDataError("prepared complex: receptor_residue_idx must count up from 0 without gaps")


def expected_shapes(arrays: Mapping[str, np.ndarray]) -> dict[str, tuple[int, ...]]:
    """Shape of every field, given the sizes that the complex's own leading fields state."""
    num_receptor, num_ligand = len(arrays["receptor_pos"]), len(arrays["ligand_pos"])
    num_bonds, num_torsions = len(arrays["ligand_bond_type"]), len(arrays["ligand_tor_bond"])
    receptor = {name: (num_receptor,) for name in FIELDS if name.startswith("receptor_")}
    num_poses = len(arrays.get("pose_pos", ()))
    poses: dict[str, tuple[int, ...]] = {name: (num_poses,) for name in arrays if name.startswith("pose_")}
    if poses:
        poses["pose_pos"] = (num_poses, num_ligand, 3)
    return (
        receptor
        | poses
        | {
            "receptor_pos": (num_receptor, 3),
            "ligand_pos": (num_ligand, 3),
            "ligand_conformer_pos": (len(arrays["ligand_conformer_pos"]), num_ligand, 3),
            "ligand_atom_feat": (num_ligand, len(LIGAND_ATOM_FEATURES)),
            "ligand_bond_index": (2, num_bonds),
            "ligand_bond_type": (num_bonds,),
            "ligand_hops": (num_ligand, num_ligand),
            "ligand_tor_bond": (num_torsions, 2),
            "ligand_mask_rotate": (num_torsions, num_ligand),
            "ligand_automorphisms": (len(arrays["ligand_automorphisms"]), num_ligand),
        }
    )


def read_index(root: Path) -> tuple[IndexRow, ...]:
    """Rows of a store's index.

    Raises:
        PreparedDataError: the index is damaged or of an older format.
    """
    converters: dict[str, Callable[[str], Any]] = {
        item.name: int if item.type is int else str for item in fields(IndexRow)
    }
    optional = {item.name: "" for item in fields(IndexRow) if item.default == ""}
    rows = read_csv(root / INDEX_FILE, INDEX).rows
    try:
        return tuple(
            IndexRow(
                **{name: convert(plain_cell((optional | row.cells)[name])) for name, convert in converters.items()}
            )
            for row in rows
        )
    except (KeyError, ValueError) as error:
        raise PreparedDataError(f"{root / INDEX_FILE}: damaged index ({error!r}); {_REMEDY}") from None


def read_manifest(root: Path) -> dict[str, Any]:
    """Content of `prepare.json`: settings, versions and counts; empty when there is none.

    Raises:
        PreparedDataError: the file is not JSON.
    """
    path = root / MANIFEST_FILE
    if not path.is_file():
        return {}
    try:
        return dict(read_json(path, MANIFEST))
    except (TypeError, ValueError) as error:
        raise PreparedDataError(f"{path}: damaged manifest ({error}); {_REMEDY}") from None


def write_rows(path: Path, rows: Sequence[IndexRow] | Sequence[FailureRow], row_type: type) -> None:
    """Write index or failure rows as CSV, atomically."""
    buffer = io.StringIO()
    writer = csv.DictWriter(buffer, [item.name for item in fields(row_type)], lineterminator="\n")
    writer.writeheader()
    writer.writerows({name: table_cell(value) for name, value in asdict(row).items()} for row in rows)
    write_text(path, buffer.getvalue())


def crossing_clusters(rows: Iterable[tuple[str, str]]) -> dict[str, tuple[str, ...]]:
    """Clusters that have complexes in more than one split.

    Args:
        rows: (cluster, split) of every complex; an empty cluster is not compared.

    Returns:
        The splits of each such cluster; empty when no cluster crosses.
    """
    splits: dict[str, set[str]] = {}
    for cluster, split in rows:
        if cluster:
            splits.setdefault(cluster, set()).add(split)
    return {cluster: tuple(sorted(found)) for cluster, found in splits.items() if len(found) > 1}
