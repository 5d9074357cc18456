"""The kinds of denoisers, behind one interface."""

from __future__ import annotations

from collections.abc import Callable
from typing import Annotated, Any, Final

from pydantic import Field
from torch import nn

from discodock.images.networks.conditioning import ConditionSpace, ImageShape
from discodock.images.networks.transformer import Transformer, TransformerConfig
from discodock.images.networks.unet import UNet, UNetConfig

AnyNetworkConfig = Annotated[UNetConfig | TransformerConfig, Field(discriminator="kind")]
"""The type of a network in a configuration: the kinds of `NETWORKS`, told apart by `kind`."""


def make_network(config: UNetConfig | TransformerConfig, shape: ImageShape, space: ConditionSpace) -> nn.Module:
    """A new network of the configured kind, called as `edm.DenoisingNetwork`."""
    return NETWORKS[config.kind](config, shape, space)


NETWORKS: Final[dict[str, Callable[[Any, ImageShape, ConditionSpace], nn.Module]]] = {
    "unet": UNet,
    "transformer": Transformer,
}
