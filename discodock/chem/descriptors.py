"""Plain properties of a ligand, by which libraries are sorted and filtered."""

from __future__ import annotations

from dataclasses import dataclass

from rdkit import Chem, rdBase
from rdkit.Chem import Crippen, rdMolDescriptors
from rdkit.Chem.Descriptors import MolWt  # type: ignore[attr-defined]  # set at import
from rdkit.Chem.Scaffolds.MurckoScaffold import GetScaffoldForMol


@dataclass(frozen=True)
class Descriptors:
    """Properties of a molecule.

    Attributes:
        smiles: isomeric, canonical SMILES without explicit hydrogens.
        formula: molecular formula, such as "C9H8O4".
        heavy_atoms: number of heavy atoms.
        weight: molar mass, g/mol.
        logp: octanol-water partition coefficient by Crippen's atoms, as a logarithm.
        donors: number of hydrogen-bond donors by Lipinski's rules.
        acceptors: number of hydrogen-bond acceptors by Lipinski's rules.
        rotatable_bonds: number of rotatable bonds by RDKit's strict rules.
        tpsa: topological polar surface area, Å².
        scaffold: SMILES of the Murcko scaffold, rings and what joins them; empty without rings.
    """

    smiles: str
    formula: str
    heavy_atoms: int
    weight: float
    logp: float
    donors: int
    acceptors: int
    rotatable_bonds: int
    tpsa: float
    scaffold: str


def describe(mol: Chem.Mol) -> Descriptors:
    """The properties of a sanitised molecule."""
    with rdBase.BlockLogs():
        bare = Chem.RemoveHs(mol)
        return Descriptors(
            smiles=Chem.MolToSmiles(bare),
            formula=rdMolDescriptors.CalcMolFormula(bare),
            heavy_atoms=bare.GetNumHeavyAtoms(),
            weight=round(MolWt(bare), 3),
            logp=round(Crippen.MolLogP(bare), 3),  # type: ignore[attr-defined]  # set at import
            donors=rdMolDescriptors.CalcNumHBD(bare),
            acceptors=rdMolDescriptors.CalcNumHBA(bare),
            rotatable_bonds=rdMolDescriptors.CalcNumRotatableBonds(bare),
            tpsa=round(rdMolDescriptors.CalcTPSA(bare), 2),
            scaffold=Chem.MolToSmiles(GetScaffoldForMol(bare), isomericSmiles=False),
        )
