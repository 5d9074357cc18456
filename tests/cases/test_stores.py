"""Nothing stale, damaged or half-made counts as finished: prepared stores, trainings, evaluations, drafts."""

import csv
import os
import shutil
from pathlib import Path

import pytest

from discodock.cli.options import modern_spelling
from discodock.data import prepare as preparation
from discodock.data.featurize import PrepareConfig
from discodock.data.prepare import content_key, prepare
from discodock.data.store import INDEX_FILE, PreparedStore
from discodock.errors import ConfigError, InputError, PreparedDataError
from discodock.files import remove_drafts
from discodock.inference.config import DockingConfig
from discodock.locks import exclusive
from discodock.schema import SCHEMA_VERSION
from discodock.settings import Settings
from discodock.training.stage import StageConfig, run_stage
from tests.tiny import COMPLEXES, SMALL

TWO = ("2azr_982", "6rzx_KPQ")
ONE_CONFORMER = PrepareConfig(num_conformers=1, max_match_rmsd=10.0)
TWO_CONFORMERS = PrepareConfig(num_conformers=2, max_match_rmsd=10.0)


@pytest.fixture(scope="module")
def source(tmp_path_factory):
    folder = tmp_path_factory.mktemp("complexes")
    for name in TWO:
        shutil.copytree(COMPLEXES / name, folder / name)
    return folder


@pytest.fixture(scope="module")
def made(source, tmp_path_factory):
    out = tmp_path_factory.mktemp("store")
    prepare(source, out, ONE_CONFORMER)
    return out


@pytest.fixture
def store(made, tmp_path):
    return Path(shutil.copytree(made, tmp_path / "store"))


def num_conformers(root):
    return [len(PreparedStore(root).load(name)["ligand_conformer_pos"]) for name in PreparedStore(root).ids()]


