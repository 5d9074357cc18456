"""Texts that are shown alone, in a tooltip, in help or in generated pages, must be understood alone."""

import ast
import re
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import pytest

ROOT = Path(__file__).parent.parent / "discodock"
PACKAGES = sorted({path.relative_to(ROOT).parts[0].removesuffix(".py") for path in ROOT.rglob("*.py")})
SECTIONS = ("Args:", "Attributes:")
ENTRY = re.compile(r"^( +)(\*{0,2}\w+(?:, \*{0,2}\w+)*)(?: \([^)]*\))?: ?(.*)$")


class Text(NamedTuple):
    """What is said of one argument, attribute or setting, and where."""

    place: str
    name: str
    text: str


def described(docstring: str) -> Iterator[tuple[str, str]]:
    """Names and texts of the arguments and attributes of a docstring in Google style."""
    section, indent, name, words = 0, 0, "", []
    inside = False
    for line in [*docstring.splitlines(), ""]:
        depth = len(line) - len(line.lstrip())
        if line.strip() in SECTIONS:
            inside, section, indent = True, depth, 0
        elif inside and line.strip() and depth > section:
            entry = ENTRY.match(line)
            if entry and indent in (0, len(entry[1])):
                if name:
                    yield name, " ".join(words)
                indent, name, words = len(entry[1]), entry[2], [entry[3]]
            else:
                words.append(line.strip())
        elif inside:
            if name:
                yield name, " ".join(words)
            inside, name, words = False, "", []


def texts(path: Path) -> Iterator[Text]:
    """All argument and attribute texts of a module, and the descriptions of its settings."""
    place = str(path.relative_to(ROOT.parent))
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef):
            for name, text in described(ast.get_docstring(node) or ""):
                yield Text(f"{place}: {getattr(node, 'name', 'module')}", name, text)
        elif isinstance(node, ast.AnnAssign) and isinstance(node.value, ast.Call):
            for keyword in node.value.keywords:
                if keyword.arg == "description" and isinstance(keyword.value, ast.Constant):
                    yield Text(place, ast.unparse(node.target), str(keyword.value.value))


DEPENDENT = {
    # prepositions and references to what was said before
    *("of", "as", "to", "by", "in", "on", "at", "for", "from", "with", "without", "around", "inside", "until", "after"),
    *("over", "per", "among", "like", "likewise", "also", "its", "their", "it", "that", "those", "such", "so", "each"),
    # clauses
    *("how", "what", "where", "which", "why", "who", "whose", "when"),
    # verbs and participles
    *(
        "called",
        "chooses",
        "divides",
        "gives",
        "goes",
        "halves",
        "knows",
        "returns",
        "scales",
        "sees",
        "takes",
        "tells",
    ),
    "told",
    # units, types and shapes of nothing
    *("Å", "kcal/mol", "bool", "float", "int64", "int32", "nats", "rad", "radians"),
}
ADJECTIVES = re.compile(r"^((drawn|relative|sanitised|trained|positive)[.,;:]|drawn only|shape \()")


def stands_alone(text: str) -> bool:
    """Whether a text begins with the name of a thing, not with words that need the line above, nor with a symbol."""
    first = text.split()[0].rstrip(",.:;") if text.strip() else ""
    return first not in DEPENDENT and not ADJECTIVES.match(text) and len(text.strip(" .")) > 1


@pytest.mark.parametrize("package", PACKAGES)
def test_texts_stand_alone(package):
    modules = [*(ROOT / package).rglob("*.py"), ROOT / f"{package}.py"]
    found = [text for path in modules if path.exists() for text in texts(path)]
    fragments = [f"{text.place}, {text.name}: {text.text}" for text in found if not stands_alone(text.text)]
    assert not fragments, "\n".join(["no noun phrase that stands alone:", *fragments])


@pytest.mark.parametrize("text", ["as read.", "of the plateau", "Å, shape (N, 3).", "how.", "relative.", "N.", ""])
def test_a_fragment_is_found(text):
    assert not stands_alone(text)


@pytest.mark.parametrize(
    "text", ["peak learning rate", "sanitised molecule", "A, width of the edges.", "positions, Å."]
)
def test_a_noun_phrase_is_none(text):
    assert stands_alone(text)


def test_texts_are_read_from_docstrings_and_settings(tmp_path, monkeypatch):
    module = tmp_path / "discodock" / "module.py"
    module.parent.mkdir()
    module.write_text(MODULE)
    monkeypatch.setattr("tests.test_texts.ROOT", module.parent)
    assert {(text.name, text.text) for text in texts(module)} == {
        ("size", "of it"),
        ("x", "a thing, shape (3,)."),
        ("y, z", "as x."),
    }


MODULE = '''
class Settings:
    size: int = Field(
        3, description="of it"
    )

def f(x, y, z):
    """Do it.

    Args:
        x: a thing,
            shape (3,).
        y, z: as x.

    Returns:
        w: no argument.
    """
'''
