"""Sampled poses with their RMSD from the crystal pose: the data set of the confidence stage."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np
import torch
from pydantic import Field
from torch import Tensor
from torch.utils.data import DataLoader

from discodock.data.batch import Arrays, ComplexBatch, collate
from discodock.data.cropped import jittered
from discodock.data.kept import KeptComplexes
from discodock.data.module import StoreConfig, StoreDataModule, spread_over_clusters
from discodock.data.store import PreparedStore
from discodock.errors import PreparedDataError
from discodock.schema import FORMER_POSE_FIELDS, POSE_FIELDS
from discodock.tensors import TensorRecord

ATOM_ERROR: Final = "pose_atom_error"
"""Field that is computed when a complex is loaded, see `atom_errors`."""


class PoseDataConfig(StoreConfig):
    """As `StoreConfig`, for complexes that were docked."""

    root: Path = Field(Path("prepared/poses"), description="folder written by `discodock prepare poses`")
    val_root: Path | None = Field(
        None, description="folder of validation complexes, written likewise; none: those in `root`"
    )
    poses_per_complex: int = Field(6, gt=0, description="poses of a complex in a training step, drawn anew each time")
    receptor_jitter: float = Field(0.0, ge=0, description="noise of receptor positions in training, Å per axis")


@dataclass(frozen=True)
class PoseBatch(TensorRecord):
    """P poses of B complexes, pose after pose of each complex.

    Attributes:
        complexes: complexes in the frame of their sites.
        pos: poses, Å, shape (P, L, 3).
        pose_complex: the complex of each pose, int64, shape (P,).
        rmsd: RMSD from the crystal pose, Å, shape (P,).
        atom_error: distance of each atom from its crystal position, by the symmetry that fits the whole pose best, Å,
            shape (P, L).
        facts: facts that docking computed of each pose, by name; only those that all complexes have, shape (P,) each.
    """

    complexes: ComplexBatch
    pos: Tensor
    pose_complex: Tensor
    rmsd: Tensor
    atom_error: Tensor
    facts: dict[str, Tensor]


class PoseDataset(KeptComplexes):
    """Docked complexes; decoded ones are kept in memory.

    Args:
        store: prepared store with the fields of `schema.POSE_FIELDS`.
        ids: names of the complexes to take.
        poses_per_complex: poses drawn without replacement for each item; None takes all, in order.
        seed: seed of the draws.
        receptor_jitter: noise of receptor positions, drawn anew with the poses, Å per axis; see `jittered`.

    Raises:
        PreparedDataError: on access, if a complex has no poses.
    """

    def __init__(
        self,
        store: PreparedStore,
        ids: Sequence[str],
        poses_per_complex: int | None,
        seed: int,
        receptor_jitter: float = 0.0,
    ) -> None:
        super().__init__(store, ids)
        self.poses_per_complex, self.seed, self.receptor_jitter = poses_per_complex, seed, receptor_jitter

    def __getitem__(self, key: int | tuple[int, int]) -> Arrays:
        """A complex with `ATOM_ERROR` added; a key `(idx, draw)` says which of its random draws."""
        idx, draw = (key, 0) if isinstance(key, int) else key
        arrays = self.kept(self.ids[idx])
        generator = np.random.default_rng([self.seed, idx, draw])
        if self.receptor_jitter > 0:
            arrays = jittered(arrays, self.receptor_jitter, generator)
        num_poses = len(arrays["pose_rmsd"])
        if self.poses_per_complex is None or self.poses_per_complex >= num_poses:
            return arrays
        chosen = generator.choice(num_poses, self.poses_per_complex, replace=False)
        return {name: value[chosen] if name.startswith("pose_") else value for name, value in arrays.items()}

    def made(self, complex_id: str, arrays: Arrays) -> Arrays:
        """A complex with `ATOM_ERROR` added, its fields under their present names.

        Raises:
            PreparedDataError: it has no poses.
        """
        if not POSE_FIELDS.keys() <= arrays.keys():
            raise PreparedDataError(f"{self.store.root}: no poses of {complex_id}; run `discodock prepare poses`")
        now = {FORMER_POSE_FIELDS.get(name, name): value for name, value in arrays.items()}
        return now | {ATOM_ERROR: atom_errors(arrays)}


def atom_errors(arrays: Arrays) -> np.ndarray:
    """Distance of each atom of each pose from its position in the crystal pose, Å, float32, shape (N, L).

    Of the ligand's symmetries the one with the smallest RMSD is taken, pose by pose.
    """
    images = arrays["ligand_pos"][arrays["ligand_automorphisms"]]  # (S, L, 3)
    distances = np.linalg.norm(arrays["pose_pos"][:, None] - images[None], axis=-1)  # (N, S, L)
    best = (distances**2).mean(axis=2).argmin(axis=1)
    return distances[np.arange(len(best)), best].astype(np.float32)


def collate_poses(complexes: Sequence[Arrays]) -> PoseBatch:
    """Pad and stack docked complexes."""
    counts = [len(c["pose_rmsd"]) for c in complexes]
    atoms = max(len(c["ligand_pos"]) for c in complexes)

    def padded(name: str) -> Tensor:
        """Fields (N, L, ...) of all complexes end to end."""
        widths = [[(0, 0), (0, atoms - c[name].shape[1]), *[(0, 0)] * (c[name].ndim - 2)] for c in complexes]
        rows = [np.pad(c[name], width) for c, width in zip(complexes, widths, strict=True)]
        return torch.from_numpy(np.concatenate(rows))

    def flat(name: str) -> Tensor:
        """Fields (N,) of all complexes end to end."""
        return torch.from_numpy(np.concatenate([c[name] for c in complexes]))

    shared = sorted(set.intersection(*(set(c) for c in complexes)))
    facts = [name for name in shared if name.startswith("pose_") and name not in (*POSE_FIELDS, ATOM_ERROR)]
    return PoseBatch(
        complexes=collate(complexes),
        pos=padded("pose_pos"),
        pose_complex=torch.arange(len(counts)).repeat_interleave(torch.tensor(counts)),
        rmsd=flat("pose_rmsd"),
        atom_error=padded(ATOM_ERROR),
        facts={name.removeprefix("pose_"): flat(name) for name in facts},
    )


class PoseDataModule(StoreDataModule):
    """Batches of docked complexes; validation has all their poses."""

    def __init__(self, config: PoseDataConfig) -> None:
        super().__init__(config)
        self.poses_per_complex, self.val_root = config.poses_per_complex, config.val_root or config.root
        self.receptor_jitter = config.receptor_jitter

    def setup(self, stage: str | None = None) -> None:
        """As `StoreDataModule.setup`, with validation complexes from their own store."""
        super().setup(stage)
        chosen_ids = self.config.ids
        store = PreparedStore(self.val_root if chosen_ids is None else self.config.root)
        rows = [row for row in store.index if (row.split == "val" if chosen_ids is None else row.id in chosen_ids)]
        chosen = spread_over_clusters(rows, self.config.num_val)
        self.val_set = PoseDataset(store, [row.id for row in chosen], None, self.config.seed)

    def dataset(self, store: PreparedStore, ids: Sequence[str], *, is_train: bool) -> PoseDataset:
        """Complexes with some of their poses."""
        return PoseDataset(store, ids, self.poses_per_complex, self.config.seed, self.receptor_jitter)

    def collate(self, complexes: Sequence[Arrays]) -> PoseBatch:
        """See `collate_poses`."""
        return collate_poses(complexes)


def whole_set(root: Path, split: str) -> DataLoader[Any]:
    """`PoseBatch`es of the complexes of a split of a store, one a batch with all its poses, in the index's order."""
    store = PreparedStore(root)
    return DataLoader(PoseDataset(store, store.ids(split), None, seed=0), batch_size=1, collate_fn=collate_poses)
