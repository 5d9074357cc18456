import os
import sqlite3
import subprocess
import sys

import pytest

from discodock.errors import InputError
from discodock.screening.config import differences
from discodock.screening.ledger import LEDGER_FILE, Ledger
from discodock.screening.library import UNREADABLE, LibraryRecord
from discodock.screening.records import TaskResult


def records(num, first=0):
    return [LibraryRecord(f"L{i}", "C" * (i + 1), "smi", f"lib.smi, record {i + 1}") for i in range(first, num)]


def result(score):
    return TaskResult(score, 1.0, {"vina_score": -score}, f"pose of {score}\n")


def finish_all(ledger, stage=0, score=lambda task: float(task.number)):
    while tasks := ledger.claim(stage, 2):
        for task in tasks:
            assert ledger.finish(task, result(score(task)))


def test_a_ligand_goes_in_is_claimed_once_and_comes_out(tmp_path):
    with Ledger(tmp_path, create=True) as ledger:
        ledger.add_library(iter(records(3)))
        first, second = ledger.claim(0, 2)
        assert (first.id, first.text, first.file_format, first.source) == ("L0", "C", "smi", "lib.smi, record 1")
        assert [task.id for task in ledger.claim(0, 5)] == ["L2"]
        assert ledger.claim(0, 5) == []
        assert ledger.finish(first, result(1.0)) and ledger.finish(second, result(2.0))
        assert not ledger.finish(first, result(9.0))  # done already
        assert [found.id for found in ledger.results()] == ["L1", "L0"]
        assert ledger.poses(1) == "pose of 2.0\n"
        count = ledger.count(0)
        assert (count.done, count.waiting, count.failed, count.total) == (2, 1, 0, 3)


def test_repeated_titles_are_numbered_also_where_that_name_is_taken(tmp_path):
    titles = ["a", "a_2", "a", "a", "b", "a"]
    named = [LibraryRecord(title, f"{i}", "smi", "") for i, title in enumerate(titles)]
    with Ledger(tmp_path, create=True) as ledger:
        ledger.add_library(iter(named))
        tasks = ledger.claim(0, 10)
    assert [task.id for task in tasks] == ["a", "a_2", "a_3", "a_4", "b", "a_5"]
    assert tasks[2].note == "called a_3, because an earlier ligand is called a as well"


def test_names_do_not_depend_on_shards(tmp_path):
    named = [LibraryRecord("same", f"{i}", "smi", "") for i in range(6)]
    found = {}
    for shard in range(3):
        with Ledger(tmp_path / str(shard), create=True) as ledger:
            ledger.add_library(iter(named), (shard, 3))
            found |= {task.number: task.id for task in ledger.claim(0, 10)}
    assert [found[i] for i in range(6)] == ["same", *(f"same_{i}" for i in range(2, 7))]


def test_the_same_library_goes_on_and_may_grow_but_not_change(tmp_path):
    with Ledger(tmp_path, create=True) as ledger:
        ledger.add_library(iter(records(3)))
        finish_all(ledger)
        ledger.add_library(iter(records(5)))
        assert [task.id for task in ledger.claim(0, 10)] == ["L3", "L4"]
        changed = [*records(1), LibraryRecord("L1", "N", "smi", "lib.smi, record 2")]
        with pytest.raises(InputError, match=r"lib.smi, record 2 is not the ligand that was here"):
            ledger.add_library(iter(changed))


def test_a_shorter_library_is_not_the_same(tmp_path):
    with Ledger(tmp_path, create=True) as ledger:
        ledger.add_library(iter(records(3)))
        with pytest.raises(InputError, match="a library of 3 ligands or more, this one has 2"):
            ledger.add_library(iter(records(2)))


def test_what_could_not_be_read_may_come_when_the_file_is_mended(tmp_path):
    with Ledger(tmp_path, create=True) as ledger:
        damaged = LibraryRecord("", "", UNREADABLE, "lib.smi.gz, after 2 ligands", "damaged")
        ledger.add_library(iter([*records(2), damaged]))
        finish_all(ledger)
        ledger.add_library(iter(records(4)))
        assert [task.id for task in ledger.claim(0, 10)] == ["L2", "L3"] and not list(ledger.failures())


