"""`discodock predict` with a protein as the PDB has it, a SMILES string, and nothing else."""

import csv
import json

import gemmi
import numpy as np
import pytest
from rdkit import Chem

from tests.tiny import SMALL

SMILES = "OC(=O)c1cscc1C(=O)O"
FAST = ("--samples", 4, "--steps", 2, "--device", "cpu")


def prepared():
    """Two copies of a protein without any ligand, one side chain not resolved."""
    structure = gemmi.read_structure(str(SMALL / "protein.pdb"))
    (chain,) = structure[0]
    cut = next(residue for residue in chain if residue.name == "LYS")
    for name in [atom.name for atom in cut if atom.name not in ("N", "CA", "C", "O", "CB")]:
        cut.remove_atom(name, "\0")
    copy = chain.clone()
    copy.name = "B"
    for atom in (atom for residue in copy for atom in residue):
        atom.pos += gemmi.Position(70.0, 0.0, 0.0)
    structure[0].add_chain(copy)
    return structure


def deposited():
    """The same as the PDB has it: waters, sulphate, hydrogens, and a residue in two places."""
    structure, rng = prepared(), np.random.default_rng(0)
    for chain in structure[0]:
        places = [atom.pos for residue in chain for atom in residue]
        for residue in list(chain)[:20]:
            add(residue, "H", "H", residue.sole_atom("N").pos + gemmi.Position(1.0, 0.0, 0.0))
        loose = chain[30]
        for atom in [atom.clone() for atom in loose]:
            loose.remove_atom(atom.name, "\0")
            add(loose, atom.name, atom.element.name, atom.pos, altloc="A", occ=0.6)
            add(loose, atom.name, atom.element.name, atom.pos + gemmi.Position(0.0, 1.0, 0.0), altloc="B", occ=0.4)
        for number in range(40):
            place = places[rng.integers(len(places))] + gemmi.Position(*rng.normal(scale=3.0, size=3))
            add(hetero(chain, "HOH", 900 + number), "O", "O", place)
        sulphate = hetero(chain, "SO4", 999)
        for name in ("S", "O1", "O2", "O3", "O4"):
            add(sulphate, name, name[0], places[5] + gemmi.Position(*rng.normal(scale=1.5, size=3)))
    return structure


def hetero(chain, name, number):
    """A new HETATM group at the end of a chain."""
    residue = gemmi.Residue()
    residue.name, residue.het_flag, residue.seqid = name, "H", gemmi.SeqId(str(number))
    return chain.add_residue(residue)


def add(residue, name, element, pos, altloc="\0", occ=1.0):
    atom = gemmi.Atom()
    atom.name, atom.element, atom.pos, atom.altloc, atom.occ = name, gemmi.Element(element), pos, altloc, occ
    residue.add_atom(atom)


@pytest.fixture
def docked(cli, tmp_path):
    """Dock into a structure with the packaged checkpoint; returns the table of poses, the record and the molecules."""

    def call(name, structure):
        structure.write_pdb(str(tmp_path / f"{name}.pdb"))
        code, printed, error = cli(
            "predict", "--protein", tmp_path / f"{name}.pdb", "--ligand", SMILES, *FAST, "--out", tmp_path / name
        )
        assert code == 0 and "mode A" in printed, error
        (folder,) = (path for path in (tmp_path / name).iterdir() if path.is_dir())
        with (folder / "scores.csv").open(newline="") as lines:
            rows = list(csv.DictReader(lines))
        return rows, json.loads((folder / "run.json").read_text()), list(Chem.SDMolSupplier(str(folder / "poses.sdf")))

    return call


def test_what_a_download_has_beside_the_protein_changes_nothing_but_the_record(docked):
    rows, record, mols = docked("deposited", deposited())
    expected, _, _ = docked("prepared", prepared())
    changed = [("id", "seconds")]
    for row, other in zip(rows, expected, strict=True):
        assert all(row[name] == other[name] for name in row if name not in changed[0])
        assert row["latent_code"].startswith(("site=A:", "site=B:")) and row["stereo_ok"] == "true"
    said = "; ".join(record["receptor_changes"])
    assert "waters dropped: 80" in said and "crystallisation additives dropped: 2 (A:SO4999, B:SO4999)" in said
    assert "alternative locations, highest occupancy kept: 2" in said and "incomplete side chains" in said
    assert all(Chem.MolToSmiles(mol) == Chem.CanonSmiles(SMILES) for mol in mols)
