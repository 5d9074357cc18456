"""Training end to end on a handful of images: both stages, resuming, and sampling from what was written."""

from functools import partial
from pathlib import Path

import numpy as np
import pytest
import torch
from pydantic import ValidationError
from safetensors.torch import save_file

from discodock.config import load_config
from discodock.errors import CheckpointError, ConfigError
from discodock.images.checkpoint import FORMAT, load_images_checkpoint, save_images_checkpoint
from discodock.images.data import ImageBatch, ImageDataModule, open_images
from discodock.images.edm import EDMConfig, denoising_losses
from discodock.images.evaluation.evaluate import ImageEvaluationConfig, evaluate_images
from discodock.images.evaluation.features import save_classifier, train_classifier
from discodock.images.generate import GenerationConfig, load_generator, spread_labels
from discodock.images.model import Guidance, ImageModel, to_unit_range
from discodock.images.prior_task import ImagePriorTask, ImagePriorTaskConfig
from discodock.images.sampler import SamplerConfig
from discodock.images.stages import ImagePriorStageConfig, ImageStageConfig, train_image_prior, train_images
from discodock.latents.categorical import NULL_CODE
from discodock.training.optim import OptimizerConfig

CPU = torch.device("cpu")
QUICK = GenerationConfig(sampler=SamplerConfig(steps=3), batch_size=4)
NETWORKS = {
    "unet": {"kind": "unet", "channels": 8, "channel_mult": [1, 2], "num_blocks": 1, "code_resolutions": [[4], [8]]},
    "transformer": {"kind": "transformer", "patch_size": 4, "channels": 16, "depth": 2, "num_heads": 2},
}


