"""Docking through the library: streams, frames, leaks, the chemistry of what comes back."""

import dataclasses
import sys
import threading

import numpy as np
import pytest
import torch
from rdkit import Chem

import discodock
from discodock.chem.ligand import heavy_positions, read_ligand
from discodock.chem.validity import Validity
from discodock.chem.write import check_chemistry
from discodock.errors import CheckpointError, ConfigError, InputError
from discodock.geometry.pose import PoseTangent
from discodock.inference import sample
from discodock.inference.config import DockingConfig
from discodock.inference.pocket import Pocket
from discodock.inference.relaxation.config import RelaxationConfig
from discodock.inference.sample import SHORT_OF_MEMORY, _smaller_block
from discodock.physics.config import OpenMMConfig
from tests.tiny import NOT_RELAXED, SMALL

FEW = {"samples": 5, "exhaustiveness": 1, "solver": {"steps": 3}}
PLAIN = {"relaxation": NOT_RELAXED, "validity": False}


def config(**changes):
    return DockingConfig.model_validate(FEW | changes)


@pytest.fixture
def pocket(ligand):
    return Pocket(heavy_positions(ligand.mol).mean(axis=0), 10.0, "test")


def by_sample(result):
    return np.stack([pose.pos for pose in sorted(result.poses, key=lambda pose: pose.sample)])


@pytest.mark.parametrize("solver", ["euler_maruyama", "low_temperature"])
def test_no_bit_of_a_pose_depends_on_batch_size_threads_or_free_memory(
    pipeline, receptor, ligand, pocket, solver, monkeypatch
):
    monkeypatch.setattr("discodock.inference.compute.memory.CPU_BLOCK", 3)
    settings = {"samples": 7, "solver": {"steps": 3, "solver": solver}} | PLAIN

    def dock(**changes):
        return by_sample(pipeline.dock(receptor, ligand, pocket, config(**settings | changes)))

    expected = dock()
    for batch_size in (1, 3, 7):
        assert (dock(batch_size=batch_size, threads=2) == expected).all()
    for threads in (1, 2, 4):
        assert (dock(threads=threads) == expected).all()
    monkeypatch.setattr("discodock.inference.compute.memory.free_memory", lambda device: 1)
    assert (dock(threads=4) == expected).all()


@pytest.mark.parametrize("torch_threads", [1, 2, 4])
def test_no_bit_of_a_pose_depends_on_the_threads_of_torch(pipeline, receptor, ligand, pocket, torch_threads):
    expected = by_sample(pipeline.dock(receptor, ligand, pocket, config(samples=2)))
    before = torch.get_num_threads()
    torch.set_num_threads(torch_threads)
    try:
        assert (by_sample(pipeline.dock(receptor, ligand, pocket, config(samples=2))) == expected).all()
    finally:
        torch.set_num_threads(before)


@pytest.mark.parametrize("batch_size, at_once", [(None, 4), (1, 1), (6, 2), (7, 2), (100, 4)])
def test_the_batch_size_is_of_whole_blocks(pipeline, receptor, ligand, pocket, batch_size, at_once, monkeypatch):
    monkeypatch.setattr("discodock.inference.compute.memory.CPU_BLOCK", 3)
    seen, original = [], sample.map_in_threads

    def watching(function, blocks, threads, stop):
        seen.append(([len(numbers) for *_, numbers in blocks], threads))
        return original(function, blocks, threads, stop)

    monkeypatch.setattr(sample, "map_in_threads", watching)
    pipeline.dock(receptor, ligand, pocket, config(samples=9, batch_size=batch_size, threads=4, **PLAIN))
    assert seen == [([3, 3, 3], at_once)]


@pytest.mark.parametrize("seed", [0, 1, 2])
def test_poses_depend_on_how_many_are_drawn_by_rounding_alone(pipeline, receptor, ligand, pocket, seed):
    whole = by_sample(pipeline.dock(receptor, ligand, pocket, config(seed=seed, **PLAIN)))
    fewer = by_sample(pipeline.dock(receptor, ligand, pocket, config(seed=seed, samples=3, **PLAIN)))
    assert np.abs(whole[:3] - fewer).max() < 1e-3


