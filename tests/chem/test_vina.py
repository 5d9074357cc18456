"""AutoDock Vina through our files: the scores of a receptor that Meeko prepared, poses back in the ligand's order."""

import numpy as np
import pytest

from discodock.chem.autodock import _boxes, optimise_poses
from discodock.chem.ligand import heavy_positions, read_ligand
from discodock.chem.pdbqt import ligand_pdbqt, receptor_pdbqt
from discodock.chem.read_receptor import read_receptor
from discodock.chem.write import check_chemistry, pose_mol
from discodock.evaluation.rmsd import ligand_rmsd
from tests.tiny import COMPLEXES

vina = pytest.importorskip("vina")
meeko = pytest.importorskip("meeko")

NAMES = ["2azr_982", "6rzx_KPQ"]  # the second has a zinc in its pocket


def read(name):
    folder = COMPLEXES / name
    ligand = read_ligand(folder / "ligand.sdf")
    extra = folder / "cofactors.pdb" if (folder / "cofactors.pdb").exists() else None
    return ligand, read_receptor(folder / "protein.pdb", extra=extra, reference_ligands=[ligand.mol])


@pytest.fixture(scope="module", params=NAMES)
def pair(request):
    return read(request.param)


def score(receptor_text, ligand_text, center, tmp_path):
    (tmp_path / "receptor.pdbqt").write_text(receptor_text)
    engine = vina.Vina(sf_name="vina", cpu=1, seed=1, verbosity=0)
    engine.set_receptor(str(tmp_path / "receptor.pdbqt"))
    engine.set_ligand_from_string(ligand_text)
    engine.compute_vina_maps(center=center.tolist(), box_size=[20.0, 20.0, 20.0], spacing=1.0)  # it scores without
    return float(engine.score()[0])


def test_scores_are_those_with_a_receptor_that_meeko_prepared(tmp_path):
    ligand, receptor = read("2azr_982")
    text = "".join(
        f"ATOM  {i + 1:5d}  {name:<3} {residue.parent:3} A{residue.number:4d}    {x:8.3f}{y:8.3f}{z:8.3f}"
        f"  1.00  0.00          {element:>2}\n"
        for i, ((x, y, z), name, element, residue) in enumerate(
            zip(
                receptor.pos,
                receptor.atom_name,
                receptor.element,
                (receptor.residues[at] for at in receptor.residue_idx),
                strict=True,
            )
        )
    )
    templates = meeko.ResidueChemTemplates.create_from_defaults()
    polymer = meeko.Polymer.from_pdb_string(text, templates, meeko.MoleculePreparation(), allow_bad_res=True)
    theirs, _ = meeko.PDBQTWriterLegacy.write_from_polymer(polymer)
    pose, center = ligand_pdbqt(ligand.mol).text, heavy_positions(ligand.mol).mean(axis=0)
    assert score(receptor_pdbqt(receptor), pose, center, tmp_path) == pytest.approx(
        score(theirs, pose, center, tmp_path), abs=0.05
    )


def test_metals_and_donors_are_written(pair):
    _, receptor = pair
    lines = receptor_pdbqt(receptor).splitlines()
    kinds = [line[77:].strip() for line in lines]
    heavy = [line for line, kind in zip(lines, kinds, strict=True) if kind != "HD"]
    pos = np.array([[float(line[at : at + 8]) for at in (30, 38, 46)] for line in heavy])
    assert np.abs(pos - receptor.pos).max() < 1e-3
    metals = {
        str(receptor.element[i]) for i, r in enumerate(receptor.residue_idx) if receptor.residues[r].kind == "metal"
    }
    assert {symbol.capitalize() for symbol in metals} <= set(kinds)
    backbone = sum(r.kind == "amino_acid" and r.parent != "PRO" for r in receptor.residues)
    assert kinds.count("HD") > 0.9 * backbone


def test_poses_come_back_in_the_order_of_the_ligand(pair):
    ligand, _ = pair
    prepared = ligand_pdbqt(ligand.mol)
    assert np.abs(prepared.positions(prepared.text) - heavy_positions(ligand.mol)).max() < 1e-3


def test_optimisation_brings_a_displaced_crystal_pose_back(pair):
    ligand, receptor = pair
    crystal = heavy_positions(ligand.mol)
    poses = np.stack([crystal, crystal + 0.4, crystal - crystal.mean(axis=0) + receptor.pos.mean(axis=0)])
    found = optimise_poses(poses, ligand, receptor)
    rmsds = ligand_rmsd(ligand.mol, crystal, found.pos).values
    assert rmsds[0] < 1.0 and rmsds[1] < 1.2
    assert found.scores[0] < -3 and found.scores[:2].max() < found.scores[2]
    assert all(check_chemistry(ligand.mol, pose_mol(ligand, pos)) is None for pos in found.pos)
    alone = optimise_poses(poses[1:2], ligand, receptor)
    assert alone.scores == pytest.approx(found.scores[1:2], abs=2e-3) and np.abs(alone.pos - found.pos[1]).max() < 0.02


def test_poses_far_apart_get_boxes_of_their_own():
    pos = np.zeros((4, 2, 3))
    pos[:, :, 0] += np.array([0.0, 5.0, 100.0, 2.0])[:, None]
    assert _boxes(pos) == [[0, 1, 3], [2]]
