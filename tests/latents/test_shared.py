"""The core is what docking and images share: every public function, class and method of it is reached from both.

A domain reaches what it imports from the core (or takes off an imported module of it), methods whose names it uses, and
what the core itself uses of its own on behalf of these. Names are read off the source, so a method of another class
with the same name counts too; what a subclass overrides counts as reached.
"""

import ast
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
CORE = "discodock.latents"
IMAGES = [*(ROOT / "discodock/images").glob("*.py"), ROOT / "benchmarks/images.py"]
DOCKING = [
    *(path for part in ("models", "tasks", "inference") for path in (ROOT / "discodock" / part).rglob("*.py")),
    *(path for path in (ROOT / "benchmarks").glob("*.py") if path.name != "images.py"),
]


def trees(paths):
    return [ast.parse(path.read_text()) for path in paths]


def definitions():
    """Name -> where it is defined in the core; methods as "Class.method", which their class does not bring along.

    Types and constants are listed too, for what they lead to.
    """
    found = {}
    for node in (each for tree in trees((ROOT / "discodock/latents").glob("*.py")) for each in tree.body):
        if isinstance(node, ast.Assign | ast.AnnAssign):
            found[ast.unparse(node.targets[0] if isinstance(node, ast.Assign) else node.target)] = node
        if isinstance(node, ast.FunctionDef | ast.ClassDef):
            found[node.name] = node
        if isinstance(node, ast.ClassDef):
            methods = [each for each in node.body if isinstance(each, ast.FunctionDef) and not implied(each.name)]
            found |= {f"{node.name}.{each.name}": each for each in methods}
            node.body = [each for each in node.body if each not in methods]
    return found


def implied(method):
    return method.startswith("_") or method in ("forward", "backward")  # called by the class itself, or by torch


def used_names(tree):
    names = {node.id for node in ast.walk(tree) if isinstance(node, ast.Name)}
    return names | {node.attr for node in ast.walk(tree) if isinstance(node, ast.Attribute)}


def imported_names(tree):
    """What a file takes from the core, by name or as an attribute of one of its modules."""
    imports = [n for n in ast.walk(tree) if isinstance(n, ast.ImportFrom) and (n.module or "").startswith(CORE)]
    names = {alias.name for node in imports for alias in node.names}
    attributes = (n for n in ast.walk(tree) if isinstance(n, ast.Attribute) and isinstance(n.value, ast.Name))
    return names | {node.attr for node in attributes if node.value.id in names}


def reached(paths):
    defined, domain = definitions(), trees(paths)
    imported, used = (set().union(*map(find, domain)) for find in (imported_names, used_names))
    found = {name for name in defined if (name.split(".")[1] in used if "." in name else name in imported)}
    while True:
        names = set().union(*(used_names(defined[name]) for name in found))
        more = {name for name in defined if name.split(".")[-1] in names} - found
        if not more:
            return found
        found |= more


@pytest.mark.parametrize("paths", [IMAGES, DOCKING], ids=["images", "docking"])
def test_every_part_of_the_core_is_reached_from_both_domains(paths):
    public = {
        name
        for name, node in definitions().items()
        if isinstance(node, ast.FunctionDef | ast.ClassDef) and not name.startswith("_")
    }
    missing = public - reached(paths)
    assert not missing, f"used by the other domain alone: {sorted(missing)}"


def test_a_domain_that_uses_little_reaches_little():
    few = reached([ROOT / "discodock/models/sites.py"])
    assert "likely_entries" in few and not few & {"CodeDropout", "spread_uniforms", "guide", "input_information"}
