"""What residue names mean: parents of modified amino acids, water, crystallisation additives, expected atoms."""

import re
from typing import Final

import gemmi
from Bio.Data import PDBData

from discodock.schema import AMINO_ACIDS

WATER: Final = frozenset(
    "HOH DOD WAT H2O D2O TIP TIP2 TIP3 TIP4 TIP5 TIP7 TP3 TP4 TP5 T3P T4P T5P TIP3P TIP4P TIP5P T3H T4H SOL SPC SPCE "
    "SPE SPCF SPCH SPF OPC OPC3 OP3 WTR SWM4 SWM6 PWAT HHO OHH OH2 WAT2 WAT3 WAT4 HOH2 HOH3 HOH4".split()
)
"""Names of water in PDB files and in those of Amber, CHARMM, GROMACS, Desmond and X-PLOR."""

PSEUDO_RESIDUES: Final = frozenset({"DUM", "DUMM", "DMY", "STP"})
"""Residues of points in space: membrane planes of OPM and PPM, alpha spheres of fpocket and P2Rank."""

PSEUDO_ATOMS: Final = re.compile(r"EPW?[0-9]?|LP[0-9A-Z]{0,2}|MW[0-9]?|DUM?[0-9]*|A?POL")
"""Names of points that are no atoms: lone pairs and virtual sites of force fields, dummies, alpha spheres."""

MARKERS: Final = {
    "PSD": re.compile("PS[0-9]+"),  # PyMOL's pseudoatoms
    "MEM": re.compile("THKN|CNTR|NORM"),  # Rosetta's membrane
    "EMB": re.compile("THKN|CNTR|NORM"),
    "VRT": re.compile("X|Y|ORIG"),  # Rosetta's virtual root
}
"""Names of points by the residues in which they are none of the atoms that they look like, phosphorus or thorium."""

FORCE_FIELD_PARENTS: Final = {
    "HIE": "HIS", "HID": "HIS", "HIP": "HIS", "HSD": "HIS", "HSE": "HIS", "HSP": "HIS", "HISD": "HIS", "HISE": "HIS",
    "HISH": "HIS", "HISP": "HIS", "CYX": "CYS", "CYM": "CYS", "CYS2": "CYS", "ASH": "ASP", "ASPH": "ASP", "GLH": "GLU",
    "GLUH": "GLU", "LYN": "LYS", "LYSH": "LYS", "ARN": "ARG", "ARGN": "ARG", "TYM": "TYR", "NLE": "LEU", "NVA": "VAL",
    "ASX": "ASN", "GLX": "GLN", "SEC": "CYS", "PYL": "LYS", "KCX": "LYS", "LLP": "LYS", "CSO": "CYS", "CSD": "CYS",
    "CME": "CYS", "OCS": "CYS", "CAS": "CYS", "MSE": "MET", "SEP": "SER", "TPO": "THR", "PTR": "TYR", "TYS": "TYR",
    "MLY": "LYS", "M3L": "LYS", "ALY": "LYS", "HYP": "PRO", "PCA": "GLN", "CGU": "GLU",
    "HISA": "HIS", "HISB": "HIS", "HIS1": "HIS", "HIS2": "HIS", "CYSH": "CYS", "CYS1": "CYS", "CYN": "CYS",
    "LYP": "LYS", "ASPP": "ASP", "GLUP": "GLU", "TRPH": "TRP", "TYRH": "TYR", "QLN": "GLN", "PGLU": "GLN",
    "S1P": "SER", "S2P": "SER", "T1P": "THR", "T2P": "THR", "Y1P": "TYR", "Y2P": "TYR",
}  # fmt: skip
"""Names of protonation states in Amber, CHARMM, GROMACS and Schrodinger files, and the commonest modifications."""