@pytest.mark.parametrize("damage", ["half", "garbage", "empty", "lost", "other"])
def test_a_damaged_complex_is_prepared_again(source, store, damage):
    file = store / "complexes" / "2azr_982.npz"
    data = file.read_bytes()
    file.unlink()
    if damage != "lost":
        other = (store / "complexes" / "6rzx_KPQ.npz").read_bytes()
        file.write_bytes({"half": data[: len(data) // 2], "garbage": b"x" * 99, "empty": b"", "other": other}[damage])
    with pytest.raises(PreparedDataError, match="2azr_982.npz"):
        PreparedStore(store).load("2azr_982")
    assert prepare(source, store, ONE_CONFORMER).num_reused == 1
    assert file.read_bytes() == data


def test_a_killed_preparation_with_other_settings_is_neither_trained_on_nor_mixed(source, store, monkeypatch):
    index = (store / INDEX_FILE).read_bytes()
    task, done = preparation.prepare_task, []

    def killed(each):
        if done:
            raise KeyboardInterrupt
        done.append(each)
        return task(each)

    monkeypatch.setattr(preparation, "prepare_task", killed)
    with pytest.raises(KeyboardInterrupt):
        prepare(source, store, TWO_CONFORMERS)
    monkeypatch.undo()
    with pytest.raises(PreparedDataError, match="not finished after its settings were changed"):
        PreparedStore(store)
    (store / INDEX_FILE).write_bytes(index)  # as a kill leaves it that comes before the index is written
    with pytest.raises(PreparedDataError, match="not the file that"):
        num_conformers(store)
    assert prepare(source, store, ONE_CONFORMER).num_reused == 1
    assert num_conformers(store) == [1, 1]


def test_a_store_of_an_earlier_version_is_read_but_not_taken_for_finished(source, store):
    with (store / INDEX_FILE).open(newline="") as lines:
        rows = list(csv.DictReader(lines))
    with (store / INDEX_FILE).open("w", newline="") as lines:
        writer = csv.DictWriter(
            lines, [name for name in rows[0] if name not in ("digest", "settings")], extrasaction="ignore"
        )
        writer.writeheader()
        writer.writerows(rows)
    (store / "prepare.json").write_text(f'{{"schema_version": {SCHEMA_VERSION}}}')
    assert num_conformers(store) == [1, 1]
    assert prepare(source, store, ONE_CONFORMER).num_reused == 0


def test_the_version_of_the_code_is_part_of_every_key(source, monkeypatch):
    from discodock.data.crystal import list_complexes
    from discodock.evaluation.sources import complex_fingerprint

    entry = next(iter(list_complexes(source)))
    before = content_key(entry, ONE_CONFORMER), complex_fingerprint(entry)
    monkeypatch.setattr("discodock.data.featurize.version", lambda name: "99")
    monkeypatch.setattr("discodock.evaluation.sources.version", lambda name: "99")
    after = content_key(entry, ONE_CONFORMER), complex_fingerprint(entry)
    assert before[0] != after[0] and before[1] != after[1]


def test_one_process_at_a_time_prepares_and_trains_in_a_folder(source, tmp_path):
    def never():
        raise AssertionError

    with exclusive(tmp_path / "run"):
        with pytest.raises(InputError, match="another process is at work there"):
            prepare(source, tmp_path / "run", ONE_CONFORMER)
        with pytest.raises(InputError, match="another process is at work there"):
            run_stage(StageConfig(), tmp_path / "run", never, never, never)
    assert not (tmp_path / "run" / "config.yaml").exists()
    with pytest.raises(AssertionError):  # the lock is free again
        run_stage(StageConfig(), tmp_path / "run", never, never, never)


def test_rows_that_are_damaged_or_of_another_version_are_judged_again(cli, tmp_path, monkeypatch):
    poses = tmp_path / "poses"
    poses.mkdir()
    shutil.copy(SMALL / "ligand.sdf", poses / "2azr_982.sdf")
    shutil.copytree(SMALL, tmp_path / "complexes" / "2azr_982")
    given = ["evaluate", tmp_path / "complexes", "--poses", poses, "--no-validity", "-o", tmp_path / "out"]
    table = tmp_path / "out" / "per_complex.csv"
    judged = []
    original = "discodock.evaluation.evaluate.redock"
    from discodock.evaluation.evaluate import redock

    monkeypatch.setattr(original, lambda *arguments: judged.append(1) or redock(*arguments))
    with exclusive(tmp_path / "out"):
        code, _, error = cli(*given)
        assert code == 2 and "another process" in error and not judged
    assert cli(*given)[0] == 0 and cli(*given)[0] == 0 and len(judged) == 1
    text = table.read_text()
    for broken in (text.replace(",ok,", ",", 1), text.replace("0.000", "zero"), "id\n2azr_982\n", "\x00"):
        table.write_text(broken)
        code, _, error = cli(*given)
        assert code == 0 and "Traceback" not in error
    assert len(judged) == 5 and table.read_text() != broken
    monkeypatch.setattr("discodock.evaluation.sources.version", lambda name: "99")
    assert cli(*given)[0] == 0 and len(judged) == 6


def test_drafts_of_dead_processes_are_swept_at_once_and_those_of_living_ones_are_not(tmp_path):
    from discodock.files import _draft_of

    draft = _draft_of(tmp_path / "name.csv")
    living = draft.with_name(draft.name.replace(f"-{os.getpid()}-", f"-{os.getppid()}-"))
    pid = os.fork()
    if pid == 0:
        os._exit(0)
    os.waitpid(pid, 0)
    dead = draft.with_name(draft.name.replace(f"-{os.getpid()}-", f"-{pid}-"))
    elsewhere = dead.with_name(dead.name[: dead.name.rindex(f"-{pid}-") - 8] + "00000000" + f"-{pid}-00000000.tmp")
    for path in (living, dead, elsewhere):
        path.write_text("")
    remove_drafts(tmp_path, older_than=3600)
    assert living.exists() and elsewhere.exists() and not dead.exists()
    remove_drafts(tmp_path)
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("option", ["--size_x", "--size-y=20", "--size_z", "--autobox_add"])
def test_an_option_of_a_box_is_answered(option):
    with pytest.raises(ConfigError, match="--pocket-radius"):
        modern_spelling(["predict", option, "20"])


@pytest.mark.parametrize("given", [["--out", ""], ["--out="], ["--out", " "], ["-p", "", "-l", "C"]])
def test_an_empty_value_is_refused_instead_of_taken_for_the_working_folder(given):
    with pytest.raises(ConfigError, match=f"^{given[0].removesuffix('=')}: an empty value"):
        modern_spelling(["predict", *given])


def test_spellings_of_other_tools_and_the_home_folder(monkeypatch, tmp_path):
    monkeypatch.setenv("HOME", str(tmp_path))
    given = ["--cpu", "4", "--num_modes=9", "--out=~/x", "~", "data.root=~/y", "C~C", "~user/x"]
    expected = ["--threads", "4", "--samples=9", f"--out={tmp_path}/x", str(tmp_path), f"data.root={tmp_path}/y", "C~C"]
    assert modern_spelling(given) == [*expected, "~user/x"]
    config = DockingConfig.model_validate({"receptor": {"cofactors": "~/ions.pdb"}})
    assert config.receptor.cofactors == tmp_path / "ions.pdb"

    class Mine(Settings):
        folder: Path = Path("runs")
        other: Path | None = None

    assert Mine.model_validate({"folder": "~/a"}).folder == tmp_path / "a" and Mine().other is None
