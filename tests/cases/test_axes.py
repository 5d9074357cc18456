"""Axes of chirality.

`atropisomer-axis`: a biaryl with four ortho substituents; of ten poses five had the other sign of its dihedral, and
`stereo_ok` was true for all.
"""

from pathlib import Path

import numpy as np
import pytest

from discodock.chem.axes import known_hands, turned_axis, with_known_hands
from discodock.chem.conformers import generate_conformers
from discodock.chem.ligand import heavy_molecule, heavy_positions, read_ligand
from discodock.chem.read_receptor import read_receptor
from discodock.chem.write import check_chemistry, pose_mol
from discodock.inference.config import DockingConfig
from discodock.inference.dock import DockingPipeline
from discodock.inference.pocket import PocketSpec, resolve_pocket
from tests.chem.ligand_samples import embedded, sdf
from tests.tiny import SMALL, write_tiny_checkpoint

CASE = Path(__file__).parent / "atropisomer-axis" / "ligand.sdf"
MIRROR = np.array([-1.0, 1.0, 1.0])

HINDERED = {
    "the case": ("Cc1cccc(O)c1-c1c(C)cccc1N", "axis 8-9"),
    "binol": ("Oc1ccc2ccccc2c1-c1c(O)ccc2ccccc12", "axis 11-12"),
    "N-aryl pyrimidone": ("CC(C)c1nccc(C)c1-n1c(=O)nc(N)c2cc(F)c(Cl)nc21", "axis 10-11"),
    "N-aryl pyrrole": ("Cc1cccc(O)c1-n1c(C)ccc1CC", "axis 8-9"),
    "allene": ("CC=C=CC", "axis 2-4"),
}


def from_3d(tmp_path, smiles):
    path = tmp_path / "x.sdf"
    path.write_text(sdf(embedded(smiles)))
    return read_ligand(path)


@pytest.mark.parametrize(("smiles", "label"), HINDERED.values(), ids=HINDERED)
def test_an_axis_without_a_hand_is_a_warning_and_one_with_coordinates_is_not(tmp_path, smiles, label):
    assert any(f"undefined axis, either hand may be docked: {label}" in w for w in read_ligand(smiles).warnings)
    assert from_3d(tmp_path, smiles).warnings == ()


@pytest.mark.parametrize(
    "smiles",
    [
        "Cc1cccc(C)c1-c1c(C)cccc1C",  # two like sides
        "Cc1ccccc1-c1ccccc1C",  # turns
        "Fc1cccc(F)c1-c1c(C)cccc1O",  # slips past two fluorines
        "Cc1cccc(C)c1C(=O)N(C)C",
        "CC=C=C(C)C",
        "C=C=CC",
    ],
)
def test_bonds_that_turn_and_axes_of_one_form_are_none(smiles):
    assert read_ligand(smiles).warnings == ()


@pytest.mark.parametrize(("smiles", "label"), HINDERED.values(), ids=HINDERED)
def test_conformers_have_the_hand_of_the_input_and_a_mirror_image_is_noticed(tmp_path, smiles, label):
    record = from_3d(tmp_path, smiles)
    heavy = heavy_molecule(record.mol)
    assert [axis.label for axis, _ in known_hands(heavy)] == [label]
    for pos in generate_conformers(record.mol, 3, 1):
        assert turned_axis(heavy, pos) is None
    pose = pose_mol(record, heavy_positions(record.mol))
    assert check_chemistry(record.mol, pose) is None
    pose.GetConformer().SetPositions(pose.GetConformer().GetPositions() * MIRROR)
    assert f"stereo: {label}" in str(check_chemistry(record.mol, pose))


def test_turning_an_axis_over_keeps_bonds_and_angles():
    heavy = heavy_molecule(read_ligand(CASE).mol)
    conformers = generate_conformers(heavy, 2, 0)
    turned = with_known_hands(heavy, conformers * MIRROR)
    assert all(turned_axis(heavy, pos) is None for pos in turned)
    ends = np.array([(b.GetBeginAtomIdx(), b.GetEndAtomIdx()) for b in heavy.GetBonds()])
    angles = np.array([(n.GetIdx(), m.GetIdx()) for a in heavy.GetAtoms() for n in a.GetNeighbors()
                       for m in a.GetNeighbors() if n.GetIdx() < m.GetIdx()])  # fmt: skip
    for i, j in (ends.T, angles.T):
        lengths = [np.linalg.norm(pos[:, i] - pos[:, j], axis=-1) for pos in (conformers, turned)]
        np.testing.assert_allclose(*lengths, atol=1e-6)


def test_every_pose_has_the_hand_of_the_input(tmp_path):
    pipeline = DockingPipeline(write_tiny_checkpoint(tmp_path / "tiny.safetensors"), "cpu")
    ligand, receptor = read_ligand(CASE), read_receptor(SMALL / "protein.pdb")
    center = tuple(heavy_positions(read_ligand(SMALL / "ligand.sdf").mol).mean(axis=0))
    pocket = resolve_pocket(PocketSpec(center=center), receptor)
    options = {"samples": 6, "exhaustiveness": 1, "steps": 3, "validity": False}
    result = pipeline.dock(receptor, ligand, pocket, DockingConfig().with_options(options))
    assert all(pose.checks.stereo_problem is None for pose in result.poses)
    assert all(turned_axis(heavy_molecule(ligand.mol), pose.pos) is None for pose in result.poses)
