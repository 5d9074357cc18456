"""Receptor files that are cut, in other units, models, or not possible: refused, or told of.

Each test of a file in a folder beside this module says in its docstring what is in that folder.
"""

import itertools
from pathlib import Path

import numpy as np
import pytest

from discodock.chem.read_receptor import read_receptor
from discodock.errors import InputError
from discodock.inference.site_warnings import site_warnings
from tests.cases.receptor_files import (
    CASES,
    LIGAND,
    PROTEIN,
    atom_lines,
    hetero,
    moved,
    others,
    warned,
    written,
)


def test_backbone_only() -> None:
    """72 residues with N, CA, C and O."""
    receptor = read_receptor(CASES / "backbone-only" / "protein.pdb")
    (found,) = site_warnings(receptor, [np.array([5.0, 5.0, 13.0])])
    assert found.startswith("no side chain on 31 of the 38 residues within 12 Å of the pocket: poses will mean little")


def test_alpha_carbons_alone_are_refused(tmp_path: Path) -> None:
    path = written(tmp_path, [line for line in PROTEIN if line[12:16] == " CA "])
    with pytest.raises(InputError, match="72 of 72 residues have no backbone but CA"):
        read_receptor(path)


def scaled(factor: float) -> list[str]:
    return [
        line[:30] + "".join(f"{float(line[at : at + 8]) * factor:8.3f}" for at in (30, 38, 46)) + line[54:]
        for line in PROTEIN
    ]


@pytest.mark.parametrize(("factor", "word"), [(0.1, "nm; multiply them by 10"), (1.89, "Bohr"), (0.0, "damaged")])
def test_other_units_are_refused(factor: float, word: str, tmp_path: Path) -> None:
    with pytest.raises(InputError, match=word):
        read_receptor(written(tmp_path, scaled(factor)))


@pytest.mark.parametrize("text", ["9999.999", "-9999.99", "9.00e+30", " 1_0.000", "     inf", "\t 1.000 "])
def test_coordinates_beyond_belief_are_refused(text: str, tmp_path: Path) -> None:
    lines = [*PROTEIN[:9], f"{PROTEIN[9][:30]}{text}{PROTEIN[9][38:]}", *PROTEIN[10:]]
    with pytest.raises(InputError, match="line 10 has no usable coordinates"):
        read_receptor(written(tmp_path, lines))


@pytest.mark.parametrize(("at", "char"), [(21, "É"), (17, "ß"), (16, "β"), (30, "\uff11")])
def test_characters_that_move_columns_are_refused_by_name(at: int, char: str, tmp_path: Path) -> None:
    lines = [*PROTEIN[:9], f"{PROTEIN[9][:at]}{char}{PROTEIN[9][at + 1 :]}", *PROTEIN[10:]]
    with pytest.raises(InputError, match=f"line 10 has '{char}' in its columns"):
        read_receptor(written(tmp_path, lines))


def test_identifiers_and_line_numbers_of_old_files_are_no_elements(tmp_path: Path) -> None:
    zinc = hetero("ZN", " ZN")
    lines = [f"{line[:66]:<72}1ABC{number:4d}" for number, line in enumerate([*PROTEIN, zinc], start=90)]
    receptor = read_receptor(written(tmp_path, lines))
    assert others(receptor) == {"A:ZN500": ("metal", "Zn")} and len(receptor.pos) == len(PROTEIN) + 1


def test_atoms_away_from_everything_are_refused_by_name(tmp_path: Path) -> None:
    lines = [*PROTEIN[:9], *moved([PROTEIN[9]], 800.0), *PROTEIN[10:]]
    with pytest.raises(InputError, match="A:SER2 CB: over 50 Å away from any other atom"):
        read_receptor(written(tmp_path, lines))
    lines = [*PROTEIN[:9], *moved([PROTEIN[9]], 22.0), *PROTEIN[10:]]
    with pytest.raises(InputError, match="A:SER2 CB: over 10 Å away from the rest of its residue"):
        read_receptor(written(tmp_path, lines))


