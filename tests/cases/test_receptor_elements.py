"""Elements, ions, residue names, waters and pseudo-atoms of receptor files as other programs write them.

Each test of a file in a folder beside this module says in its docstring what is in that folder.
"""

from collections import Counter
from pathlib import Path

import pytest

from discodock.chem.read_receptor import read_receptor
from tests.cases.receptor_files import CASES, LIGAND, PROTEIN, atom_lines, hetero, others, warned, written


def test_ions_without_element() -> None:
    """ZN, MG, CAL, SOD, CLA and POT, their names one column to the right and no element in the file."""
    receptor = read_receptor(CASES / "ions-without-element" / "protein.pdb")
    assert others(receptor) == {
        "A:ZN101": ("metal", "Zn"), "A:MG102": ("metal", "Mg"), "A:CAL103": ("metal", "Ca"),
        "A:SOD104": ("metal", "Na"), "A:POT106": ("metal", "K"),
    }  # fmt: skip
    assert "CLA read as CL: 1 (A:CLA105)" in receptor.changes
    assert receptor.find_residues("NA") == receptor.find_residues("SOD") != []


@pytest.mark.parametrize("aligned", ["{}", " {}"])
@pytest.mark.parametrize("element", ["", "C"])
@pytest.mark.parametrize(
    ("residue", "atom", "expected"),
    [
        ("ZN", "ZN", "Zn"), ("ZN2", "ZN", "Zn"), ("MG", "MG", "Mg"), ("MG2", "MG", "Mg"), ("CA", "CA", "Ca"),
        ("CAL", "CAL", "Ca"), ("SOD", "SOD", "Na"), ("NA", "NA", "Na"), ("Na+", "Na+", "Na"), ("NA+", "NA", "Na"),
        ("POT", "POT", "K"), ("K+", "K+", "K"), ("K", "K", "K"), ("CES", "CES", "Cs"), ("CAD", "CAD", "Cd"),
        ("MN", "MN", "Mn"), ("FE2", "FE", "Fe"), ("CU1", "CU", "Cu"), ("CO", "CO", "Co"), ("NI", "NI", "Ni"),
        ("CD", "CD", "Cd"), ("HG", "HG", "Hg"), ("LIT", "LIT", "Li"),
        ("MAG", "MAG", "Mg"), ("Zn2+", "Zn", "Zn"), ("FE3+", "FE", "Fe"),
    ],
)  # fmt: skip
def test_ions_by_name(residue: str, atom: str, expected: str, element: str, aligned: str, tmp_path: Path) -> None:
    line = hetero(aligned.format(atom), f"{residue:>3}", element)
    assert list(others(read_receptor(written(tmp_path, [*PROTEIN, line]))).values()) == [("metal", expected)]


@pytest.mark.parametrize(
    ("residue", "atom"),
    [("CLA", "CLA"), ("Cl-", "Cl-"), ("CL", "CL"), ("BR", "BR"), ("IOD", "I"), ("BRO", "BRO"), ("FLU", "FLU")],
)
def test_halides_of_other_programs_are_salt(residue: str, atom: str, tmp_path: Path) -> None:
    line = hetero(f" {atom}", f"{residue:>3}")
    receptor = read_receptor(written(tmp_path, [*PROTEIN, line]))
    assert others(receptor) == {} and any("additives dropped" in change for change in receptor.changes)
    kept = read_receptor(written(tmp_path, [*PROTEIN, line]), keep=["A:500"])
    assert list(others(kept).values())[0][1] == {"IOD": "I", "FLU": "F"}.get(residue, atom[:2].capitalize())


def test_ions_with_their_charge_stay_in_their_chain(tmp_path: Path) -> None:
    receptor = read_receptor(written(tmp_path, [*PROTEIN, hetero("Zn", "Zn2+")]))
    assert others(receptor) == {"A:Zn2+500": ("metal", "Zn")}


def test_single_atoms_that_may_be_ions_are_named(tmp_path: Path) -> None:
    """A calcium ion in a residue ION whose name stands where a carbon's would, and a chain end of one atom."""
    lone = warned(read_receptor(written(tmp_path, [*PROTEIN, hetero(" CA", "ION"), hetero(" N", "GLY", "N", 501, 30)])))
    assert "A:ION500 CA (C)" in lone and "GLY" not in lone


