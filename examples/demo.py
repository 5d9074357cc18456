"""Redock the example complexes with the shipped checkpoint and compare with the crystal poses; `make demo` runs this.

Only the centroid of the crystal ligand is used, as the pocket: the poses start from fresh conformers.
"""

import argparse
import sys
from pathlib import Path

from rdkit import Chem
from rdkit.Chem import rdMolAlign
from rich.console import Console
from rich.progress import track
from rich.table import Table

from discodock import DiscodockError, DockingResult, dock, write_result

EXAMPLES = Path(__file__).resolve().parent / "complexes"


def main() -> int:
    """Dock every example, write the results and print a table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--samples", type=int, default=40, help="poses per ligand (default 40)")
    parser.add_argument("--steps", type=int, default=20, help="solver steps (default 20)")
    parser.add_argument("--seed", type=int, default=0, help="of all random numbers (default 0)")
    parser.add_argument("--checkpoint", type=Path, help="weights (default: those in the package)")
    parser.add_argument("--out", type=Path, default=Path("demo_out"), help="output folder (default demo_out)")
    options = parser.parse_args()
    table = Table(title=f"Redocking, {options.samples} poses, pocket given by the crystal ligand's centroid")
    for column in ("complex", "heavy atoms", "top-ranked RMSD (Å)", "best RMSD (Å)", "time (s)"):
        table.add_column(column, justify="left" if column == "complex" else "right")
    console = Console()
    try:
        for folder in track(sorted(EXAMPLES.iterdir()), "redocking", console=console):
            result = redock(folder, options)
            rmsds = crystal_rmsds(result, folder / "ligand.sdf")
            write_result(result, options.out / folder.name)
            figures = (f"{rmsds[0]:.2f}", f"{min(rmsds):.2f}", f"{result.seconds:.1f}")
            table.add_row(folder.name, str(len(result.best.pos)), *figures)
    except DiscodockError as error:
        console.print(f"error: {error}", markup=False)
        return 2
    console.print(table)
    console.print(f"files in {options.out}/<complex>: poses.sdf (best first), best.sdf, complex_rank1.pdb, scores.csv")
    return 0


def redock(folder: Path, options: argparse.Namespace) -> DockingResult:
    """Dock the ligand of one example back into its protein."""
    cofactors = folder / "cofactors.pdb"
    return dock(
        folder / "protein.pdb",
        folder / "ligand.sdf",
        name=folder.name,
        pocket_ligand=folder / "ligand.sdf",
        cofactors=cofactors if cofactors.exists() else None,
        samples=options.samples,
        steps=options.steps,
        seed=options.seed,
        checkpoint=options.checkpoint,
    )


def crystal_rmsds(result: DockingResult, crystal: Path) -> list[float]:
    """Heavy-atom RMSD of every pose to the crystal pose, best-ranked first; symmetry counted, nothing superposed; Å."""
    reference = Chem.RemoveHs(Chem.MolFromMolFile(str(crystal)))
    return [rdMolAlign.CalcRMS(Chem.RemoveHs(pose.mol), reference) for pose in result.poses]


if __name__ == "__main__":
    sys.exit(main())
