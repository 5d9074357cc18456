"""Preparation end to end on real complexes: arrays, keys, resumption, failures."""

import csv
import json
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from discodock.chem.ligand import read_ligand
from discodock.chem.read_receptor import read_receptor
from discodock.data.crystal import StageError
from discodock.data.datasets.complexes import ComplexesDataset
from discodock.data.datasets.source import SourceComplex
from discodock.data.featurize import PrepareConfig, complex_seed, featurize
from discodock.data.prepare import Progress, content_key, prepare, prepare_complex
from discodock.data.store import PreparedStore, check_arrays
from discodock.data.workers import run_all
from discodock.errors import InputError

COMPLEXES = Path(__file__).parent / "complexes"
NAMES = sorted(path.name for path in COMPLEXES.iterdir())
FAST = PrepareConfig(num_conformers=1)


def copy_complexes(root: Path, names: list[str]) -> Path:
    for name in names:
        shutil.copytree(COMPLEXES / name, root / name)
    return root


def source_of(name: str) -> SourceComplex:
    return next(entry for entry in ComplexesDataset(COMPLEXES) if entry.id == name)  # type: ignore[return-value]


def failures(out: Path) -> dict[str, tuple[str, str]]:
    with open(out / "failures.csv", newline="") as handle:
        return {row["id"]: (row["stage"], row["reason"]) for row in csv.DictReader(handle)}


def contents(out: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in sorted((out / "complexes").iterdir())}


@pytest.mark.parametrize("name", NAMES)
def test_prepared_complex_follows_the_schema(name: str) -> None:
    arrays = prepare_complex(source_of(name), FAST)
    check_arrays(arrays)
    rmsd = np.sqrt(((arrays["ligand_conformer_pos"] - arrays["ligand_pos"]) ** 2).sum(-1).mean(-1))
    assert rmsd.max() < FAST.max_match_rmsd
    nearest = np.linalg.norm(arrays["receptor_pos"][:, None] - arrays["ligand_pos"], axis=-1).min()
    assert 1.5 < nearest < 4.5


def test_all_at_once_in_processes_equals_one_by_one(tmp_path: Path) -> None:
    source = copy_complexes(tmp_path / "src", NAMES[:4])
    seen: list[Progress] = []
    report = prepare(source, tmp_path / "two", FAST, workers=2, on_progress=seen.append)
    prepare(source, tmp_path / "one", FAST, workers=1)
    assert contents(tmp_path / "two") == contents(tmp_path / "one")
    assert (tmp_path / "two" / "index.csv").read_text() == (tmp_path / "one" / "index.csv").read_text()
    assert report.num_prepared == 4 and report.num_by_split == {"train": 4} and not report.failures
    assert [state.done for state in seen] == [1, 2, 3, 4] and seen[-1].total == 4
    store = PreparedStore(tmp_path / "two")
    assert store.ids() == tuple(NAMES[:4])
    assert store.row(NAMES[0]).num_ligand_atoms == len(store.load(NAMES[0])["ligand_pos"])
    assert store.manifest["settings"]["num_conformers"] == 1 and store.manifest["fingerprint"]


@pytest.mark.parametrize(
    "change",
    [{"num_conformers": 2}, {"seed": 1}, {"receptor_radius": 12.0}, {"max_ligand_atoms": 50}, {"drop": ("ZN",)}],
)
def test_a_changed_setting_changes_the_key(change: dict[str, object]) -> None:
    entry = source_of(NAMES[0])
    assert content_key(entry, FAST) == content_key(entry, PrepareConfig(num_conformers=1))
    assert content_key(entry, FAST) != content_key(entry, FAST.model_copy(update=change))


def test_a_changed_file_or_version_changes_the_key(monkeypatch: pytest.MonkeyPatch) -> None:
    entry, other = source_of(NAMES[0]), source_of(NAMES[1])
    before = content_key(entry, FAST)
    changed = SourceComplex(**{**entry.__dict__, "files": {**entry.files, "ligand.sdf": other.files["ligand.sdf"]}})
    assert content_key(changed, FAST) != before
    monkeypatch.setattr("discodock.data.featurize.PREPARE_VERSION", 999)
    assert content_key(entry, FAST) != before