ADDITIVES: Final = frozenset(
    # ions of salts and buffers that rarely belong to a site
    "CL BR IOD F NH4 SO4 PO4 PI HPO SO3 SCN NO3 NO2 CO3 BCT AZI CAC ACT ACY FMT OXL MLI MLA TAR TLA SRT CIT FLC "
    # cryoprotectants, precipitants, solvents
    "GOL EDO EGL PGO PGR MPD MRD BU1 BUD IPA POL EOH MOH DMS DMF ACN TBU HEZ PDO DIO DOX CCN "
    # polyethylene glycols
    "PEG PGE PG4 PG5 PG6 P6G 1PE 2PE 7PE 12P 15P P33 P3G PE3 PE4 PE5 PE8 PEU XPE TOE ETE M2M M2E 1PG "
    # buffers, reductants, detergents and additives
    "TRS TAM BTB MES EPE HEP NHE PIN CXS MOP MPO BCN B3P IMD BME DTT DTU DTV TCE SPD SPM BOG BNG HTG LMT LDA C8E "
    "SDS DET UNX UNL UND D10 D12 OCT HEX HP6 R16 XE KR AR".split()
)
"""PDB component names of salts, buffers, cryoprotectants, PEGs and detergents, dropped unless kept by name."""

SIDE_CHAIN_ATOMS: Final = {
    "ALA": "CB", "ARG": "CB CG CD NE CZ NH1 NH2", "ASN": "CB CG OD1 ND2", "ASP": "CB CG OD1 OD2", "CYS": "CB SG",
    "GLN": "CB CG CD OE1 NE2", "GLU": "CB CG CD OE1 OE2", "GLY": "", "HIS": "CB CG ND1 CD2 CE1 NE2",
    "ILE": "CB CG1 CG2 CD1", "LEU": "CB CG CD1 CD2", "LYS": "CB CG CD CE NZ", "MET": "CB CG SD CE",
    "PHE": "CB CG CD1 CD2 CE1 CE2 CZ", "PRO": "CB CG CD", "SER": "CB OG", "THR": "CB OG1 CG2",
    "TRP": "CB CG CD1 CD2 NE1 CE2 CE3 CZ2 CZ3 CH2", "TYR": "CB CG CD1 CD2 CE1 CE2 CZ OH", "VAL": "CB CG1 CG2",
}  # fmt: skip
"""Heavy side-chain atoms of each standard amino acid."""

BACKBONE_ATOMS: Final = ("N", "CA", "C", "O", "OXT")

NUCLEOTIDES: Final = frozenset("A C G U I T N DA DC DG DT DU DI DN RA RC RG RU ADE CYT GUA URA THY".split())

CHAIN_ENDS: Final = "NC"
"""Letters that Amber puts before the names of amino acids at the ends of chains, as in `NALA` and `CHIE`."""

LONG_COFACTORS: Final = frozenset({"HEME", "HEMO", "HEMC", "NADH", "NADP", "FADH", "CHL1"})
"""Cofactors whose names in force fields have four letters of which three are another residue of the PDB."""

_ATOM_ALIASES: Final = {
    ("ILE", "CD"): "CD1",  # CHARMM, GROMACS
    ("MET", "SE"): "SD",  # selenomethionine
    ("CYS", "SE"): "SG",  # selenocysteine
}
_TERMINAL_ALIASES: Final = {"OT1": "O", "OT2": "OXT", "O1": "O", "O2": "OXT", "OC1": "O", "OC2": "OXT"}
_THREE_BY_ONE: Final = {one: three for three, one in PDBData.protein_letters_3to1.items()}


def parent_amino_acid(name: str) -> str | None:
    """Standard amino acid that a residue name stands for, or None when it is not an amino acid.

    Force-field names first, then gemmi's table, then Biopython's table of modified residues.

    Args:
        name: residue name as in the file, any case.
    """
    name = name.upper()
    known = _force_field_parent(name)
    if known is None and len(name) == 4 and name[0] in CHAIN_ENDS:
        known = _force_field_parent(name[1:])
    if known is not None:
        return known
    info = gemmi.find_tabulated_residue(name)
    letter = info.one_letter_code.upper().strip() if info.is_amino_acid() else ""
    if not letter or letter == "X":
        letter = PDBData.protein_letters_3to1_extended.get(f"{name:<3}", "")
    parent = _THREE_BY_ONE.get(letter, "").upper()
    return parent if parent in AMINO_ACIDS else None


