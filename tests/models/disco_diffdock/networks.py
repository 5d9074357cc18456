"""Small networks of kind `residue`, whose batch normalisation has seen some complexes, and their inputs.

Building one takes ten times as long as asking it, so `make_...` hands out the same one again: in evaluation mode, for
tests that change nothing about it. Those that train it, or look at its gradients, take a `new_...`.
"""

import dataclasses
from functools import cache

import torch

from discodock.latents.codebook import Codebook
from discodock.latents.pointer import Pointer
from discodock.latents.registry import CodeLayout
from discodock.models.disco_diffdock.code_encoder import ResidueCodeEncoder
from discodock.models.disco_diffdock.config import ResidueCodeEncoderConfig, ResidueScoreModelConfig
from discodock.models.disco_diffdock.score_model import ResidueScoreModel
from tests.models.complexes import random_complexes

ANYWHERE = Pointer(nodes="complex")
PAPER = CodeLayout(spaces=(ANYWHERE, ANYWHERE))
LAYOUTS = {
    "paper": PAPER,
    "mixed": CodeLayout(
        spaces=(Codebook(codebook_size=5), Pointer(nodes="ligand"), ANYWHERE, Pointer(nodes="residues"))
    ),
}
SIZES = [(90, 9), (60, 6)]
SMALL = {"num_scalars": 6, "num_vectors": 3, "num_basis": 8}


def make_model(layout: CodeLayout | None = None, dtype: torch.dtype = torch.float64, **settings) -> ResidueScoreModel:
    model = _known_model(layout, dtype, **settings)
    torch.manual_seed(0)  # what a test draws next does not depend on who built the network
    return model


def make_encoder(layout: CodeLayout = PAPER) -> ResidueCodeEncoder:
    encoder = _known_encoder(layout)
    torch.manual_seed(0)
    return encoder


def new_model(layout: CodeLayout | None = None, dtype: torch.dtype = torch.float64, **settings) -> ResidueScoreModel:
    torch.manual_seed(0)
    model = ResidueScoreModel(ResidueScoreModelConfig(**SMALL, num_layers=4, **settings), layout).to(dtype)
    receptor, ligand, pos = complexes(11, dtype=dtype)
    for _ in range(3):
        model(model.encode(receptor, ligand), pos, torch.arange(2), torch.tensor([0.2, 0.8], dtype=dtype))
    return model.eval()


def new_encoder(layout: CodeLayout = PAPER) -> ResidueCodeEncoder:
    torch.manual_seed(0)
    config = ResidueCodeEncoderConfig(**SMALL, num_layers=3, num_hidden=8)
    encoder = ResidueCodeEncoder(config, layout).double()
    encoder(*complexes(11))
    return encoder.eval()


_known_model, _known_encoder = cache(new_model), cache(new_encoder)


def complexes(seed: int, sizes: list[tuple[int, int]] = SIZES, dtype: torch.dtype = torch.float64):
    """Random complexes whose residues have six atoms of one residue type, the second of them an alpha carbon."""
    receptor, ligand, pos = random_complexes(seed, sizes, dtype)
    number = torch.arange(receptor.atom_name.shape[1])
    atom_name = torch.where(number % 6 == 1, 1, 0).expand(len(sizes), -1)
    residue_type = receptor.residue_type.gather(1, receptor.residue_idx)
    return dataclasses.replace(receptor, atom_name=atom_name, residue_type=residue_type), ligand, pos
