"""The part of preparation that a language model does: sequences of all prepared complexes, embedded once each."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from discodock.chem.sequences import chain_sequences
from discodock.data.crystal import StageError, read_crystal
from discodock.data.datasets.registry import DEFAULT_LAYOUT, open_dataset
from discodock.data.datasets.source import Dataset, SourceComplex
from discodock.data.embeddings import (
    EMBEDDINGS_DIR,
    Embedder,
    ResidueChains,
    embed_sequences,
    read_chains,
    write_chains,
)
from discodock.data.featurize import PrepareConfig
from discodock.data.store import IndexRow, PreparedStore
from discodock.data.workers import run_all
from discodock.errors import ConfigError

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class _Task:
    """One complex whose chains are to be read, as sent to a worker process."""

    source: SourceComplex
    config: PrepareConfig
    folder: Path
    key: str


def prepare_embeddings(
    source: str | Path,
    out: str | Path,
    config: PrepareConfig,
    embedder: Embedder,
    *,
    layout: str = DEFAULT_LAYOUT,
    splits: str | Path | None = None,
    workers: int = 1,
    on_progress: Callable[[int, int], None] | None = None,
) -> int:
    """Embed the receptors of a store that `prepare` made of the same source with the same settings.

    Chains and sequences that are there already are not made again.

    Args:
        source: folder, or shard, of complexes, as given to `prepare`.
        out: the store.
        config: settings of the arrays.
        embedder: the language model.
        layout: name of the data set, a key of `DATASETS`.
        splits: folder of split files.
        workers: processes that read structures; the language model runs in this one.
        on_progress: callback for (sequences done, sequences to do).

    Returns:
        How many sequences were embedded now.

    Raises:
        ConfigError: the settings cut receptors, so that their residues cannot be told apart.
        PreparedDataError: there is no store.
    """
    check_embeddable(config)
    store, folder = PreparedStore(out), Path(out) / EMBEDDINGS_DIR
    (folder / embedder.key).mkdir(parents=True, exist_ok=True)
    dataset = open_dataset(Path(source), None if splits is None else Path(splits), layout=layout)
    rows = {row.id: row for row in store.index}
    tasks = _open_tasks(dataset, rows, folder, config)
    for failure in run_all(_read_chains, tasks, workers=workers, on_crash=lambda task: task.source.id):
        if failure is not None:
            logger.warning("%s: its chains cannot be read; it has no embeddings", failure)
    found = (read_chains(folder, name) for name in rows)
    sequences = [sequence for chains in found if chains is not None for sequence in chains.sequences]
    return embed_sequences(folder, sequences, embedder, on_progress)


def _open_tasks(dataset: Dataset, rows: Mapping[str, IndexRow], folder: Path, config: PrepareConfig) -> Iterator[_Task]:
    """Complexes of a store whose chains are not there yet, or are those of other files or settings."""
    for entry in dataset:
        row = rows.get(entry.id)
        if row is not None and isinstance(entry, SourceComplex):
            chains = read_chains(folder, entry.id)
            if chains is None or chains.key != row.key:
                yield _Task(entry, config, folder, row.key)


def check_embeddable(config: PrepareConfig) -> None:
    """Refuse settings that a language model's embeddings cannot follow.

    Raises:
        ConfigError: receptors are cut.
    """
    if config.receptor_radius is not None:
        raise ConfigError("--esm embeds whole receptors; leave out --receptor-radius")


def _read_chains(task: _Task) -> str | None:
    """Write the chains of a complex; its id if they cannot be read."""
    try:
        crystal = read_crystal(task.source, keep=task.config.keep, drop=task.config.drop)
    except StageError:
        return task.source.id
    chains = chain_sequences(crystal.receptor)
    found = ResidueChains(chains.sequences, chains.chain, chains.position, task.key)
    write_chains(task.folder, task.source.id, found)
    return None
