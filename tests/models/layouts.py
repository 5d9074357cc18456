"""Layouts of codes that the networks are tested with."""

from discodock.latents.codebook import Codebook
from discodock.latents.pointer import Pointer
from discodock.latents.registry import CodeLayout

ATOM, RESIDUE, BOOK = Pointer(nodes="ligand"), Pointer(nodes="residues"), Codebook(codebook_size=5)
LAYOUTS = {
    "default": CodeLayout(spaces=(ATOM, RESIDUE)),
    "residue_first": CodeLayout(spaces=(RESIDUE, ATOM, RESIDUE)),
    "mixed": CodeLayout(spaces=(BOOK, ATOM, RESIDUE, BOOK)),
    "codebook": CodeLayout(spaces=(BOOK,)),
    "atoms": CodeLayout(spaces=(ATOM, ATOM)),
}
