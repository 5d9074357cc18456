"""What residue names mean: parents of modified amino acids, water, crystallisation additives, expected atoms."""

from typing import Final

import gemmi
from Bio.Data import PDBData

from discodock.schema import AMINO_ACIDS

WATER: Final = frozenset({"HOH", "DOD", "WAT", "H2O", "TIP", "TIP3", "TP3", "SOL", "OH2", "TIP4", "SPC"})

FORCE_FIELD_PARENTS: Final = {
    "HIE": "HIS", "HID": "HIS", "HIP": "HIS", "HSD": "HIS", "HSE": "HIS", "HSP": "HIS", "HISD": "HIS", "HISE": "HIS",
    "HISH": "HIS", "HISP": "HIS", "CYX": "CYS", "CYM": "CYS", "CYS2": "CYS", "ASH": "ASP", "ASPH": "ASP", "GLH": "GLU",
    "GLUH": "GLU", "LYN": "LYS", "LYSH": "LYS", "ARN": "ARG", "ARGN": "ARG", "TYM": "TYR", "NLE": "LEU", "NVA": "VAL",
    "ASX": "ASN", "GLX": "GLN", "SEC": "CYS", "PYL": "LYS", "KCX": "LYS", "LLP": "LYS", "CSO": "CYS", "CSD": "CYS",
    "CME": "CYS", "OCS": "CYS", "CAS": "CYS", "MSE": "MET", "SEP": "SER", "TPO": "THR", "PTR": "TYR", "TYS": "TYR",
    "MLY": "LYS", "M3L": "LYS", "ALY": "LYS", "HYP": "PRO", "PCA": "GLN", "CGU": "GLU",
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
    if name in AMINO_ACIDS:
        return name
    if name in FORCE_FIELD_PARENTS:
        return FORCE_FIELD_PARENTS[name]
    info = gemmi.find_tabulated_residue(name)
    letter = info.one_letter_code.upper().strip() if info.is_amino_acid() else ""
    if not letter or letter == "X":
        letter = PDBData.protein_letters_3to1_extended.get(f"{name:<3}", "")
    parent = _THREE_BY_ONE.get(letter, "").upper()
    return parent if parent in AMINO_ACIDS else None


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


def is_additive(name: str) -> bool:
    """Whether a residue name means a salt, buffer, cryoprotectant, PEG or detergent rather than part of the system."""
    return name.upper() in ADDITIVES


def is_nucleotide(name: str) -> bool:
    """Whether a residue name means a nucleotide of DNA or RNA."""
    return name.upper() in NUCLEOTIDES or gemmi.find_tabulated_residue(name).is_nucleic_acid()


def is_standard_atom(parent: str, name: str) -> bool:
    """Whether a heavy-atom name belongs to the backbone or to the side chain of a standard amino acid."""
    return name in BACKBONE_ATOMS or name in SIDE_CHAIN_ATOMS.get(parent, "").split()


def missing_side_chain_atoms(parent: str, atom_names: set[str]) -> list[str]:
    """Heavy side-chain atoms of the parent amino acid that are not among `atom_names`."""
    return [name for name in SIDE_CHAIN_ATOMS.get(parent, "").split() if name not in atom_names]
