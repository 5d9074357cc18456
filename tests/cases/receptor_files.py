"""Receptor files made from one good one, and what is read of them."""

from collections.abc import Iterable
from pathlib import Path

import numpy as np

from discodock.chem.receptor import Receptor

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
