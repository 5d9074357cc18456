"""Reports of finished results, made from what is in their folders."""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path
from typing import Final
from urllib.parse import quote

from jinja2 import TemplateError

from discodock.errors import InputError
from discodock.files import write_atomically, write_text
from discodock.inference.many.result_folder import SUMMARY_FILE
from discodock.inference.outputs import (
    PYMOL_FILE,
    REMEDY,
    REPORT_FILE,
    RUN_FILE,
    SCORES_FILE,
    SIDE_CHAINS_FILE,
    read_table,
)
from discodock.report.folder import SOURCE_FILES, is_result, read_result
from discodock.report.page import index_page, result_page
from discodock.report.pymol import pymol_script

INDEX_FILE: Final = "index.html"

PAGE_MARK: Final = "– discodock</title>"
"""What every page of a report has."""


def write_report(folder: str | Path) -> Path:
    """Write `report.html` and `view.pml` into a result folder, from the files in it alone.

    The page has everything inside (poses, protein, drawing, scripts): it opens without a network, anywhere.

    >>> write_result(result, "docked/aspirin")
    >>> write_report("docked/aspirin")

    Args:
        folder: folder of a result, as `write_result` or `discodock predict` leave it.

    Returns:
        The page.

    Raises:
        InputError: a file of the folder is missing or damaged.
        OSError: the folder cannot be written.
    """
    folder = Path(folder)
    result = read_result(folder)
    try:
        page = result_page(result)
    except (KeyError, TypeError, ValueError, AttributeError, IndexError, TemplateError) as error:
        raise InputError(
            f"{folder}: its {RUN_FILE} or {SCORES_FILE} is malformed ({type(error).__name__}: {error}); dock this"
            " ligand again"
        ) from error
    write_atomically(
        folder / PYMOL_FILE, pymol_script(result.receptor.ligand_chain, moves=bool(result.side_chains)).encode("ascii")
    )
    path = folder / REPORT_FILE
    write_text(path, page)
    return path


def has_report(folder: Path) -> bool:
    """Whether a result folder has a report that is not older than what it is made from."""
    report = folder / REPORT_FILE
    if not report.is_file() or not (folder / PYMOL_FILE).is_file():
        return False
    written = report.stat().st_mtime_ns
    return all(
        written >= (folder / name).stat().st_mtime_ns
        for name in (*SOURCE_FILES, SIDE_CHAINS_FILE)
        if (folder / name).exists()
    )


def write_index(out: Path) -> Path | None:
    """Write `index.html`, which lists the results of an output folder with links to their reports.

    Args:
        out: output folder of `discodock predict`.

    Returns:
        The page; None if the folder's summary has fewer than two ligands.

    Raises:
        InputError: a page of the user's is in the way.
        OSError: the folder cannot be written.
    """
    rows = read_table(out / SUMMARY_FILE)
    if len(rows) < 2:
        return None
    names = [row.get("name", "") for row in rows]
    linked = {name: f"{quote(name)}/{REPORT_FILE}" for name in names if (out / name / REPORT_FILE).is_file()}
    path = out / INDEX_FILE
    if (problem := foreign_index(out)) is not None:
        raise InputError(problem)
    write_text(path, index_page(out.absolute().name, rows, linked))
    return path


def foreign_index(out: Path) -> str | None:
    """What is in the way of `index.html`, such as a page that a user wrote; None if nothing is."""
    path = out / INDEX_FILE
    if not (path.exists() or path.is_symlink()):
        return None
    with suppress(OSError, UnicodeDecodeError):
        if path.is_file() and PAGE_MARK in path.read_text(encoding="utf-8"):
            return None
    return f"{path}: is in the way of the list of results, and is not one of discodock's; {REMEDY}"


def result_folders(folder: Path) -> list[Path]:
    """The folder itself if it is a result, else the results right below it, by name."""
    if is_result(folder):
        return [folder]
    return (
        sorted(path for path in folder.iterdir() if not path.name.startswith(".") and is_result(path))
        if folder.is_dir()
        else []
    )
