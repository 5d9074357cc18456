"""Relaxation of sampled poses: the part that is done to all candidates, and the part that is done to the chosen."""

from __future__ import annotations

import pkgutil
from dataclasses import replace
from importlib import import_module

import numpy as np
import torch

from discodock.chem.ligand import LigandRecord
from discodock.chem.receptor import Receptor
from discodock.data.batch import Arrays
from discodock.errors import ConfigError
from discodock.inference.relaxation.config import METHODS, RelaxationConfig
from discodock.inference.relaxation.relaxed import RelaxedPoses, pose_shift
from discodock.inference.relaxation.scorer import PoseScorer, Relaxer


def check_relaxation(config: RelaxationConfig) -> None:
    """Make sure before any work that poses can be relaxed.

    Raises:
        ConfigError: a package that the method needs is missing.
    """
    method = METHODS[config.method]
    for package in method.packages:
        try:
            import_module(package)
        except ImportError as error:
            remedy = f"pip install 'discodock[{method.extra}]', or take --relax fast"
            raise ConfigError(f"--relax {config.method} needs {error.name}; {remedy}") from None


def load_relaxer(name: str) -> Relaxer:
    """The relaxation method of a name in `METHODS`; its module is imported only now."""
    relaxer: Relaxer = pkgutil.resolve_name(METHODS[name].relaxer)()
    return relaxer


def relax_poses(
    pos: np.ndarray,
    ligand: LigandRecord,
    receptor: Receptor,
    arrays: Arrays,
    config: RelaxationConfig,
    device: torch.device,
    *,
    done: RelaxedPoses | None = None,
    threads: int = 1,
) -> RelaxedPoses:
    """Relax poses, or only score them if the method is `none`.

    Args:
        pos: heavy atoms in the receptor's frame, Å, shape (N, L, 3).
        ligand: the ligand, as read from its file.
        receptor: the receptor; it stays rigid, but for side chains that OpenMM is told to move.
        arrays: prepared arrays of the complex; conformers and rotatable bonds are used.
        config: whether and how.
        device: device to compute on.
        done: the same poses after what `config.first` does, which is then not done again.
        threads: batches of poses relaxed at the same time.
    """
    if done is not None and config.first == config:
        return done
    scorer = PoseScorer(ligand, receptor, arrays, config, device, threads)
    if done is None:
        found = load_relaxer(config.first.method).relax(pos, scorer)
        strain = found.strain - scorer.unbound_energy()
        warnings = (*scorer.notes, *scorer.guesses(pos), *found.warnings)
        done = replace(found, strain=strain, warnings=warnings)
    if config.first == config:
        return done
    found = load_relaxer(config.method).relax(done.pos, scorer)
    return replace(
        found,
        strain=found.strain - scorer.unbound_energy(),
        shift=pose_shift(pos, found.pos),
        warnings=(*done.warnings, *found.warnings),
    )
