"""What lies in the pocket of a receptor: the reference ligand in other forms, other ligands, parts that are missing.

Each test of a file in a folder beside this module says in its docstring what is in that folder.
"""

from pathlib import Path

import numpy as np
import pytest
from rdkit import Chem

from discodock.chem.read_receptor import read_receptor
from discodock.chem.structure_file import read_structure
from discodock.inference.site_warnings import site_warnings
from tests.cases.receptor_files import CASES, CENTER, LIGAND, PLAIN, PROTEIN, moved, others, written


def test_altloc_of_reference_ligand() -> None:
    """INH at location A (0.6) and B (0.4); the reference is B."""
    folder = CASES / "altloc-of-reference-ligand"
    reference = np.array([site.atom.pos.tolist() for site in read_structure(folder / "reference_B.pdb")[0].all()])
    receptor = read_receptor(folder / "protein.pdb", reference_ligands=[reference])
    assert others(receptor) == {} and any("(same position): 1 (A:INH301)" in change for change in receptor.changes)


def test_another_group_at_the_position_of_the_reference_leaves_with_it(tmp_path: Path) -> None:
    """Two ligands under one number, as alternatives of each other: the reference is the less occupied one."""
    first = [f"{line[:16]}A{line[17:54]}  0.60{line[60:]}" for line in LIGAND]
    second = [f"{line[:16]}BXYZ{line[20:54]}  0.40{line[60:]}" for line in moved(LIGAND, 2.0)]
    reference = np.array([[float(line[at : at + 8]) for at in (30, 38, 46)] for line in second])
    path = written(tmp_path, [*PROTEIN, *first, *second])
    assert others(read_receptor(path, reference_ligands=[reference])) == {}


def test_an_alternative_of_the_reference_under_another_number_leaves_with_it(tmp_path: Path) -> None:
    first = [f"{line[:16]}A{line[17:54]}  0.60{line[60:]}" for line in LIGAND]
    other = [f"{line[:16]}BXYZ{line[20:22]} 302{line[26:54]}  0.40{line[60:]}" for line in moved(LIGAND, 0.7)]
    reference = np.array([[float(line[at : at + 8]) for at in (30, 38, 46)] for line in first])
    receptor = read_receptor(written(tmp_path, [*PROTEIN, *first, *moved(other, 1.5)]), reference_ligands=[reference])
    assert others(receptor) == {}
    far = read_receptor(written(tmp_path, [*PROTEIN, *first, *moved(other, 12.0)]), reference_ligands=[reference])
    assert list(others(far)) == ["A:XYZ302"]


def amino_acid_ligand(number: int = 400) -> list[str]:
    """A serine on its own, all atoms of it."""
    pos = {
        "N": (6, 8, 13),
        "CA": (7, 7, 13),
        "C": (8.2, 7.8, 13),
        "O": (8.2, 9, 13),
        "OXT": (9.3, 7.2, 13),
        "CB": (7, 6, 14.1),
    }
    pos["OG"] = (7, 6.7, 15.3)
    return [
        f"HETATM  900  {name:<3} SER A{number:4d}    {x:8.3f}{y:8.3f}{z:8.3f}  1.00  0.00           {name[0]}"
        for name, (x, y, z) in pos.items()
    ]


@pytest.mark.parametrize("record", ["HETATM", "ATOM  "])
def test_bound_amino_acids_leave_as_copies_of_the_ligand(record: str, tmp_path: Path) -> None:
    path = written(tmp_path, [*PROTEIN, "TER", *(record + line[6:] for line in amino_acid_ligand())])
    assert read_receptor(path).find_residues("A:400") != []
    receptor = read_receptor(path, reference_ligands=[Chem.MolFromSmiles("OC[C@H](N)C(=O)O")])
    assert len(receptor.residues) == 72 and "(same composition): 1 (A:SER400)" in "\n".join(receptor.changes)


def test_bound_peptides_leave_as_copies_of_the_ligand(tmp_path: Path) -> None:
    """The first two residues, ALA-SER with what is there of its side chain, far from the rest as chain P."""
    dipeptide = [f"{line[:21]}P{line[22:]}" for line in moved(PROTEIN[:10], -40.0)]
    path = written(tmp_path, [*PROTEIN, "TER", *dipeptide])
    receptor = read_receptor(path, reference_ligands=[Chem.MolFromSmiles("C[C@H](N)C(=O)N[C@@H](C)C=O")])
    assert {residue.chain for residue in receptor.residues} == {"A"} and len(receptor.residues) == 72
    other = read_receptor(path, reference_ligands=[Chem.MolFromSmiles("C[C@H](N)C(=O)N[C@@H](C)C(=O)O")])
    assert len(other.residues) == 74


def test_residues_that_are_missing_at_the_pocket_are_told_of(tmp_path: Path) -> None:
    lines = [line for line in PROTEIN if not 20 <= int(line[22:26]) <= 22]
    center = next(np.array([float(line[at : at + 8]) for at in (30, 38, 46)]) for line in PROTEIN if line not in lines)
    found = "\n".join(site_warnings(read_receptor(written(tmp_path, lines)), [center]))
    assert "residues missing at the pocket: between A:SER18 and A:ALA23" in found
    assert "A:ALA23" not in "\n".join(site_warnings(read_receptor(PLAIN), [center]))


def test_occupied_pocket() -> None:
    """INH 301, nine atoms around the centre of the pocket."""
    receptor = read_receptor(PLAIN)
    found = "\n".join(site_warnings(receptor, [CENTER]))
    assert "centre lies within A:INH301 (9 atoms), which stays in the receptor; --drop A:301 if" in found
    assert "lies within" not in "\n".join(site_warnings(receptor, [CENTER + [0, 0, -9]]))
    dropped = read_receptor(PLAIN, drop=["A:301"])
    assert "lies within" not in "\n".join(site_warnings(dropped, [CENTER]))


def test_a_bound_amino_acid_occupies_a_pocket(tmp_path: Path) -> None:
    lines = [f"{line[:21]}L{line[22:]}" for line in amino_acid_ligand()]
    receptor = read_receptor(written(tmp_path, [*PROTEIN, "TER", *lines]))
    assert "within L:SER400 (7 atoms)" in "\n".join(site_warnings(receptor, [CENTER]))
