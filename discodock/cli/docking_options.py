"""The options of docking commands, made from the texts, ranges and defaults of the fields of `DockingConfig`."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping
from pathlib import Path
from types import NoneType
from typing import Annotated, Any, Final, get_args, get_origin

import typer
from pydantic.fields import FieldInfo

from discodock.config import load_config
from discodock.inference.config import DockingConfig, option_paths
from discodock.settings import OneOf

SHORT: Final = {"samples": "-n", "exhaustiveness": "-e"}
METAVARS: Final = {int: "N", float: "X", str: "NAME", Path: "FILE", list[str]: "RESIDUE"}

ConfigFile = Annotated[
    Path | None,
    typer.Option(
        "--config",
        metavar="FILE",
        help="Settings of docking (YAML), such as the docking.yaml that a run writes; options given here win over it.",
    ),
]

Command = Callable[..., int]


def docking_command(left_out: tuple[str, ...] = ()) -> Callable[[Command], Command]:
    """Give a command an option for every setting of docking, and --config.

    The command's first parameter is then the `DockingConfig`: defaults, then the file, then the options given.

    Args:
        left_out: names of options that the command does not have.
    """

    def decorate(command: Command) -> Command:
        names = [name for name in option_paths() if name not in left_out]

        def call(context: typer.Context, config: Path | None = None, **values: Any) -> int:
            given = {name: values.pop(name) for name in names}
            options = {name: value for name, value in given.items() if _is_given(context, name)}
            docking = load_config(config, [], DockingConfig).with_options(options)
            return command(docking, **values)

        own = list(inspect.signature(command, eval_str=True).parameters.values())[1:]
        parameters = [
            inspect.Parameter("context", inspect.Parameter.KEYWORD_ONLY, annotation=typer.Context),
            *own,
            inspect.Parameter("config", inspect.Parameter.KEYWORD_ONLY, default=None, annotation=ConfigFile),
            *map(docking_option, names),
        ]
        parameters = [each.replace(kind=inspect.Parameter.KEYWORD_ONLY) for each in parameters]
        call.__signature__ = inspect.Signature(parameters)  # type: ignore[attr-defined]
        call.__annotations__ = {each.name: each.annotation for each in parameters}
        call.__doc__ = command.__doc__
        return call

    return decorate


def docking_option(name: str) -> inspect.Parameter:
    """The option of a setting as a parameter of a command, with the setting's default, text and range.

    Args:
        name: name of the option in `option_paths`.
    """
    path = option_paths()[name]
    field, default = _field(path), _default(path)
    kind = _kind(field)
    dashed = name.replace("_", "-")
    spellings = [f"--{dashed}/--no-{dashed}" if kind is bool else f"--{dashed}"]
    spellings += [SHORT[name]] if name in SHORT else []
    option = typer.Option(*spellings, metavar=METAVARS.get(kind), help=help_text(field), **_bounds(field, kind))
    is_optional = kind in (list[str], Path) or default is None
    return inspect.Parameter(
        name,
        inspect.Parameter.KEYWORD_ONLY,
        default=default or None if kind == list[str] else default,
        annotation=Annotated[kind | None if is_optional else kind, option],
    )


def help_text(field: FieldInfo) -> str:
    """The description of a setting as a sentence, with what a registry knows unless the description names it all."""
    text = field.description or ""
    for check in field.metadata:
        if isinstance(check, OneOf) and not all(name in text for name in check.known()):
            text += f": {_choices(check)}"
    return f"{text[:1].upper()}{text[1:]}."


def option_help(name: str) -> str:
    """The help text of the option of a setting, for commands that have this one alone."""
    return help_text(_field(option_paths()[name]))


def _choices(check: OneOf) -> str:
    """The names that a setting takes, each with its line if it has one."""
    if check.texts is None:
        return ", ".join(check.known())
    return "; ".join(f"{name}: {text}" if text else name for name, text in check.texts().items())


def _is_given(context: typer.Context, name: str) -> bool:
    source = context.get_parameter_source(name)
    return source is not None and source.name == "COMMANDLINE"


def _field(path: str) -> FieldInfo:
    """The field at a dotted path."""
    *blocks, last = path.split(".")
    block: Any = DockingConfig
    for each in blocks:
        block = block.model_fields[each].annotation
    return block.model_fields[last]


def _default(path: str) -> Any:
    value: Any = DockingConfig()
    for each in path.split("."):
        value = getattr(value, each)
    return value


def _kind(field: FieldInfo) -> Any:
    """The type of an option: that of the field without None, a list for any number of words."""
    annotation = field.annotation
    if get_origin(annotation) is tuple:
        return list[str]
    types = [each for each in get_args(annotation) if each is not NoneType]
    return types[0] if types else annotation


def _bounds(field: FieldInfo, kind: Any) -> Mapping[str, Any]:
    """The inclusive ends of a number's range; open ends are checked with all other settings."""
    if kind not in (int, float):
        return {}
    found = {"min": "ge", "max": "le"}
    ends = {
        end: getattr(check, name) for end, name in found.items() for check in field.metadata if hasattr(check, name)
    }
    return {end: kind(value) for end, value in ends.items()}
