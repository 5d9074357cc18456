import errno
import os

import pytest

from discodock.files import DRAFTS, remove_drafts, replacing, replacing_folder, write_atomically, write_json

FULL = OSError(errno.ENOSPC, "No space left on device")


def names(folder):
    return sorted(path.name for path in folder.iterdir())


def test_a_write_that_fails_half_way_leaves_the_old_file_and_nothing_else(tmp_path):
    path = tmp_path / "x"
    write_atomically(path, b"old")
    with pytest.raises(OSError, match="No space"), replacing(path) as draft:
        draft.write_bytes(b"ne")
        assert draft.match(DRAFTS) and names(tmp_path) == sorted([draft.name, "x"])
        raise FULL
    assert path.read_bytes() == b"old" and names(tmp_path) == ["x"]


@pytest.mark.parametrize("call", ["replace", "fsync"])
def test_a_system_that_refuses_at_the_end_leaves_the_old_file(tmp_path, monkeypatch, call):
    path = tmp_path / "x"
    write_atomically(path, b"old")

    def fail(*_):
        raise FULL

    monkeypatch.setattr(f"discodock.files.os.{call}", fail)
    with pytest.raises(OSError, match="No space"):
        write_atomically(path, b"new")
    assert path.read_bytes() == b"old" and names(tmp_path) == ["x"]


def test_the_draft_is_on_the_disk_before_it_takes_the_place(tmp_path, monkeypatch):
    calls = []
    fsync, replace = os.fsync, os.replace
    monkeypatch.setattr("discodock.files.os.fsync", lambda handle: (calls.append("fsync"), fsync(handle)))
    monkeypatch.setattr("discodock.files.os.replace", lambda *paths: (calls.append("replace"), replace(*paths)))
    write_atomically(tmp_path / "x", b"new")
    assert calls == ["fsync", "replace", "fsync"]


@pytest.mark.parametrize("mask", [0o022, 0o002, 0o077])
def test_files_have_the_permissions_that_the_user_gives_new_files(tmp_path, mask):
    before = os.umask(mask)
    try:
        write_atomically(tmp_path / "x", b"")
        with replacing_folder(tmp_path / "folder"):
            pass
    finally:
        os.umask(before)
    assert (tmp_path / "x").stat().st_mode & 0o777 == 0o666 & ~mask
    assert (tmp_path / "folder").stat().st_mode & 0o777 == 0o777 & ~mask


def test_json_reads_back_in_a_folder_that_was_not_there(tmp_path):
    write_json(tmp_path / "new" / "x.json", {"name": "Å", "values": [1, 2]})
    assert (tmp_path / "new" / "x.json").read_text("utf-8").startswith('{\n  "name": "Å"')


def test_folders_take_the_place_of_others_or_vanish(tmp_path):
    for name in ("a", "b"):
        with replacing_folder(tmp_path / "out") as draft:
            (draft / name).touch()
        assert names(tmp_path / "out") == [name]
    with pytest.raises(OSError, match="No space"), replacing_folder(tmp_path / "out") as draft:
        (draft / "c").touch()
        raise FULL
    assert names(tmp_path) == ["out"] and names(tmp_path / "out") == ["b"]


def test_what_a_killed_run_left_is_swept_away_and_nothing_else(tmp_path):
    users = [".cache.tmp", ".hidden", ".last.ckpt.0123abcd.tmp", "last.ckpt"]
    for name in (".last.ckpt.0123abcd-77-0123abcd.tmp", *users):
        (tmp_path / name).touch()
    remove_drafts(tmp_path)
    assert names(tmp_path) == users
