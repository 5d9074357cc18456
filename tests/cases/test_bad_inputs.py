"""Bad inputs by kind, made from good files: each is refused in one line that names the file, or read as what it is."""

import bz2
import gzip
import json
import lzma
import os
import random
import socket
import struct
import tarfile
import zipfile
from dataclasses import replace
from io import BytesIO

import numpy as np
import pytest

from discodock import input_files
from discodock.chem import structure_file
from discodock.chem.ligand import iter_ligands
from discodock.chem.records import bounds
from discodock.chem.structure_file import read_structure
from discodock.cli.main import run
from discodock.config import read_yaml
from discodock.data.datasets.archive import ARCHIVE
from discodock.data.datasets.complexes import ComplexesDataset
from discodock.data.datasets.source import SkippedComplex
from discodock.errors import DiscodockError, InputError
from discodock.inference.many.jobs import read_jobs
from tests.fuzz.readers import JOBS, READERS

TEXTS = [name for name, reader in READERS.items() if reader.is_text]


def refused(name, path):
    """The message of the refusal."""
    error = READERS[name].refusal(path)
    assert error is not None, f"{path.name} is read"
    return str(error)


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
    refused(name, path)


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


ATOM = "ATOM      1  CA  ALA A   1      11.104   6.134  -6.504  1.00  0.00           C\n"


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


V3000 = (
    "x\n\n\n  0  0  0     0  0            999 V3000\nM  V30 BEGIN CTAB\nM  V30 COUNTS {} 0 0 0\n"
    "M  V30 END CTAB\nM  END\n$$$$\n"
)
MOL2 = "@<TRIPOS>MOLECULE\nx\n {}\nSMALL\nNO_CHARGES\n\n@<TRIPOS>ATOM\n 1 C1 0 0 0 C.3 1 L 0\n"
RECORDS = {
    "V3000 that claims": ("a.sdf", V3000.format("99999999 1")),
    "V3000 with a negative count": ("a.sdf", V3000.format("-4 1")),
    "V3000 with a count of 400 digits": ("a.sdf", V3000.format("9" * 400 + " 1")),
    "V3000 that claims bonds": ("a.sdf", V3000.format("1 99999999")),
    "MOL2 that claims": ("a.mol2", MOL2.format("99999999 1")),
    "MOL2 with a negative count": ("a.mol2", MOL2.format("-5 1")),
    "MOL2 that claims bonds": ("a.mol2", MOL2.format("1 99999999")),
    "MOL2 with a count of 400 digits": ("a.mol2", MOL2.format("9" * 400)),
    "brackets": ("a.smi", "C" + "(" * 100_000 + "C" + ")" * 100_000 + "\n"),
    "a long chain": ("a.smi", "C" * 6000 + "\n"),
    "a million rings": ("a.smi", "C1CC1" * 200_000 + "\n"),
    "tags": ("a.sdf", READERS["ligand.sdf"].good().decode().rstrip().rstrip("$") + "> <t>\nv\n\n" * 2000 + "$$$$\n"),
    "records": ("a.smi", "C\n" * 200_001),
    "a protein as a ligand": ("a.pdb", ATOM * 10_001),
}


@pytest.mark.parametrize("kind", RECORDS)
def test_records_beyond_the_bounds_are_refused_before_rdkit_reads_them(kind, tmp_path):
    name, text = RECORDS[kind]
    path = tmp_path / name
    path.write_text(text)
    try:
        (problem,) = list(iter_ligands(path, template_smiles="C"))
    except InputError as error:
        problem = error
    assert isinstance(problem, InputError) and str(path) in str(problem) and len(str(problem)) < 600
    assert "\n" not in str(problem)


@pytest.mark.parametrize("word", ["+3", "3.5", "x", ""])
def test_counts_that_are_no_numbers_are_left_to_rdkit(word):
    assert bounds.mol2_problem(MOL2.format(word)) is None


