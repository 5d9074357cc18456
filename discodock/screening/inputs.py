"""What a screen is of: files, pocket and network, checked once and sent to every worker."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any

from discodock.chem.receptor import Receptor
from discodock.errors import CheckpointError
from discodock.inference.inputs import read_docking_receptor
from discodock.inference.outputs import fingerprint
from discodock.inference.pocket import Pocket, PocketSpec, resolve_pocket
from discodock.inference.relaxation.relax import check_relaxation
from discodock.inference.site_warnings import site_warnings
from discodock.screening.config import ScreeningConfig


@dataclass(frozen=True)
class ScreenInputs:
    """What all ligands of a screen have in common; small, and the same in every process.

    Attributes:
        protein: structure file.
        pocket: pocket to dock into; None searches the whole protein with every ligand.
        config: settings of the screen.
        checkpoint: file of the network.
        device: device to dock on: auto, cpu, cuda, cuda:N or mps.
    """

    protein: Path
    pocket: PocketSpec | None
    config: ScreeningConfig
    checkpoint: Path
    device: str = "auto"

    def read(self) -> PreparedScreen:
        """Read protein and pocket.

        Raises:
            DiscodockError: one of them cannot be used, or a package that a stage needs is missing.
        """
        for stage in self.config.stages:
            check_relaxation(stage.docking.relaxation)
        receptor = read_docking_receptor(self.protein, None, self.pocket, self.config.docking.receptor)
        pocket = None if self.pocket is None else resolve_pocket(self.pocket, receptor)
        of_pocket = () if pocket is None else (*site_warnings(receptor, [pocket.center]), *pocket.warnings)
        return PreparedScreen(receptor, pocket, (*receptor.warnings, *of_pocket))

    def identity(self, prepared: PreparedScreen) -> dict[str, Any]:
        """All that results depend on, as plain data that can be compared.

        Args:
            prepared: protein and pocket.

        Raises:
            CheckpointError: there is no file of a network.
        """
        receptor, pocket = prepared.receptor, prepared.pocket
        atoms = fingerprint(receptor.pos.tobytes(), receptor.element.tolist(), list(receptor.residue_labels))
        where = None if pocket is None else {"center": pocket.center.round(3).tolist(), "radius": pocket.radius}
        return {
            "discodock": version("discodock"),
            "protein": {"name": self.protein.name, "atoms": atoms},
            "pocket": where,
            "checkpoint": _digest(self.checkpoint),
            "settings": self.config.result_settings(),
        }


@dataclass(frozen=True)
class PreparedScreen:
    """A protein and a pocket, read.

    Attributes:
        receptor: receptor that all ligands are docked into.
        pocket: place to dock into; None if there is none.
        warnings: warnings for the user about both, one sentence each.
    """

    receptor: Receptor
    pocket: Pocket | None
    warnings: tuple[str, ...]


def _digest(checkpoint: Path) -> str:
    """SHA-256 of the file of a network.

    Raises:
        CheckpointError: it cannot be read.
    """
    try:
        with checkpoint.open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()
    except OSError as error:
        raise CheckpointError(f"{checkpoint}: cannot be read ({error.strerror}); check the path") from None
