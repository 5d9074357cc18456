"""`discodock images` end to end on a handful of images, and its refusals."""

import json

import numpy as np
import pytest
import yaml
from PIL import Image

from discodock.cli.main import run
from discodock.images.data import open_images
from discodock.images.evaluation.features import save_classifier, train_classifier
from discodock.images.networks.conditioning import ImageShape


@pytest.fixture(scope="module")
def images(tmp_path_factory):
    generator = np.random.default_rng(0)
    labels = generator.integers(2, size=40)
    pixels = (generator.integers(60, size=(40, 8, 8)) + 150 * labels[:, None, None]).astype(np.uint8)
    path = tmp_path_factory.mktemp("images") / "images.npz"
    np.savez(path, images=pixels, labels=labels)
    return path


@pytest.fixture(scope="module")
def config(tmp_path_factory):
    values = {
        "data": {"batch_size": 8, "num_val": 8},
        "task": {
            "model": {
                "shape": {"size": 8, "channels": 1},
                "network": {"kind": "transformer", "patch_size": 4, "channels": 16, "depth": 1},
                "codes": {
                    "groups": [{"num_codes": 1, "codebook_size": 4}],
                    "encoder": {"patch_size": 4, "channels": 16, "depth": 1},
                },
            }
        },
        "run": {"max_steps": 2, "accelerator": "cpu"},
    }
    path = tmp_path_factory.mktemp("config") / "small.yaml"
    path.write_text(yaml.safe_dump(values))
    return path


@pytest.fixture(scope="module")
def checkpoint(images, config, tmp_path_factory):
    """A model with a prior, trained by the commands themselves."""
    folder = tmp_path_factory.mktemp("trained")
    common = [f"data.train={images}", "run.max_steps=2", "run.accelerator=cpu"]
    assert run(["images", "train", "--config", str(config), "--out", str(folder / "one"), *common]) == 0
    prior = folder / "prior.yaml"
    start = f"start_from: {folder / 'one' / 'images.safetensors'}"
    prior.write_text(f"{start}\ndata: {{batch_size: 8, num_val: 8}}\ntask: {{prior: {{channels: 16, depth: 1}}}}\n")
    assert run(["images", "prior", "--config", str(prior), "--out", str(folder / "two"), *common]) == 0
    return folder / "two" / "prior.safetensors"


def test_samples_are_a_grid_and_an_npz_that_can_be_read_again(cli, checkpoint, tmp_path):
    arguments = ["images", "sample", checkpoint, "--samples", 5, "--columns", 3, "--steps", 2, "--out", tmp_path]
    code, out, err = cli(*arguments)
    assert code == 0 and "samples.png" in out, err
    with Image.open(tmp_path / "samples.png") as picture:
        assert picture.size == (3 * (3 * 10 - 2), 3 * (2 * 10 - 2))
    first = np.load(tmp_path / "samples.npz")["images"]
    assert first.shape == (5, 8, 8, 1)
    assert cli(*arguments)[0] == 0
    assert np.array_equal(np.load(tmp_path / "samples.npz")["images"], first)


@pytest.mark.parametrize("more", [(), ("--resample",)])
def test_traversal_is_written(cli, checkpoint, images, tmp_path, more):
    code, out, err = cli(
        *["images", "sample", checkpoint, "--group", 0, "--images", images, "-n", 6, "--columns", 2],
        *["--steps", 2, "--out", tmp_path, *more],
    )
    assert code == 0 and (tmp_path / "traversal_group0.png").is_file(), err


def test_resampling_without_a_group_is_refused(cli, checkpoint):
    code, out, err = cli("images", "sample", checkpoint, "--resample")
    assert code == 2 and "--resample needs --group" in err


def test_evaluation_prints_and_writes_distances(cli, checkpoint, images, tmp_path):
    classifier, shape = tmp_path / "classifier.safetensors", ImageShape(size=8, channels=1)
    save_classifier(classifier, train_classifier(open_images(images, shape), shape, steps=3), shape, {})
    code, out, err = cli(
        *["images", "evaluate", checkpoint, "--train", images, "--reference", images, "-n", 12, "--steps", "1,2"],
        *["--curvature-samples", 0, "--classifier", classifier, "--out", tmp_path],
    )
    assert code == 0, err
    assert out.count("Fréchet distance") == 6  # two numbers of steps, three sources of codes
    assert json.loads((tmp_path / "metrics.json").read_text())["n"] == 12


def test_toy_runs_and_draws(cli, tmp_path):
    code, out, err = cli("images", "toy", "--out", tmp_path, "steps=20", "prior_steps=10", "width=16", "depth=1")
    assert code == 0 and "curvature" in out, err
    for name in ("trajectories.png", "codes.png"):
        with Image.open(tmp_path / name) as picture:
            assert min(picture.size) > 200
    assert json.loads((tmp_path / "metrics.json").read_text())["parameters"]["plain"] > 0


@pytest.mark.parametrize(
    ("arguments", "fragment"),
    [
        (["sample", "MISSING"], "no such checkpoint"),
        (["sample", "CHECKPOINT", "--solver", "magic"], "sampler.solver"),
        (["sample", "CHECKPOINT", "--top-p", "2"], "codes.top_p"),
        (["sample", "CHECKPOINT", "--label", "1"], "0 classes"),
        (["sample", "CHECKPOINT", "--group", "0"], "needs --images"),
        (["sample", "CHECKPOINT", "--device", "cuda:77"], "not available"),
        (["evaluate", "CHECKPOINT", "--train", "IMAGES", "--reference", "IMAGES", "--steps", "2,x"], "whole numbers"),
        (["evaluate", "CHECKPOINT", "--train", "IMAGES", "--reference", "IMAGES", "-n", "99"], "fewer than --samples"),
        (["evaluate", "CHECKPOINT", "--train", "IMAGES", "--reference", "IMAGES", "--features", "x"], "features"),
        (["evaluate", "CHECKPOINT", "--train", "IMAGES", "--reference", "MISSING"], "no such file or folder"),
        (["train", "--config", "MISSING"], "no such file"),
        (["toy", "stepz=3"], "did you mean 'steps'"),
    ],
)
def test_bad_input_is_one_line_and_exit_code_two(cli, checkpoint, images, tmp_path, arguments, fragment):
    given = {"CHECKPOINT": checkpoint, "IMAGES": images, "MISSING": tmp_path / "missing"}
    code, out, err = cli("images", *[given.get(each, each) for each in arguments], "--out", tmp_path / "out")
    assert code == 2 and fragment in err, err
    assert len(err.strip().splitlines()) == 1