BOMB = "a: &a [x,x,x,x,x,x,x,x,x]\n" + "".join(
    f"{new}: &{new} [{','.join([f'*{old}'] * 9)}]\n" for old, new in zip("abcdefgh", "bcdefghi", strict=True)
)
YAML = {
    "aliases": (BOMB, "values"),
    "an alias of itself": ("a: &a [*a]\n", "holds it"),
    "an alias of nothing": ("a: *b\n", "YAML"),
    "nested lists": ("a: " + "[" * 500 + "]" * 500, "deep"),
    "nested lists that are cut": ("a: " + "[" * 500, "deep"),
    "nested mappings": ("{a: " * 500 + "1" + "}" * 500, "deep"),
    "nested blocks": ("".join(" " * n + "a:\n" for n in range(900)), "deep"),
    "many values": ("a: [" + "1, " * 11_000 + "]\n", "values"),
    "a 13th month": ("samples: 2001-13-45\n", "cannot read"),
    "a number of 5000 digits": ("samples: " + "9" * 5000 + "\n", "cannot read"),
    "an object": ("samples: !!python/object/apply:os.system [true]\n", "YAML"),
    "a list": ("- 1\n- 2\n", "key: value"),
    "a word": ("hello\n", "key: value"),
    "a tab": ("samples:\n\t3\n", "YAML"),
    "a key that is a list": ("[1, 2]: 3\n", "YAML"),
    "a long unknown key": ("k" * 900 + ": 3\n", "unknown key"),
    "a long value": ("samples: " + "v" * 9000 + "\n", "samples"),
    "a number as key": ("3: 4\n", "string"),
    "no number": ("samples: .nan\n", "samples"),
    "two documents": ("a: 1\n---\nb: 2\n", "YAML"),
    "an open quote": ("samples: 'three\n", "YAML"),
    "a control character": ("samples: \x07\n", "YAML"),
}


@pytest.mark.parametrize("kind", YAML)
def test_settings_that_would_take_all_memory_or_mean_nothing(kind, tmp_path):
    text, words = YAML[kind]
    path = tmp_path / "settings.yaml"
    path.write_text(text)
    message = refused("settings.yaml", path)
    assert words in message and len(message) < 400


JSON = {
    "nested lists": "[" * 100_000 + "]" * 100_000,
    "nested objects": '{"a":' * 60 + "1" + "}" * 60,
    "cut": '{"a": [1, 2',
    "a number of 5000 digits": '{"a": ' + "9" * 5000 + "}",
    "two values": "{} {}",
    "empty": "",
}


@pytest.mark.parametrize("kind", JSON)
def test_json_beyond_the_bounds(kind, tmp_path):
    (tmp_path / "run.json").write_text(JSON[kind])
    refused("run.json", tmp_path / "run.json")


ROW = "a,protein.pdb,CCO,\n"
TABLES = {
    "an open quote": ('name,protein,ligand\na,p.pdb,"CCO\n' + ROW, "line"),
    "a quote that goes on": ('name,protein,ligand\n"a"b,p.pdb,CCO\n', "line 2"),
    "a column twice": ("name,protein,ligand,Name\na,p,l,b\n", "two columns"),
    "a column twice, by a blank": ("name,protein,ligand, name\na,p,l,b\n", "two columns"),
    "many columns": ("name,protein,ligand" + "".join(f",c{n}" for n in range(2000)) + "\n", "columns"),
    "a cell of a megabyte": ("name,protein,ligand\na,p.pdb," + "C" * 2**20 + "\n", "line 2"),
    "only commas": (",,,\n" * 100, "lacks column"),
    "no header": (ROW, "lacks column"),
    "a separator alone": ("sep=;\n", "lacks column"),
}


@pytest.mark.parametrize("kind", TABLES)
def test_tables_that_cannot_be_used(kind, tmp_path):
    text, words = TABLES[kind]
    (tmp_path / "jobs.csv").write_text(text)
    assert words in refused("jobs.csv", tmp_path / "jobs.csv")


HEADERS = [
    "Name, PROTEIN ,Ligand,Pocket Center",
    "name,protein,ligand,pocket-center",
    '"name","protein","ligand","Pocket_Center"',
]


@pytest.mark.parametrize("separator", [",", ";", "\t", "|"])
@pytest.mark.parametrize("header", HEADERS)
@pytest.mark.parametrize("before", ["", "\n \n", "sep={}\n"])
def test_tables_of_any_spelling_are_read_alike(separator, header, before, tmp_path):
    path = tmp_path / "jobs.csv"
    text = f"{header}\na , protein.pdb,CCO,1 2 3\n\n".replace(",", separator)
    path.write_text(before.format(separator) + text)
    (job,) = read_jobs(path, None)
    assert job.problem is None and job.name == "a" and job.pocket.center == (1, 2, 3)


def test_a_row_with_too_many_values_fails_alone(tmp_path):
    path = tmp_path / "jobs.csv"
    path.write_text("name,protein,ligand,pocket_center\na,protein.pdb,CCO,1,2,3\nb,protein.pdb,CCO,1 2 3\n")
    first, second = read_jobs(path, None)
    assert "too many values" in first.problem and second.problem is None


def header_of(weights, size=None):
    text = json.dumps(weights).encode() if not isinstance(weights, bytes) else weights
    return struct.pack("<Q", len(text) if size is None else size) + text


def tensor(**changed):
    return {"w": {"dtype": "F32", "shape": [2], "data_offsets": [0, 8]} | changed}