def test_a_library_that_grows_brings_more_to_the_next_stage(tmp_path):
    with Ledger(tmp_path, create=True) as ledger:
        ledger.add_library(iter(records(4)))
        finish_all(ledger)
        ledger.open_stage(1, 2)
        finish_all(ledger, 1)
        ledger.add_library(iter(records(8)))
        finish_all(ledger)
        ledger.open_stage(1, 4)
        assert [task.id for task in ledger.claim(1, 10)] == ["L4", "L5", "L6", "L7"]


def test_what_a_snapshot_reads_does_not_change(tmp_path):
    with Ledger(tmp_path, create=True) as ledger, Ledger(tmp_path) as other:
        ledger.add_library(iter(records(2)))
        with other.snapshot():
            assert list(other.results()) == []
            finish_all(ledger)
            assert list(other.results()) == [] and next(iter(other.scores(0)), None) is None
        assert len(list(other.results())) == 2


def test_the_best_come_to_the_next_stage_and_rank_before_the_others(tmp_path):
    with Ledger(tmp_path, create=True) as ledger:
        ledger.add_library(iter(records(5)))
        finish_all(ledger, score=lambda task: float(task.number % 3))  # 0 1 2 0 1
        ledger.open_stage(1, 2)
        ledger.open_stage(1, 2)
        tasks = ledger.claim(1, 10)
        assert [task.id for task in tasks] == ["L1", "L2"]  # of equal ones the earlier
        ledger.finish(tasks[0], result(-5.0))
        ledger.fail(tasks[1], "too  large")
        ledger.open_stage(1, 2)
        assert ledger.claim(1, 10) == []
        found = list(ledger.results())
        assert [each.id for each in found] == ["L1", "L2", "L4", "L0", "L3"]
        assert found[0].scores == {0: 1.0, 1: -5.0} and found[0].seconds == 2.0
        (failure,) = ledger.failures()
        assert (failure.id, failure.stage, failure.reason) == ("L2", 1, "too large")


def test_records_that_are_none_are_failures_at_once(tmp_path):
    with Ledger(tmp_path, create=True) as ledger:
        ledger.add_library(iter([LibraryRecord("bad", "", "smi", "lib.csv, row 1", "no SMILES"), *records(1)]))
        assert [failure.reason for failure in ledger.failures()] == ["lib.csv, row 1: no SMILES"]
        assert ledger.count(0).waiting == 1


def test_a_ligand_that_kills_two_workers_is_given_up(tmp_path):
    with Ledger(tmp_path, create=True) as ledger:
        ledger.add_library(iter(records(1)))
        assert not ledger.crashed(ledger.claim(0, 1)[0], "SIGSEGV")
        assert ledger.crashed(ledger.claim(0, 1)[0], "SIGSEGV")
        assert ledger.claim(0, 1) == []
        (failure,) = ledger.failures()
        assert "died 2 times (SIGSEGV)" in failure.reason


CLAIM_AND_DIE = """
import os, sys
from pathlib import Path
from discodock.screening.ledger import Ledger
ledger = Ledger(Path(sys.argv[1]))
print(len(ledger.claim(0, 2)), flush=True)
sys.stdin.readline()
os.kill(os.getpid(), 9)
"""


def test_what_a_killed_process_had_claimed_is_free_again_and_what_a_live_one_has_is_not(tmp_path):
    with Ledger(tmp_path, create=True) as ledger:
        ledger.add_library(iter(records(3)))
        command = [sys.executable, "-c", CLAIM_AND_DIE, str(tmp_path)]
        other = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        assert other.stdout.readline() == "2\n"
        ledger.free_orphans(0)
        assert [task.id for task in ledger.claim(0, 10)] == ["L2"]
        other.communicate("\n")
        assert other.returncode == -9
        ledger.free_orphans(0)
        assert [task.id for task in ledger.claim(0, 10)] == ["L0", "L1"]


def test_closing_gives_back_what_was_claimed(tmp_path):
    with Ledger(tmp_path, create=True) as ledger:
        ledger.add_library(iter(records(3)))
        ledger.claim(0, 2)
    with Ledger(tmp_path) as ledger:
        assert len(ledger.claim(0, 10)) == 3
    assert os.listdir(tmp_path / ".owners") == []