def test_atoms_of_cofactors_without_elements(tmp_path: Path) -> None:
    """Names of haem, chlorophyll and an inhibitor, in PDB columns, and one column off."""
    names = {" FE ": "Fe", " NA ": "N", " CHA": "C", " MG ": "Mg", "CL1": "Cl", " CL2": "Cl", "BR": "Br", " O1A": "O"}
    lines = [hetero(name, "HEM", x=20.0 + 2 * at) for at, name in enumerate(names)]
    receptor = read_receptor(written(tmp_path, [*(line[:66] for line in PROTEIN), *lines]))
    found = receptor.element[receptor.residue_idx == len(receptor.residues) - 1]
    assert found.tolist() == list(names.values())


def test_left_aligned_names_are_no_metals(tmp_path: Path) -> None:
    shifted = [f"{line[:12]}{line[12:16].strip():<4}{line[16:66]}" for line in PROTEIN]
    lines = [
        hetero(name, "LIG", x=20.0 + 2 * at) for at, name in enumerate(["CA", "CD", "NE", "HG", "CL", "N1", "CD1"])
    ]
    receptor = read_receptor(written(tmp_path, [*shifted, *lines]))
    found = receptor.element[receptor.residue_idx == len(receptor.residues) - 1]
    assert found.tolist() == ["C", "C", "N", "Cl", "N", "C"]


def test_pdbqt_receptor() -> None:
    """A PDBQT file: charges in columns 71 to 76, AutoDock's types after; a haem with A, NA and Fe."""
    receptor = read_receptor(CASES / "pdbqt-receptor" / "receptor.pdbqt")
    of_heme = receptor.element[receptor.residue_idx == receptor.find_residues("HEM")[0]]
    assert Counter(of_heme.tolist()) == {"Fe": 1, "N": 4, "C": 12}


@pytest.mark.parametrize(
    ("kind", "element"),
    [
        ("A", "C"), ("C", "C"), ("NA", "N"), ("N", "N"), ("NS", "N"), ("OA", "O"), ("OS", "O"), ("SA", "S"), ("S", "S"),
        ("Fe", "Fe"), ("Zn", "Zn"), ("ZN", "Zn"), ("Mg", "Mg"), ("MG", "Mg"), ("Ca", "Ca"), ("Mn", "Mn"), ("Cl", "Cl"),
        ("CL", "Cl"), ("Br", "Br"), ("F", "F"), ("P", "P"), ("I", "I"), ("Na", "Na"), ("G0", "C"), ("CG0", "C"),
    ],
)  # fmt: skip
def test_types_of_autodock(kind: str, element: str, tmp_path: Path) -> None:
    protein = atom_lines(CASES / "pdbqt-receptor" / "receptor.pdbqt")
    line = protein[-1][:77] + kind
    receptor = read_receptor(written(tmp_path, [*protein[:-1], line]))
    assert receptor.element[-1] == element


def test_points_of_autodock_are_no_atoms(tmp_path: Path) -> None:
    protein = atom_lines(CASES / "pdbqt-receptor" / "receptor.pdbqt")
    receptor = read_receptor(written(tmp_path, [*protein, protein[-1][:77] + "TZ", protein[-1][:77] + "HD"]))
    assert len(receptor.pos) == len(protein)


def test_four_letter_residues() -> None:
    """NALA 1, LYSH 7, HISB 30 and CALA 78 of chain A, in columns 18 to 21."""
    receptor = read_receptor(CASES / "four-letter-residues" / "protein.pdb")
    assert {residue.chain for residue in receptor.residues} == {"A"} and len(receptor.residues) == 72
    parents = {residue.label: residue.parent for residue in receptor.residues if residue.name != residue.parent}
    assert parents == {"A:NALA1": "ALA", "A:LYSH7": "LYS", "A:HISB30": "HIS", "A:CALA78": "ALA"}
    assert receptor.find_residues("A:7") == [6]