TENSOR = tensor()
WEIGHTS = {
    "a header of 8 exabytes": header_of(TENSOR, 2**63) + bytes(8),
    "a header of 200 MB": header_of(TENSOR, 200 * 2**20) + bytes(8),
    "a header of nothing": struct.pack("<Q", 0),
    "a nested header": header_of(b'{"a":' * 9000 + b"1" + b"}" * 9000),
    "a shape beyond all": header_of({"w": {"dtype": "F32", "shape": [2**62, 2**62], "data_offsets": [0, 8]}})
    + bytes(8),
    "offsets that go back": header_of(tensor(data_offsets=[8, 0])) + bytes(8),
    "offsets beyond the end": header_of(tensor(shape=[2**40], data_offsets=[0, 2**42])) + bytes(8),
    "an unknown type": header_of(tensor(dtype="Q7")) + bytes(8),
    "no header": b"\x01\x02\x03",
    "a torch file": b"PK\x03\x04" + bytes(100),
    "nested settings": header_of(
        TENSOR | {"__metadata__": {"format": "discodock", "schema_version": "1", "config": "[" * 9000, "info": "{}"}}
    )
    + bytes(8),
}


@pytest.mark.parametrize("kind", WEIGHTS)
def test_weights_that_claim_absurd_sizes(kind, tmp_path):
    (tmp_path / "weights.safetensors").write_bytes(WEIGHTS[kind])
    refused("weights.safetensors", tmp_path / "weights.safetensors")


@pytest.mark.parametrize("size", [10**9, 30_000, 5_000])
@pytest.mark.parametrize("key", ["num_scalars", "num_layers"])
def test_settings_in_weights_that_would_take_all_memory(key, size, tmp_path):
    from safetensors.torch import save

    data = READERS["weights.safetensors"].good()
    length = struct.unpack("<Q", data[:8])[0]
    metadata = json.loads(data[8 : 8 + length])["__metadata__"]
    config = json.loads(metadata["config"])
    config["model"][key] = size
    path = tmp_path / "weights.safetensors"
    import torch

    path.write_bytes(save({"w": torch.zeros(3)}, metadata | {"config": json.dumps(config)}))
    assert f"{key} {size}" in refused("weights.safetensors", path)


