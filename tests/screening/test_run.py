from dataclasses import replace

import pytest

from discodock.errors import InputError
from discodock.inference.dock import DockingPipeline
from discodock.inference.inputs import read_docking_receptor
from discodock.inference.pocket import resolve_pocket
from discodock.screening.ledger import Ledger
from discodock.screening.library import iter_library
from discodock.screening.pool import OwnProcess
from discodock.screening.run import Shard, screen_library
from discodock.screening.stages import run_stages
from tests.screening.conftest import tiny_config


def outcome(out):
    """All that a screen found, without times."""
    with Ledger(out) as ledger:
        results = [(r.id, r.stage, r.scores, dict(r.row), ledger.poses(r.number)) for r in ledger.results()]
        return results, [(f.id, f.stage, f.reason) for f in ledger.failures()]


@pytest.fixture(scope="module")
def screened(checkpoint, tmp_path_factory):
    """The library of these tests, screened once without any disturbance."""
    from discodock.inference.pocket import PocketSpec
    from discodock.screening.inputs import ScreenInputs
    from tests.screening.conftest import LIBRARY
    from tests.tiny import SMALL

    folder = tmp_path_factory.mktemp("screened")
    (folder / "library.smi").write_text(LIBRARY)
    inputs = ScreenInputs(
        SMALL / "protein.pdb", PocketSpec(ligand=SMALL / "ligand.sdf"), tiny_config(), checkpoint, "cpu"
    )
    screen_library(inputs, iter_library(folder / "library.smi"), folder / "out", workers=0)
    return folder / "out"


def test_every_ligand_is_docked_and_the_best_again(screened):
    results, failures = outcome(screened)
    assert [stage for _, stage, *_ in results] == [1, 1, 1, 0, 0]
    assert {name for name, *_ in results} == {"ethanol", "phenol", "aspirin", "ethanol_2", "amine"}
    assert [name for name, *_ in failures] == ["one"] and "not a valid SMILES" in failures[0][2]
    for _, stage, scores, row, poses in results:
        assert row["num_poses"] == (2, 3)[stage] and list(scores) == list(range(stage + 1))
        assert scores[stage] == pytest.approx(-row["vina_score"], abs=1e-3)
        assert poses.count("$$$$") == 1 and "discodock_score" in poses


def test_a_screened_ligand_has_the_pose_of_predict(screened, inputs):
    """Poses depend on ligand, pocket and settings alone, and so not on other ligands, their order or the worker."""
    pipeline = DockingPipeline(inputs.checkpoint, "cpu")
    docking = inputs.config.stages[0].docking
    receptor = read_docking_receptor(inputs.protein, None, inputs.pocket, docking.receptor)
    pocket = resolve_pocket(inputs.pocket, receptor)
    from discodock.chem.ligand import read_ligand

    results, _ = outcome(screened)
    name, _, _, row, poses = results[-1]
    alone = pipeline.dock(receptor, read_ligand(row["smiles"]), pocket, docking)
    assert row["vina_score"] == alone.to_dicts()[0]["vina_score"]
    block = [line.split()[:3] for line in poses.splitlines()[4 : 4 + row["heavy_atoms"]]]
    assert block == [[f"{x:.4f}" for x in pos] for pos in alone.best.pos]


def test_poses_do_not_depend_on_order_workers_or_shards(screened, inputs, library, tmp_path):
    whole = {name: (stage, poses) for name, stage, _, _, poses in outcome(screened)[0]}
    one_stage = replace(inputs, config=inputs.config.model_copy(update={"stages": inputs.config.stages[:1]}))
    first = {}
    lines = [line for line in library.read_text().splitlines() if " one" not in line][::-1]
    library.write_text("\n".join(lines))
    for index in range(2):
        out = tmp_path / str(index)
        screen_library(one_stage, iter_library(library), out, shard=Shard(index, 2), workers=index)
        first |= {row["smiles"]: poses for _, _, _, row, poses in outcome(out)[0]}
    for _, stage, _, row, poses in outcome(screened)[0]:
        if stage == 0:
            assert block_of(first[row["smiles"]]) == block_of(poses)
    assert len(first) == 4 and len(whole) == 5


def block_of(sdf):
    """Atoms and bonds, without the title."""
    return sdf.partition("\n")[2].partition("M  END")[0]


def test_a_finished_screen_is_not_done_again_and_another_is_refused(screened, inputs, library, tmp_path):
    def never(number):
        raise AssertionError("nothing is left to do")

    with Ledger(screened) as ledger:
        run_stages(ledger, inputs.config, lambda: OwnProcess(never), lambda progress: None)
    changed = replace(inputs, config=tiny_config(seed=5))
    with pytest.raises(InputError, match=r"stages.quick.docking.seed is 5, was 0"):
        screen_library(changed, iter_library(library), screened, workers=0)
    elsewhere = replace(inputs, pocket=replace(inputs.pocket, radius=7.0))
    with pytest.raises(InputError, match=r"pocket.radius is 7.0, was 10.0"):
        screen_library(elsewhere, iter_library(library), screened, workers=0)
