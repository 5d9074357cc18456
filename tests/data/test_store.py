"""The prepared store: round trip, checks, damaged files."""

import dataclasses
from pathlib import Path

import numpy as np
import pytest

from discodock.chem.ligand import read_ligand
from discodock.chem.read_receptor import read_receptor
from discodock.data.featurize import PrepareConfig, featurize
from discodock.data.store import (
    IndexRow,
    PreparedStore,
    check_arrays,
    crossing_clusters,
    load_arrays,
    read_index,
    write_arrays,
    write_rows,
)
from discodock.errors import PreparedDataError
from discodock.schema import FIELDS, LIGAND_ATOM_FEATURES

COMPLEXES = Path(__file__).parent / "complexes"


@pytest.fixture(scope="module")
def arrays() -> dict[str, np.ndarray]:
    folder = COMPLEXES / "3nxo_D2B"
    receptor = read_receptor(folder / "protein.pdb", extra=folder / "cofactors.pdb")
    return featurize(receptor, read_ligand(folder / "ligand.sdf"), PrepareConfig(num_conformers=2))


def row(name: str, **changes: object) -> IndexRow:
    base = IndexRow(
        id=name,
        split="train",
        cluster="7",
        num_ligand_atoms=24,
        num_torsions=4,
        num_residues=90,
        file=f"complexes/{name}.npz",
        key="k",
    )
    return dataclasses.replace(base, **changes)


def test_write_read_equal(arrays: dict[str, np.ndarray], tmp_path: Path) -> None:
    write_arrays(tmp_path / "x.npz", arrays)
    loaded = load_arrays(tmp_path / "x.npz")
    assert loaded.keys() == FIELDS.keys()
    for name, array in arrays.items():
        assert loaded[name].dtype == array.dtype, name
        np.testing.assert_array_equal(loaded[name], array, err_msg=name)
    assert [path.name for path in tmp_path.iterdir()] == ["x.npz"]


@pytest.mark.parametrize("offset", [0.0, 500.0, -9000.0])
@pytest.mark.parametrize("seed", range(3))
def test_receptor_positions_keep_a_thousandth(
    arrays: dict[str, np.ndarray], offset: float, seed: int, tmp_path: Path
) -> None:
    """Far chains and large coordinates do not fit 16 bits and must come back all the same."""
    noise = np.random.default_rng(seed).normal(scale=40.0, size=arrays["receptor_pos"].shape)
    moved = arrays | {"receptor_pos": (arrays["receptor_pos"] + noise + offset).astype(np.float32)}
    write_arrays(tmp_path / "x.npz", moved)
    loaded = load_arrays(tmp_path / "x.npz")["receptor_pos"]
    np.testing.assert_allclose(loaded, moved["receptor_pos"], atol=1.5e-3, rtol=0)


def test_feature_sizes_are_those_of_the_schema(arrays: dict[str, np.ndarray]) -> None:
    check_arrays(arrays)
    sizes = np.array(list(LIGAND_ATOM_FEATURES.values()))
    assert arrays["ligand_atom_feat"].shape[1] == len(sizes)
    assert (arrays["ligand_atom_feat"] < sizes).all()
    assert (arrays["ligand_automorphisms"][0] == np.arange(len(arrays["ligand_pos"]))).all()


@pytest.mark.parametrize(
    ("name", "change", "message"),
    [
        ("ligand_pos", lambda a: a.astype(np.float64), "float64"),
        ("ligand_hops", lambda a: a[:-1], "expected uint8"),
        ("receptor_element", lambda a: a[:-1], "receptor_element"),
        ("ligand_atom_feat", lambda a: a[:, :-1], "ligand_atom_feat"),
        ("ligand_conformer_pos", lambda a: np.where(np.arange(3) == 1, np.nan, a).astype(np.float32), "finite"),
        ("receptor_residue_idx", lambda a: a + 1, "without gaps"),
    ],
)
def test_arrays_that_break_the_schema_are_refused(
    arrays: dict[str, np.ndarray], name: str, change: object, message: str, tmp_path: Path
) -> None:
    with pytest.raises(PreparedDataError, match=message):
        write_arrays(tmp_path / "x.npz", arrays | {name: change(arrays[name])})  # type: ignore[operator]
    assert not list(tmp_path.iterdir())


