"""Files that go into the pages: templates, style, scripts, and 3Dmol.js as its npm package has it."""

from __future__ import annotations

import base64
import hashlib
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from typing import Any, Final

from jinja2 import Environment, FunctionLoader, StrictUndefined
from markupsafe import Markup

VIEWER_FILE: Final = "3Dmol-min.js"
"""Unmodified `build/3Dmol-min.js` of the npm package 3dmol, beside it the notice that it refers to."""

VIEWER_LICENSE_FILE: Final = "3Dmol.LICENSE.txt"
"""`LICENSE` of the same package: BSD-3-Clause, and those of what it contains."""

VIEWER_VERSION: Final = "2.5.5"
VIEWER_SHA256: Final = "f7cc78921ae72e7623e89cdd111434f58c2efddd2ffda1cd212644b406fb8016"


@dataclass(frozen=True)
class Script:
    """A script inside a page.

    Attributes:
        text: source of the script.
        hash: hash by which the page's content security policy knows it; no other script runs.
    """

    text: Markup
    hash: str


@cache
def asset(name: str) -> str:
    """Text of a file in `assets/`."""
    return (files("discodock.report") / "assets" / name).read_text(encoding="utf-8")


@cache
def script(name: str) -> Script:
    """A script of `assets/`, ready to go into a page."""
    text = asset(name)
    digest = base64.b64encode(hashlib.sha256(text.encode("utf-8")).digest()).decode("ascii")
    return Script(Markup(text), f"'sha256-{digest}'")


def style(name: str) -> Markup:
    """A style sheet of `assets/`."""
    return Markup(asset(name))


def render(template: str, values: dict[str, Any]) -> str:
    """A page from a template of `assets/`; every value is escaped unless it is `Markup`.

    Args:
        template: file name of the template.
        values: values that the template refers to; a name that is missing is an error.
    """
    environment = Environment(
        loader=FunctionLoader(asset), autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True
    )
    return environment.get_template(template).render(values)
