"""Receptor files as other programs write them, damaged ones, and models that docking cannot use: what is read of them.

Each test of a file in a folder beside this module says in its docstring what is in that folder.
"""

import csv
import itertools
from collections import Counter
from collections.abc import Iterable
from pathlib import Path

import gemmi
import numpy as np
import pytest
from rdkit import Chem

from discodock.chem.read_receptor import read_receptor
from discodock.chem.receptor import Receptor
from discodock.chem.structure_file import read_structure
from discodock.cli.main import run
from discodock.errors import InputError
from discodock.inference.site_warnings import site_warnings
from tests.tiny import write_tiny_checkpoint

CASES = Path(__file__).parent
PLAIN = CASES / "occupied-pocket" / "protein.pdb"  # 72 residues of chain A, and INH 301 in the pocket
CENTER = np.array([7.0, 7.0, 13.0])


def atom_lines(path: Path) -> list[str]:
    return [line for line in path.read_text().splitlines() if line.startswith(("ATOM", "HETATM"))]


PROTEIN = [line for line in atom_lines(PLAIN) if line.startswith("ATOM")]
LIGAND = [line for line in atom_lines(PLAIN) if line.startswith("HETATM")]


def written(folder: Path, lines: Iterable[str], *, end: str = "END\n", name: str = "protein.pdb") -> Path:
    path = folder / name
    path.write_text("\n".join(lines) + "\n" + end)
    return path


def moved(lines: Iterable[str], shift: float) -> list[str]:
    return [f"{line[:30]}{float(line[30:38]) + shift:8.3f}{line[38:]}" for line in lines]


def hetero(name: str, residue: str, element: str = "", number: int = 500, x: float = 20.0) -> str:
    """One hetero atom, its name and its residue's as they stand in their columns."""
    return (
        f"HETATM  900 {name:<4} {residue:<4}A{number:4d}    {x:8.3f}  20.000  20.000  1.00  0.00          {element:>2}"
    )


def others(receptor: Receptor) -> dict[str, tuple[str, str]]:
    """Kind and element of the first atom of all that is no amino acid."""
    first = {index: str(receptor.element[receptor.residue_idx == index][0]) for index in range(len(receptor.residues))}
    return {
        residue.label: (residue.kind, first[index])
        for index, residue in enumerate(receptor.residues)
        if residue.kind != "amino_acid"
    }


def warned(receptor: Receptor) -> str:
    return "\n".join(receptor.warnings)


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
