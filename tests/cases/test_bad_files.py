"""Files that are no files, no text, packed, too large: refused in one line that names the file; encodings are read."""

import bz2
import gzip
import lzma
import os
import random
import socket
import zipfile
from io import BytesIO

import pytest

from discodock import input_files
from discodock.chem import structure_file
from discodock.chem.structure_file import read_structure
from discodock.config import read_yaml
from discodock.errors import DiscodockError, InputError
from tests.cases.refusals import ATOM, refused
from tests.fuzz.readers import READERS

TEXTS = [name for name, reader in READERS.items() if reader.is_text]


def make_pipe(path):
    os.mkfifo(path)


def make_socket(path):
    here = os.getcwd()
    os.chdir(path.parent)  # names of sockets are short
    try:
        with socket.socket(socket.AF_UNIX) as server:
            server.bind(path.name)
    finally:
        os.chdir(here)


SPECIAL = {
    "pipe": (make_pipe, "is a pipe"),
    "folder": (lambda path: path.mkdir(), "is a folder"),
    "endless": (lambda path: path.symlink_to("/dev/zero"), "is a device"),
    "random": (lambda path: path.symlink_to("/dev/urandom"), "is a device"),
    "socket": (make_socket, "cannot be read"),
    "dangling": (lambda path: path.symlink_to("nothing"), "no such"),
    "loop": (lambda path: path.symlink_to(path.name), "cannot be read"),
}


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="no such files here")
@pytest.mark.parametrize("kind", SPECIAL)
@pytest.mark.parametrize("name", [name for name in READERS if name != "complexes.tar.gz"])
def test_only_regular_files_are_read(name, kind, tmp_path):
    make, words = SPECIAL[kind]
    make(tmp_path / name)
    if name == "splits.csv" and kind == "folder":  # of lists, which is a way to give splits
        words = "no split files"
    if name == "timings.csv" and kind in ("dangling", "loop"):
        return  # may be missing
    message = refused(name, tmp_path / name)
    # ligands may be strings, so that a file is looked for first; a loop is then as good as nothing
    assert words in message or "no such" in message


PACKED = {
    "zip": lambda data: zipped(data),
    "bzip2": bz2.compress,
    "xz": lambda data: lzma.compress(data, preset=0),
    "zstd": lambda data: b"\x28\xb5\x2f\xfd" + data,
    "gzip twice": lambda data: gzip.compress(gzip.compress(data)),
    "truncated gzip": lambda data: gzip.compress(data)[:-6],
    "gzip with a wrong checksum": lambda data: gzip.compress(data)[:-8] + b"\0" * 8,
    "gzip with garbage behind": lambda data: gzip.compress(data) + b"garbage",
    "PDF": lambda data: b"%PDF-1.7\n" + data,
}


