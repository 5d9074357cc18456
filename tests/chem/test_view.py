"""What a viewer gets of a docked complex, checked on written files against the receptor and the poses themselves."""

import gemmi
import numpy as np
import pytest
from rdkit import Chem

from discodock.chem.complex_file import write_complex
from discodock.chem.depict import depict
from discodock.chem.read_receptor import read_receptor
from discodock.chem.view import read_poses, view_receptor
from discodock.errors import InputError
from tests.chem.ligand_samples import embedded, sdf
from tests.tiny import SMALL

EXAMPLE = SMALL.parents[3] / "examples" / "complexes" / "8c3n_ADP"


@pytest.fixture(scope="module")
def crystal():
    return Chem.MolFromMolFile(str(EXAMPLE / "ligand.sdf"))


@pytest.fixture(scope="module")
def receptor(crystal):
    """With a magnesium ion."""
    return read_receptor(EXAMPLE / "protein.pdb", extra=EXAMPLE / "cofactors.pdb", reference_ligands=[crystal])


@pytest.fixture
def complex_file(receptor, crystal, tmp_path):
    write_complex(receptor, crystal, tmp_path / "complex.pdb")
    return tmp_path / "complex.pdb"


@pytest.fixture
def poses(crystal, tmp_path):
    (tmp_path / "poses.sdf").write_text(sdf(crystal, {"tag": "$$$$ in a tag"}))
    return read_poses(tmp_path / "poses.sdf")


def residues_of(pdb):
    return [(chain.name, residue) for chain in gemmi.read_pdb_string(pdb)[0] for residue in chain]


def test_near_residues_and_hetero_groups_are_whole_others_are_backbones(complex_file, poses, receptor, crystal):
    view = view_receptor(complex_file, poses)
    shown = residues_of(view.pdb)
    assert len(shown) == len(receptor.residues) and view.num_left_out == 0
    gaps = np.linalg.norm(receptor.pos[:, None] - crystal.GetConformer().GetPositions()[None], axis=2).min(axis=1)
    for index, (residue, (chain, drawn)) in enumerate(zip(receptor.residues, shown, strict=True)):
        own = receptor.residue_idx == index
        assert (chain, drawn.seqid.num) == (residue.chain, residue.number)
        if residue.kind != "amino_acid" or gaps[own].min() < 4.499:
            assert len(drawn) == own.sum()
        elif gaps[own].min() > 4.501:
            assert {atom.name for atom in drawn} <= {"N", "CA", "C", "O", "OXT"}
    assert {residue.label for residue in view.residues} >= {"A:MG402"} and view.near == (
        tuple(range(len(view.residues))),
    )
    assert any(residue.name == "MG" for _, residue in shown)


def test_the_ligand_is_not_part_of_the_receptor(complex_file, poses):
    view = view_receptor(complex_file, poses)
    assert "LIG" not in view.pdb
    lines = complex_file.read_text().splitlines()
    assert {line[21] for line in lines if line[17:20] == "LIG"} == {view.ligand_chain}


@pytest.mark.parametrize("max_characters", [4000, 30_000])
def test_a_text_that_is_too_long_loses_the_farthest_residues(complex_file, poses, receptor, max_characters):
    whole, cut = view_receptor(complex_file, poses), view_receptor(complex_file, poses, max_characters)
    assert max_characters - 2000 < len(cut.pdb) <= max_characters + 10 and cut.residues == whole.residues
    kept = {(chain, residue.seqid.num) for chain, residue in residues_of(cut.pdb)}
    assert cut.num_left_out == len(receptor.residues) - len(kept) > 0
    gaps = np.linalg.norm(receptor.pos[:, None] - poses[0].heavy_pos[None], axis=2).min(axis=1)
    near, far = [], []
    for index, residue in enumerate(receptor.residues):
        side = near if (residue.chain, residue.number) in kept else far
        side.append(gaps[receptor.residue_idx == index].min())
    assert max(near) <= min(far) + 1e-3


def test_poses_are_read_as_they_are_written(tmp_path):
    mol = embedded("C[C@H](N)C(=O)[O-]")
    (tmp_path / "poses.sdf").write_text(sdf(mol, {"a": "1"}) + sdf(mol))
    first, second = read_poses(tmp_path / "poses.sdf")
    assert first.block == second.block and first.block.endswith("M  END\n") and "$" not in first.block
    assert first.heavy_pos.shape == (6, 3) and first.mol.GetNumAtoms() == mol.GetNumAtoms()


@pytest.mark.parametrize("text", ["rubbish\n$$$$\n", "\n\n\n  1  0  0\nM  END\n$$$$\n"])
def test_damaged_poses_are_refused_by_name(tmp_path, text):
    (tmp_path / "poses.sdf").write_text(text)
    with pytest.raises(InputError, match=r"poses\.sdf: record 1 cannot be read"):
        read_poses(tmp_path / "poses.sdf")


def test_a_complex_without_its_ligand_is_refused(poses):
    with pytest.raises(InputError, match="last chain is not one ligand LIG"):
        view_receptor(EXAMPLE / "protein.pdb", poses)


@pytest.mark.parametrize(
    ("smiles", "formula", "weight"),
    [("CC(=O)Oc1ccccc1C(=O)O", "C9H8O4", 180.16), ("C[C@H]([NH3+])C(=O)[O-]", "C3H7NO2", 89.09)],
)
def test_a_depiction_has_the_drawing_and_the_facts(smiles, formula, weight):
    for hydrogens in (True, False):
        drawn = depict(embedded(smiles, hydrogens=hydrogens), 200, 120)
        assert drawn.formula == formula and drawn.weight == pytest.approx(weight, abs=0.01)
        assert drawn.smiles == Chem.CanonSmiles(smiles)
        assert drawn.svg.startswith("<svg") and drawn.svg.endswith("</svg>") and "width='200px'" in drawn.svg


def test_text_of_the_input_does_not_get_into_the_drawing():
    mol = embedded("CCO")
    mol.SetProp("_Name", "<script>")
    group = Chem.CreateMolSubstanceGroup(mol, "DAT")
    group.AddAtomWithIdx(0)
    group.SetProp("FIELDNAME", "<script>")
    Chem.AddMolSubstanceGroup(mol, group)
    assert "script" not in depict(mol).svg