@pytest.fixture(scope="module")
def images(tmp_path_factory):
    """Bright or dark squares in one of four corners, the corner is the class."""
    generator = np.random.default_rng(0)
    labels = generator.integers(4, size=64)
    pixels = generator.integers(40, size=(64, 8, 8))
    for image, label in zip(pixels, labels, strict=True):
        top, left = 4 * (label // 2), 4 * (label % 2)
        image[top : top + 4, left : left + 4] += 180
    path = tmp_path_factory.mktemp("images") / "corners.npz"
    np.savez(path, images=pixels.astype(np.uint8), labels=labels.astype(np.uint8))
    return path


BOOKS = [{"num_codes": 1, "codebook_size": 4}, {"num_codes": 2, "codebook_size": 3}]
POINTER = [{"kind": "pointer", "num_codes": 1}, {"num_codes": 2, "codebook_size": 3}]


def stage_one(images, network="unet", groups=BOOKS, **run):
    values = {
        "data": {"train": str(images), "batch_size": 8, "num_val": 8, "flip": True},
        "task": {
            "model": {
                "shape": {"size": 8, "channels": 1},
                "num_classes": 4,
                "network": NETWORKS[network],
                "codes": {
                    "groups": groups,
                    "encoder": {"patch_size": 4, "channels": 16, "depth": 1},
                }
                if groups
                else None,
            },
        },
        "run": {"max_steps": 4, "accelerator": "cpu", "checkpoint_every": 2, "validate_every": 4, "log_every": 1} | run,
    }
    return ImageStageConfig.model_validate(values)


@pytest.fixture(scope="module")
def trained(images, tmp_path_factory):
    """A file with a model and a prior of four steps each."""
    return train_both(images, tmp_path_factory.mktemp("trained"), BOOKS)


def train_both(images, folder, groups):
    weights = train_images(stage_one(images, groups=groups), folder / "one")
    values = {
        "start_from": str(weights),
        "data": {"train": str(images), "batch_size": 8, "num_val": 8},
        "task": {"prior": {"channels": 16, "depth": 1}, "num_classes": 4},
        "run": {"max_steps": 4, "accelerator": "cpu", "validate_every": 4},
    }
    return train_image_prior(ImagePriorStageConfig.model_validate(values), folder / "two")


@pytest.mark.parametrize("network", NETWORKS)
def test_resumed_run_is_the_uninterrupted_one(images, tmp_path, network):
    whole = load_images_checkpoint(train_images(stage_one(images, network), tmp_path / "whole"))
    train_images(stage_one(images, network, max_hours=1e-9), tmp_path / "parts")  # stops after a step
    stopped = load_images_checkpoint(tmp_path / "parts" / "images.safetensors")
    assert stopped.info["step"] < 4 == whole.info["step"]
    resumed = load_images_checkpoint(train_images(stage_one(images, network), tmp_path / "parts"))
    assert resumed.info["step"] == 4
    for name, value in whole.weights.items():
        torch.testing.assert_close(resumed.weights[name], value, msg=name)
    with pytest.raises(ConfigError, match="another 'data' block"):
        changed = stage_one(images, network)
        data = changed.data.model_copy(update={"seed": 5})
        train_images(changed.model_copy(update={"data": data}), tmp_path / "parts")


def test_compiling_the_prior_is_refused(tmp_path):
    with pytest.raises(ValidationError, match=r"run\.compile is not for priors"):
        ImagePriorStageConfig.model_validate({"start_from": str(tmp_path), "run": {"compile": True}})


def test_a_model_with_codes_starts_from_a_denoiser_without(images, tmp_path):
    plain = train_images(stage_one(images, groups=()), tmp_path / "plain")
    started = ImageStageConfig.model_validate({**stage_one(images).model_dump(), "start_from": plain})
    begun = load_images_checkpoint(plain).weights
    still = started.task.optimizer.model_copy(update={"learning_rate": 1e-12})
    started = started.model_copy(update={"task": started.task.model_copy(update={"optimizer": still})})
    found = load_images_checkpoint(train_images(started, tmp_path / "codes")).weights
    assert len(found) > len(begun)
    for name, value in begun.items():
        torch.testing.assert_close(found[name], value, msg=name)
    with pytest.raises(CheckpointError, match="cannot start from it"):
        other = stage_one(images, "transformer").model_copy(update={"start_from": plain})
        train_images(other, tmp_path / "other")


def test_stage_one_is_not_trained_on_while_the_prior_is(trained):
    task = ImagePriorTask(ImagePriorTaskConfig(), load_generator(trained, CPU).model, max_steps=10).train()
    before = {name: value.clone() for name, value in task.stage_one.state_dict().items()}
    batch = ImageBatch(torch.zeros(4, 1, 8, 8, dtype=torch.uint8), torch.zeros(4, dtype=torch.int64))
    task.draw(batch, torch.Generator().manual_seed(0))
    assert task.prior.training
    for name, value in task.stage_one.state_dict().items():
        torch.testing.assert_close(value, before[name], rtol=0, atol=0)


def test_codes_are_not_trained_image_by_image(images):
    with pytest.raises(ValueError, match="batch_size must be at least 2"):
        ImageStageConfig.model_validate(
            stage_one(images).model_dump() | {"data": {"train": str(images), "batch_size": 1, "num_val": 8}}
        )


def test_the_prior_keeps_stage_one_and_knows_its_codes(trained):
    first = load_images_checkpoint(trained.parent.parent / "one" / "images.safetensors")
    second = load_images_checkpoint(trained)
    assert all(torch.equal(second.weights[name], value) for name, value in first.weights.items())
    generator = load_generator(trained, CPU)
    assert generator.prior is not None and generator.num_classes == 4
    codes = generator.draw_prior_codes(spread_labels(10, 4), QUICK)
    assert codes.shape == (10, 3) and int(codes[:, 0].max()) < 4 and int(codes.min()) >= 0


def test_pointers_are_trained_and_drawn_as_codebooks_are(images, tmp_path):
    generator = load_generator(train_both(images, tmp_path, POINTER), CPU)
    assert [len(mask) for mask in generator.model.code_masks(CPU)] == [4, 3, 3]
    labels = spread_labels(10, 4)
    codes = generator.draw_prior_codes(labels, QUICK)
    assert codes.shape == (10, 3) and int(codes[:, 0].max()) < 4 and int(codes.min()) >= 0
    assert generator.denoise(labels, codes, QUICK).shape == (10, 1, 8, 8)


@pytest.mark.parametrize("spread", [False, True])
def test_codes_depend_on_seed_and_number_but_not_on_the_batch(trained, spread):
    generator, labels = load_generator(trained, CPU), spread_labels(60, 4)
    config = QUICK.model_copy(update={"quasi_random": spread})
    codes = generator.draw_prior_codes(labels, config)
    assert torch.equal(generator.draw_prior_codes(labels, config.model_copy(update={"batch_size": 60})), codes)
    assert torch.equal(generator.draw_prior_codes(labels[:7], config), codes[:7])
    assert not torch.equal(generator.draw_prior_codes(labels, config.model_copy(update={"seed": 1})), codes)


def test_quasi_random_codes_follow_the_prior_closer_than_independent_ones(trained):
    generator, num = load_generator(trained, CPU), 48
    labels = torch.zeros(num, dtype=torch.int64)
    every = torch.cartesian_prod(*map(torch.arange, (4, 3, 3)))
    with torch.no_grad():
        expected = generator.prior.prior(labels[:1].expand(36)).log_prob(every).exp()
    errors = {True: [], False: []}
    for seed in range(8):
        for spread, found in errors.items():
            config = QUICK.model_copy(update={"quasi_random": spread, "seed": seed, "batch_size": num})
            codes = generator.draw_prior_codes(labels, config)
            counts = torch.bincount((codes * torch.tensor([9, 3, 1])).sum(dim=1), minlength=36)
            found.append(float((counts / num - expected).abs().sum() / 2))
    assert np.mean(errors[True]) < 0.85 * np.mean(errors[False])


def test_images_depend_on_seed_and_number_but_not_on_the_batch(trained):
    generator = load_generator(trained, CPU)
    labels = spread_labels(7, 4)
    drawn = generator.generate(labels, QUICK)
    assert drawn.shape == (7, 1, 8, 8) and drawn.dtype == torch.uint8
    other_batches = QUICK.model_copy(update={"batch_size": 7})
    difference = generator.generate(labels, other_batches).int() - drawn.int()
    assert int(difference.abs().max()) <= 1  # sums in another order may round one way or the other
    other_seed = QUICK.model_copy(update={"seed": 1})
    assert not torch.equal(generator.generate(labels, other_seed), drawn)


def test_guidance_of_classes_and_codes_is_the_formula(trained):
    model = load_generator(trained, CPU).model
    generator = torch.Generator().manual_seed(0)
    with torch.no_grad():  # four steps leave what starts as zero too close to it
        for parameter in model.parameters():
            parameter.add_(0.1 * torch.randn(parameter.shape, generator=generator))
        x, sigma = torch.randn(3, 1, 8, 8, generator=generator), torch.tensor([0.1, 1.0, 5.0])
        labels, untold = torch.tensor([0, 1, 2]), torch.full((3,), NULL_CODE)
        codes = model.code_posterior(x).draw(generator).weights
        denoise = partial(model.denoiser, x, sigma)
        expected = (
            denoise(labels, codes)
            + 0.5 * (denoise(labels, codes) - denoise(untold, codes))
            + 2.0 * (denoise(labels, codes) - denoise(labels, None))
        )
        found = model.guided(x, sigma, labels, codes, Guidance(classes=0.5, codes=2.0))
        torch.testing.assert_close(found, expected)
        assert (found - denoise(labels, codes)).abs().max() > 1e-3
        unguided = model.guided(x, sigma, labels, codes, Guidance())
        torch.testing.assert_close(unguided, denoise(labels, codes))
        ignored = model.guided(x, sigma, labels, codes, Guidance(codes=-1.0))
        torch.testing.assert_close(ignored, denoise(labels, None))


def test_traversal_keeps_noise_and_one_group_along_a_row(trained, images):
    generator = load_generator(trained, CPU)
    pixels = torch.from_numpy(np.load(images)["images"])[:4, None]
    grid = generator.traversal(pixels, 1, 3, QUICK)
    assert grid.shape == (4, 3, 1, 8, 8)
    codes = generator.encode(pixels, QUICK)
    nothing = torch.full((4,), NULL_CODE)
    torch.testing.assert_close(grid[:, 0], generator.denoise(nothing, codes, QUICK), atol=1, rtol=0)
    mixed = torch.cat([codes[[2, 3, 0, 1], :1], codes[:, 1:]], dim=1)
    torch.testing.assert_close(grid[:, 2], generator.denoise(nothing, mixed, QUICK), atol=1, rtol=0)
    with pytest.raises(ConfigError, match=r"groups 0 \.\.\. 1"):
        generator.traversal(pixels, 2, 3, QUICK)


@pytest.mark.parametrize("group", [0, 1])
def test_a_resampled_traversal_keeps_one_group_and_draws_the_rest_given_it(trained, images, group):
    generator = load_generator(trained, CPU)
    pixels = torch.from_numpy(np.load(images)["images"])[:4, None]
    kept = generator.model.config.space.group_slices[group]
    own = generator.encode(pixels, QUICK)
    codes = generator.traversal_codes(pixels, group, 40, QUICK, resample=True)
    assert codes.shape == (4, 40, 3) and torch.equal(codes[:, 0], own)
    assert torch.equal(codes[:, :, kept], own[:, None, kept].expand(-1, 40, -1))
    free = [number for number in range(3) if number not in range(kept.start, kept.stop)]
    for number in free:
        assert codes[:, :, number].unique().numel() > 1
    assert torch.equal(
        generator.traversal_codes(pixels, group, 40, QUICK.model_copy(update={"batch_size": 160}), resample=True), codes
    )
    grid = generator.traversal(pixels, group, 3, QUICK, resample=True)
    assert grid.shape == (4, 3, 1, 8, 8)


def test_given_the_first_group_the_rest_is_the_prior_s_conditional(trained, images):
    generator, num = load_generator(trained, CPU), 3000
    known = torch.tensor([[2, NULL_CODE, NULL_CODE]])
    config = QUICK.model_copy(update={"batch_size": num})
    nothing = torch.full((num,), NULL_CODE)
    codes = generator.draw_prior_codes(nothing, config, known.expand(num, -1))
    assert (codes[:, 0] == 2).all()
    every = torch.cartesian_prod(torch.tensor([2]), torch.arange(3), torch.arange(3))
    with torch.no_grad():
        expected = generator.prior.prior(nothing[:9]).log_prob(every).softmax(0)
    found = torch.bincount((codes[:, 1:] * torch.tensor([3, 1])).sum(dim=1), minlength=9) / num
    assert float((found - expected).abs().sum() / 2) < 0.04


def test_resampling_needs_a_prior(trained, images):
    one = load_generator(trained.parent.parent / "one" / "images.safetensors", CPU)
    with pytest.raises(ConfigError, match="has no prior"):
        one.traversal(torch.zeros(2, 1, 8, 8, dtype=torch.uint8), 0, 2, QUICK, resample=True)


def test_evaluation_writes_every_figure(trained, images, tmp_path):
    config = ImageEvaluationConfig(
        train=images,
        reference=images,
        num_samples=20,
        seeds=2,
        steps=(1, 2),
        classifier=tmp_path / "classifier.safetensors",
        curvature_samples=6,
        curvature_steps=8,
        generation=QUICK,
    )
    shape = load_generator(trained, CPU).model.config.shape
    save_classifier(config.classifier, train_classifier(open_images(images, shape), shape, steps=5), shape, {})
    metrics = evaluate_images(load_generator(trained, CPU), config, tmp_path)
    assert (tmp_path / "metrics.json").is_file()
    assert {(row["codes"], row["evaluations"]) for row in metrics["frechet"]} == {
        (codes, evaluations) for codes in ("none", "oracle", "prior") for evaluations in (1, 3)
    }
    assert all(len(row["distances"]) == 2 and row["distance"] > 0 for row in metrics["frechet"])
    assert metrics["floor"]["distance"] < min(row["distance"] for row in metrics["frechet"])
    assert set(metrics["curvature"]) == {"none", "oracle", "prior"}
    assert all(0 < each["mean"] < 100 for each in metrics["curvature"].values())
    assert len(metrics["codes"]["perplexity"]) == 3
    assert metrics["codes"]["prior_nats"] > 0
    assert all(0 < each < 1 for each in metrics["codes"]["class_information_shuffled_bits"])
    assert 0 <= metrics["codes"]["class_information_bits"][0] <= metrics["codes"]["class_entropy_bits"] <= 2


def test_files_that_are_no_image_model_are_refused(trained, tmp_path):
    with pytest.raises(CheckpointError, match="no such checkpoint"):
        load_generator(tmp_path / "missing.safetensors", CPU)
    (tmp_path / "text.safetensors").write_text("nonsense")
    with pytest.raises(CheckpointError, match="not a readable"):
        load_generator(tmp_path / "text.safetensors", CPU)
    checkpoint = load_images_checkpoint(trained)
    lacking = {k: v for k, v in checkpoint.weights.items() if "readout" not in k}
    save_images_checkpoint(tmp_path / "lacking.safetensors", lacking, checkpoint.config, {})
    with pytest.raises(CheckpointError, match="do not fit"):
        load_generator(tmp_path / "lacking.safetensors", CPU)
    save_images_checkpoint(tmp_path / "old.safetensors", lacking, {"model": {"colour": 1}}, {})
    with pytest.raises(CheckpointError, match="another version"):
        load_generator(tmp_path / "old.safetensors", CPU)


@pytest.mark.slow
def test_training_learns_and_codes_lower_the_loss_of_the_images_learned_from(images, tmp_path):
    """Bright corners: codes tell which one. Means over 16 draws of noise, as one draw scatters by half."""
    config = stage_one(images, max_steps=240, checkpoint_every=240, validate_every=240, log_every=40)
    model = config.task.model.model_copy(update={"num_classes": 0, "edm": EDMConfig(P_mean=0.5)})
    optimizer = OptimizerConfig(learning_rate=5e-3, warmup_steps=10, ema_decay=0.9)
    task = config.task.model_copy(update={"model": model, "optimizer": optimizer})
    data_config = config.data.model_copy(update={"flip": False})
    weights = train_images(config.model_copy(update={"task": task, "data": data_config}), tmp_path)
    trained_model = load_generator(weights, CPU).model
    data = ImageDataModule(data_config, model.shape, 0)
    data.setup()
    clean = to_unit_range(next(iter(data.train_dataloader())).images).repeat(16, 1, 1, 1)
    generator = torch.Generator().manual_seed(0)
    sigma, noise = torch.full((len(clean),), 3.0), torch.randn(clean.shape, generator=generator)
    with torch.no_grad():
        codes = trained_model.code_posterior(clean).draw(generator).weights
        with_codes = denoising_losses(trained_model.denoiser, clean, sigma, noise, None, codes).mean()
        without = denoising_losses(trained_model.denoiser, clean, sigma, noise).mean()
    assert with_codes < 0.97 * without < 0.8


def test_configurations_that_ship_are_valid():
    paths = sorted((Path(__file__).resolve().parents[2] / "configs").glob("images_*.yaml"))
    assert paths
    for path in paths:
        is_prior = "prior" in path.name
        config = load_config(path, [], ImagePriorStageConfig if is_prior else ImageStageConfig)
        if isinstance(config, ImageStageConfig):
            with torch.device("meta"):
                ImageModel(config.task.model)


@pytest.mark.parametrize("header", [{"config": "{"}, {"config": "[1]"}, {}])
def test_a_damaged_configuration_is_one_clear_line(tmp_path, header):
    path = tmp_path / "damaged.safetensors"
    save_file({"model.a": torch.ones(1)}, path, {"format": FORMAT, "info": "{}", **header})
    with pytest.raises(CheckpointError, match=r"damaged\.safetensors: its configuration is damaged"):
        load_images_checkpoint(path)
