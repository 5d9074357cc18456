"""One example of every registered kind of code, with masks, so that the shared tests run on each of them."""

from dataclasses import dataclass

import torch
from torch import Tensor

from discodock.latents.codebook import Codebook
from discodock.latents.pointer import Pointer
from discodock.latents.registry import CODE_SPACES, CodeLayout
from discodock.latents.space import CodeSpace

KINDS = sorted(CODE_SPACES)
SEEDS = range(5)
NUM_SAMPLES, NUM_NODES, CHANNELS = 4, 6, 5
EXAMPLES: dict[str, CodeSpace] = {"pointer": Pointer(nodes="points"), "codebook": Codebook(codebook_size=3)}
MIXED = CodeLayout(spaces=(Pointer(nodes="points"), Codebook(codebook_size=3), Pointer(nodes="others")))


@dataclass(frozen=True)
class Case:
    """A code space, features of the nodes of four samples, and logits of the code that ask for everything."""

    space: CodeSpace
    nodes: dict[str, Tensor]
    mask: Tensor
    logits: Tensor


def generator(seed: int) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def node_mask(seed: int, num_nodes: int = NUM_NODES) -> Tensor:
    """Rows of 1 to N nodes, with gaps, as when two padded sets are put side by side."""
    mask = torch.rand(NUM_SAMPLES, num_nodes, generator=generator(seed + 100)) < 0.6
    mask[torch.arange(NUM_SAMPLES), torch.randint(num_nodes, (NUM_SAMPLES,), generator=generator(seed))] = True
    return mask


def node_sets(seed: int) -> dict[str, Tensor]:
    def features(offset: int, num_nodes: int) -> Tensor:
        shape = (NUM_SAMPLES, num_nodes, CHANNELS)
        return torch.randn(shape, generator=generator(seed + offset), dtype=torch.float64)

    return {"points": features(0, NUM_NODES), "others": features(7, 4)}


def node_masks(seed: int) -> dict[str, Tensor]:
    return {"points": node_mask(seed, NUM_NODES), "others": node_mask(seed + 7, 4)}


def random_logits(mask: Tensor, seed: int) -> Tensor:
    """Logits for four samples; where the mask is false they are so large that any leak would be seen."""
    logits = torch.randn(NUM_SAMPLES, mask.shape[-1], generator=generator(seed + 200), dtype=torch.float64)
    return torch.where(mask, logits, 1000.0)


def make_case(kind: str, seed: int) -> Case:
    nodes = node_sets(seed)
    space = EXAMPLES[kind]
    mask = space.mask(node_masks(seed), torch.device("cpu"))
    return Case(space, nodes, mask, random_logits(mask, seed))
