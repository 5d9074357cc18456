"""Screening from Python: `screen`."""

from __future__ import annotations

import tempfile
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from discodock.chem.records.smiles_file import split_smiles_lines
from discodock.errors import ConfigError
from discodock.inference.network import default_checkpoint
from discodock.inference.pocket import pocket_spec
from discodock.screening.columns import Value, table_row
from discodock.screening.config import DEFAULT_PRESET, ScreeningConfig, preset_config
from discodock.screening.inputs import ScreenInputs
from discodock.screening.ledger import Ledger
from discodock.screening.library import LibraryRecord, iter_library
from discodock.screening.run import screen_library


@dataclass(frozen=True)
class ScreenedLigand:
    """A ligand of a screen.

    Attributes:
        id: name of the ligand, unique in the screen.
        rank: place among all ligands, 1 is the best.
        score: score that ligands are ranked by, higher is better; no affinity.
        row: values of all columns of the results, by name.
        sdf: SDF text of the best poses, best first.
    """

    id: str
    rank: int
    score: float
    row: Mapping[str, Value]
    sdf: str


def screen(
    protein: str | Path,
    ligands: str | Path | Iterable[str],
    *,
    pocket_ligand: str | Path | None = None,
    pocket_center: Sequence[float] | None = None,
    pocket_residues: Sequence[str] = (),
    preset: str = DEFAULT_PRESET,
    config: ScreeningConfig | None = None,
    out: str | Path | None = None,
    workers: int = 0,
    device: str = "auto",
    checkpoint: str | Path | None = None,
    **options: Any,
) -> Iterator[ScreenedLigand]:
    """Dock a library into a protein; the ligands come when all are done, best first, those that failed not at all.

    >>> for hit in screen("protein.pdb", "library.smi", pocket_ligand="ligand.sdf", preset="fast"):
    ...     print(hit.rank, hit.id, hit.score)

    Args:
        protein: PDB or mmCIF file, gzipped or not.
        ligands: library file or folder (SDF, SMILES, CSV, TSV, MOL2, Parquet), or SMILES, each with a name after it or
            without.
        pocket_ligand: file of a ligand that lies in the pocket; only its centroid is used.
        pocket_center: point in the pocket, Å, in the protein's frame.
        pocket_residues: residues around the pocket, such as ["A:12", "A:15"].
        preset: stages to dock in: fast, default or thorough.
        config: settings of the screen in place of a preset.
        out: folder to keep the screen in, from which the same call goes on; None keeps it while the ligands are read.
        workers: processes to dock with; 0 docks in this one.
        device: auto, cpu, cuda, cuda:N or mps.
        checkpoint: weights; None takes those that ship with the package.
        **options: settings of docking for all stages, named as options of `discodock predict`: seed, keep, drop,
            cofactors, pocket_radius and so on.

    Raises:
        DiscodockError: an input cannot be used; the message says what to do.
    """
    config = (config or preset_config(preset)).with_options(options)
    spec = pocket_spec(pocket_ligand, pocket_center, pocket_residues, config.docking.pocket_radius)
    weights = default_checkpoint() if checkpoint is None else Path(checkpoint)
    inputs = ScreenInputs(Path(protein), spec, config, weights, device)
    library = iter_library(ligands) if isinstance(ligands, str | Path) else _records(ligands)
    with ExitStack() as stack:
        folder = Path(out) if out is not None else Path(stack.enter_context(tempfile.TemporaryDirectory()))
        screen_library(inputs, library, folder, workers=workers)
        return _results(folder, config, stack.pop_all())


def _records(lines: Iterable[str]) -> Iterator[LibraryRecord]:
    """SMILES, each with a name or without, as a library."""
    is_empty = True
    for number, line in enumerate(split_smiles_lines(lines), start=1):
        is_empty = False
        yield LibraryRecord(line.title or f"ligand_{number}", line.smiles, "smi", f"ligand {number}", line.problem)
    if is_empty:
        raise ConfigError("ligands: there is none; give a library or some SMILES")


def _results(folder: Path, config: ScreeningConfig, kept: ExitStack) -> Iterator[ScreenedLigand]:
    """The ligands in a folder, which goes when `kept` is closed at their end."""
    with kept, Ledger(folder) as ledger:
        for rank, result in enumerate(ledger.results(), start=1):
            row = table_row(result, rank, config)
            yield ScreenedLigand(result.id, rank, result.score, row, ledger.poses(result.number))
