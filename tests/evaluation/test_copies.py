"""Copies of a binding site in like chains."""

from dataclasses import replace

import numpy as np
import pytest
from scipy.spatial.transform import Rotation

from discodock.data.crystal import list_complexes, read_complex
from discodock.data.datasets.source import SourceComplex
from discodock.evaluation.copies import crystal_copies
from tests.tiny import COMPLEXES

TURN = Rotation.from_rotvec([0.4, -1.1, 2.0])
SHIFT = np.array([55.0, -20.0, 31.0])


def moved(pos):
    return TURN.apply(pos) + SHIFT


@pytest.fixture(scope="module")
def crystal():
    entries = (e for e in list_complexes(COMPLEXES) if isinstance(e, SourceComplex))
    return next(c for c in map(read_complex, entries) if len({r.chain for r in c.receptor.residues}) == 1)


def dimer(receptor, second_pos):
    """The receptor with a second chain of the same residues at other places."""
    second = tuple(replace(residue, chain=residue.chain + "2") for residue in receptor.residues)
    return replace(
        receptor,
        pos=np.concatenate([receptor.pos, second_pos]),
        element=np.tile(receptor.element, 2),
        atom_name=np.tile(receptor.atom_name, 2),
        residue_idx=np.concatenate([receptor.residue_idx, receptor.residue_idx + len(second)]),
        residues=receptor.residues + second,
    )


def test_a_site_in_a_single_chain_has_no_copy(crystal):
    found = crystal_copies(crystal.receptor, crystal.crystal_pos)
    assert found.shape == (1, *crystal.crystal_pos.shape) and (found[0] == crystal.crystal_pos).all()


def test_the_pose_lies_in_the_second_chain_as_in_the_first(crystal):
    both = dimer(crystal.receptor, moved(crystal.receptor.pos))
    found = crystal_copies(both, crystal.crystal_pos)
    assert len(found) == 2
    np.testing.assert_allclose(found[1], moved(crystal.crystal_pos), atol=1e-3)
    np.testing.assert_allclose(crystal_copies(both, found[1])[1], crystal.crystal_pos, atol=2e-3)


def test_a_chain_whose_site_is_deformed_holds_no_copy(crystal):
    distance = np.linalg.norm(crystal.receptor.pos[:, None] - crystal.crystal_pos[None], axis=2).min(axis=1)
    residue = crystal.receptor.residue_idx[distance.argmin()]
    pos = moved(crystal.receptor.pos)
    pos[crystal.receptor.residue_idx == residue] += 4.0
    assert len(crystal_copies(dimer(crystal.receptor, pos), crystal.crystal_pos)) == 1


def test_a_chain_of_another_protein_holds_no_copy(crystal):
    both = dimer(crystal.receptor, moved(crystal.receptor.pos))
    num = len(crystal.receptor.residues)
    other = tuple(replace(residue, parent="GLY", name="GLY") for residue in both.residues[num:])
    assert len(crystal_copies(replace(both, residues=both.residues[:num] + other), crystal.crystal_pos)) == 1


def test_a_ligand_away_from_the_protein_has_no_copy(crystal):
    both = dimer(crystal.receptor, moved(crystal.receptor.pos))
    assert len(crystal_copies(both, crystal.crystal_pos + 500.0)) == 1