@pytest.mark.parametrize(
    ("name", "parent"),
    [
        ("NALA", "ALA"), ("CGLY", "GLY"), ("NHIE", "HIS"), ("CHIP", "HIS"), ("CCYX", "CYS"), ("HISA", "HIS"),
        ("HISH", "HIS"), ("HISE", "HIS"), ("CYS2", "CYS"), ("CYSH", "CYS"), ("ARGN", "ARG"), ("ASPH", "ASP"),
        ("GLUH", "GLU"), ("LYSH", "LYS"), ("NPRO", "PRO"), ("CMET", "MET"),
    ],
)  # fmt: skip
@pytest.mark.parametrize("chain", ["A", "X", " "])
def test_four_letter_amino_acids(name: str, parent: str, chain: str, tmp_path: Path) -> None:
    lines = [f"{line[:17]}{name if line[22:26] == '   5' else line[17:21]}{chain}{line[22:]}" for line in PROTEIN]
    receptor = read_receptor(written(tmp_path, lines))
    found = receptor.residues[4]
    assert (found.chain, found.name, found.parent) == (chain.strip(), name, parent)
    assert len(receptor.residues) == 72 and len({residue.chain for residue in receptor.residues}) == 1


@pytest.mark.parametrize(("name", "stays"), [("POPC", True), ("CHL1", True), ("LIG1", True), ("TIP4", False)])
def test_other_four_letter_names(name: str, stays: bool, tmp_path: Path) -> None:
    lines = [hetero(f" {atom}", name, atom[0], x=20.0 + 2 * at) for at, atom in enumerate(["O1", "C2", "N3"])]
    receptor = read_receptor(written(tmp_path, [*PROTEIN, *lines]))
    assert [residue.label for residue in receptor.residues[72:]] == ([f"A:{name}500"] if stays else [])


def test_chain_names_of_two_letters_are_no_part_of_residue_names(tmp_path: Path) -> None:
    lines = [f"{line[:20]}BA{line[22:]}" for line in [*PROTEIN, *LIGAND]]
    receptor = read_receptor(written(tmp_path, [line.replace("SERBA  12", "HISBA  12") for line in lines]))
    assert {residue.chain for residue in receptor.residues} == {"BA"}
    assert {"HIS", "INH"} <= {residue.name for residue in receptor.residues}


@pytest.mark.parametrize(
    "name", ["HOH", "WAT", "TIP3", "TIP4", "TIP5", "TP3", "SOL", "SPC", "SPCE", "T3P", "OPC", "SWM4", "DOD", "XYZ"]
)
@pytest.mark.parametrize("atom", [" O  ", "OW", "OH2"])
def test_waters_of_other_programs(name: str, atom: str, tmp_path: Path) -> None:
    lines = [hetero(atom, name, "O"), hetero(" H1", name, "H", x=20.9), hetero(" EPW", name, "", x=20.3)]
    receptor = read_receptor(written(tmp_path, [*PROTEIN, *lines[: 3 if name != "XYZ" else 2]]))
    assert others(receptor) == {} and "waters dropped: 1" in receptor.changes


def test_opm_dummy_atoms() -> None:
    """120 DUM atoms, N and O by turns, mark the planes of the membrane."""
    receptor = read_receptor(CASES / "opm-dummy-atoms" / "protein.pdb")
    assert others(receptor) == {} and len(receptor.pos) == 348
    assert any("points in space that are no atoms dropped: 120 (:DUM400" in change for change in receptor.changes)


def test_alpha_spheres_are_dropped(tmp_path: Path) -> None:
    spheres = [hetero(name, "STP", x=15.0 + at) for at, name in enumerate(["APOL", " POL"])]
    assert others(read_receptor(written(tmp_path, [*PROTEIN, *spheres]))) == {}


def test_markers_of_other_programs_are_dropped(tmp_path: Path) -> None:
    """PyMOL's pseudoatom, Rosetta's membrane and virtual root; a ligand of such a name stays."""
    markers = [hetero(" PS1", "PSD", "PS"), hetero("THKN", "MEM", number=501), hetero(" X", "VRT", number=502)]
    assert others(read_receptor(written(tmp_path, [*PROTEIN, *markers]))) == {}
    ligand = [hetero(f" C{at}", "MEM", "C", x=20.0 + 1.5 * at) for at in range(3)]
    assert others(read_receptor(written(tmp_path, [*PROTEIN, *ligand]))) == {"A:MEM500": ("cofactor", "C")}


def test_unknown_elements_are_named(tmp_path: Path) -> None:
    atoms = [hetero(" C1", "LIG", "C"), hetero(" QQ1", "LIG", x=21.5)]
    assert "atoms of unknown element: A:LIG500 QQ1" in warned(read_receptor(written(tmp_path, [*PROTEIN, *atoms])))
