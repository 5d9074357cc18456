"""`discodock report`: pages to look at, for results that are there already."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Annotated

import typer

from discodock.errors import InputError
from discodock.failures import reason_of
from discodock.text import one_line

HELP = """Write report.html and view.pml (for PyMOL) into finished result folders, from the files in them alone.

A page shows the ranked poses as a table and in 3-D, the checks they pass, the ligand, binding modes, sites and how the
result was made. It has everything inside and opens without a network. A folder with several results also gets
index.html, with a link to each.

Exit code: 0 all written, 1 some could not be, 2 the folder has no result."""


def report(
    folder: Annotated[
        Path, typer.Argument(metavar="DIR", help="Folder of one result, or output folder of `discodock predict`.")
    ],
) -> int:
    """Write the pages of a folder; returns the exit code."""
    from discodock.report.write import result_folders

    folders = result_folders(folder)
    if not folders:
        raise InputError(f"{folder}: has no result of `discodock predict`; give its --out, or a folder in it")
    out = folder if folders != [folder] else folder.parent
    return 0 if write_reports(folders, out, again=True) else 1


def write_reports(folders: Sequence[Path], out: Path, *, again: bool = False) -> bool:
    """Write the reports of result folders and the index of the output folder they are in, and say what was written.

    Args:
        folders: folders of one result each.
        out: output folder.
        again: replace reports that are up to date.

    Returns:
        Whether all could be written.
    """
    from discodock.cli.progress import WorkBar
    from discodock.inference.outputs import REPORT_FILE
    from discodock.report.write import has_report, write_index, write_report

    wanted = [folder for folder in folders if again or not has_report(folder)]
    num_failed = 0
    with WorkBar("reports", len(wanted)) as bar:
        for folder in wanted:
            bar.show(0.0, folder.name)
            try:
                bar.item_done(str(write_report(folder)))
            except Exception as error:
                num_failed += 1
                bar.item_done(f"{folder.name}: no report: {reason_of(error, str(folder), out)}", is_notable=True)
    if not folders:
        return True
    start = write_index(out) or folders[0] / REPORT_FILE
    failures = f", {num_failed} could not be made" if num_failed else ""
    print(one_line(f"{len(folders) - num_failed} of {len(folders)} reports are there{failures}; open {start}"))
    return not num_failed