def test_what_a_screen_was_begun_with_is_kept_and_a_change_is_named(tmp_path):
    identity = {"protein": {"name": "a.pdb"}, "settings": {"stages": {"quick": {"samples": 4}}}}
    with Ledger(tmp_path, create=True) as ledger:
        ledger.bind(identity)
        ledger.bind(identity)
        changed = {"protein": {"name": "b.pdb"}, "settings": {"stages": {"quick": {"samples": 8}}}}
        with pytest.raises(InputError, match="name is .b.pdb., was .a.pdb.; settings.stages.quick.samples is 8"):
            ledger.bind(changed)


def test_differences_name_what_is_new_and_what_is_gone():
    assert differences({"a": 1}, {"b": [1]}) == ["a is absent, was 1", "b is [1], was absent"]


def test_a_full_disk_loses_nothing_that_was_done(tmp_path):
    with Ledger(tmp_path, create=True) as ledger:
        ledger.add_library(iter(records(4)))
        one, two, *_ = ledger.claim(0, 4)
        ledger.finish(one, result(1.0))
        pages = ledger._db.execute("PRAGMA page_count").fetchone()[0]
        ledger._db.execute(f"PRAGMA max_page_count = {pages}")
        large = TaskResult(2.0, 1.0, {}, "".join(map(chr, range(40, 40_000))))
        with pytest.raises(InputError, match="the disk is full"):
            ledger.finish(two, large)
    with Ledger(tmp_path) as ledger:
        assert [found.id for found in ledger.results()] == ["L0"]
        assert len(ledger.claim(0, 10)) == 3


def test_what_is_no_ledger_is_refused(tmp_path):
    with pytest.raises(InputError, match="holds no screen"):
        Ledger(tmp_path)
    (tmp_path / LEDGER_FILE).write_text("something else, long enough to be looked at" * 50)
    with pytest.raises(InputError, match="is it a ledger"):
        Ledger(tmp_path)


def test_a_database_of_another_program_stays_as_it_is(tmp_path):
    database = sqlite3.connect(tmp_path / LEDGER_FILE)
    database.execute("CREATE TABLE account (balance REAL)")
    database.close()
    before = (tmp_path / LEDGER_FILE).read_bytes()
    with pytest.raises(InputError, match="of another program"):
        Ledger(tmp_path, create=True)
    assert (tmp_path / LEDGER_FILE).read_bytes() == before and os.listdir(tmp_path) == [LEDGER_FILE]


def test_a_ledger_of_another_version_is_refused(tmp_path):
    Ledger(tmp_path, create=True).close()
    database = sqlite3.connect(tmp_path / LEDGER_FILE)
    database.execute("PRAGMA user_version = 99")
    database.close()
    with pytest.raises(InputError, match="another version"):
        Ledger(tmp_path)


def test_shards_join(tmp_path):
    for shard in range(2):
        with Ledger(tmp_path / str(shard), create=True) as ledger:
            ledger.add_library(iter(records(5)), (shard, 2))
            if shard == 0:
                finish_all(ledger)
            else:
                task, *_ = ledger.claim(0, 1)
                ledger.fail(task, "no")
    with Ledger(tmp_path / "all", create=True) as ledger:
        for shard in range(2):
            ledger.absorb(tmp_path / str(shard) / LEDGER_FILE)
        ledger.absorb(tmp_path / "0" / LEDGER_FILE)  # twice changes nothing
        assert ledger.num_ligands() == 5
        assert [found.id for found in ledger.results()] == ["L4", "L2", "L0"]
        assert [failure.id for failure in ledger.failures()] == ["L1"]
        assert [task.id for task in ledger.claim(0, 10)] == ["L3"]
        other = Ledger(tmp_path / "strange", create=True)
        other.add_library(iter(records(6, first=1)))
        other.close()
        with pytest.raises(InputError, match="is another ligand there"):
            ledger.absorb(tmp_path / "strange" / LEDGER_FILE)


def test_a_shard_that_is_missing_is_docked_after_the_merge(tmp_path):
    with Ledger(tmp_path / "part", create=True) as part:
        part.add_library(iter(records(5)), (0, 2))
        finish_all(part)
    with Ledger(tmp_path / "all", create=True) as ledger:
        ledger.absorb(tmp_path / "part" / LEDGER_FILE)
        assert (ledger.num_ligands(), ledger.num_elsewhere()) == (3, 2)
        ledger.add_library(iter(records(5)))
        assert [task.id for task in ledger.claim(0, 10)] == ["L1", "L3"]
        assert (ledger.num_ligands(), ledger.num_elsewhere()) == (5, 0)
