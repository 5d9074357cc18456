"""MMFF94 as OpenMM forces against RDKit's MMFF94: `python -m benchmarks.mmff --complexes DIR --split val --limit 60`.

Energies of crystal ligands with RDKit's hydrogens, no cutoff, on OpenMM's reference platform. Needs the extra `relax`.
"""

from __future__ import annotations

import argparse
import statistics
from pathlib import Path

import numpy as np
from rdkit import Chem, RDLogger
from rdkit.Chem import rdForceFieldHelpers

from discodock.chem.ligand import heavy_molecule
from discodock.chem.mmff import mmff_arrays, with_hydrogens
from discodock.data.crystal import list_complexes, read_complex
from discodock.data.datasets.source import SourceComplex
from discodock.evaluation.evaluate import choose_complexes
from discodock.physics.mmff_forces import mmff_forces

EXAMPLES = Path(__file__).resolve().parent.parent / "examples" / "complexes"


def main() -> None:
    """Compare, print each ligand and the distribution."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--complexes", type=Path, default=EXAMPLES, help="folder of complexes or of shards")
    parser.add_argument("--split")
    parser.add_argument("--limit", type=int)
    arguments = parser.parse_args()
    RDLogger.DisableLog("rdApp.*")
    deviations = []
    for entry in choose_complexes(list_complexes(arguments.complexes, arguments.split), arguments.limit, 0):
        if not isinstance(entry, SourceComplex):
            continue
        crystal = read_complex(entry)
        full = with_hydrogens(heavy_molecule(crystal.ligand.mol), crystal.crystal_pos[None])
        arrays = mmff_arrays(full)
        if arrays is None:
            print(f"{entry.id}: MMFF94 has no parameters")
            continue
        ours, theirs = openmm_energy(full, arrays), rdkit_energy(full)
        deviations.append(abs(ours - theirs) / abs(theirs))
        print(f"{entry.id}: OpenMM {ours:.4f}, RDKit {theirs:.4f} kcal/mol, deviation {deviations[-1]:.6%}")
    within = sum(deviation <= 0.01 for deviation in deviations)
    print(
        f"{len(deviations)} ligands, {within} within 1 %, median {statistics.median(deviations):.6%},"
        f" largest {max(deviations):.6%}"
    )


def rdkit_energy(full: Chem.Mol) -> float:
    """RDKit's energy, kcal/mol."""
    properties = rdForceFieldHelpers.MMFFGetMoleculeProperties(full)
    return float(rdForceFieldHelpers.MMFFGetMoleculeForceField(full, properties, nonBondedThresh=1e4).CalcEnergy())


def openmm_energy(full: Chem.Mol, arrays: dict[str, np.ndarray]) -> float:
    """OpenMM's energy, kcal/mol."""
    import openmm

    system = openmm.System()
    for _ in range(full.GetNumAtoms()):
        system.addParticle(1.0)
    for force in mmff_forces(arrays):
        system.addForce(force)
    platform = openmm.Platform.getPlatformByName("Reference")
    context = openmm.Context(system, openmm.VerletIntegrator(0.001), platform)
    context.setPositions(np.asarray(full.GetConformer().GetPositions()) / 10)
    energy = context.getState(getEnergy=True).getPotentialEnergy()
    return float(energy.value_in_unit(openmm.unit.kilocalorie_per_mole))


if __name__ == "__main__":
    main()
