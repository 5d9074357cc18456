"""Names, shapes, units and vocabularies of the fields of a prepared complex.

A prepared complex is a flat mapping from the names below to numpy arrays. It needs no RDKit to be read, and it is what
training, and at prediction time featurising, hand to the networks. Sizes: R receptor heavy atoms (protein, metals,
cofactors), N residues (a metal or cofactor counts as one), L ligand heavy atoms, B directed bonds (each bond twice),
T rotatable bonds, C conformers, S automorphisms, N sampled poses. Lengths are in Å.
"""

from typing import Final

SCHEMA_VERSION: Final = 1

OTHER: Final = "*"
"""Last entry of every vocabulary: whatever is not listed."""

ELEMENTS: Final = (
    "C", "N", "O", "S", "P", "F", "Cl", "Br", "I", "B", "Se", "Si",
    "Na", "K", "Mg", "Ca", "Mn", "Fe", "Co", "Ni", "Cu", "Zn", "Cd", "Hg", OTHER,
)  # fmt: skip

AMINO_ACIDS: Final = (
    "ALA", "ARG", "ASN", "ASP", "CYS", "GLN", "GLU", "GLY", "HIS", "ILE",
    "LEU", "LYS", "MET", "PHE", "PRO", "SER", "THR", "TRP", "TYR", "VAL",
)  # fmt: skip

RESIDUE_TYPES: Final = (*AMINO_ACIDS, "COFACTOR", "METAL", "NUCLEIC", OTHER)
"""Residue classes: amino acids (modified ones under their parent), hetero groups, ions, nucleotides, unknown."""

ATOM_NAMES: Final = (
    "N", "CA", "C", "CB", "O", "CG", "CG1", "CG2", "OG", "OG1", "SG", "CD", "CD1", "CD2", "ND1", "ND2", "OD1", "OD2",
    "SD", "CE", "CE1", "CE2", "CE3", "NE", "NE1", "NE2", "OE1", "OE2", "CH2", "NH1", "NH2", "OH", "CZ", "CZ2", "CZ3",
    "NZ", "OXT", OTHER,
)  # fmt: skip
"""Heavy-atom names of the standard amino acids; atoms of anything else are OTHER."""

LIGAND_ATOM_FEATURES: Final = {
    "element": len(ELEMENTS),
    "degree": 7,  # heavy neighbours, 0-5, 6 = more
    "formal_charge": 5,  # -2 or less, -1, 0, +1, +2 or more
    "num_hydrogens": 5,  # 0-3, 4 = more
    "hybridization": 4,  # sp, sp2, sp3, other
    "is_aromatic": 2,
    "ring_size": 7,  # smallest ring: none, 3, 4, 5, 6, 7, 8 or more
    "is_donor": 2,
    "is_acceptor": 2,
}
"""Columns of `ligand_atom_feat`, in this order, with the number of categories of each."""

BOND_TYPES: Final = ("single", "double", "triple", "aromatic")

MAX_HOPS: Final = 7
"""Bond-path lengths in `ligand_hops` are clipped here (also the value for unconnected atoms)."""

FIELDS: Final = {
    "receptor_pos": "(R, 3) float32, Å",
    "receptor_element": "(R,) uint8, index into ELEMENTS",
    "receptor_residue_type": "(R,) uint8, index into RESIDUE_TYPES",
    "receptor_atom_name": "(R,) uint8, index into ATOM_NAMES",
    "receptor_residue_idx": "(R,) int32, residue of each atom, 0..N-1, non-decreasing",
    "ligand_pos": "(L, 3) float32, Å: crystal pose; at prediction time the first starting conformer",
    "ligand_conformer_pos": "(C, L, 3) float32, Å: RDKit conformers, torsions matched to and aligned on ligand_pos",
    "ligand_atom_feat": "(L, len(LIGAND_ATOM_FEATURES)) uint8, categories",
    "ligand_bond_index": "(2, B) int16, both directions",
    "ligand_bond_type": "(B,) uint8, index into BOND_TYPES",
    "ligand_hops": "(L, L) uint8, bonds on the shortest path, clipped at MAX_HOPS, 0 on the diagonal",
    "ligand_tor_bond": "(T, 2) int16, rotatable bonds (fixed end, moving end)",
    "ligand_mask_rotate": "(T, L) bool, atoms on the moving (smaller) side of each rotatable bond, its end atom in",
    "ligand_automorphisms": "(S, L) int16, symmetry permutations of the heavy-atom graph, identity first",
}
"""Every field of a prepared complex, with shape, dtype and unit."""

POSE_FIELDS: Final = {
    "pose_pos": "(N, L, 3) float32, Å: sampled and relaxed poses, in the frame of the receptor's crop",
    "pose_rmsd": "(N,) float32, Å: symmetry-corrected distance of each pose from the crystal pose",
}
"""Further fields of docked complexes, for training the confidence model; their receptor is cropped to the site."""

POSE_FACT: Final = "(N,) float32"
"""Shape and dtype of every other field `pose_<name>` of a docked complex: a fact of each pose, to rank it by."""

FORMER_POSE_FIELDS: Final = {"pose_contact_energy": "pose_ranking_energy"}
"""Names of fields in stores of earlier versions, and what they are called now."""
