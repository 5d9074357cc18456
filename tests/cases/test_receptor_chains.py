"""Chains of receptor files: copies under one name or none are kept apart, what lies in one place is read once.

Each test of a file in a folder beside this module says in its docstring what is in that folder.
"""

from collections import Counter
from pathlib import Path

import gemmi
import pytest

from discodock.chem.read_receptor import read_receptor
from tests.cases.receptor_files import CASES, LIGAND, PROTEIN, hetero, moved, others, warned, written


def test_chainless_dimer() -> None:
    """Two copies of 72 residues, 45 Å apart, without chain names and with the same numbers."""
    receptor = read_receptor(CASES / "chainless-dimer" / "protein.pdb")
    assert Counter(residue.chain for residue in receptor.residues) == {"A": 72, "B": 72}
    assert len(receptor.pos) == 696
    assert "chains A, B" in warned(receptor)


@pytest.mark.parametrize("ter", [[], ["TER"], ["END"]], ids=["bare", "TER", "END"])
@pytest.mark.parametrize("chain", [" ", "A"])
def test_copies_under_one_name_are_kept_apart(chain: str, ter: list[str], tmp_path: Path) -> None:
    first = [f"{line[:21]}{chain}{line[22:]}" for line in PROTEIN]
    receptor = read_receptor(written(tmp_path, [*first, *ter, *moved(first, 45.0)]))
    assert len(receptor.pos) == 2 * len(PROTEIN)
    assert sorted(Counter(residue.chain for residue in receptor.residues).values()) == [72, 72]
    assert "read as chains A, B" in warned(receptor)


def test_chains_of_two_proteins_without_names_are_kept_apart(tmp_path: Path) -> None:
    first = [f"{line[:21]} {line[22:]}" for line in PROTEIN]
    other = [line for line in first if 20 <= int(line[22:26]) < 50]
    second = [f"{line[:22]}{int(line[22:26]) - 19:4d}{line[26:]}" for line in moved(other, 45.0)]
    receptor = read_receptor(written(tmp_path, [*first, *second]))
    assert len(receptor.pos) == len(first) + len(second)
    assert Counter(residue.chain for residue in receptor.residues) == {
        "A": 72, "B": len({line[22:27] for line in second})
    }  # fmt: skip


def test_groups_of_both_copies_are_kept(tmp_path: Path) -> None:
    first, ligand = ([f"{line[:21]} {line[22:]}" for line in lines] for lines in (PROTEIN, LIGAND))
    receptor = read_receptor(written(tmp_path, [*first, *moved(first, 45.0), *ligand, *moved(ligand, 45.0)]))
    assert len(others(receptor)) == 2 and len(receptor.pos) == 2 * (len(first) + len(ligand))


def test_one_chain_in_parts_stays_one_chain(tmp_path: Path) -> None:
    """Numbers that fall, as in fusion proteins, and atoms added at the end, as by modelling programs, are no copies."""
    turned = [line for line in PROTEIN if int(line[22:26]) >= 40] + [
        line for line in PROTEIN if int(line[22:26]) < 40 and line[12:16] != " CB "
    ]
    late = [line for line in PROTEIN if int(line[22:26]) < 40 and line[12:16] == " CB "]
    receptor = read_receptor(written(tmp_path, [*turned, *late]))
    assert len(receptor.residues) == 72 and len(receptor.pos) == len(PROTEIN)
    assert receptor.warnings == ()


@pytest.mark.parametrize("shift", [0.7, 1.5])
@pytest.mark.parametrize("ter", [[], ["TER"], ["ENDMDL"]], ids=["bare", "TER", "ENDMDL"])
def test_further_structures_in_the_same_place_are_left_out(ter: list[str], shift: float, tmp_path: Path) -> None:
    receptor = read_receptor(written(tmp_path, [*PROTEIN, *ter, *moved(PROTEIN, shift), *ter]))
    assert len(receptor.pos) == len(PROTEIN) and len(receptor.warnings) == 1
    assert "only the first is used" in warned(receptor) or "from ALA1 on, are left out" in warned(receptor)


def test_numbers_of_waters_may_come_up_again(tmp_path: Path) -> None:
    waters = [hetero(" O", "HOH", "O", number=100 + at % 50, x=20.0 + at) for at in range(150)]
    assert read_receptor(written(tmp_path, [*PROTEIN, *waters])).warnings == ()
    kept = read_receptor(written(tmp_path, [*PROTEIN, *waters]), keep=["HOH"])
    assert len(kept.pos) == len(PROTEIN) + 150 and kept.warnings == ()


def test_an_unmarked_alternative_of_a_side_chain_is_no_copy(tmp_path: Path) -> None:
    at = next(number for number, line in enumerate(PROTEIN) if line[12:16] == " CB ")
    receptor = read_receptor(written(tmp_path, [*PROTEIN[: at + 1], *moved([PROTEIN[at]], 1.5), *PROTEIN[at + 1 :]]))
    assert len(receptor.pos) == len(PROTEIN) and len(receptor.residues) == 72
    assert "second atom CB left out: 1 (A:ALA1)" in warned(receptor)


def test_copies_in_mmcif_are_kept_apart(tmp_path: Path) -> None:
    structure = gemmi.read_pdb_string("\n".join(PROTEIN))
    block = structure.make_mmcif_document().sole_block()
    table = block.find("_atom_site.", ["label_asym_id", "auth_asym_id", "Cartn_x"])
    rows = [list(row) for row in block.find_mmcif_category("_atom_site.")]
    loop = table.loop
    num_plain = len(rows)
    x, label = loop.tags.index("_atom_site.Cartn_x"), loop.tags.index("_atom_site.label_asym_id")
    for row in rows:
        row[x], row[label] = str(float(row[x]) + 45.0), "B"
        loop.add_row(row)
    path = tmp_path / "dimer.cif"
    path.write_text(block.as_string())
    receptor = read_receptor(path)
    assert len(receptor.pos) == 2 * len(PROTEIN) and "several chains have the name A (from ALA1 on)" in warned(receptor)
    for row in range(num_plain, 2 * num_plain):
        block.find_loop("_atom_site.Cartn_x")[row] = str(float(rows[row - num_plain][x]) - 45.0 + 0.7)
    path.write_text(block.as_string())
    receptor = read_receptor(path)
    assert len(receptor.pos) == len(PROTEIN) and "from ALA1 on, are left out" in warned(receptor)