def npz(**members):
    stream = BytesIO()
    with zipfile.ZipFile(stream, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, data in members.items():
            archive.writestr(f"{name}.npy", data)
    return stream.getvalue()


def npy(shape, descr="|u1", data=b""):
    header = repr({"descr": descr, "fortran_order": False, "shape": shape}).encode().ljust(117) + b"\n"
    return b"\x93NUMPY\x01\x00" + struct.pack("<H", len(header)) + header + data


ARRAYS = {
    "claims": npz(images=npy((2**50, 2**50))),
    "negative": npz(images=npy((-5, 8, 8))),
    "objects": npz(images=npy((2,), "|O", b"\x80\x04N.")),
    "no array": npz(images=b"hello"),
    "cut": npz(images=npy((2, 8, 8), data=b"12")),
    "nested header": npz(images=b"\x93NUMPY\x01\x00" + struct.pack("<H", 4000) + b"(" * 4000),
    "empty": b"",
    "an empty archive": npz(),
    "a bare array": npy((2, 8, 8), data=bytes(128)),
}


@pytest.mark.parametrize("kind", ARRAYS)
@pytest.mark.parametrize("name", ["images.npz", "prepared.npz"])
def test_arrays_that_claim_absurd_sizes(name, kind, tmp_path):
    (tmp_path / name).write_bytes(ARRAYS[kind])
    refused(name, tmp_path / name)


def test_a_zip_bomb_of_arrays(tmp_path, monkeypatch):
    stream = BytesIO()
    np.savez_compressed(stream, images=np.zeros((3000, 8, 8), np.uint8))
    (tmp_path / "images.npz").write_bytes(stream.getvalue())
    from discodock.images import data

    monkeypatch.setattr(data, "NPZ_OF_IMAGES", replace(data.NPZ_OF_IMAGES, max_bytes=2**16))
    assert "unpacked" in refused("images.npz", tmp_path / "images.npz")


def tar_of(members, mode="w:xz"):
    stream = BytesIO()
    with tarfile.open(fileobj=stream, mode=mode) as archive:
        for name, content in members:
            member = tarfile.TarInfo(name)
            member.size = len(content)
            archive.addfile(member, BytesIO(content))
    return stream.getvalue()


GOOD = [("a/protein.pdb", b"x"), ("a/ligand.sdf", b"y")]
NAMES = {
    "long": "n" * 300,
    "above": "..",
    "here": "x/.",
    "control characters": "a\x1b[31mb",
    "a line break": "a\nb",
}


@pytest.mark.parametrize("kind", NAMES)
def test_complexes_whose_names_no_file_can_have_are_left_out_alone(kind, tmp_path):
    name = NAMES[kind]
    path = tmp_path / "shard.tar"
    path.write_bytes(tar_of([(f"x/{name}/protein.pdb", b"p"), (f"x/{name}/ligand.sdf", b"l"), *GOOD], "w"))
    found = list(ComplexesDataset(path))
    assert [entry.id for entry in found if not isinstance(entry, SkippedComplex)][-1:] == ["a"]
    assert all(len(entry.id.encode()) <= 200 for entry in found)


def test_a_sparse_member_is_left_out_alone(tmp_path):
    """A member of 100 GB that is all hole takes 2 kB of the archive."""
    path = tmp_path / "shard.tar"
    sparse = tarfile.TarInfo("b/protein.pdb")
    sparse.type, sparse.size = tarfile.GNUTYPE_SPARSE, 0
    block = bytearray(sparse.tobuf(tarfile.GNU_FORMAT))
    block[483:495] = b"%011o\0" % (8**11 - 1)  # its real size, 8 GB, with no data at all
    block[148:156] = b"        "
    block[148:156] = b"%06o\0 " % sum(block)
    path.write_bytes(bytes(block) + tar_of(GOOD, "w"))
    skipped, good = ComplexesDataset(path)
    assert isinstance(skipped, SkippedComplex) and "too many" in skipped.reason
    assert good.id == "a"


@pytest.mark.parametrize("mode", ["w:xz", "w:gz", "w:bz2"])
def test_an_archive_that_unpacks_to_far_more_than_its_size_is_refused(mode, tmp_path, monkeypatch):
    from discodock.data.datasets import archive

    monkeypatch.setattr(archive, "MAX_BYTES", 2**20)
    monkeypatch.setattr(archive, "MAX_RATIO", 2)
    path = tmp_path / "shard.tar.xz"
    path.write_bytes(tar_of([("a/other", bytes(2**22)), *GOOD], mode))
    with pytest.raises(InputError, match=r"shard\.tar\.xz: damaged archive \(it unpacks to more than 1 MB\)"):
        list(ComplexesDataset(path))
    assert ARCHIVE.noun == "archive"


CUTS = [0.02, 0.1, 0.3, 0.5, 0.7, 0.9]


@pytest.mark.parametrize("where", CUTS)
@pytest.mark.parametrize("name", ["weights.safetensors", "prepared.npz", "images.npz", "complexes.tar.gz", "image.png"])
def test_files_cut_anywhere_are_refused(name, where, tmp_path):
    data = READERS[name].good()
    (tmp_path / name).write_bytes(data[: int(where * len(data))])
    if name != "image.png" or where < 0.8:  # all its pixels come before the end
        refused(name, tmp_path / name)


OPTIONS = {
    "a pipe of settings": ("--config", "PIPE"),
    "a device of settings": ("--config", "/dev/zero"),
    "a folder of settings": ("--config", "/"),
    "no such settings": ("--config", "nothing.yaml"),
    "a pipe as table": ("--input", "PIPE"),
    "a device as table": ("--input", "/dev/urandom"),
    "a pipe as ligand": ("--protein", "p.pdb", "--ligand", "PIPE", "--pocket-center", "0", "0", "0"),
    "a table without end": ("--input", "/dev/zero", "--pocket-center", "0", "0", "0"),
    "a seed beyond all": ("--seed", "9" * 400),
    "a negative seed": ("--seed", "-1"),
    "samples beyond all": ("--samples", "9" * 30),
    "full-width digits and a letter": ("--samples", "３x"),
    "a centre of nothing": ("--pocket-center", "nan", "0", "x"),
    "an endless radius": ("--pocket-radius", "inf"),
    "no radius": ("--pocket-radius", "nan"),
    "a long unknown option": ("--" + "x" * 5000,),
    "an option with a line break": ("--samples\n3",),
}


@pytest.mark.parametrize("kind", OPTIONS)
def test_options_that_cannot_be_used(kind, tmp_path, capsys, monkeypatch):
    monkeypatch.chdir(tmp_path)
    os.mkfifo("PIPE")
    code = run(["predict", *OPTIONS[kind]])
    printed = capsys.readouterr()
    assert code == 2 and printed.err.startswith("error: ") and printed.err.count("\n") == 1
    assert "Traceback" not in printed.err


def test_the_good_table_is_read(tmp_path):
    (tmp_path / "jobs.csv").write_bytes(JOBS)
    assert [job.problem for job in read_jobs(tmp_path / "jobs.csv", None)] == [None, None]
