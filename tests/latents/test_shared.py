"""The core is what docking and images share: all that is public in it is reached from both, and replaced by neither.

A domain reaches what it imports from the core (or takes off an imported module of it), methods and fields whose names
it uses, and what the core itself uses of its own on behalf of these. Names are read off the source, so a method of
another class with the same name counts too. Whoever overrode a method of the core would leave its lines to the other.
"""

import ast
import importlib
import inspect
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
CORE = "discodock.latents"
ONE_CODE_A_STEP = {"CodePrior.cross_entropy_at", "random_positions"}
"""How priors learn that are not causal; those of images are, and learn all codes in one call of the network."""
IMAGES = [*(ROOT / "discodock/images").rglob("*.py"), ROOT / "benchmarks/images.py"]
DOCKING = [
    *(path for part in ("models", "tasks", "inference") for path in (ROOT / "discodock" / part).rglob("*.py")),
    *(path for path in (ROOT / "benchmarks").glob("*.py") if path.name != "images.py"),
]


def trees(paths):
    return [ast.parse(path.read_text()) for path in paths]


def definitions():
    """Name -> where it is defined in the core; "Class.method" and "Class.field" are not brought along by their class.

    Types and constants are listed too, for what they lead to.
    """
    found = {}
    for node in (each for tree in trees((ROOT / "discodock/latents").glob("*.py")) for each in tree.body):
        if isinstance(node, ast.Assign | ast.AnnAssign):
            found[ast.unparse(node.targets[0] if isinstance(node, ast.Assign) else node.target)] = node
        if isinstance(node, ast.FunctionDef | ast.ClassDef):
            found[node.name] = node
        if isinstance(node, ast.ClassDef):
            members = {name: each for each in node.body if (name := member_name(each)) and not implied(name)}
            found |= {f"{node.name}.{name}": each for name, each in members.items()}
            node.body = [each for each in node.body if each not in members.values()]
    return found


def member_name(node):
    if isinstance(node, ast.FunctionDef):
        return node.name
    return node.target.id if isinstance(node, ast.AnnAssign) else None


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
        if ("." in name or isinstance(node, ast.FunctionDef | ast.ClassDef)) and not name.startswith("_")
    }
    missing = public - reached(paths) - ONE_CODE_A_STEP
    assert not missing, f"used by the other domain alone: {sorted(missing)}"


@pytest.mark.parametrize("paths", [IMAGES, DOCKING], ids=["images", "docking"])
def test_no_domain_replaces_a_method_of_the_core(paths):
    inside = [path.relative_to(ROOT).with_suffix("").parts for path in paths]
    modules = [".".join(parts) for parts in inside if parts[0] == "discodock"]
    classes = {
        each for name in modules for each in vars(importlib.import_module(name)).values() if inspect.isclass(each)
    }
    assert any(is_core(base) for each in classes if not is_core(each) for base in each.__mro__)
    replaced = {f"{each.__qualname__}.{name}" for each in classes if not is_core(each) for name in overridden(each)}
    assert not replaced


def is_core(each):
    return each.__module__.startswith(CORE)


def overridden(each):
    """Names that a class defines though a base in the core has a body for them; constructors run that of the base."""
    inherited = {
        name
        for base in each.__mro__
        if is_core(base)
        for name, value in vars(base).items()
        if inspect.isfunction(value) and not getattr(value, "__isabstractmethod__", False)
    }
    return {name for name in inherited & vars(each).keys() if name != "__init__"}


def test_a_domain_that_uses_little_reaches_little():
    few = reached([ROOT / "discodock/models/site/distinct.py"])
    assert "likely_entries" in few and not few & {
        "CodeDropout",
        "low_discrepancy_uniforms",
        "guide",
        "input_information",
    }
