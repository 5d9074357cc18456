"""Embeddings of a language model beside a prepared store: each sequence once, each complex a list of its chains.

<store>/embeddings/embeddings.json           the model
<store>/embeddings/<key>/<sequence>.npy      (residues, size) float16, named by the hash of the sequence
<store>/embeddings/chains/<id>.npz           sequences of a complex, and where in them its residues are
"""

from __future__ import annotations

import hashlib
import io
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Protocol

import numpy as np

from discodock.errors import PreparedDataError
from discodock.files import write_atomically, write_json
from discodock.input_files import InputKind, read_json, read_npz

EMBEDDINGS_DIR: Final = "embeddings"
MANIFEST: Final = "embeddings.json"
CHAINS_DIR: Final = "chains"

_REMEDY: Final = "run `discodock prepare` with --esm again"


EMBEDDINGS: Final = InputKind("file of embeddings", _REMEDY, PreparedDataError)


class Embedder(Protocol):
    """What turns a sequence into embeddings; see `esm.EsmEmbedder`."""

    model: str
    size: int
    key: str

    def embed(self, sequence: str) -> np.ndarray:
        """Shape (len(sequence), size)."""


@dataclass(frozen=True)
class ResidueChains:
    """The chains of a complex with N residues.

    Attributes:
        sequences: sequences of the chains, one-letter codes.
        chain: chain of each residue, -1 for none, int32, shape (N,).
        position: position of each residue in its chain, int32, shape (N,).
        key: content key of the complex that they belong to.
    """

    sequences: tuple[str, ...]
    chain: np.ndarray
    position: np.ndarray
    key: str

    def gather(self, embeddings: Iterable[np.ndarray], size: int) -> np.ndarray:
        """Embeddings of the residues, given those of the sequences; zero for residues without, shape (N, size)."""
        out = np.zeros((len(self.chain), size), dtype=np.float32)
        for number, embedding in enumerate(embeddings):
            mine = self.chain == number
            out[mine] = embedding[self.position[mine]]
        return out


class EmbeddingStore:
    """The embeddings of a prepared store.

    Attributes:
        model: name of the language model.
        size: number of channels.
    """

    def __init__(self, root: Path) -> None:
        self.folder = root / EMBEDDINGS_DIR
        if not (self.folder / MANIFEST).exists():
            raise PreparedDataError(f"{root}: prepared without ESM-2 embeddings; {_REMEDY}")
        try:
            manifest = read_json(self.folder / MANIFEST, EMBEDDINGS)
            self.model, self.size, self.key = str(manifest["model"]), int(manifest["size"]), str(manifest["key"])
        except (ValueError, KeyError, TypeError) as error:
            raise PreparedDataError(f"{self.folder / MANIFEST}: damaged ({error!r}); {_REMEDY}") from None

    def load(self, complex_id: str) -> np.ndarray:
        """Embeddings of the residues of a complex, float32, shape (N, size).

        Raises:
            PreparedDataError: there are none, or a file is damaged.
        """
        chains = read_chains(self.folder, complex_id)
        if chains is None:
            raise PreparedDataError(f"{self.folder}: no embeddings of {complex_id}; {_REMEDY}")
        try:
            embeddings = [np.load(sequence_path(self.folder, self.key, each)) for each in chains.sequences]
        except (OSError, ValueError, EOFError) as error:
            raise PreparedDataError(f"{self.folder}: embeddings of {complex_id} are damaged; {_REMEDY}") from error
        return chains.gather(embeddings, self.size)


def sequence_path(folder: Path, key: str, sequence: str) -> Path:
    """File of the embeddings of a sequence by the model with this key."""
    return folder / key / f"{hashlib.blake2b(sequence.encode(), digest_size=12).hexdigest()}.npy"


def embed_sequences(
    folder: Path, sequences: Iterable[str], embedder: Embedder, on_progress: Callable[[int, int], None] | None = None
) -> int:
    """Embed the sequences that have no file yet, and note the model as the store's.

    Args:
        folder: `<store>/embeddings`.
        sequences: sequences of all complexes, repeated or not.
        embedder: the language model.
        on_progress: callback for (sequences done, sequences to do).

    Returns:
        How many sequences were embedded now.
    """
    wanted = sorted(set(sequences), key=len)
    missing = [each for each in wanted if not sequence_path(folder, embedder.key, each).is_file()]
    (folder / embedder.key).mkdir(parents=True, exist_ok=True)
    for number, sequence in enumerate(missing):
        _write_npy(sequence_path(folder, embedder.key, sequence), embedder.embed(sequence).astype(np.float16))
        if on_progress is not None:
            on_progress(number + 1, len(missing))
    manifest = {"model": embedder.model, "size": embedder.size, "key": embedder.key}
    write_json(folder / MANIFEST, manifest)
    return len(missing)


def write_chains(folder: Path, complex_id: str, chains: ResidueChains) -> None:
    """Write the chains of a complex."""
    (folder / CHAINS_DIR).mkdir(parents=True, exist_ok=True)
    buffer = io.BytesIO()
    fields: Mapping[str, np.ndarray] = {
        "sequences": np.array(chains.sequences or ("",), dtype=np.str_),
        "chain": chains.chain,
        "position": chains.position,
        "key": np.array(chains.key),
    }
    np.savez_compressed(buffer, **fields)  # type: ignore[arg-type]
    write_atomically(_chains_path(folder, complex_id), buffer.getvalue())


def read_chains(folder: Path, complex_id: str) -> ResidueChains | None:
    """Read what `write_chains` wrote; None if there is no readable file."""
    try:
        fields = read_npz(_chains_path(folder, complex_id), EMBEDDINGS)
        sequences = tuple(str(each) for each in fields["sequences"] if each)
        return ResidueChains(sequences, fields["chain"], fields["position"], str(fields["key"]))
    except (PreparedDataError, KeyError, TypeError):
        return None


def _chains_path(folder: Path, complex_id: str) -> Path:
    return folder / CHAINS_DIR / f"{complex_id}.npz"


def _write_npy(path: Path, array: np.ndarray) -> None:
    buffer = io.BytesIO()
    np.save(buffer, array, allow_pickle=False)
    write_atomically(path, buffer.getvalue())
