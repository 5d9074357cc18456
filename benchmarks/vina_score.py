"""Our Vina score against AutoDock Vina's own: `python -m benchmarks.vina_score --complexes DIR --split val --limit 60`.

Both score the crystal pose, and the same pose after fast relaxation. Vina (PyPI `vina`) gets a receptor and a ligand
that Meeko has prepared (extra `vina`), with its atom types; ours are those of `discodock.chem.vina_types`. The receptor
is the amino acids alone, because Meeko has no templates for cofactors; residues that it cannot use are left out of
both.
"""

from __future__ import annotations

import argparse
import csv
import statistics
import sys
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import torch
from rdkit import Chem, RDLogger
from scipy.spatial import cKDTree

from discodock.chem.ligand import heavy_indices
from discodock.chem.ligand_features import ligand_arrays
from discodock.chem.receptor import Receptor
from discodock.chem.stereo import with_positions
from discodock.data.crystal import CrystalComplex, list_complexes, read_complex
from discodock.data.datasets.source import SourceComplex
from discodock.evaluation.evaluate import choose_complexes
from discodock.inference.relaxation.config import RelaxationConfig
from discodock.inference.relaxation.relax import relax_poses

SURROUNDINGS = 14.0
"""Å around the crystal pose within which residues are prepared; Vina's cutoff is 8, and chain ends are left out."""

EXAMPLES = Path(__file__).resolve().parent.parent / "examples" / "complexes"


@dataclass(frozen=True)
class Compared:
    """The two scores of one pose, kcal/mol."""

    id: str
    pose: str
    ours: float
    theirs: float

    @property
    def deviation(self) -> float:
        """Difference relative to Vina's score, or to 1 kcal/mol if that is nearer to zero."""
        return abs(self.ours - self.theirs) / max(abs(self.theirs), 1.0)


