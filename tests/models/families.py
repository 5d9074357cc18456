"""A small example of every family of networks and of its inputs: what the tests that all families share are made from.

Building a network of residues takes ten times as long as asking it, so `score_model`, `code_encoder` and `code_prior`
hand out the same one again: in evaluation mode, for tests that change nothing about it. Those that train it, or look at
its gradients, take a `new_...`.
"""

from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from typing import Any

import torch

from discodock.latents.pointer import Pointer
from discodock.latents.registry import CodeLayout
from discodock.models.all_atom.code_encoder import CodeEncoderConfig
from discodock.models.all_atom.code_prior import CodePriorConfig
from discodock.models.all_atom.score_model import ScoreModelConfig
from discodock.models.disco_diffdock.config import (
    ResidueCodeEncoderConfig,
    ResidueCodePriorConfig,
    ResidueScoreModelConfig,
)
from discodock.models.registry import make_code_encoder, make_code_prior, make_score_model
from tests.models.complexes import random_complexes
from tests.models.disco_diffdock.networks import LAYOUTS as RESIDUE_LAYOUTS
from tests.models.disco_diffdock.networks import SMALL, complexes
from tests.models.layouts import LAYOUTS


@dataclass(frozen=True)
class FamilyExample:
    """Settings of small networks of one family, and what they are asked about.

    Attributes:
        score_model: settings of the score model.
        code_encoder: settings of the encoder.
        code_prior: settings of the prior.
        layouts: layouts of codes, by name.
        complexes: function of (seed, sizes, dtype) that gives random complexes that the networks can read.
        sizes: numbers of receptor and ligand atoms of two complexes.
        tolerance: largest difference of equal outputs over their largest entry, by dtype.
        mirrors: whether a mirror image of a complex is as good as the complex.
        convolutions: names of its convolutions, the usual one first.
    """

    score_model: Any
    code_encoder: Any
    code_prior: Any
    layouts: dict[str, CodeLayout]
    complexes: Callable[..., Any]
    sizes: tuple[tuple[int, int], ...]
    tolerance: dict[torch.dtype, float]
    mirrors: bool
    convolutions: tuple[str, ...]


EXAMPLES = {
    "all_atom": FamilyExample(
        score_model=ScoreModelConfig(num_scalars=12, num_vectors=6, num_layers=2, num_receptor_layers=1),
        code_encoder=CodeEncoderConfig(num_scalars=12, num_vectors=4),
        code_prior=CodePriorConfig(num_channels=16, num_heads=2, num_context_rounds=1, num_code_rounds=1),
        layouts=LAYOUTS,
        complexes=random_complexes,
        sizes=((40, 9), (25, 6)),
        tolerance={torch.float32: 1e-3, torch.float64: 1e-9},
        mirrors=True,
        convolutions=("fused", "e3nn"),
    ),
    "residue": FamilyExample(
        score_model=ResidueScoreModelConfig(**SMALL, num_layers=3),
        code_encoder=ResidueCodeEncoderConfig(**SMALL, num_layers=3, num_hidden=8),
        code_prior=ResidueCodePriorConfig(num_hidden=8),
        layouts=RESIDUE_LAYOUTS,
        complexes=complexes,
        sizes=((90, 9), (60, 6)),
        tolerance={torch.float32: 1e-2, torch.float64: 1e-5},  # e3nn's own constants have single precision
        mirrors=False,
        convolutions=("factorised", "e3nn"),
    ),
}

WITH_LAYOUTS = [(kind, layout) for kind, example in EXAMPLES.items() for layout in example.layouts]

ANYWHERE = Pointer(nodes="complex")
"""A code whose entries are ligand atoms, padding included, and then residues."""


def inputs(kind: str, seed: int, dtype: torch.dtype = torch.float64, sizes: Any = None) -> Any:
    """Receptors, ligands and poses of a family's example."""
    example = EXAMPLES[kind]
    return example.complexes(seed, list(sizes or example.sizes), dtype)


def new_score_model(kind: str, layout: str | None = None, dtype: torch.dtype = torch.float64, **settings: Any) -> Any:
    """A score model whose batch normalisation, if any, has seen some complexes."""
    torch.manual_seed(0)
    example = EXAMPLES[kind]
    config = example.score_model.model_copy(update=settings)
    model = make_score_model(config, None if layout is None else example.layouts[layout]).to(dtype)
    receptor, ligand, pos = inputs(kind, 11, dtype)
    with torch.no_grad():
        for _ in range(3):
            model(model.encode(receptor, ligand), pos, torch.arange(2), torch.tensor([0.2, 0.8], dtype=dtype))
    return model.eval()


def new_code_encoder(kind: str, layout: str) -> Any:
    """An encoder, likewise."""
    torch.manual_seed(0)
    encoder = make_code_encoder(EXAMPLES[kind].code_encoder, EXAMPLES[kind].layouts[layout]).double()
    with torch.no_grad():
        encoder(*inputs(kind, 11))
    return encoder.eval()


def new_code_prior(kind: str, layout: str) -> Any:
    """A prior, likewise."""
    torch.manual_seed(0)
    example = EXAMPLES[kind]
    network = make_code_prior(example.code_prior, example.layouts[layout], example.score_model).double()
    with torch.no_grad():
        num_codes = example.layouts[layout].num_codes
        prior_of(network, *inputs(kind, 11)).all_logits(torch.zeros(2, num_codes, dtype=torch.int64))
    return network.eval()


score_model, code_encoder, code_prior = cache(new_score_model), cache(new_code_encoder), cache(new_code_prior)


def score_of(model: Any, receptor: Any, ligand: Any, pos: Any, pose_complex: Any = None, t: Any = None) -> Any:
    """The score of poses, each of its own complex and at its own time unless said otherwise."""
    pose_complex = torch.arange(len(pos)) if pose_complex is None else pose_complex
    t = torch.linspace(0.2, 0.8, len(pos), dtype=pos.dtype) if t is None else t
    return model(model.encode(receptor, ligand), pos, pose_complex, t)


def prior_of(network: Any, receptor: Any, ligand: Any, conformer: Any, center: Any = None, owner: Any = None) -> Any:
    """The distribution of the codes of samples, one of each complex at the origin unless said otherwise."""
    num = len(receptor.pos)
    center = receptor.pos.new_zeros(num, 3) if center is None else center
    owner = torch.arange(num) if owner is None else owner
    return network.prior(network.encode(receptor, ligand, center), owner, conformer[owner])


def codes_of(prior: Any, num: int = 2) -> torch.Tensor:
    """Codes drawn from a prior, always the same."""
    return prior.sample(num, torch.Generator().manual_seed(0)).codes
