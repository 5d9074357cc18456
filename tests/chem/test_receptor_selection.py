"""Which residues belong to a receptor: copies of the ligand, additives, and what is asked for."""

from pathlib import Path

import numpy as np
import pytest
from rdkit import Chem

from discodock.chem.read_receptor import read_receptor
from discodock.chem.receptor import Receptor

PROTEINS = Path(__file__).parents[1] / "data" / "proteins"
KINASE = PROTEINS / "1atp_site.pdb"  # chain E with ATP, two manganese ions; chain I; five waters
PROTEASE = PROTEINS / "5rgf_site.pdb"  # two sulphates


def changes(receptor: Receptor) -> str:
    return "\n".join(receptor.changes)


def kinds(receptor: Receptor) -> dict[str, str]:
    return {residue.label: residue.kind for residue in receptor.residues if residue.kind != "amino_acid"}


def test_ligand_copy_is_dropped_by_position() -> None:
    whole = read_receptor(KINASE)
    of_atp = whole.residue_idx == whole.find_residues("ATP")[0]
    receptor = read_receptor(KINASE, reference_ligands=[whole.pos[of_atp]])
    assert kinds(receptor) == {"E:MN351": "metal", "E:MN352": "metal"}
    assert "copy of the ligand dropped (same position): 1 (E:ATP355)" in changes(receptor)
    elsewhere = read_receptor(KINASE, reference_ligands=[whole.pos[of_atp] + 8.0])
    assert "E:ATP355" in kinds(elsewhere)


@pytest.mark.parametrize("as_molecule", [True, False])
@pytest.mark.parametrize(("smiles", "stays"), [("CCO", True), ("CC[Mn]", False), ("[Mn+2]", False), ("[Zn+2]", False)])
def test_a_metal_under_the_ligand_stays_unless_it_may_be_the_ligands(
    smiles: str, stays: bool, as_molecule: bool
) -> None:
    whole = read_receptor(KINASE)
    metal = whole.pos[whole.residue_idx == whole.find_residues("E:351")[0]][0]
    ligand = Chem.MolFromSmiles(smiles)
    conformer = Chem.Conformer(ligand.GetNumAtoms())
    conformer.Set3D(True)
    conformer.SetPositions(np.arange(ligand.GetNumAtoms())[::-1, None] * 1.5 + metal + [0.3, 0.0, 0.0])
    ligand.AddConformer(conformer)
    reference = ligand if as_molecule else conformer.GetPositions()
    assert ("E:MN351" in kinds(read_receptor(KINASE, reference_ligands=[reference]))) == (
        stays or (not as_molecule and ligand.GetNumAtoms() > 1)
    )


def test_ligand_copy_is_dropped_by_composition() -> None:
    atp = "c1nc(c2c(n1)n(cn2)[C@H]3[C@@H]([C@@H]([C@H](O3)CO[P@@](=O)(O)O[P@](=O)(O)OP(=O)(O)O)O)O)N"
    assert "E:ATP355" not in kinds(read_receptor(KINASE, reference_ligands=[Chem.MolFromSmiles(atp)]))
    other = Chem.MolFromSmiles("c1ccccc1C(=O)NC")
    assert "E:ATP355" in kinds(read_receptor(KINASE, reference_ligands=[other]))


def test_additives_go_unless_kept() -> None:
    assert "crystallisation additives dropped: 2 (A:SO4402, A:SO4403)" in changes(read_receptor(PROTEASE))
    kept = read_receptor(PROTEASE, keep=["SO4"])
    assert {"A:SO4402", "A:SO4403"} <= kinds(kept).keys()
    one = read_receptor(PROTEASE, keep=["A:402"])
    assert "A:SO4402" in kinds(one) and "A:SO4403" not in kinds(one)
    assert any(residue.name == "HOH" for residue in read_receptor(PROTEASE, keep=["HOH"]).residues)


@pytest.mark.parametrize(("selector", "gone"), [("MN", 2), ("E:351", 1), ("E:ATP355", 1), ("I:*", None)])
def test_drop(selector: str, gone: int | None) -> None:
    whole, receptor = read_receptor(KINASE), read_receptor(KINASE, drop=[selector])
    expected = gone or sum(residue.chain == "I" for residue in whole.residues)
    assert len(whole.residues) - len(receptor.residues) == expected > 0
    assert "dropped as asked" in changes(receptor)


def test_selectors_that_mean_nothing_are_told_of() -> None:
    assert read_receptor(KINASE, keep=["HOH"], drop=["E:MN351"]).warnings == ()
    receptor = read_receptor(KINASE, keep=["HOH", "XYZ"], drop=["E:999", "SO4"])
    assert receptor.warnings == (
        "nothing to keep: no residue is 'XYZ'",
        "nothing to drop: no residue is 'E:999'",
        "nothing to drop: no residue is 'SO4'",
    )