def test_the_same_seed_gives_the_same_poses_and_another_one_others(pipeline, receptor, ligand, pocket):
    first, again, other = (by_sample(pipeline.dock(receptor, ligand, pocket, config(seed=s))) for s in (7, 7, 8))
    assert (first == again).all()
    assert np.abs(first - other).max() > 1.0


def test_the_crystal_pose_does_not_leak(pipeline, receptor, ligand, pocket):
    moved_mol = Chem.Mol(ligand.mol)
    conformer = moved_mol.GetConformer()
    pos = conformer.GetPositions()  # every atom moves by itself, so that no length or angle of the crystal is left
    conformer.SetPositions(pos + 50.0 + np.random.default_rng(0).normal(size=pos.shape))
    moved = dataclasses.replace(ligand, mol=moved_mol)
    from_crystal = by_sample(pipeline.dock(receptor, ligand, pocket, config(**PLAIN)))
    from_elsewhere = by_sample(pipeline.dock(receptor, moved, pocket, config(**PLAIN)))
    assert (from_crystal == from_elsewhere).all()


def test_poses_move_with_the_frame_of_the_protein(pipeline, receptor, ligand, pocket):
    shift = np.array([10.0, -20.0, 5.0])
    moved_receptor = dataclasses.replace(receptor, pos=receptor.pos + shift)
    moved_pocket = Pocket(pocket.center + shift, pocket.radius, pocket.source)
    here = by_sample(pipeline.dock(receptor, ligand, pocket, config(**PLAIN)))
    there = by_sample(pipeline.dock(moved_receptor, ligand, moved_pocket, config(**PLAIN)))
    assert np.abs(here + shift - there).max() < 5e-3


def test_ranks_scores_and_flags_are_consistent(pipeline, receptor, ligand, pocket):
    result = pipeline.dock(receptor, ligand, dataclasses.replace(pocket, radius=0.5), config())
    assert [pose.rank for pose in result.poses] == [1, 2, 3, 4, 5]
    scores = [(pose.validity.is_valid, pose.rank_score) for pose in result.poses]
    assert scores == sorted(scores, reverse=True)
    assert sorted(pose.sample for pose in result.poses) == [0, 1, 2, 3, 4]
    for pose in result.poses:
        offset = np.linalg.norm(pose.pos.mean(axis=0) - pocket.center)
        gaps = np.linalg.norm(pose.pos[:, None] - receptor.pos[None], axis=2)
        assert pose.checks.pocket_ok == (offset <= 0.5)
        assert pose.checks.min_dist_protein == pytest.approx(gaps.min(), abs=1e-6)
        assert pose.checks.stereo_problem is None and check_chemistry(ligand.mol, pose.mol) is None


def test_poses_that_fail_a_check_come_after_all_that_pass(pipeline, receptor, ligand, pocket, monkeypatch):
    unchecked = pipeline.dock(receptor, ligand, pocket, config(validity=False))
    failed = [("minimum_distance_to_protein",), (), ("bond_lengths", "bond_angles"), (), ()]
    monkeypatch.setattr("discodock.inference.validity.check_validity", lambda *_: [Validity(each) for each in failed])
    result = pipeline.dock(receptor, ligand, pocket, config(validity=True))
    order = [unchecked.poses[i] for i in (1, 3, 4, 0, 2)]
    assert [pose.sample for pose in result.poses] == [pose.sample for pose in order]
    assert [pose.rank_score for pose in result.poses] == [pose.rank_score for pose in order]
    assert [pose.rank for pose in result.poses] == [1, 2, 3, 4, 5]
    assert [pose.validity.is_valid for pose in result.poses] == [True] * 3 + [False] * 2