def test_unknown_and_missing_fields_are_refused(arrays: dict[str, np.ndarray]) -> None:
    with pytest.raises(PreparedDataError, match="extra_field"):
        check_arrays(arrays | {"extra_field": np.zeros(3)})
    with pytest.raises(PreparedDataError, match="ligand_pos"):
        check_arrays({name: array for name, array in arrays.items() if name != "ligand_pos"})


def test_senseless_compressed_data_is_named(arrays: dict[str, np.ndarray], tmp_path: Path) -> None:
    path = tmp_path / "x.npz"
    write_arrays(path, arrays)
    break_member(path)
    with pytest.raises(PreparedDataError, match="x.npz: damaged"):
        load_arrays(path)


@pytest.mark.parametrize("keep", [0, 10, 2000])
def test_truncated_file_is_named(arrays: dict[str, np.ndarray], keep: int, tmp_path: Path) -> None:
    path = tmp_path / "x.npz"
    write_arrays(path, arrays)
    path.write_bytes(path.read_bytes()[:keep])
    with pytest.raises(PreparedDataError, match="x.npz: damaged"):
        load_arrays(path)


def test_pickles_are_never_read(arrays: dict[str, np.ndarray], tmp_path: Path) -> None:
    """A whole file but for one field, which only unpickling could give back."""
    write_arrays(tmp_path / "good.npz", arrays)
    with np.load(tmp_path / "good.npz") as good:
        members = dict(good)
    np.savez(tmp_path / "same.npz", **members)
    load_arrays(tmp_path / "same.npz")
    members["ligand_pos"] = np.array(arrays["ligand_pos"].tolist(), dtype=object)
    np.savez(tmp_path / "x.npz", **members)
    with pytest.raises(PreparedDataError, match="allow_pickle"):
        load_arrays(tmp_path / "x.npz")


def test_index_round_trip_and_lookup(tmp_path: Path) -> None:
    rows = (row("a,b"), row("c", split="val", cluster="x y", num_torsions=0))
    write_rows(tmp_path / "index.csv", rows, IndexRow)
    assert read_index(tmp_path) == rows
    store = PreparedStore(tmp_path)
    assert store.ids() == ("a,b", "c") and store.ids("val") == ("c",) and len(store) == 2
    with pytest.raises(PreparedDataError, match="'d'"):
        store.load("d")
    with pytest.raises(PreparedDataError, match="no such prepared complex"):
        store.load("c")


def test_folders_that_are_no_store(tmp_path: Path) -> None:
    with pytest.raises(PreparedDataError, match="no prepared data"):
        PreparedStore(tmp_path)
    (tmp_path / "index.csv").write_text("id,split\na,train\n")
    with pytest.raises(PreparedDataError, match="damaged index"):
        PreparedStore(tmp_path)
    write_rows(tmp_path / "index.csv", [row("a")], IndexRow)
    (tmp_path / "prepare.json").write_text('{"schema_version": 999}')
    with pytest.raises(PreparedDataError, match="schema version 999"):
        PreparedStore(tmp_path)
    (tmp_path / "prepare.json").write_text("{")
    with pytest.raises(PreparedDataError, match="damaged manifest"):
        PreparedStore(tmp_path)


def test_crossing_clusters() -> None:
    assert crossing_clusters([("1", "train"), ("1", "train"), ("2", "val"), ("", "val"), ("", "train")]) == {}
    assert crossing_clusters([("1", "train"), ("2", "val"), ("1", "test")]) == {"1": ("test", "train")}


def break_member(path: Path) -> None:
    """Make the compressed data of the first array in an npz file senseless."""
    data = bytearray(path.read_bytes())
    start = 30 + int.from_bytes(data[26:28], "little") + int.from_bytes(data[28:30], "little")
    data[start : start + 8] = b"\xff" * 8
    path.write_bytes(data)