def test_second_run_reuses_and_a_changed_setting_does_not(tmp_path: Path) -> None:
    source, out = copy_complexes(tmp_path / "src", NAMES[:2]), tmp_path / "out"
    prepare(source, out, FAST)
    before = contents(out)
    assert prepare(source, out, FAST).num_reused == 2
    near = prepare(source, out, FAST.model_copy(update={"receptor_radius": 8.0}))
    assert near.num_reused == 0 and contents(out) != before
    assert PreparedStore(out).row(NAMES[0]).num_residues < 60


def test_a_complex_gone_from_the_source_leaves_the_index(tmp_path: Path) -> None:
    source, out = copy_complexes(tmp_path / "src", NAMES[:2]), tmp_path / "out"
    prepare(source, out, FAST)
    shutil.rmtree(source / NAMES[0])
    report = prepare(source, out, FAST)
    assert report.num_reused == 1 and PreparedStore(out).ids() == (NAMES[1],)


def test_a_new_split_is_taken_over_without_new_work(tmp_path: Path) -> None:
    source, out = copy_complexes(tmp_path / "src", NAMES[:2]), tmp_path / "out"
    prepare(source, out, FAST)
    (source / "index.csv").write_text(f"id,split,cluster\n{NAMES[0]},val,3\n{NAMES[1]},train,4\n")
    assert prepare(source, out, FAST).num_reused == 2
    assert PreparedStore(out).ids("val") == (NAMES[0],) and PreparedStore(out).row(NAMES[0]).cluster == "3"


def test_every_complex_left_out_has_its_stage_and_reason(tmp_path: Path) -> None:
    source = copy_complexes(tmp_path / "src", NAMES[:6])
    (source / NAMES[0] / "protein.pdb").write_text("garbage\n")
    (source / NAMES[1] / "ligand.sdf").write_text("")
    shutil.copy(source / NAMES[5] / "ligand.sdf", source / NAMES[2] / "ligand.sdf")  # another complex's frame
    (source / NAMES[3] / "protein.pdb").unlink()
    report = prepare(source, tmp_path / "out", FAST.model_copy(update={"max_ligand_atoms": 22}))
    rows = failures(tmp_path / "out")
    assert {name: stage for name, (stage, _) in rows.items()} == {
        NAMES[0]: "receptor", NAMES[1]: "ligand", NAMES[2]: "pocket", NAMES[3]: "find"
    } | {row.id: row.stage for row in report.failures if row.stage == "excluded"}  # fmt: skip
    assert "protein.pdb" in rows[NAMES[0]][1] and "away from the receptor" in rows[NAMES[2]][1]
    assert all(reason and "\n" not in reason and "discodock-" not in reason for _, reason in rows.values())
    assert report.num_prepared + len(report.failures) == 6
    assert json.loads((tmp_path / "out" / "prepare.json").read_text())["num_left_out_by_stage"]["pocket"] == 1


def test_fallback_from_sdf_to_mol2_is_tried(tmp_path: Path) -> None:
    folder = tmp_path / "src" / "1abc"
    folder.mkdir(parents=True)
    shutil.copy(COMPLEXES / NAMES[0] / "protein.pdb", folder / "1abc_protein.pdb")
    (folder / "1abc_ligand.sdf").write_text("broken")
    (folder / "1abc_ligand.mol2").write_text("broken too")
    prepare(tmp_path / "src", tmp_path / "out", FAST, layout="pdbbind")
    stage, reason = failures(tmp_path / "out")["1abc"]
    assert stage == "ligand" and "1abc_ligand.sdf" in reason and "1abc_ligand.mol2" in reason