def zipped(data):
    stream = BytesIO()
    with zipfile.ZipFile(stream, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("file", data)
    return stream.getvalue()


@pytest.mark.parametrize("kind", PACKED)
@pytest.mark.parametrize("name", TEXTS)
def test_what_is_packed_otherwise_is_named(name, kind, tmp_path):
    path = tmp_path / name
    path.write_bytes(PACKED[kind](READERS[name].good()))
    assert kind.split()[0] in refused(name, path)


BINARY = {
    "ELF": lambda data: b"\x7fELF\x02\x01\x01\0\0\0" + data,
    "a NUL in the middle": lambda data: data[: len(data) // 2] + b"\0" + data[len(data) // 2 :],
    "half a character of UTF-16": lambda data: data.decode().encode("utf-16")[:-1],
    "a lone surrogate": lambda data: data.decode().encode("utf-16") + b"\x00\xd8",
    "damaged UTF-32": lambda data: data.decode().encode("utf-32")[:-2],
    "pickled": lambda data: b"\x80\x04\x95\x05\0\0\0\0\0\0\0\x8c\x01a\x94.",
    "random": lambda data: random.Random(0).randbytes(500),
}


@pytest.mark.parametrize("kind", BINARY)
@pytest.mark.parametrize("name", TEXTS)
def test_binary_data_are_no_text(name, kind, tmp_path):
    path = tmp_path / name
    path.write_bytes(BINARY[kind](READERS[name].good()))
    assert refused(name, path)


ENCODINGS = {
    "mark": lambda text: text.encode("utf-8-sig"),
    "UTF-16": lambda text: text.encode("utf-16"),
    "UTF-16, big end first": lambda text: b"\xfe\xff" + text.encode("utf-16-be"),
    "UTF-16 without a mark": lambda text: text.encode("utf-16-le"),
    "UTF-16 without a mark, big end first": lambda text: text.encode("utf-16-be"),
    "UTF-32": lambda text: text.encode("utf-32"),
    "Windows": lambda text: text.replace("\n", "\r\n").encode(),
    "classic Mac": lambda text: text.replace("\n", "\r").encode(),
    "DOS": lambda text: text.replace("\n", "\r\n").encode() + b"\x1a",
    "packed": lambda text: gzip.compress(text.encode("utf-16")),
}


@pytest.mark.parametrize("kind", ENCODINGS)
@pytest.mark.parametrize("name", TEXTS)
def test_every_usual_encoding_is_read(name, kind, tmp_path):
    text = READERS[name].good().decode()
    path = tmp_path / name
    path.write_bytes(ENCODINGS[kind](text))
    assert READERS[name].refusal(path) is None
    assert input_files.read_text(path, input_files.InputKind()) == text


@pytest.mark.parametrize("data", [b"5 \xb5M", b"5 \xb5M \x81"], ids=["letters", "letters that Windows leaves open"])
def test_what_is_not_unicode_is_windows_1252(data):
    assert input_files.decoded(data).startswith("5 µM")


@pytest.mark.parametrize("name", READERS)
def test_sizes_are_capped_after_unpacking(name, tmp_path, monkeypatch):
    """With a small cap: every reader says what it is rather than go on."""
    data = READERS[name].good()
    small = len(data) // 2
    for kind in [value for module in modules() for value in vars(module).values() if is_kind(value)]:
        monkeypatch.setitem(kind.__dict__, "max_bytes", small)
    monkeypatch.setattr(input_files.InputKind.__init__, "__defaults__", ("file", "check it", InputError, small))
    path = tmp_path / name
    path.write_bytes(data)
    if name not in ("weights.safetensors", "image.png", "complexes.tar.gz"):  # mapped, bounded by Pillow, by members
        assert "larger" in refused(name, path) or "unpacked" in refused(name, path)


def modules():
    import sys

    return [module for key, module in sys.modules.items() if key.startswith("discodock.") and module is not None]


def is_kind(value):
    return isinstance(value, input_files.InputKind)


def test_a_bomb_is_not_unpacked_beyond_the_cap(tmp_path):
    path = tmp_path / "settings.yaml"
    path.write_bytes(gzip.compress(b"a" * 2**24))
    with pytest.raises(DiscodockError, match=r"settings\.yaml: larger than 1 MB, unpacked"):
        read_yaml(path)


@pytest.mark.parametrize("ending", ["", "ENDMDL\n", "END\n"])
def test_a_structure_of_too_many_atoms_is_refused_at_once(ending, tmp_path, monkeypatch):
    monkeypatch.setattr(structure_file, "MAX_ATOMS", 2000)
    path = tmp_path / "large.pdb"
    path.write_text(ATOM * (structure_file.MAX_ATOMS + 1) + ending)
    with pytest.raises(InputError, match=r"large\.pdb: 2001 atoms, at most 2000"):
        read_structure(path)


def test_atoms_of_other_models_do_not_count(tmp_path, monkeypatch):
    monkeypatch.setattr(structure_file, "MAX_ATOMS", 10)
    path = tmp_path / "models.pdb"
    path.write_text("".join(f"MODEL {number:8d}\n{ATOM}ENDMDL\n" for number in range(1, 21)))
    assert len(read_structure(path)) == 20


def test_atoms_of_mmcif_count_too(tmp_path, monkeypatch):
    monkeypatch.setattr(structure_file, "MAX_ATOMS", 10)
    (tmp_path / "protein.cif").write_bytes(READERS["protein.cif"].good())
    assert "at most 10" in refused("protein.cif", tmp_path / "protein.cif")
