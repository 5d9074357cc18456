"""Weights, arrays and archives that claim absurd sizes or are cut: refused in one line, or one member is left out."""

import json
import struct
import tarfile
import zipfile
from dataclasses import replace
from io import BytesIO

import numpy as np
import pytest

from discodock.data.datasets.archive import ARCHIVE
from discodock.data.datasets.complexes import ComplexesDataset
from discodock.data.datasets.source import SkippedComplex
from discodock.errors import InputError
from tests.cases.refusals import refused
from tests.fuzz.readers import READERS


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
    assert refused("weights.safetensors", tmp_path / "weights.safetensors")


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
    assert refused(name, tmp_path / name)


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
        assert refused(name, tmp_path / name)