def test_size_limits_and_radius() -> None:
    folder = COMPLEXES / NAMES[0]
    receptor, record = read_receptor(folder / "protein.pdb"), read_ligand(folder / "ligand.sdf")
    with pytest.raises(StageError, match="heavy atoms, outside 4 to 5") as error:
        featurize(receptor, record, FAST.model_copy(update={"max_ligand_atoms": 5}))
    assert error.value.stage == "excluded"
    near = featurize(receptor, record, FAST.model_copy(update={"receptor_radius": 6.0}))
    whole = featurize(receptor, record, FAST)
    check_arrays(near)
    distance = np.linalg.norm(whole["receptor_pos"][:, None] - whole["ligand_pos"], axis=-1).min(1)
    residues = np.unique(whole["receptor_residue_idx"][distance <= 6.0])
    expected = whole["receptor_pos"][np.isin(whole["receptor_residue_idx"], residues)]
    np.testing.assert_array_equal(near["receptor_pos"], expected)


@pytest.mark.parametrize("seed", range(5))
def test_seeds_are_those_of_the_id(seed: int) -> None:
    seeds = [complex_seed(seed, name) for name in NAMES]
    assert len(set(seeds)) == len(NAMES) and seeds == [complex_seed(seed, name) for name in NAMES]
    assert complex_seed(seed + 1, NAMES[0]) != seeds[0] and all(0 <= value < 2**31 for value in seeds)


def test_settings_refuse_contradictions() -> None:
    with pytest.raises(ValueError, match="larger than max"):
        PrepareConfig(min_ligand_atoms=10, max_ligand_atoms=5)


def test_crossing_cluster_is_refused_before_any_work(tmp_path: Path) -> None:
    source = copy_complexes(tmp_path / "src", NAMES[:2])
    (source / "index.csv").write_text(f"id,split,cluster\n{NAMES[0]},train,3\n{NAMES[1]},test,3\n")
    with pytest.raises(InputError, match="1 clusters are in several splits, such as 3 in test and train"):
        prepare(source, tmp_path / "out", FAST)
    assert not (tmp_path / "out").exists()


def test_unwritable_output(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(InputError, match="cannot be written"):
        prepare(COMPLEXES, tmp_path / "file" / "out", FAST)


def test_interrupted_run_keeps_what_is_done(tmp_path: Path) -> None:
    source, out = copy_complexes(tmp_path / "src", NAMES[:4]), tmp_path / "out"

    def stop(state: Progress) -> None:
        if state.done == 2:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        prepare(source, out, FAST, on_progress=stop)
    assert PreparedStore(out).ids() == tuple(NAMES[:2])
    assert prepare(source, out, FAST).num_reused == 2
    prepare(source, tmp_path / "straight", FAST)
    assert contents(out) == contents(tmp_path / "straight")
    assert (out / "index.csv").read_text() == (tmp_path / "straight" / "index.csv").read_text()


@pytest.mark.slow
def test_resumes_after_a_kill(tmp_path: Path) -> None:
    """A process killed outright leaves whole files only, and the next run ends where a straight run would."""
    source, out = copy_complexes(tmp_path / "src", NAMES), tmp_path / "out"
    code = f"""
import discodock.data.ledger as ledger
from discodock.data.featurize import PrepareConfig
from discodock.data.prepare import prepare
if __name__ == "__main__":
    ledger.WRITE_INTERVAL = 0.0
    prepare({str(source)!r}, {str(out)!r}, PrepareConfig(num_conformers=1), workers=2)
"""
    process = subprocess.Popen([sys.executable, "-c", code], env=os.environ | {"OMP_NUM_THREADS": "1"})
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline and len(list((out / "complexes").glob("*.npz"))) < 3:
        time.sleep(0.005)
    process.send_signal(signal.SIGKILL)
    process.wait()
    assert process.returncode == -signal.SIGKILL, "finished before it could be killed"
    report = prepare(source, out, FAST)
    assert 1 <= report.num_reused < len(NAMES) and report.num_prepared == len(NAMES)
    prepare(source, tmp_path / "straight", FAST)
    assert contents(out) == contents(tmp_path / "straight")


def _double_or_die(number: int) -> int:
    if number == 3:
        os.kill(os.getpid(), signal.SIGKILL)
    return 2 * number


@pytest.mark.slow
def test_a_dying_worker_costs_one_task_only() -> None:
    def numbers() -> Iterator[int]:
        yield from range(8)

    results = sorted(run_all(_double_or_die, numbers(), workers=2, on_crash=lambda number: -number))
    assert results == sorted([-3, *(2 * number for number in range(8) if number != 3)])
