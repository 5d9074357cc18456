"""Pockets: three ways of naming the same place, and a clear word for every place that is none."""

import numpy as np
import pytest

from discodock.chem.ligand import heavy_positions
from discodock.chem.pocket_reference import read_reference
from discodock.errors import InputError
from discodock.inference.pocket import PocketSpec, resolve_pocket
from tests.tiny import SMALL

LIGAND_FILE = SMALL / "ligand.sdf"


def near_residues(receptor, point, distance=6.0):
    """Labels chain:number of the residues with an atom near a point."""
    near = np.unique(receptor.residue_idx[np.linalg.norm(receptor.pos - point, axis=1) < distance])
    return tuple(f"{receptor.residues[i].chain}:{receptor.residues[i].number}" for i in near)


def test_a_ligand_gives_its_centroid(receptor, ligand):
    pocket = resolve_pocket(PocketSpec(ligand=LIGAND_FILE), receptor)
    assert pocket.center == pytest.approx(heavy_positions(ligand.mol).mean(axis=0), abs=1e-6)


def test_a_reference_ligand_may_be_a_pdb_file(receptor, ligand, tmp_path):
    pos = heavy_positions(ligand.mol)
    lines = [f"HETATM{n:5d}  C{n:<3d}LIG A   1    {x:8.3f}{y:8.3f}{z:8.3f}  1.00  0.00           C" for n, (x, y, z) in
             enumerate(pos, start=1)]  # fmt: skip
    path = tmp_path / "reference.pdb"
    path.write_text("\n".join(lines) + "\nEND\n")
    assert read_reference(path).pos == pytest.approx(pos, abs=1e-3)


def test_of_a_reference_file_the_first_record_alone_counts(ligand, tmp_path):
    path = tmp_path / "reference.sdf"
    path.write_text(LIGAND_FILE.read_text() + "broken\nrecord\n$$$$\n")
    assert read_reference(path).pos == pytest.approx(heavy_positions(ligand.mol))
    path.write_text("broken\nrecord\n$$$$\n" + LIGAND_FILE.read_text())
    with pytest.raises(InputError, match="record 1"):
        read_reference(path)


def test_a_point_and_the_residues_around_it_mean_the_same_place(receptor, ligand):
    center = heavy_positions(ligand.mol).mean(axis=0)
    by_point = resolve_pocket(PocketSpec(center=tuple(center)), receptor)
    by_residues = resolve_pocket(PocketSpec(residues=near_residues(receptor, center)), receptor)
    assert by_point.center == pytest.approx(center)
    assert np.linalg.norm(by_residues.center - center) < 4.0


def test_residues_give_the_free_space_between_them_not_their_own_atoms(receptor, ligand):
    center = heavy_positions(ligand.mol).mean(axis=0)
    names = near_residues(receptor, center)
    found = resolve_pocket(PocketSpec(residues=names), receptor).center
    mean = np.mean(
        [receptor.pos[receptor.residue_idx == receptor.find_residues(name)[0]].mean(axis=0) for name in names], axis=0
    )
    assert np.linalg.norm(receptor.pos - found, axis=1).min() > 2.0
    assert np.linalg.norm(found - center) <= np.linalg.norm(mean - center) + 1.0


def test_numbers_alone_do_in_a_single_chain_and_order_does_not_matter(receptor, ligand):
    names = near_residues(receptor, heavy_positions(ligand.mol).mean(axis=0))
    center = resolve_pocket(PocketSpec(residues=names), receptor).center
    numbers = tuple(name.split(":")[1] for name in names[::-1])
    assert resolve_pocket(PocketSpec(residues=numbers), receptor).center == pytest.approx(center)


@pytest.mark.parametrize(
    ("spec", "fragment"),
    [
        (PocketSpec(), "no place"),
        (PocketSpec(center=(0, 0, 0), residues=("A:1",)), "more than one way"),
        (PocketSpec(center=(float("nan"), 0, 0)), "finite"),
        (PocketSpec(center=(1e3, 0, 0)), "away from the nearest atom"),
        (PocketSpec(center=(0, 0, 0), radius=0.0), "radius"),
        (PocketSpec(residues=("A:99999",)), "no residue 'A:99999'"),
        (PocketSpec(residues=("Q:12",)), "chains here"),
        (PocketSpec(ligand=SMALL / "nothing.sdf"), "nothing.sdf"),
    ],
)
def test_a_place_that_is_none_is_refused_in_one_line(receptor, spec, fragment):
    with pytest.raises(InputError) as caught:
        resolve_pocket(spec, receptor)
    assert fragment in str(caught.value) and "\n" not in str(caught.value)


def test_no_pocket_names_all_three_ways(receptor):
    with pytest.raises(InputError) as caught:
        resolve_pocket(PocketSpec(), receptor)
    assert all(way in str(caught.value) for way in ("--pocket-ligand", "--pocket-center", "--pocket-residues"))


def test_a_point_with_hardly_any_protein_around_it_is_empty(receptor):
    farthest = receptor.pos[np.linalg.norm(receptor.pos - receptor.pos.mean(axis=0), axis=1).argmax()]
    outward = farthest - receptor.pos.mean(axis=0)
    point = farthest + 7.0 * outward / np.linalg.norm(outward)
    with pytest.raises(InputError, match="empty|away from"):
        resolve_pocket(PocketSpec(center=tuple(point)), receptor)