def main() -> None:
    """Compare, print each pose and the distribution."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--complexes", type=Path, default=EXAMPLES, help="folder of complexes or of shards")
    parser.add_argument("--split")
    parser.add_argument("--limit", type=int)
    parser.add_argument("--seed", type=int, default=0, help="of the subset")
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    RDLogger.DisableLog("rdApp.*")
    chosen = choose_complexes(list_complexes(arguments.complexes, arguments.split), arguments.limit, arguments.seed)
    found: list[Compared] = []
    writer = csv.writer(sys.stdout)
    writer.writerow(["id", "pose", "ours", "vina", "deviation"])
    for entry in chosen:
        if not isinstance(entry, SourceComplex):
            continue
        try:
            compared = compare(entry.id, read_complex(entry))
        except (RuntimeError, ValueError) as error:  # Meeko or Vina cannot use it
            print(f"{entry.id}: left out: {str(error).splitlines()[0][:100]}", file=sys.stderr)
            continue
        found += compared
        for row in compared:
            writer.writerow([row.id, row.pose, f"{row.ours:.4f}", f"{row.theirs:.4f}", f"{row.deviation:.4f}"])
        sys.stdout.flush()
    summarise(found)


def compare(name: str, crystal: CrystalComplex) -> list[Compared]:
    """Both scores of the crystal pose, and of it relaxed."""
    pdbqt, receptor = prepared_receptor(crystal.receptor, crystal.crystal_pos)
    near = replace(crystal, receptor=receptor)
    rows = []
    pos = crystal.crystal_pos[None]
    for pose, method in (("crystal", "none"), ("relaxed", "fast")):
        found = relax(near, pos, RelaxationConfig(method=method))
        theirs = vina_scores(pdbqt, crystal.ligand.mol, found.pos[0])
        rows.append(Compared(name, pose, float(found.vina_score[0]), theirs))
    return rows


def relax(crystal: CrystalComplex, pos: np.ndarray, config: RelaxationConfig):  # noqa: ANN201
    """Our score of poses, relaxed or not."""
    mol = crystal.ligand.mol
    arrays = ligand_arrays(mol) | {"ligand_conformer_pos": crystal.crystal_pos[None]}
    return relax_poses(pos, crystal.ligand, crystal.receptor, arrays, config, torch.device("cpu"))


def prepared_receptor(receptor: Receptor, ligand_pos: np.ndarray) -> tuple[str, Receptor]:
    """The amino acids around a ligand (L, 3) as PDBQT by Meeko, and the same ones of ours."""
    from meeko import MoleculePreparation, PDBQTWriterLegacy, Polymer, ResidueChemTemplates

    number = {index: n for n, index in enumerate(dict.fromkeys(receptor.residue_idx.tolist()), start=1)}
    is_near = (cKDTree(ligand_pos).query(receptor.pos)[0] < SURROUNDINGS).tolist()
    near = {at for at, close in zip(receptor.residue_idx.tolist(), is_near, strict=True) if close}
    lines = []
    for atom, (pos, at) in enumerate(zip(receptor.pos, receptor.residue_idx.tolist(), strict=True)):
        residue = receptor.residues[at]
        if residue.kind == "amino_acid" and at in near:
            name = receptor.atom_name[atom]
            name = name if len(name) == 4 else f" {name}"
            lines.append(
                f"ATOM  {atom + 1:5d} {name:<4} {residue.parent:3} A{number[at]:4d}    "
                f"{pos[0]:8.3f}{pos[1]:8.3f}{pos[2]:8.3f}  1.00  0.00          {receptor.element[atom]:>2}"
            )
    polymer = Polymer.from_pdb_string(
        "\n".join(lines), ResidueChemTemplates.create_from_defaults(), MoleculePreparation(), allow_bad_res=True
    )
    used = {int(key.split(":")[1]) for key, residue in polymer.get_valid_monomers().items()}
    keep = np.array([number[at] in used and receptor.residues[at].kind == "amino_acid" for at in receptor.residue_idx])
    ours = replace(
        receptor,
        pos=receptor.pos[keep],
        element=receptor.element[keep],
        atom_name=receptor.atom_name[keep],
        residue_idx=receptor.residue_idx[keep],
    )
    return PDBQTWriterLegacy.write_from_polymer(polymer)[0], ours


def vina_scores(receptor: str, mol: Chem.Mol, pos: np.ndarray) -> float:
    """Vina's score of the heavy-atom positions (L, 3), kcal/mol."""
    import tempfile

    from meeko import MoleculePreparation, PDBQTWriterLegacy
    from vina import Vina

    bare = Chem.RemoveAllHs(mol)
    assert bare.GetNumAtoms() == len(heavy_indices(mol))
    setups = MoleculePreparation(rigid_macrocycles=True).prepare(Chem.AddHs(with_positions(bare, pos), addCoords=True))
    pdbqt, is_ok, problem = PDBQTWriterLegacy.write_string(setups[0])
    if not is_ok:
        raise ValueError(problem)
    scorer = Vina(sf_name="vina", cpu=1, seed=1, verbosity=0)
    with tempfile.NamedTemporaryFile("w", suffix=".pdbqt") as file:
        file.write(receptor)
        file.flush()
        scorer.set_receptor(file.name)
    scorer.set_ligand_from_string(pdbqt)
    box = (np.ptp(pos, axis=0) + 10).tolist()
    scorer.compute_vina_maps(center=pos.mean(axis=0).tolist(), box_size=box, spacing=1.0)  # it scores without them
    return float(scorer.score()[0])


def summarise(found: list[Compared]) -> None:
    """Print how far the scores are apart."""
    for pose in ("crystal", "relaxed"):
        deviations = sorted(row.deviation for row in found if row.pose == pose)
        if deviations:
            within = sum(deviation <= 0.01 for deviation in deviations)
            print(
                f"{pose}: {len(deviations)} poses, {within} within 1 %, median {statistics.median(deviations):.3%},"
                f" largest {deviations[-1]:.2%}",
                file=sys.stderr,
            )


if __name__ == "__main__":
    main()