def test_poses_that_no_check_can_judge_are_kept(pipeline, receptor, ligand, pocket, monkeypatch):
    def broken(*_):
        raise RuntimeError("no bounds")

    monkeypatch.setattr("discodock.inference.validity.check_validity", broken)
    result = pipeline.dock(receptor, ligand, pocket, config())
    assert len(result.poses) == 5 and {pose.validity for pose in result.poses} == {None}
    assert result.to_dicts()[0]["pb_valid"] == ""


def test_poses_outside_the_pocket_are_told_of(pipeline, receptor, ligand, pocket):
    result = pipeline.dock(receptor, ligand, dataclasses.replace(pocket, radius=1e-6), config())
    assert not any(pose.checks.pocket_ok for pose in result.poses)
    assert any("no pose has its centroid" in warning for warning in result.warnings)


def test_a_receptor_smaller_than_any_in_training_is_told_of(pipeline, receptor, ligand, pocket, monkeypatch):
    assert not any(
        "is the file complete" in warning for warning in pipeline.dock(receptor, ligand, pocket, config()).warnings
    )
    monkeypatch.setattr("discodock.inference.inputs.TRAINED_RESIDUES", len(receptor.residues) + 1)
    result = pipeline.dock(receptor, ligand, pocket, config())
    assert any(f"a receptor of {len(receptor.residues)} residues" in warning for warning in result.warnings)


def test_running_out_of_memory_halves_the_block_and_says_so(pipeline, receptor, ligand, pocket, monkeypatch):
    whole = pipeline.dock(receptor, ligand, pocket, config(**PLAIN))
    forward, sizes = pipeline.network.score_model.forward, []

    def small_memory(context, pos, pose_complex, t, codes):
        sizes.append(len(pos))
        if len(pos) > 2:
            raise RuntimeError("CUDA out of memory. Tried to allocate 2.00 GiB")
        return forward(context, pos, pose_complex, t, codes)

    monkeypatch.setattr(pipeline.network.score_model, "forward", small_memory)
    halved = pipeline.dock(receptor, ligand, pocket, config(**PLAIN))
    assert sizes[:2] == [5, 3] and set(sizes[2:]) == {2, 1}
    assert np.abs(by_sample(halved) - by_sample(whole)).max() < 1e-3
    assert SHORT_OF_MEMORY in halved.warnings and SHORT_OF_MEMORY not in whole.warnings


def test_a_pose_that_never_fits_is_an_input_error_and_other_errors_pass(pipeline):
    with pytest.raises(InputError, match="a single pose"):
        _smaller_block(RuntimeError("out of memory"), 1, pipeline.network.device)
    with pytest.raises(RuntimeError, match="shapes"):
        _smaller_block(RuntimeError("shapes do not fit"), 4, pipeline.network.device)


def test_a_sampler_that_leaves_the_numbers_is_refused(pipeline, receptor, ligand, pocket, monkeypatch):
    forward = pipeline.network.score_model.forward

    def broken(*arguments):
        out = forward(*arguments)
        return PoseTangent(out.tr * float("nan"), out.rot, out.tor)

    monkeypatch.setattr(pipeline.network.score_model, "forward", broken)
    with pytest.raises(InputError, match="not finite"):
        pipeline.dock(receptor, ligand, pocket, config())


def test_the_public_function_docks_files_and_smiles(checkpoint):
    settings = {"samples": 2, "steps": 2, "device": "cpu", "checkpoint": checkpoint}
    result = discodock.dock(SMALL / "protein.pdb", SMALL / "ligand.sdf", pocket_ligand=SMALL / "ligand.sdf", **settings)
    assert len(result.poses) == 2 and result.best.rank == 1
    assert check_chemistry(read_ligand(SMALL / "ligand.sdf").mol, result.best.mol) is None
    center = result.pocket.center
    rows = discodock.dock(str(SMALL / "protein.pdb"), "CC(=O)Nc1ccc(O)cc1", pocket_center=center, **settings).to_dicts()
    assert [row["rank"] for row in rows] == [1, 2] and rows[0]["confidence"] == ""


