"""The receptor with a pose in one PDB file, read back by an independent reader."""

import dataclasses
import string
from pathlib import Path

import numpy as np
import pytest
from Bio.PDB import PDBParser
from rdkit import Chem

from discodock.chem.complex_file import write_complex
from discodock.chem.ligand import read_ligand
from discodock.chem.read_receptor import read_receptor
from discodock.chem.receptor_features import receptor_arrays
from discodock.chem.view import ViewedPose, view_receptor

DATA = Path(__file__).parents[1] / "data"


@pytest.mark.parametrize("name", ["3nxo_D2B", "6rzx_KPQ", "1cbs_REA"])
def test_complex_reads_back(name: str, tmp_path: Path) -> None:
    folder = DATA / "complexes" / name
    cofactors = folder / "cofactors.pdb"
    receptor = read_receptor(folder / "protein.pdb", extra=cofactors if cofactors.exists() else None)
    pose = read_ligand(folder / "ligand.sdf").mol
    path = tmp_path / "complex.pdb"
    write_complex(receptor, pose, path)
    assert [file.name for file in tmp_path.iterdir()] == ["complex.pdb"]

    again = read_receptor(path, reference_ligands=[pose])
    before, after = receptor_arrays(receptor), receptor_arrays(again)
    for field in before:
        np.testing.assert_array_equal(before[field], after[field], err_msg=field)
    assert again.residue_labels == receptor.residue_labels

    ligand = [r for r in PDBParser(QUIET=True).get_structure("x", path).get_residues() if r.get_resname() == "LIG"]
    assert len(ligand) == 1
    pos = np.array([atom.coord for atom in ligand[0].get_atoms()])
    np.testing.assert_allclose(pos, pose.GetConformer().GetPositions(), atol=1e-3)


def test_residue_names_of_four_letters_read_back(tmp_path: Path) -> None:
    folder = DATA / "complexes" / "2azr_982"
    lipid = ["HETATM 9001  C1  POPCA 900      56.0    20.000  10.000  1.00  0.00           C"]
    whole = tmp_path / "protein.pdb"
    whole.write_text("\n".join([*(folder / "protein.pdb").read_text().splitlines()[:-1], *lipid, "END\n"]))
    receptor, pose = read_receptor(whole), read_ligand(folder / "ligand.sdf").mol
    assert receptor.residue_labels[-1] == "A:POPC900"
    write_complex(receptor, pose, tmp_path / "complex.pdb")
    assert read_receptor(tmp_path / "complex.pdb", drop=["LIG"]).residue_labels == receptor.residue_labels


def test_bonds_are_those_of_the_pose(tmp_path: Path) -> None:
    folder = DATA / "complexes" / "3nxo_D2B"
    pose = Chem.AddHs(read_ligand(folder / "ligand.sdf").mol, addCoords=True)
    write_complex(read_receptor(folder / "protein.pdb"), pose, tmp_path / "complex.pdb")
    lines = (tmp_path / "complex.pdb").read_text().splitlines()
    serials = [int(line[6:11]) for line in lines if line[17:20] == "LIG"]
    index = {serial: number for number, serial in enumerate(serials)}
    bonds = set()
    for line in lines:
        if line.startswith("CONECT"):
            first, *others = (index[int(line[i : i + 5])] for i in range(6, len(line.rstrip()), 5))
            bonds |= {frozenset((first, other)) for other in others}
    assert bonds == {frozenset((b.GetBeginAtomIdx(), b.GetEndAtomIdx())) for b in pose.GetBonds()}


def test_long_chain_names_and_unwritable_folder(tmp_path: Path) -> None:
    structure = (DATA / "proteins" / "6a5k_site.cif").read_text()
    source = tmp_path / "long.cif"
    source.write_text(
        "\n".join(line[:-3] + "AAA 1" if line.endswith(" A 1") else line for line in structure.splitlines())
    )
    receptor = read_receptor(source)
    assert {residue.chain for residue in receptor.residues} == {"AAA"}
    pose = Chem.MolFromMolBlock(Chem.MolToMolBlock(read_ligand(DATA / "complexes" / "1cbs_REA" / "ligand.sdf").mol))
    write_complex(receptor, pose, tmp_path / "complex.pdb")
    np.testing.assert_allclose(
        read_receptor(tmp_path / "complex.pdb").pos[: len(receptor.pos)], receptor.pos, atol=1e-3
    )
    with pytest.raises(OSError):
        write_complex(receptor, pose, tmp_path / "complex.pdb" / "complex.pdb")


@pytest.mark.parametrize(("num_chains", "prefix"), [(62, ""), (70, "long")])
def test_more_chains_than_letters_read_back_one_by_one(num_chains: int, prefix: str, tmp_path: Path) -> None:
    one = read_receptor(DATA / "complexes" / "2azr_982" / "protein.pdb")
    size = int((one.residue_idx < 2).sum())
    letters = (string.ascii_letters + string.digits)[:num_chains]
    names = [f"{prefix}{number}" for number in range(num_chains)] if prefix else list(letters)
    receptor = dataclasses.replace(
        one,
        pos=np.concatenate([one.pos[:size] + 40.0 * number for number in range(num_chains)]),
        element=np.tile(one.element[:size], num_chains),
        atom_name=np.tile(one.atom_name[:size], num_chains),
        residue_idx=np.concatenate([one.residue_idx[:size] + 2 * number for number in range(num_chains)]),
        residues=tuple(dataclasses.replace(residue, chain=name) for name in names for residue in one.residues[:2]),
    )
    pose = read_ligand(DATA / "complexes" / "2azr_982" / "ligand.sdf").mol
    write_complex(receptor, pose, tmp_path / "complex.pdb")
    again = read_receptor(tmp_path / "complex.pdb", reference_ligands=[pose])
    assert len({residue.chain for residue in again.residues}) == num_chains
    assert "LIG" not in {residue.name for residue in again.residues}
    order = [[r.chain for r in again.residues].index(chain) for chain in dict.fromkeys(r.chain for r in again.residues)]
    assert order == list(range(0, 2 * num_chains, 2)), "chains are contiguous"
    np.testing.assert_allclose(again.pos, receptor.pos, atol=1e-3)
    if not prefix:
        assert again.residue_labels == receptor.residue_labels
    viewed = view_receptor(tmp_path / "complex.pdb", [ViewedPose(pose, "")])
    assert viewed.ligand_chain not in {residue.chain for residue in again.residues}
