"""Binding modes: poses that agree are joined, few are named, and their names say where they are."""

import numpy as np
import pytest

from discodock.geometry.rmsd import pairwise_rmsd
from discodock.inference.config import DockingConfig
from discodock.inference.modes import MAX_MODES, MODE_WIDTH, NO_MODE, ResidueContacts, find_modes, residue_contacts

LABELS = ("A:ALA1", "A:ASP86", "A:TRP92")


def nowhere(num_poses):
    return ResidueContacts(np.zeros((num_poses, 0), dtype=bool), np.zeros((num_poses, 0), dtype=bool), ())


def on_a_line(*places):
    """Distances between poses along a line, Å."""
    return np.abs(np.subtract.outer(places, places)).astype(float)


def names(modes):
    return [mode.name for mode in modes]


def test_poses_that_agree_are_one_mode_and_modes_are_named_by_size():
    modes = find_modes(on_a_line(0, 30, 31, 30.5, 0.4, 60), ["s"] * 6, nowhere(6))
    assert names(modes) == ["B", "A", "A", "A", "B", "C"]
    assert modes[1].describe() == "mode A, 50% of samples"
    assert [mode.fraction for mode in modes[::5]] == [pytest.approx(1 / 3), pytest.approx(1 / 6)]


def test_the_width_is_a_mean_distance_so_that_chains_do_not_join():
    assert len(set(names(find_modes(on_a_line(0, MODE_WIDTH - 0.1), "ss", nowhere(2))))) == 1
    assert len(set(names(find_modes(on_a_line(0, MODE_WIDTH + 0.1), "ss", nowhere(2))))) == 2
    chain = find_modes(on_a_line(*(0.6 * MODE_WIDTH * np.arange(12))), ["s"] * 12, nowhere(12))
    assert len(set(names(chain))) > 3


@pytest.mark.parametrize("seed", range(5))
def test_sites_never_share_a_mode_and_the_order_of_samples_changes_names_alone(seed):
    rng = np.random.default_rng(seed)
    places, sites = rng.uniform(0, 12, size=40), rng.choice(["s", "t", "u"], size=40)
    modes = find_modes(on_a_line(*places), sites.tolist(), nowhere(40))
    for name in set(names(modes)) - {NO_MODE}:
        assert len({site for site, mode in zip(sites, modes, strict=True) if mode.name == name}) == 1
    order = rng.permutation(40)
    moved = find_modes(on_a_line(*places[order]), sites[order].tolist(), nowhere(40), best=int(order.argmin()))
    assert sorted(mode.fraction for mode in moved) == pytest.approx(sorted(mode.fraction for mode in modes))


def test_few_are_named_and_the_rest_is_one_last():
    places = [*(np.repeat(np.arange(MAX_MODES + 2), 3) * 50.0), 5000.0]
    modes = find_modes(on_a_line(*places), ["s"] * len(places), nowhere(len(places)))
    assert names(modes) == [name for name in "ABCDEFG" for _ in range(3)] + [NO_MODE] * 7
    assert modes[-1].describe() == "other, 25% of samples"
    best = find_modes(on_a_line(*places), ["s"] * len(places), nowhere(len(places)), best=len(places) - 1)
    assert names(best) == [name for name in "ABCDEF" for _ in range(3)] + [NO_MODE] * 9 + ["G"]
    rare = find_modes(on_a_line(*[0.0] * 39, 50.0), ["s"] * 40, nowhere(40))
    assert names(rare) == ["A"] * 39 + [NO_MODE]
    assert names(find_modes(on_a_line(*[0.0] * 39, 50.0), ["s"] * 40, nowhere(40), best=39)) == ["A"] * 39 + ["B"]
    assert names(find_modes(np.zeros((1, 1)), ["s"], nowhere(1))) == ["A"]


def around(touched, pointed):
    return ResidueContacts(np.array(touched, dtype=bool), np.array(pointed, dtype=bool), LABELS)


def places(found):
    return [mode.residue for mode in found]


def test_a_mode_is_named_by_a_residue_that_it_touches_and_others_do_not():
    distances, nothing = on_a_line(0, 0, 0, 50, 50), np.zeros((5, 3))
    touched = [[1, 1, 0]] * 3 + [[1, 0, 1]] * 2
    assert places(find_modes(distances, "sssss", around(touched, nothing))) == ["A:ASP86"] * 3 + ["A:TRP92"] * 2
    same = [[1, 1, 0]] * 5  # codes decide, and no two modes have one name while there are others
    pointed = [[0, 1, 0]] * 3 + [[0, 1, 0]] * 2
    assert places(find_modes(distances, "sssss", around(same, pointed))) == ["A:ASP86"] * 3 + ["A:ALA1"] * 2
    missed = [[0, 0, 1]] * 5  # what codes point at is no place unless it is touched
    assert places(find_modes(distances, "sssss", around(missed, pointed))) == ["A:TRP92"] * 5
    assert places(find_modes(distances, "sssss", around(nothing, pointed))) == [""] * 5


def test_residues_within_the_contact_distance_are_touched(receptor):
    rng = np.random.default_rng(0)
    pos = receptor.pos[rng.integers(len(receptor.pos), size=(4, 6))] + rng.normal(size=(4, 6, 3))
    near = [(receptor.residue_labels[n],) for n in (3, 1, 4, 1)]
    found = residue_contacts(pos, near, receptor)
    distance = np.linalg.norm(pos[:, :, None] - receptor.pos, axis=-1).min(axis=1)
    for row, pose in zip(found.contacts, distance, strict=True):
        assert set(row.nonzero()[0]) == set(receptor.residue_idx[pose <= 4.5])
    assert [tuple(found.labels[i] for i in row.nonzero()[0]) for row in found.pointed_at] == near


def test_the_modes_of_a_result_are_of_its_final_poses(coded_pipeline, receptor, ligand, arrays):
    config = DockingConfig().with_options({"samples": 12, "exhaustiveness": 1, "steps": 2, "relax": "none"})
    result = coded_pipeline.dock(receptor, ligand, None, config)
    assert sum(mode.fraction for mode in result.modes) == pytest.approx(1)
    poses = np.stack([pose.pos for pose in result.poses])
    distances = pairwise_rmsd(poses, arrays["ligand_automorphisms"])
    for mode in result.modes:
        members = [number for number, pose in enumerate(result.poses) if pose.mode == mode]
        assert len(members) == round(mode.fraction * 12) and result.best_of(mode) is result.poses[members[0]]
        if mode.name != NO_MODE:
            assert distances[np.ix_(members, members)].mean() <= MODE_WIDTH
            assert len({result.poses[number].site.code for number in members}) == 1
            assert mode.residue in receptor.residue_labels


def test_modes_of_which_no_pose_is_kept_have_no_name():
    modes = find_modes(on_a_line(0, 30, 31, 30.5, 0.4, 60), ["s"] * 6, nowhere(6), best=0, kept=[0, 5])
    assert names(modes) == ["A", NO_MODE, NO_MODE, NO_MODE, "A", "B"]
    assert [mode.fraction for mode in modes[:2]] == [pytest.approx(1 / 3), pytest.approx(1 / 2)]
