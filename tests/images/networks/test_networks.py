"""Every kind of denoiser: what it reads, and where groups of codes enter."""

from pathlib import Path

import pytest
import torch

from discodock.config import load_config
from discodock.errors import ConfigError
from discodock.images.edm import Denoiser, preconditioning
from discodock.images.model import ImageModel, ImageModelConfig
from discodock.images.networks.conditioning import CodeReaderConfig, ConditionSpace, ImageShape
from discodock.images.networks.registry import NETWORKS, make_network
from discodock.images.networks.transformer import ConditionedBlock, TransformerConfig
from discodock.images.networks.unet import BottleneckConfig, ResidualBlock, UNetConfig
from discodock.images.stages import ImageStageConfig
from discodock.latents.categorical import NULL_CODE
from tests.images.networks.small import CONFIGS, GROUPS, SHAPE, randomised, small_network, some_inputs

CONFIG_FILES = Path(__file__).parents[3] / "configs"
KINDS = pytest.mark.parametrize("name", CONFIGS)


def test_every_kind_is_tested():
    assert {config.kind for config in CONFIGS.values()} == set(NETWORKS)


@KINDS
def test_a_new_network_returns_zero_so_that_the_denoiser_is_the_best_linear_one(name):
    x, _, labels, codes = some_inputs(3)
    sigma = torch.tensor([0.1, 1.0, 10.0])
    network = make_network(CONFIGS[name], SHAPE, ConditionSpace(3, GROUPS))
    expected = preconditioning(sigma, 0.5).c_skip[:, None, None, None] * x
    torch.testing.assert_close(Denoiser(network, 0.5)(x, sigma, labels, codes), expected)


@KINDS
@pytest.mark.parametrize("seed", range(3))
def test_a_batch_equals_its_members_alone(name, seed):
    network = small_network(name, seed=seed).eval()
    x, c_noise, labels, codes = some_inputs(4, seed)
    together = network(x, c_noise, labels, codes)
    assert together.shape == x.shape
    for number in range(4):
        one = slice(number, number + 1)
        alone = network(x[one], c_noise[one], labels[one], [each[one] for each in codes])
        torch.testing.assert_close(together[one], alone, atol=1e-4, rtol=1e-4)


@KINDS
def test_noise_level_class_and_every_code_count(name):
    network = small_network(name)
    x, c_noise, labels, codes = some_inputs(2)
    before = network(x, c_noise, labels, codes)
    assert (network(x, c_noise + 0.5, labels, codes) - before).abs().max() > 1e-3
    assert (network(x, c_noise, (labels + 1) % 3, codes) - before).abs().max() > 1e-3
    for number in range(len(codes)):
        changed = [each.roll(1, dims=1) if i == number else each for i, each in enumerate(codes)]
        assert (network(x, c_noise, labels, changed) - before).abs().max() > 1e-3


@KINDS
def test_nothing_told_is_the_null_class_and_null_codes(name):
    network = small_network(name)
    x, c_noise, labels, codes = some_inputs(2)
    untold = network(x, c_noise, None, None)
    nothing = [torch.zeros_like(each) for each in codes]
    torch.testing.assert_close(network(x, c_noise, torch.full_like(labels, NULL_CODE), nothing), untold)
    assert (network(x, c_noise, labels, None) - untold).abs().max() > 1e-3


@KINDS
def test_gradients_reach_the_weights_of_all_codes(name):
    network = small_network(name)
    x, c_noise, labels, codes = some_inputs(2)
    weights = [each.clone().requires_grad_() for each in codes]
    network(x, c_noise, labels, weights).square().sum().backward()
    for each in weights:
        assert each.grad is not None and (each.grad.abs().sum(dim=1) > 0).all()


@KINDS
def test_the_wrong_number_of_codes_is_refused(name):
    x, c_noise, labels, codes = some_inputs(2)
    with pytest.raises(ValueError, match="shorter|longer"):
        small_network(name)(x, c_noise, labels, codes[:2])
    with pytest.raises(ValueError, match="made without"):
        small_network(name, groups=())(x, c_noise, labels, codes)


def test_groups_of_codes_are_read_at_their_own_resolution():
    network = small_network("unet")
    read = set()
    for module in network.modules():
        if isinstance(module, ResidualBlock):
            module.register_forward_hook(lambda block, _in, out: read.add((block.groups, out.shape[-1])))
    network(*some_inputs(1))
    assert read == {((0,), 4), ((1,), 8)}


