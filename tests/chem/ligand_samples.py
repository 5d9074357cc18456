"""Small helpers for the ligand tests: where the samples are, and writers independent of the package."""

from pathlib import Path

import numpy as np
from rdkit import Chem
from rdkit.Chem import AllChem

from discodock.chem.ligand import LigandRecord, iter_ligands
from discodock.errors import InputError

DATA = Path(__file__).parents[1] / "data" / "ligands"
CRYSTAL_LIGANDS = tuple(sorted(path.stem for path in DATA.glob("*.sdf")))


def read_ligands(path: Path) -> list[LigandRecord]:
    """Every ligand of a file; the first bad record raises."""
    records = []
    for record in iter_ligands(path):
        if isinstance(record, InputError):
            raise record
        records.append(record)
    return records


def embedded(smiles: str, *, hydrogens: bool = True) -> Chem.Mol:
    """A molecule with a 3-D structure, with or without explicit hydrogens."""
    mol = Chem.AddHs(Chem.MolFromSmiles(smiles))
    assert AllChem.EmbedMolecule(mol, randomSeed=7) == 0
    return mol if hydrogens else Chem.RemoveHs(mol)


def sdf(mol: Chem.Mol, tags: dict[str, str] | None = None, *, kekulize: bool = True) -> str:
    block = Chem.MolToMolBlock(mol, kekulize=kekulize)
    return block + "".join(f"> <{name}>\n{value}\n\n" for name, value in (tags or {}).items()) + "$$$$\n"


def mol2(mol: Chem.Mol, types: list[str], name: str = "sample") -> str:
    """MOL2 text with given Tripos atom types; aromatic bonds and carboxylate bonds are 'ar'."""
    pos = mol.GetConformer().GetPositions()
    lines = ["@<TRIPOS>MOLECULE", name, f"{mol.GetNumAtoms()} {mol.GetNumBonds()} 1", "SMALL", "NO_CHARGES", ""]
    lines.append("@<TRIPOS>ATOM")
    for atom, kind, (x, y, z) in zip(mol.GetAtoms(), types, pos, strict=True):
        i = atom.GetIdx() + 1
        lines.append(f"{i} {atom.GetSymbol()}{i} {x:.4f} {y:.4f} {z:.4f} {kind} 1 LIG 0.0")
    lines.append("@<TRIPOS>BOND")
    for bond in mol.GetBonds():
        ends = bond.GetBeginAtomIdx(), bond.GetEndAtomIdx()
        kind = {1.0: "1", 1.5: "ar", 2.0: "2", 3.0: "3"}[bond.GetBondTypeAsDouble()]
        if any(types[i] == "O.co2" for i in ends) and any(types[i] in ("C.2", "P.3") for i in ends):
            kind = "ar"
        lines.append(f"{bond.GetIdx() + 1} {ends[0] + 1} {ends[1] + 1} {kind}")
    return "\n".join(lines) + "\n"


def pdb(mol: Chem.Mol) -> str:
    """PDB text without CONECT records."""
    lines = Chem.MolToPDBBlock(mol).splitlines()
    return "\n".join(line for line in lines if not line.startswith("CONECT")) + "\n"


def rigidly_moved(pos: np.ndarray, seed: int) -> np.ndarray:
    rng = np.random.default_rng(seed)
    rotmat = np.linalg.qr(rng.normal(size=(3, 3)))[0]
    rotmat *= np.sign(np.linalg.det(rotmat))
    return pos @ rotmat.T + 30.0 * rng.normal(size=3)


def rmsd(a: np.ndarray, b: np.ndarray) -> float:
    return float(np.sqrt(((a - b) ** 2).sum(-1).mean()))
