"""A ligand on paper: its 2-D drawing and the few facts that identify it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from rdkit import Chem
from rdkit.Chem.Descriptors import MolWt  # type: ignore[attr-defined]  # set at import
from rdkit.Chem.Draw import rdMolDraw2D
from rdkit.Chem.rdDepictor import Compute2DCoords
from rdkit.Chem.rdMolDescriptors import CalcMolFormula

_STYLE: Final = {
    "clearBackground": False,
    "addStereoAnnotation": True,
    "fixedBondLength": 26,  # pixels: small molecules are not blown up beyond it
    "padding": 0.04,
    "bondLineWidth": 1.4,
}


@dataclass(frozen=True)
class Depiction:
    """What a person recognises a ligand by.

    Attributes:
        svg: 2-D drawing as an SVG element with a transparent background; no text of the input goes into it.
        formula: molecular formula, such as "C9H8O4".
        weight: molar mass, g/mol.
        smiles: isomeric, canonical SMILES.
    """

    svg: str
    formula: str
    weight: float
    smiles: str


def depict(mol: Chem.Mol, width: int = 330, height: int = 190) -> Depiction:
    """Draw a molecule, its stereo labelled and its plain hydrogens left out.

    Args:
        mol: sanitised molecule; a conformer only serves to perceive stereo that is not set.
        width: width of the drawing, pixels.
        height: height of the drawing, pixels.
    """
    bare = Chem.RemoveHs(mol)
    smiles = Chem.MolToSmiles(bare)
    Chem.ClearMolSubstanceGroups(bare)  # their labels would be drawn
    Compute2DCoords(bare)
    canvas = rdMolDraw2D.MolDraw2DSVG(width, height)
    for name, value in _STYLE.items():
        setattr(canvas.drawOptions(), name, value)
    rdMolDraw2D.PrepareAndDrawMolecule(canvas, bare)
    canvas.FinishDrawing()
    svg = canvas.GetDrawingText()
    return Depiction(svg[svg.index("<svg") :].strip(), CalcMolFormula(mol), MolWt(mol), smiles)