def _force_field_parent(name: str) -> str | None:
    return name if name in AMINO_ACIDS else FORCE_FIELD_PARENTS.get(name)


def is_long_name(name: str) -> bool:
    """Whether four letters are a residue name that force fields know, so that the last is no chain's."""
    name = name.strip().upper()
    is_end = name[:1] in CHAIN_ENDS and _force_field_parent(name[1:]) is not None
    return len(name) == 4 and (is_end or name in FORCE_FIELD_PARENTS or name in WATER or name in LONG_COFACTORS)


def is_common_residue(name: str) -> bool:
    """Whether a residue name is that of a standard amino acid, a nucleotide or water."""
    name = name.strip().upper()
    return name in AMINO_ACIDS or name in NUCLEOTIDES or name in WATER


def is_known_residue(name: str) -> bool:
    """Whether a name of three letters at most is one that is found in many structures."""
    return is_common_residue(name) or gemmi.find_tabulated_residue(name.strip()).found()


def parent_atom(parent: str, name: str, element: str, *, has_o: bool = True) -> tuple[str, str]:
    """Name and element of an amino-acid atom in its parent residue (selenium becomes sulphur, CHARMM's names PDB's).

    Args:
        parent: standard amino acid.
        name: atom name in the file.
        element: element in the file.
        has_o: whether the residue has a backbone `O`; if not, names of chain ends such as `OT1` stand for it.
    """
    alias = _ATOM_ALIASES.get((parent, name))
    if alias is None and not has_o:
        alias = _TERMINAL_ALIASES.get(name)
    if alias is None:
        return name, element
    return alias, "S" if element == "Se" else element


def is_water(name: str) -> bool:
    """Whether a residue name means water."""
    return name.upper() in WATER or gemmi.find_tabulated_residue(name).is_water()


def is_pseudo_residue(name: str) -> bool:
    """Whether a residue name means points in space that are no atoms."""
    return name.upper() in PSEUDO_RESIDUES


def is_pseudo_atom(residue: str, name: str, element: str) -> bool:
    """Whether an atom is a point in space, such as a lone pair or a program's marker.

    Args:
        residue: name of the residue that the atom belongs to.
        name: name of the atom.
        element: symbol of the atom's element, `X` if unknown.
    """
    marker = MARKERS.get(residue.upper())
    if marker is not None and marker.fullmatch(name.upper()) is not None:
        return True
    return element == "X" and PSEUDO_ATOMS.fullmatch(name.upper()) is not None


def is_additive(name: str) -> bool:
    """Whether a residue name means a salt, buffer, cryoprotectant, PEG or detergent rather than part of the system."""
    return name.upper() in ADDITIVES


def is_nucleotide(name: str) -> bool:
    """Whether a residue name means a nucleotide of DNA or RNA."""
    name = name.upper()
    is_amber_end = len(name) == 3 and name[0] in "DR" and name[1] in "ACGTU" and name[2] in "35"
    return is_amber_end or name in NUCLEOTIDES or gemmi.find_tabulated_residue(name).is_nucleic_acid()


def is_standard_atom(parent: str, name: str) -> bool:
    """Whether a heavy-atom name belongs to the backbone or to the side chain of a standard amino acid."""
    return name in BACKBONE_ATOMS or name in SIDE_CHAIN_ATOMS.get(parent, "").split()


def missing_side_chain_atoms(parent: str, atom_names: set[str]) -> list[str]:
    """Heavy side-chain atoms of the parent amino acid that are not among `atom_names`."""
    return [name for name in SIDE_CHAIN_ATOMS.get(parent, "").split() if name not in atom_names]
