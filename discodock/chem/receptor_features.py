"""Receptor fields of a prepared complex."""

from collections.abc import Mapping
from functools import lru_cache
from typing import Final

import numpy as np

from discodock.chem.receptor import RECEPTORS_KEPT, Receptor, Residue
from discodock.schema import AMINO_ACIDS, ATOM_NAMES, ELEMENTS, OTHER, RESIDUE_TYPES

_ELEMENT_IDX: Final = {name: index for index, name in enumerate(ELEMENTS)}
_ATOM_NAME_IDX: Final = {name: index for index, name in enumerate(ATOM_NAMES)}
_RESIDUE_TYPE_IDX: Final = {name: index for index, name in enumerate(RESIDUE_TYPES)}
_TYPE_OF_KIND: Final = {"cofactor": "COFACTOR", "metal": "METAL", "nucleic": "NUCLEIC"}


def receptor_arrays(receptor: Receptor) -> dict[str, np.ndarray]:
    """The `receptor_*` fields of `discodock.schema.FIELDS`.

    Args:
        receptor: the receptor, R heavy atoms.
    """
    return dict(_arrays(receptor))


@lru_cache(maxsize=RECEPTORS_KEPT)
def _arrays(receptor: Receptor) -> Mapping[str, np.ndarray]:
    residue_type = np.array([residue_type_idx(residue) for residue in receptor.residues], dtype=np.uint8)
    is_amino_acid = np.array([residue.kind == "amino_acid" for residue in receptor.residues])[receptor.residue_idx]
    names = [_ATOM_NAME_IDX.get(name, _ATOM_NAME_IDX[OTHER]) for name in receptor.atom_name]
    return {
        "receptor_pos": receptor.pos.astype(np.float32),
        "receptor_element": np.array(
            [_ELEMENT_IDX.get(element, _ELEMENT_IDX[OTHER]) for element in receptor.element], dtype=np.uint8
        ),
        "receptor_residue_type": residue_type[receptor.residue_idx],
        "receptor_atom_name": np.where(is_amino_acid, names, _ATOM_NAME_IDX[OTHER]).astype(np.uint8),
        "receptor_residue_idx": receptor.residue_idx.astype(np.int32),
    }


def residue_type_idx(residue: Residue) -> int:
    """Index into `RESIDUE_TYPES` of a residue."""
    if residue.kind == "amino_acid" and residue.parent in AMINO_ACIDS:
        return _RESIDUE_TYPE_IDX[residue.parent]
    return _RESIDUE_TYPE_IDX[_TYPE_OF_KIND.get(residue.kind, OTHER)]