def test_codes_read_on_the_way_up_alone_come_in_after_the_middle():
    network = small_network("unet_as_published")
    order = []
    for name, module in network.named_modules():
        if isinstance(module, ResidualBlock):
            note = (name.split(".")[0], module.groups)
            module.register_forward_hook(lambda block, _in, out, note=note: order.append((*note, out.shape[-1])))
    network(*some_inputs(1))
    assert [each for each in order if each[1]] == [("up", (0,), 4)] * 2 + [("up", (1,), 8)] * 2
    assert [each[0] for each in order if each[0] != "up"] == ["down"] * 3 + ["middle"] * 2


def test_a_transformer_bottleneck_reads_codes_every_few_blocks_and_replaces_the_lowest_residual_blocks():
    network = small_network("unet_bottleneck")
    blocks = [module for module in network.modules() if isinstance(module, ConditionedBlock)]
    assert [block.groups for block in blocks] == [(), (0, 1)]
    sizes = set()
    for module in network.modules():
        if isinstance(module, ResidualBlock) and module.resampling is None:
            module.register_forward_hook(lambda _block, _in, out: sizes.add(out.shape[-1]))
    network(*some_inputs(1))
    assert sizes == {8, 4}


def test_what_a_reader_makes_of_a_code_depends_on_the_others():
    reader = CodeReaderConfig(channels=8, depth=1, num_heads=2)
    network = randomised(make_network(CONFIGS["unet"], SHAPE, ConditionSpace(3, GROUPS, reader=reader)))
    x, c_noise, labels, codes = some_inputs(2)
    first = network.conditioning(c_noise, labels, codes).tokens[0]
    changed = [*codes[:2], codes[2].roll(1, dims=1)]
    assert (network.conditioning(c_noise, labels, changed).tokens[0] - first).abs().max() > 1e-3


def published(name) -> ImageModelConfig:
    return load_config(CONFIG_FILES / f"{name}.yaml", [], ImageStageConfig).task.model


def test_the_published_denoiser_has_the_published_size():
    config = published("images_imagenet64")
    with torch.device("meta"):
        network = make_network(config.network, config.shape, ConditionSpace(1000, ()))
    assert sum(p.numel() for p in network.parameters()) == pytest.approx(296e6, rel=0.01)  # EDM's ADM at 64 px


@pytest.mark.parametrize("name", ["images_imagenet64", "images_imagenet64_groups", "images_imagenet128"])
def test_published_configurations_make_a_model_that_starts_from_its_denoiser(name):
    config = published(name)
    with torch.device("meta"):
        model = ImageModel(config)
        plain = ImageModel(config.model_copy(update={"codes": None}))
    own = {key: value.shape for key, value in model.state_dict().items()}
    assert all(own[key] == value.shape for key, value in plain.state_dict().items())
    new = {key for key in own if key not in plain.state_dict()}
    assert all(any(word in key for word in ("code", "encoder")) for key in new)


def test_groups_are_spread_over_the_blocks_of_a_transformer():
    blocks = [m for m in small_network("transformer").modules() if isinstance(m, ConditionedBlock)]
    assert [block.groups for block in blocks] == [(0,), (0,), (1,), (1,)]


@pytest.mark.parametrize(
    ("config", "fragment"),
    [
        (UNetConfig(channel_mult=(1, 1, 1, 1, 1)), "divisible by 16, not 8"),
        (UNetConfig(code_resolutions=((4,),)), "1 entries for 2 groups"),
        (UNetConfig(channel_mult=(1, 2), code_resolutions=((4,), (5,))), "5 is not one"),
        (UNetConfig(channel_mult=(1, 2), code_resolutions=((4,), ())), "read nowhere"),
        (UNetConfig(channel_mult=(1,), bottleneck=BottleneckConfig()), "at least two resolutions"),
        (
            UNetConfig(
                channel_mult=(1, 2), bottleneck=BottleneckConfig(), code_resolutions=((8,), (4,)), code_branches="up"
            ),
            "4 is not one",
        ),
        (TransformerConfig(patch_size=3), "patches of 3 pixels"),
        (TransformerConfig(depth=1), "cannot read 2 groups"),
    ],
)
def test_sizes_that_do_not_fit_are_refused(config, fragment):
    with pytest.raises(ConfigError, match=fragment):
        make_network(config, ImageShape(size=8, channels=1), ConditionSpace(0, GROUPS))
