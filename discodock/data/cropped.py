"""Prepared complexes as a network sees them: cropped around a displaced site, or with their whole receptor."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from torch.utils.data import Dataset

from discodock.data.batch import Arrays
from discodock.data.crop import crop_site, move_origin, receptor_center
from discodock.data.embeddings import EmbeddingStore
from discodock.data.kept import KeptComplexes
from discodock.data.store import PreparedStore


class CroppedComplexDataset(Dataset[Arrays]):
    """Prepared complexes cropped around a displaced site centre; decoded complexes are kept in memory.

    Args:
        entries: complexes, each with the store that it is in.
        center_jitter: largest offset of the centre, Å.
        receptor_jitter: noise of receptor positions, Å per axis; see `jittered`.
        seed: seed of the crops and the noise.
    """

    def __init__(
        self,
        entries: Sequence[tuple[PreparedStore, str]],
        *,
        center_jitter: float,
        seed: int,
        receptor_jitter: float = 0.0,
    ) -> None:
        self.entries, self.seed = list(entries), seed
        self.center_jitter, self.receptor_jitter = center_jitter, receptor_jitter
        self._loaded: dict[int, Arrays] = {}

    def __len__(self) -> int:
        """Number of complexes."""
        return len(self.entries)

    def __getitem__(self, key: int | tuple[int, int]) -> Arrays:
        """The cropped complex; a key `(idx, draw)` says which of its random crops (default the first)."""
        idx, draw = (key, 0) if isinstance(key, int) else key
        if idx not in self._loaded:
            store, complex_id = self.entries[idx]
            self._loaded[idx] = store.load(complex_id)
        arrays = self._loaded[idx]
        generator = np.random.default_rng([self.seed, idx, draw])
        center = arrays["ligand_pos"].mean(axis=0) + random_offset(generator, self.center_jitter)
        cropped = crop_site(arrays, center)
        return jittered(cropped, self.receptor_jitter, generator) if self.receptor_jitter > 0 else cropped


class WholeComplexDataset(KeptComplexes):
    """Prepared complexes with their whole receptor, whose centre is the origin; decoded ones are kept in memory.

    Args:
        store: store of the complexes.
        ids: names of the complexes to take.
        embeddings: embeddings of residues by a language model, read from disk every time; None does without.
    """

    def __init__(self, store: PreparedStore, ids: Sequence[str], embeddings: EmbeddingStore | None) -> None:
        super().__init__(store, ids)
        self.embeddings = embeddings

    def kept(self, complex_id: str) -> Arrays:
        """A complex, with the embeddings of its residues."""
        arrays = super().kept(complex_id)
        if self.embeddings is None:
            return arrays
        return arrays | {"residue_embedding": self.embeddings.load(complex_id)}

    def made(self, complex_id: str, arrays: Arrays) -> Arrays:
        """The complex in the frame of its receptor."""
        return move_origin(arrays, receptor_center(arrays))


def random_offset(generator: np.random.Generator, largest: float) -> np.ndarray:
    """A random direction with a length uniform on [0, largest), shape (3,)."""
    direction = generator.normal(size=3)
    return direction / np.linalg.norm(direction) * generator.uniform(0, largest)


def jittered(arrays: Arrays, width: float, generator: np.random.Generator) -> Arrays:
    """A new mapping whose receptor atoms are displaced, so that no pocket is ever seen twice as it is.

    Args:
        arrays: a complex.
        width: standard deviation of an atom's displacement, Å per axis; half of the variance is shared by the residue.
        generator: source of the noise.
    """
    residue = arrays["receptor_residue_idx"] - arrays["receptor_residue_idx"].min()
    shared = generator.normal(scale=width / np.sqrt(2), size=(int(residue.max()) + 1, 3))
    own = generator.normal(scale=width / np.sqrt(2), size=arrays["receptor_pos"].shape)
    return arrays | {"receptor_pos": (arrays["receptor_pos"] + shared[residue] + own).astype(np.float32)}
