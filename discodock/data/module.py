"""Training and validation batches from a prepared store."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytorch_lightning as pl
import torch
from pydantic import Field
from torch.utils.data import DataLoader, Dataset, Sampler

from discodock.data.batch import Arrays, ComplexBatch, collate
from discodock.data.cropped import CroppedComplexDataset, WholeComplexDataset
from discodock.data.embeddings import EmbeddingStore
from discodock.data.store import IndexRow, PreparedStore
from discodock.errors import ConfigError, PreparedDataError
from discodock.settings import Seed, Settings


class StoreConfig(Settings):
    """Where the prepared complexes are and how batches of whole complexes are drawn from them."""

    root: Path = Field(Path("prepared/corpus"), description="folder written by `discodock prepare`")
    batch_size: int = Field(4, gt=0, description="complexes per step and process")
    steps_per_epoch: int = Field(500, gt=0, description="optimiser steps between two samplings of the order")
    cluster_exponent: float = Field(
        0.5, ge=0, le=1, description="a complex is drawn with probability ~ cluster size ** -exponent; 0 = all alike"
    )
    torsion_exponent: float = Field(
        0.0,
        ge=0,
        le=1,
        description="a complex is drawn with probability ~ (1 + rotatable bonds) ** exponent as well",
    )
    max_ligand_atoms: int = Field(60, gt=0, description="larger ligands are left out of training")
    num_val: int = Field(48, ge=0, description="validation complexes, spread over clusters, the same in every run")
    num_workers: int = Field(0, ge=0, description="loader processes; 0 loads in the training process")
    ids: tuple[str, ...] | None = Field(None, description="train and validate on just these complexes (overfitting)")
    seed: Seed = Field(0, description="seed of sampling and crops")


class DataConfig(StoreConfig):
    """As `StoreConfig`, for complexes that are cropped around their site."""

    renamed = {"fragments": "peptides", "fragment_share": "peptide_fraction"}

    center_jitter: float = Field(3.0, ge=0, description="largest offset of the crop's centre from the ligand's, Å")
    peptides: Path | None = Field(None, description="store of `discodock prepare peptides`, to train on as well")
    peptide_fraction: float = Field(
        0.3, gt=0, lt=1, description="fraction of the draws that are peptides, with `peptides`"
    )
    receptor_jitter: float = Field(
        0.0, ge=0, description="noise of receptor positions in training, Å per axis: half of its variance by residue"
    )


def draw_probabilities(rows: Sequence[IndexRow], config: StoreConfig) -> np.ndarray:
    """Probabilities of complexes, ~ size of their cluster ** -a * (1 + rotatable bonds) ** b, shape (len(rows),)."""
    sizes = Counter(row.cluster for row in rows)
    weights = np.array([sizes[row.cluster] ** -config.cluster_exponent for row in rows])
    weights = weights * np.array([(1 + row.num_torsions) ** config.torsion_exponent for row in rows])
    return weights / weights.sum()


class WeightedSampler(Sampler[tuple[int, int]]):
    """Draws complexes with given probabilities; every process its own share.

    One epoch is `num_draws` draws, seeded by its number and the process. Where it begins is asked of `count_taken`, the
    draws used so far, not counted here: a resumed run then continues the same sequence, in the middle of an epoch too.
    """

    def __init__(
        self,
        probabilities: np.ndarray,
        num_draws: int,
        *,
        seed: int,
        rank: int = 0,
        count_taken: Callable[[], int] = lambda: 0,
    ) -> None:
        self.probabilities = probabilities
        self.num_draws, self.seed, self.rank, self.count_taken = num_draws, seed, rank, count_taken

    def __len__(self) -> int:
        """Draws per epoch."""
        return self.num_draws

    def __iter__(self) -> Iterator[tuple[int, int]]:
        """The rest of the current epoch: indices, each with the number of the crop to take."""
        epoch, skip = divmod(self.count_taken(), self.num_draws)
        generator = np.random.default_rng([self.seed, epoch, self.rank])
        idx = generator.choice(len(self.probabilities), size=self.num_draws, p=self.probabilities)
        draws = generator.integers(2**31, size=self.num_draws)
        return iter([(int(i), int(d)) for i, d in zip(idx, draws, strict=True)][skip:])


class StoreDataModule(pl.LightningDataModule, ABC):
    """Batches of complexes for training, and a fixed subset of the validation split."""

    def __init__(self, config: StoreConfig) -> None:
        super().__init__()
        self.config = config

    @abstractmethod
    def dataset(self, store: PreparedStore, ids: Sequence[str], *, is_train: bool) -> Dataset[Any]:
        """The chosen complexes of a store, for training or not; keyed as `CroppedComplexDataset` is."""

    @abstractmethod
    def collate(self, complexes: Sequence[Any]) -> Any:
        """A batch, which moves itself by `to(device)`."""

    def setup(self, stage: str | None = None) -> None:
        """Open the store and choose the complexes.

        Raises:
            PreparedDataError: there is no complex to train on.
            ConfigError: an id in `ids` is not in the store.
        """
        config = self.config
        store = PreparedStore(config.root)
        rows = [row for row in store.index if row.num_ligand_atoms <= config.max_ligand_atoms]
        train = [row for row in rows if row.split == "train"]
        val = [row for row in rows if row.split == "val"]
        if config.ids is not None:
            unknown = sorted(set(config.ids) - {row.id for row in rows})
            if unknown:
                raise ConfigError(f"data.ids: {unknown[0]} is not in {config.root}; see its index.csv")
            train = val = [row for row in rows if row.id in config.ids]
        if not train:
            raise PreparedDataError(f"{config.root}: no complex of the train split; prepare with --splits")
        self.train_probabilities = draw_probabilities(train, config)
        val = spread_over_clusters(val, config.num_val)
        self.train_set = self.dataset(store, [row.id for row in train], is_train=True)
        self.val_set = self.dataset(store, [row.id for row in val], is_train=False)

    def train_dataloader(self) -> DataLoader[Any]:
        """Endless variety, in epochs of `steps_per_epoch` batches."""
        config = self.config
        sampler = WeightedSampler(
            self.train_probabilities,
            config.steps_per_epoch * config.batch_size,
            seed=config.seed,
            rank=self.trainer.global_rank if self.trainer else 0,
            count_taken=lambda: self.trainer.global_step * config.batch_size if self.trainer else 0,
        )
        return self._loader(self.train_set, sampler)

    def val_dataloader(self) -> DataLoader[Any]:
        """The validation subset, in order."""
        return self._loader(self.val_set, None)

    def transfer_batch_to_device(self, batch: Any, device: torch.device, dataloader_idx: int) -> Any:
        """Our batches move themselves."""
        return batch.to(device)

    def _loader(self, dataset: Dataset[Any], sampler: WeightedSampler | None) -> DataLoader[Any]:
        return DataLoader(
            dataset,
            batch_size=self.config.batch_size,
            sampler=sampler,
            collate_fn=self.collate,
            num_workers=self.config.num_workers,
            persistent_workers=self.config.num_workers > 0,
        )


class ComplexDataModule(StoreDataModule):
    """Batches of complexes for the score model.

    Args:
        config: location of the complexes and the way they are sampled.
        whole_receptor: complexes as they are, instead of cropped around their displaced site.
        embedding_size: channels of the language model's embeddings of whole receptors; 0 does without.
    """

    def __init__(self, config: DataConfig, *, whole_receptor: bool = False, embedding_size: int = 0) -> None:
        super().__init__(config)
        self.crops = config
        if whole_receptor and config.peptides is not None:
            raise ConfigError("data.peptides are cut-outs; networks that read whole receptors cannot train on them")
        self.whole_receptor = whole_receptor
        self.embedding_size = embedding_size

    def dataset(
        self, store: PreparedStore, ids: Sequence[str], *, is_train: bool
    ) -> CroppedComplexDataset | WholeComplexDataset:
        """Random crops, or whole complexes."""
        if self.whole_receptor:
            embeddings = embeddings_of(store, self.embedding_size) if self.embedding_size else None
            return WholeComplexDataset(store, ids, embeddings)
        return CroppedComplexDataset(
            [(store, complex_id) for complex_id in ids],
            center_jitter=self.crops.center_jitter,
            receptor_jitter=self.crops.receptor_jitter if is_train else 0.0,
            seed=self.crops.seed,
        )

    def setup(self, stage: str | None = None) -> None:
        """As `StoreDataModule.setup`, with the peptides of the train split added to the complexes to train on."""
        super().setup(stage)
        if self.crops.peptides is None:
            return
        store = PreparedStore(self.crops.peptides)
        rows = [row for row in store.index if row.split == "train"]
        if not rows:
            raise PreparedDataError(f"{self.crops.peptides}: no peptide of the train split; prepare them again")
        assert isinstance(self.train_set, CroppedComplexDataset)
        self.train_set.entries += [(store, row.id) for row in rows]
        fraction = self.crops.peptide_fraction
        drawn = draw_probabilities(rows, self.crops)
        self.train_probabilities = np.concatenate([(1 - fraction) * self.train_probabilities, fraction * drawn])

    def collate(self, complexes: Sequence[Arrays]) -> ComplexBatch:
        """See `discodock.data.batch.collate`."""
        return collate(complexes)


def embeddings_of(store: PreparedStore, size: int) -> EmbeddingStore:
    """The language model's embeddings of a store.

    Raises:
        PreparedDataError: there are none, or they have another number of channels.
    """
    embeddings = EmbeddingStore(store.root)
    if embeddings.size != size:
        raise PreparedDataError(
            f"{store.root}: embeddings of {embeddings.model} have {embeddings.size} channels, the network reads {size};"
            " set embedding_size, or prepare with another --esm"
        )
    return embeddings


def spread_over_clusters(rows: Sequence[IndexRow], num: int) -> list[IndexRow]:
    """At most `num` rows, taken in turn from shuffled clusters, so that large families do not crowd out the rest.

    The choice is the same in every run, so that validation figures of runs can be compared.
    """
    generator = np.random.default_rng(0)
    by_cluster: dict[str, list[IndexRow]] = {}
    for i in generator.permutation(len(rows)):
        by_cluster.setdefault(rows[i].cluster, []).append(rows[i])
    rank_by_id = {row.id: rank for members in by_cluster.values() for rank, row in enumerate(members)}
    return sorted((row for members in by_cluster.values() for row in members), key=lambda r: rank_by_id[r.id])[:num]
