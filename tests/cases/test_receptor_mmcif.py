"""mmCIF files that lack columns or residues, and how warnings reach the user.

Each test of a file in a folder beside this module says in its docstring what is in that folder.
"""

import csv
from collections import Counter
from collections.abc import Iterable
from pathlib import Path

import gemmi
import numpy as np
import pytest

from discodock.chem.read_receptor import read_receptor
from discodock.cli.main import run
from discodock.errors import InputError
from tests.cases.receptor_files import (
    CASES,
    PROTEIN,
    hetero,
    warned,
    written,
)
from tests.tiny import write_tiny_checkpoint

COLUMNS = (
    "group_PDB",
    "id",
    "label_asym_id",
    "type_symbol",
    "label_alt_id",
    "auth_asym_id",
    "pdbx_PDB_model_num",
    "occupancy",
)


def mmcif(folder: Path, without: Iterable[str]) -> Path:
    block = gemmi.read_pdb_string("\n".join([*PROTEIN, hetero("ZN", " ZN", "ZN")])).make_mmcif_document().sole_block()
    loop = block.find("_atom_site.", ["id"]).loop
    kept = [at for at, tag in enumerate(loop.tags) if tag.removeprefix("_atom_site.") not in set(without)]
    width = loop.width()
    rows = [loop.values[at : at + width] for at in range(0, len(loop.values), width)]
    text = ["data_x", "loop_", *(loop.tags[at] for at in kept), *(" ".join(row[at] for at in kept) for row in rows)]
    return written(folder, text, end="", name="protein.cif")


def test_cif_without_label_asym() -> None:
    """348 atoms with auth_asym_id alone, as phenix.refine writes them."""
    receptor = read_receptor(CASES / "cif-without-label-asym" / "protein.cif")
    assert len(receptor.pos) == 348 and {residue.chain for residue in receptor.residues} == {"A"}


@pytest.mark.parametrize(
    "missing", [*((column,) for column in COLUMNS), ("id", "label_asym_id", "type_symbol", "label_alt_id")]
)
def test_columns_that_mmcif_files_lack(missing: tuple[str, ...], tmp_path: Path) -> None:
    whole, part = (read_receptor(mmcif(tmp_path, columns)) for columns in ((), missing))
    np.testing.assert_array_equal(part.pos, whole.pos)
    np.testing.assert_array_equal(part.element, whole.element)
    assert part.element[-1] == "Zn" and part.residue_labels[0] == whole.residue_labels[0]


@pytest.mark.parametrize(
    "missing", [("Cartn_x",), ("Cartn_z",), ("label_atom_id", "auth_atom_id"), ("label_comp_id", "auth_comp_id")]
)
def test_columns_that_nothing_stands_for_are_named(missing: tuple[str, ...], tmp_path: Path) -> None:
    with pytest.raises(InputError, match=f"no column _atom_site.{missing[0]}"):
        read_receptor(mmcif(tmp_path, missing))


def test_an_mmcif_file_that_was_cut_within_a_residue_is_told_of(tmp_path: Path) -> None:
    path = mmcif(tmp_path, ())
    rows = [line for line in path.read_text().splitlines() if line.startswith(("ATOM", "HETATM"))]
    head = path.read_text().splitlines()[: -len(rows)]
    cut = next(at for at, row in enumerate(rows) if at > 100 and row.split()[3] == "CA")
    receptor = read_receptor(written(tmp_path, [*head, *rows[: cut + 1]], end="", name="cut.cif"))
    assert "the file ends within A:" in warned(receptor)
    assert read_receptor(path).warnings == ()


def test_mmcif_chains_that_are_announced_but_missing_are_told_of(tmp_path: Path) -> None:
    path = mmcif(tmp_path, ())
    path.write_text(path.read_text().replace("data_x", "data_x\nloop_\n_struct_asym.id\nA\nB\nQ\n", 1))
    assert "chains without atoms, though the file announces them" in warned(read_receptor(path))


def test_what_changes_the_science_reaches_terminal_table_and_report(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Four receptors of which three are docked into with a warning, and a trace of alpha carbons is refused."""
    trace = written(tmp_path, [line for line in PROTEIN if line[12:16] == " CA "], name="trace.pdb")
    proteins = {name: CASES / name / "protein.pdb" for name in ("chainless-dimer", "occupied-pocket", "backbone-only")}
    center = {"backbone-only": "5 5 13"}
    rows = [
        f"{name},{path},Nc1ccccc1,{center.get(name, '7 7 13')}" for name, path in {**proteins, "trace": trace}.items()
    ]
    table = written(tmp_path, ["name,protein,ligand,pocket_center", *rows], end="", name="jobs.csv")
    checkpoint, out = write_tiny_checkpoint(tmp_path / "tiny.safetensors"), tmp_path / "out"
    options = "--samples 2 --exhaustiveness 1 --steps 2 --no-validity --relax none --device cpu --report".split()
    arguments = ["predict", "--input", str(table), "--out", str(out), "--checkpoint", str(checkpoint), *options]
    assert run(arguments) == 1
    captured = capsys.readouterr()
    with (out / "summary.csv").open(newline="", encoding="utf-8") as lines:
        summary = {row["name"]: row for row in csv.DictReader(lines)}
    words = {
        "chainless-dimer": "they are read as chains A, B",
        "occupied-pocket": "lies within A:INH301 (9 atoms)",
        "backbone-only": "no side chain on 31 of the 38 residues",
        "trace": "72 of 72 residues have no backbone but CA",
    }
    for name, sentence in words.items():
        assert sentence in summary[name]["message"]
        assert sentence in " ".join((captured.out + captured.err).split())
        assert summary[name]["status"] == ("failed" if name == "trace" else "ok")
        assert name == "trace" or sentence in (out / name / "report.html").read_text(encoding="utf-8")
    receptor = read_receptor(out / "chainless-dimer" / "complex_rank1.pdb")
    assert Counter(residue.kind for residue in receptor.residues)["amino_acid"] == 144
