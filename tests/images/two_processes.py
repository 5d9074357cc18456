"""Run by `test_distributed.py` as a script: both stages in two processes, one of them stopped and resumed.

Usage: two_processes.py IMAGES FOLDER; image n of the npz file has the value n in its first pixel. Each process leaves
`FOLDER/RANK.json`: by run the images it was trained on, and a digest of the parameters that it ended with.
"""

from __future__ import annotations

import hashlib
import json
import sys
from collections import defaultdict
from pathlib import Path
from typing import Any

import pytorch_lightning as pl
import torch
from pytorch_lightning.callbacks import Callback

from discodock.images import stages
from discodock.images.stages import ImagePriorStageConfig, train_image_prior, train_images
from tests.images.test_stages import POINTER, stage_one

RUN = {"devices": 2, "strategy": "ddp", "validate_every": 2}


class Watch(Callback):
    """Notes what one process sees, and what it has at the end."""

    def __init__(self, notes: dict[str, Any]) -> None:
        self.notes = notes

    def on_train_batch_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule, batch: Any, _: int) -> None:
        """Numbers of the images."""
        self.notes["world_size"] = trainer.world_size
        self.notes["images"].append(batch.images[:, 0, 0, 0].tolist())

    def on_train_batch_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule, *_: Any) -> None:
        """Digest of all parameters."""
        values = [p.detach().numpy().tobytes() for p in pl_module.parameters()]
        self.notes["digest"] = hashlib.sha256(b"".join(values)).hexdigest()


def main(images: Path, folder: Path) -> None:
    """All runs, one after the other, in the same two processes."""
    notes: dict[str, Any] = defaultdict(lambda: {"images": []})

    def config(groups: Any = None, **run: Any) -> stages.ImageStageConfig:
        made = stage_one(images, *(("transformer", groups) if groups else ()), **RUN, **run)
        task = made.task.model_copy(
            update={"optimizer": made.task.optimizer.model_copy(update={"decay_fraction": 0.0})}
        )
        return made.model_copy(update={"task": task, "data": made.data.model_copy(update={"flip": False})})

    watched(notes["whole"], lambda: train_images(config(), folder / "whole"))
    watched(notes["first half"], lambda: train_images(config(max_steps=2), folder / "halves"))
    watched(notes["second half"], lambda: train_images(config(), folder / "halves"))
    weights = folder / "pointers" / stages.IMAGE_WEIGHTS
    watched(notes["pointers"], lambda: train_images(config(POINTER, max_steps=2), weights.parent))
    torch.distributed.barrier()  # only the first process writes weights
    values = {
        "start_from": str(weights),
        "data": {"train": str(images), "batch_size": 8, "num_val": 8},
        "task": {"prior": {"channels": 16, "depth": 1}, "num_classes": 4},
        "run": {**RUN, "max_steps": 2, "accelerator": "cpu"},
    }
    prior = ImagePriorStageConfig.model_validate(values)
    watched(notes["prior"], lambda: train_image_prior(prior, folder / "prior"))
    (folder / f"{torch.distributed.get_rank()}.json").write_text(json.dumps(notes))


def watched(notes: dict[str, Any], train: Any) -> None:
    """Train with a callback more."""
    plain = pl.Trainer.__init__

    def with_callback(self: pl.Trainer, *args: Any, callbacks: list[Callback], **kwargs: Any) -> None:
        plain(self, *args, callbacks=[*callbacks, Watch(notes)], **kwargs)

    pl.Trainer.__init__ = with_callback  # type: ignore[method-assign]
    try:
        train()
    finally:
        pl.Trainer.__init__ = plain  # type: ignore[method-assign]


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]))