def test_relaxation_is_on_unless_told_otherwise(pipeline, receptor, ligand, pocket):
    relaxed = pipeline.dock(receptor, ligand, pocket, config(samples=3))
    fast = pipeline.dock(receptor, ligand, pocket, config(samples=3, relaxation=RelaxationConfig(method="fast")))
    plain = pipeline.dock(receptor, ligand, pocket, config(samples=3, relaxation=NOT_RELAXED))
    assert (by_sample(relaxed) == by_sample(fast)).all()
    before, after = ({pose.sample: pose for pose in result.poses} for result in (plain, relaxed))
    for number, pose in after.items():
        moved = np.sqrt(((pose.pos - before[number].pos) ** 2).sum(axis=1).mean())
        assert pose.relax_rmsd == pytest.approx(moved, abs=1e-3) and moved > 0
        assert pose.vina_score < before[number].vina_score and before[number].relax_rmsd == 0
        row = next(row for row in relaxed.to_dicts() if row["sample"] == number)
        assert row["vina_score"] == round(pose.vina_score, 3) and row["strain"] == round(pose.strain, 3)


@pytest.mark.parametrize(
    ("changes", "error"),
    [
        ({"pocket_ligand": None}, InputError),
        ({"samples": 0}, ConfigError),
        ({"solver": "magic"}, ConfigError),
        ({"relax": "magic"}, ConfigError),
        ({"flexible_side_chains": 4.0}, ConfigError),
        ({"device": "tpu"}, InputError),
        ({"threads": 0}, ConfigError),
        ({"device": "cuda:99"}, InputError),
        ({"checkpoint": "nothing.safetensors"}, CheckpointError),
        ({"pocket_ligand": None, "pocket_center": (1.0, 2.0)}, InputError),
    ],
)
def test_the_public_function_refuses_what_cannot_be(checkpoint, changes, error):
    values = {"pocket_ligand": SMALL / "ligand.sdf", "checkpoint": checkpoint, "device": "cpu"} | changes
    with pytest.raises(error) as caught:
        discodock.dock(SMALL / "protein.pdb", SMALL / "ligand.sdf", **values)
    assert "\n" not in str(caught.value)


def test_docking_takes_its_own_number_of_threads_and_gives_them_back(pipeline, receptor, ligand, pocket, monkeypatch):
    forward, seen = pipeline.network.score_model.forward, set()

    def watching(*arguments):
        seen.add(torch.get_num_threads())
        return forward(*arguments)

    monkeypatch.setattr(pipeline.network.score_model, "forward", watching)
    before = torch.get_num_threads()
    torch.set_num_threads(3)
    try:
        pipeline.dock(receptor, ligand, pocket, config())
        assert seen == {1} and torch.get_num_threads() == 3
    finally:
        torch.set_num_threads(before)


def test_threads_change_no_pose(pipeline, receptor, ligand, pocket, monkeypatch):
    def dock(threads):
        several = config(samples=7, threads=threads)
        return pipeline.dock(receptor, ligand, pocket, several, on_step=steps.append)

    steps: list[int] = []
    monkeypatch.setattr("discodock.inference.compute.memory.CPU_BLOCK", 2)
    monkeypatch.setattr("discodock.inference.relaxation.scorer.POSES_RELAXED_AT_ONCE", 3)
    alone = dock(1)
    num_alone, names = sum(steps), set()
    forward = pipeline.network.score_model.forward

    def watching(*arguments):
        names.add(threading.current_thread().name)
        assert torch.get_num_threads() == 1
        return forward(*arguments)

    monkeypatch.setattr(pipeline.network.score_model, "forward", watching)
    together = dock(3)
    assert sum(steps) == 2 * num_alone and names and threading.current_thread().name not in names
    assert [pose.sample for pose in together.poses] == [pose.sample for pose in alone.poses]
    assert (by_sample(together) == by_sample(alone)).all()


