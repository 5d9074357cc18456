"""Small networks of every kind, with random weights where they begin as zero."""

import torch

from discodock.images.networks.conditioning import CodeGroup, ConditionSpace, ImageShape
from discodock.images.networks.registry import make_network
from discodock.images.networks.transformer import TransformerConfig
from discodock.images.networks.unet import BottleneckConfig, UNetConfig

SHAPE = ImageShape(size=8, channels=2)
GROUPS = (CodeGroup(num_codes=2, codebook_size=3), CodeGroup(num_codes=1, codebook_size=4))
SIZES = (3, 3, 4)
CONFIGS = {
    "unet": UNetConfig(
        channels=8, channel_mult=(1, 2), num_blocks=1, attention_resolutions=(4,), code_resolutions=((4,), (8,))
    ),
    "unet_patches": UNetConfig(patch_size=2, channels=8, channel_mult=(1, 2), num_blocks=2, head_channels=4),
    "unet_as_published": UNetConfig(
        channels=8,
        channel_mult=(1, 2),
        num_blocks=1,
        num_middle=2,
        resampling="residual",
        attention_resolutions=(4,),
        code_resolutions=((4,), (8,)),
        code_branches="up",
    ),
    "unet_bottleneck": UNetConfig(
        channels=8,
        channel_mult=(1, 2, 4),
        num_blocks=1,
        resampling="residual",
        bottleneck=BottleneckConfig(depth=2, code_every=2),
        head_channels=4,
    ),
    "transformer": TransformerConfig(patch_size=4, channels=16, depth=4, num_heads=2),
}


def randomised(module, seed=0):
    """All weights drawn anew, so that nothing is zero."""
    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for parameter in module.parameters():
            fan_in = parameter[0].numel() if parameter.ndim > 1 else 10
            parameter.copy_(torch.randn(parameter.shape, generator=generator) / fan_in**0.5)
    return module


def small_network(name, num_classes=3, groups=GROUPS, seed=0):
    return randomised(make_network(CONFIGS[name], SHAPE, ConditionSpace(num_classes, groups)), seed)


def some_inputs(num, seed=0):
    """Noised images, noise levels, classes, weights of codes."""
    generator = torch.Generator().manual_seed(seed)
    x = torch.randn(num, SHAPE.channels, SHAPE.size, SHAPE.size, generator=generator)
    c_noise = torch.randn(num, generator=generator)
    labels = torch.randint(3, (num,), generator=generator)
    codes = tuple(
        torch.nn.functional.one_hot(torch.randint(size, (num,), generator=generator), size).float() for size in SIZES
    )
    return x, c_noise, labels, codes