def test_structures_on_one_another(tmp_path: Path) -> None:
    copy = [f"{line[:21]}B{line[22:]}" for line in moved(PROTEIN, 0.2)]
    with pytest.raises(InputError, match="100% of the atoms lie on one another, such as A:ALA1 N and B:ALA1 N"):
        read_receptor(written(tmp_path, [*PROTEIN, *copy]))
    few = [f"{line[:17]}XYZ{line[20:22]} 302{line[26:]}" for line in moved(LIGAND, 0.2)]
    assert "lie on one another: A:INH301 on A:XYZ302" in warned(
        read_receptor(written(tmp_path, [*PROTEIN, *LIGAND, *few]))
    )


def test_mirror_images_are_told_of(tmp_path: Path) -> None:
    trypsin = CASES.parent / "data" / "complexes" / "1bju_GP6" / "protein.pdb"
    lines = [f"{line[:30]}{-float(line[30:38]):8.3f}{line[38:]}" for line in atom_lines(trypsin)]
    assert "is the structure a mirror image?" in warned(read_receptor(written(tmp_path, lines)))
    assert read_receptor(trypsin).warnings == ()


@pytest.mark.parametrize(("shift", "words"), [(45.0, "as in an assembly"), (0.5, "only the first is used")])
def test_models_are_told_of(shift: float, words: str, tmp_path: Path) -> None:
    models = [["MODEL        1", *PROTEIN, "ENDMDL"], ["MODEL        2", *moved(PROTEIN, shift), "ENDMDL"]]
    receptor = read_receptor(written(tmp_path, itertools.chain(*models)))
    assert len(receptor.pos) == len(PROTEIN)
    assert words in warned(receptor) and ("assembly" in warned(receptor)) == (shift > 1)


def test_frames_of_a_trajectory_are_told_of(tmp_path: Path) -> None:
    receptor = read_receptor(written(tmp_path, [*PROTEIN, "END", *moved(PROTEIN, 0.5), "END", *moved(PROTEIN, 1.0)]))
    assert len(receptor.pos) == len(PROTEIN) and "2 more structures of the same atoms" in warned(receptor)


@pytest.mark.parametrize("keep", [150, 152, 200])
def test_a_file_that_was_cut_between_lines_is_told_of(keep: int, tmp_path: Path) -> None:
    receptor = read_receptor(written(tmp_path, PROTEIN[:keep], end=""))
    last = PROTEIN[keep - 1]
    assert f"A:{last[17:20]}{last[22:26].strip()}, without END" in warned(receptor)
    assert read_receptor(written(tmp_path, PROTEIN[:keep])).warnings == ()
    assert read_receptor(written(tmp_path, [*PROTEIN, *LIGAND], end="")).warnings == ()


@pytest.mark.parametrize("length", [56, 60, 70])
def test_a_file_that_was_cut_within_a_line_is_refused(length: int, tmp_path: Path) -> None:
    path = tmp_path / "protein.pdb"
    path.write_text("\n".join([*PROTEIN[:150], PROTEIN[150][:length]]))
    with pytest.raises(InputError, match="line 151, the last, is cut off"):
        read_receptor(path)


def test_announced_residues_that_are_missing_are_told_of(tmp_path: Path) -> None:
    names = list(dict.fromkeys((line[22:26], line[17:20]) for line in PROTEIN))
    sequence = [
        f"SEQRES {at + 1:3d} A {len(names):4d}  " + " ".join(n for _, n in names[13 * at : 13 * at + 13])
        for at in range(6)
    ]
    half = [line for line in PROTEIN if int(line[22:26]) < 30]
    assert "of the 72 residues of its sequence" in warned(read_receptor(written(tmp_path, [*sequence, *half])))
    assert read_receptor(written(tmp_path, [*sequence, *PROTEIN])).warnings == ()
