"""Where the state of a run is kept between steps, so that no failure takes away what was saved before."""

from __future__ import annotations

import io
import pickle
from pathlib import Path
from typing import Any

import torch
from pytorch_lightning.plugins.io import TorchCheckpointIO

from discodock.errors import CheckpointError
from discodock.files import write_atomically


class WholeCheckpoints(TorchCheckpointIO):
    """Checkpoints that are complete: a new one takes the place of the last one only when it is on the disk.

    Lightning itself writes to the system's folder for temporary files and copies from there, over the last checkpoint:
    if the disk is full, neither is left.
    """

    def save_checkpoint(self, checkpoint: dict[str, Any], path: str | Path, storage_options: Any = None) -> None:
        """Write a checkpoint.

        Raises:
            CheckpointError: there is no room, or no permission; the last checkpoint is as it was.
        """
        buffer = io.BytesIO()
        torch.save(checkpoint, buffer)
        try:
            write_atomically(Path(path), buffer.getbuffer())
        except OSError as error:
            raise CheckpointError(
                f"{path}: cannot be written ({error.strerror}); make room, then the same command goes on from the"
                " checkpoint before"
            ) from error

    def load_checkpoint(
        self, path: str | Path, map_location: Any = lambda storage, _: storage, weights_only: bool | None = True
    ) -> dict[str, Any]:
        """Read a checkpoint, nothing of which is executed.

        Raises:
            CheckpointError: it is damaged.
        """
        try:
            return super().load_checkpoint(path, map_location, weights_only=True)
        except (OSError, EOFError, RuntimeError, ValueError, KeyError, pickle.UnpicklingError) as error:
            raise CheckpointError(
                f"{path}: not a readable checkpoint; delete it, and the run begins anew with the next command"
            ) from error
