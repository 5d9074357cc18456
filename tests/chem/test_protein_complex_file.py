"""The receptor with a pose in one PDB file, read back by an independent reader."""

from pathlib import Path

import numpy as np
import pytest
from Bio.PDB import PDBParser
from rdkit import Chem

from discodock.chem.complex_file import write_complex
from discodock.chem.ligand import read_ligand
from discodock.chem.protein import read_receptor
from discodock.chem.receptor_features import receptor_arrays

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
        write_complex(receptor, pose, tmp_path / "none" / "complex.pdb")
