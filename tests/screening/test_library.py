import gzip
import io
import sys
import tracemalloc

import pytest

from discodock.chem.ligand import read_ligand, read_record, to_smiles
from discodock.errors import InputError
from discodock.screening.library import MAX_RECORD_CHARACTERS, iter_library
from tests.tiny import COMPLEXES, SMALL

SMILES = {"aspirin": "CC(=O)Oc1ccccc1C(=O)O", "phenol": "Oc1ccccc1", "ethanol": "CCO"}


def sdf_records():
    return [(COMPLEXES / name / "ligand.sdf").read_text() for name in ("1bju_GP6", "2azr_982", "1cbs_REA")]


def titled(text, title):
    return f"{title}\n{text.partition(chr(10))[2]}"


def libraries(folder):
    """The same three ligands in every form, as bytes by file name."""
    smi = "".join(f"{smiles} {name}\n" for name, smiles in SMILES.items())
    rows = [f"{name},12.5,{smiles}" for name, smiles in SMILES.items()]
    table = "Catalog ID,price,SMILES\n" + "\n".join(rows) + "\n"
    quoted = '"name";"smiles"\n' + "\n".join(f'"{name}";"{smiles}"' for name, smiles in SMILES.items())
    return {
        "a.smi": smi.encode(),
        "header.smi": b"smiles name\n" + smi.encode(),
        "windows.smi": b"\xef\xbb\xbf" + smi.replace("\n", "\r\n").encode(),
        "a.smi.gz": gzip.compress(smi.encode()),
        "a.csv": table.encode(),
        "a.csv.gz": gzip.compress(table.encode()),
        "a.tsv": table.replace(",", "\t").encode(),
        "german.csv": quoted.encode(),
        "table.txt": table.encode(),
    }


@pytest.mark.parametrize("name", libraries(None))
def test_every_form_gives_the_same_ligands(name, tmp_path):
    path = tmp_path / name
    path.write_bytes(libraries(tmp_path)[name])
    records = list(iter_library(path))
    assert {record.title: record.text for record in records} == SMILES
    assert all(record.problem == "" and path.name in record.source for record in records)


def test_sdf_records_are_read_as_by_the_reader_of_files(tmp_path):
    texts = sdf_records()
    path = tmp_path / "library.sdf.gz"
    path.write_bytes(gzip.compress("".join(titled(text, f"L{i}") for i, text in enumerate(texts)).encode()))
    records = list(iter_library(path))
    assert [record.title for record in records] == ["L0", "L1", "L2"]
    read = [read_record(r.text, r.file_format, name=r.title, where=r.source) for r in records]
    alone = [read_ligand(COMPLEXES / name / "ligand.sdf") for name in ("1bju_GP6", "2azr_982", "1cbs_REA")]
    assert [to_smiles(record) for record in read] == [to_smiles(record) for record in alone]


def test_parquet(tmp_path):
    pytest.importorskip("pyarrow.parquet")
    import pyarrow
    import pyarrow.parquet

    path = tmp_path / "a.parquet"
    columns = {"zinc_id": list(SMILES), "Smiles": list(SMILES.values()), "x": [1, 2, 3]}
    pyarrow.parquet.write_table(pyarrow.table(columns), path)
    assert {record.title: record.text for record in iter_library(path)} == SMILES


def test_standard_input_tells_what_it_is_by_its_content(monkeypatch):
    for name, data in libraries(None).items():
        if name != "german.csv":
            monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(data)))
            assert {record.title: record.text for record in iter_library("-")} == SMILES


def test_a_folder_is_all_its_ligand_files_by_name(tmp_path):
    (tmp_path / "b").mkdir()
    (tmp_path / "b" / "two.smi").write_text("CCO ethanol\n")
    (tmp_path / "a.sdf").write_text((SMALL / "ligand.sdf").read_text())
    (tmp_path / "README").write_text("not a ligand")
    assert [record.file_format for record in iter_library(tmp_path)] == ["sdf", "smi"]


def test_a_file_of_a_folder_that_is_no_library_is_one_failure(tmp_path):
    (tmp_path / "a.smi").write_text("nothing that is SMILES\n")
    (tmp_path / "b.smi").write_text("CCO ethanol\n")
    failed, read = iter_library(tmp_path)
    assert "no SMILES in the first lines" in failed.problem and failed.source == str(tmp_path / "a.smi")
    assert (read.title, read.problem) == ("ethanol", "")


def test_a_record_that_looks_like_a_header_is_told_as_no_smiles():
    with pytest.raises(InputError, match="x.smi, record 3: not a valid SMILES"):
        read_record("not_a_smiles", "smi", name="bad", where="x.smi, record 3")


def test_columns_that_are_told_win(tmp_path):
    path = tmp_path / "a.csv"
    path.write_text("smiles,salt free,code\nCCO.Cl,CCO,X1\n")
    (record,) = iter_library(path, smiles_column="salt free", name_column="CODE")
    assert (record.text, record.title) == ("CCO", "X1")
    with pytest.raises(InputError, match="no column 'nothing'; there are smiles, salt free, code"):
        list(iter_library(path, smiles_column="nothing"))


def test_bad_records_do_not_end_the_library(tmp_path):
    path = tmp_path / "a.csv"
    path.write_text("smiles,name\nCCO,one\n,two\nCC,three\n")
    records = list(iter_library(path))
    assert [bool(record.problem) for record in records] == [False, True, False]
    assert records[-1].title == "three"


def test_a_record_without_end_is_one_failure_and_the_next_is_read(tmp_path):
    path = tmp_path / "a.sdf"
    endless = "junk\n" * (MAX_RECORD_CHARACTERS // 4)
    path.write_text(f"{sdf_records()[0]}{endless}$$$$\n{sdf_records()[1]}")
    records = list(iter_library(path))
    assert [bool(record.problem) for record in records] == [False, True, False]
    assert len(records[1].text) == 0


def test_a_damaged_gzip_says_so_after_what_it_holds(tmp_path):
    path = tmp_path / "a.smi.gz"
    lines = [f"{'C' * (1 + i % 30)}O c{i}" for i in range(30_000)]
    path.write_bytes(gzip.compress("\n".join(lines).encode())[:-2000])
    *good, last = iter_library(path)
    assert len(good) > 100 and all(not record.problem for record in good)
    assert "damaged gzip" in last.problem


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "no ligand"),
        (b"\n\n", "no ligand"),
        (b"\x00\x01", "binary"),
        (b"hello world, this is prose\n", "not a ligand"),
        (b"a,b\n1,2\n", "not a ligand|no SMILES"),
    ],
)
def test_what_is_no_library_is_refused(content, message, tmp_path):
    path = tmp_path / "thing.txt"
    path.write_bytes(content)
    with pytest.raises(InputError, match=message):
        list(iter_library(path))


def test_a_missing_library_is_named(tmp_path):
    with pytest.raises(InputError, match="no such library"):
        list(iter_library(tmp_path / "none.smi"))
    with pytest.raises(InputError, match="without a name"):
        list(iter_library(""))


def test_memory_does_not_grow_with_the_library(tmp_path):
    path = tmp_path / "a.smi"

    def peak(num):
        path.write_text("".join(f"CCCCCCCCCCCCCCCCCCCCCCCCCCC c{i}\n" for i in range(num)))
        tracemalloc.start()
        assert sum(1 for _ in iter_library(path)) == num
        found = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        return found

    assert peak(8_000) < 1.3 * peak(2_000)