def test_poses_rescored_by_vina_are_ranked_by_it(pipeline, receptor, ligand, pocket):
    pytest.importorskip("vina")
    before = pipeline.dock(receptor, ligand, pocket, config(samples=3, validity=False))
    result = pipeline.dock(receptor, ligand, pocket, config(samples=3, rescore="vina", validity=False))
    scores = [pose.vina_rescore for pose in result.poses]
    assert scores == sorted(scores) == [-pose.rank_score for pose in result.poses]
    assert [pose.rank for pose in result.poses] == [1, 2, 3]
    assert sorted(pose.sample for pose in result.poses) == [0, 1, 2]
    assert {row["vina_rescore"] for row in before.to_dicts()} == {""}
    for pose in result.poses:
        gaps = np.linalg.norm(pose.pos[:, None] - receptor.pos[None], axis=2)
        assert pose.checks.min_dist_protein == pytest.approx(gaps.min(), abs=1e-6)
        assert pose.mol.GetConformer().GetPositions()[0] == pytest.approx(pose.pos[0], abs=1e-3)
        assert pose.checks.stereo_problem is None


def test_without_vina_one_line_says_what_to_install(pipeline, receptor, ligand, pocket, monkeypatch):
    monkeypatch.setitem(sys.modules, "vina", None)
    with pytest.raises(InputError, match=r"pip install 'discodock\[vina\]'"):
        pipeline.dock(receptor, ligand, pocket, config(samples=1, rescore="vina"))
    with pytest.raises(ConfigError, match="rescore: choose none, vina, not 'gnina'"):
        config().with_options({"rescore": "gnina"})
    flexible = config(relaxation=RelaxationConfig(method="openmm", openmm=OpenMMConfig(flexible=4.0)))
    with pytest.raises(ConfigError, match="rigid receptors only"):
        flexible.with_options({"rescore": "vina"})


def test_a_pocket_far_from_the_receptor_is_refused(pipeline, receptor, ligand):
    far = Pocket(receptor.pos.max(axis=0) + 100.0, 10.0, "far away")
    with pytest.raises(InputError, match="no atom of the receptor lies within"):
        pipeline.dock(receptor, ligand, far, config())


def test_the_best_of_more_candidates_are_kept(pipeline, receptor, ligand, pocket):
    every = pipeline.dock(receptor, ligand, pocket, config(samples=9, validity=False))
    best = pipeline.dock(receptor, ligand, pocket, config(samples=3, exhaustiveness=3, validity=False))
    by_sample = {pose.sample: pose for pose in every.poses}
    assert best.poses[0].sample == every.poses[0].sample
    assert [pose.rank for pose in best.poses] == [1, 2, 3]
    for pose in best.poses:
        other = by_sample[pose.sample]
        assert np.abs(pose.pos - other.pos).max() < 1e-3
        assert pose.rank_score == pytest.approx(other.rank_score, abs=1e-3)
        assert pose.consensus == pytest.approx(other.consensus, abs=1e-3)
    assert "A" in {pose.mode.name for pose in best.poses}  # names are given among the poses that are kept
    assert len({pose.sample for pose in best.poses}) == 3


def test_poses_are_drawn_and_relaxed_with_as_many_threads_as_torch_has(pipeline, receptor, ligand, monkeypatch):
    from discodock.inference import dock as module

    wanted = []

    def noted(function):
        def call(*arguments, **named):
            wanted.append(named["threads"] if "threads" in named else arguments[-1])
            return function(*arguments, **named)

        return call

    for name in ("sample_at_sites", "relax_poses"):
        monkeypatch.setattr(module, name, noted(getattr(module, name)))
    before = torch.get_num_threads()
    torch.set_num_threads(2)
    try:
        pocket = Pocket(receptor.pos.mean(axis=0), 10.0, "test")
        pipeline.sample(receptor, ligand, pocket, config(**PLAIN))
    finally:
        torch.set_num_threads(before)
    assert wanted == [2, 2]
