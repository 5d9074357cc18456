"""The `discodock` command: wires the sub-commands and turns errors into one line and an exit code.

Nothing heavy (torch, rdkit, lightning) is imported here or at the top of a command module: `--help` is instant.
"""

from __future__ import annotations

import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Final, cast

import typer

from discodock.cli import doctor, evaluate, images, predict, prepare, report, screen, train
from discodock.cli.options import modern_spelling
from discodock.cli.runtime import keep_ctrl_c_from_rdkit, raise_allocator_thresholds, show_what_can_be_shown
from discodock.errors import DiscodockError
from discodock.failures import os_reason, reason_of
from discodock.text import one_line

EXIT_UNUSABLE: Final = 2
EXIT_INTERRUPTED: Final = 130

_UsageProblem: Final = cast(type[Exception], typer.BadParameter.__mro__[2])
"""Typer's base class of all command-line errors; it exports only the leaf."""

app = typer.Typer(
    name="discodock",
    help="Molecular docking with discrete-continuous latent diffusion.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 120},
)


def _print_version(wanted: bool) -> None:
    if wanted:
        from importlib.metadata import version

        print(f"discodock {version('discodock')}")
        raise typer.Exit


@app.callback()
def _root(
    _version: Annotated[
        bool, typer.Option("--version", callback=_print_version, is_eager=True, help="Print the version.")
    ] = False,
) -> None:
    pass


app.command("predict", help=predict.HELP, short_help="Dock ligands into a protein.")(predict.predict)
app.add_typer(screen.app, name="screen", short_help="Dock a library into a protein.")
app.add_typer(prepare.app, name="prepare", short_help="Prepare complexes for training.")
app.add_typer(train.app, name="train", short_help="Train a network from prepared complexes.")
app.command("evaluate", help=evaluate.HELP, short_help="Redock crystal complexes: success rates.")(evaluate.evaluate)
app.add_typer(images.app, name="images", short_help="Image diffusion with discrete codes.")
app.command("report", help=report.HELP, short_help="Write pages to look at docked poses.")(report.report)
app.command("doctor", help=doctor.HELP, short_help="Print what this machine has and what will be used.")(doctor.doctor)


def run(arguments: Sequence[str] | None = None) -> int:
    """Run one command and return its exit code; errors raised on purpose become one line on stderr.

    Args:
        arguments: the command line without the program's name; None takes the process's own.

    Returns:
        0 all done; 1 some or all jobs failed; 2 the command line or an input is unusable; 130 interrupted by Ctrl-C.
    """
    try:
        given = sys.argv[1:] if arguments is None else arguments
        result = app(args=modern_spelling(given), prog_name="discodock", standalone_mode=False)
    except DiscodockError as error:
        return _fail(str(error))
    except (KeyboardInterrupt, typer.Abort):
        result = EXIT_INTERRUPTED
    except OSError as error:
        return _fail(os_reason(error))
    except _UsageProblem as error:
        return _fail_usage(error)
    except Exception as error:
        return _fail(reason_of(error, " ".join(given), Path(tempfile.mkdtemp(prefix="discodock-"))))
    if result == EXIT_INTERRUPTED:
        print("interrupted: finished results are kept, the same command goes on from there", file=sys.stderr)
    return result if isinstance(result, int) else 0


def _fail(message: str) -> int:
    print(f"error: {one_line(message)}", file=sys.stderr)
    return EXIT_UNUSABLE


def _fail_usage(error: Exception) -> int:
    """Report a command line that cannot be used; no arguments at all is a request for help."""
    if type(error).__name__ == "NoArgsIsHelpError":
        print(error)
        return EXIT_UNUSABLE
    message = getattr(error, "format_message", lambda: str(error))()
    context = getattr(error, "ctx", None)
    command = context.command_path if context is not None else "discodock"
    return _fail(f"{message.rstrip('.')}; `{command} --help` lists what there is")


def main() -> None:
    """Entry point of the installed `discodock` script."""
    raise_allocator_thresholds()
    keep_ctrl_c_from_rdkit()
    show_what_can_be_shown()
    sys.exit(run())


if __name__ == "__main__":
    main()
