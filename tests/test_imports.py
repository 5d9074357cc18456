"""Imports point one way: `ARROWS` says which; they are read from the source, and any other arrow fails."""

import ast
import graphlib
import subprocess
import sys
from pathlib import Path

import pytest

PACKAGE = Path(__file__).resolve().parent.parent / "discodock"
LEAVES = {
    "checkpoint_file",
    "config",
    "errors",
    "failures",
    "files",
    "input_files",
    "locks",
    "noise",
    "schema",
    "settings",
}
LEAVES |= {"tensors", "text"}
ARROWS = {
    "geometry": set(),
    "distributions": set(),
    "latents": set(),
    "diffusion": {"geometry", "distributions"},
    "graphs": {"geometry"},
    "nn": {"geometry"},
    "models": {"nn", "latents", "geometry", "graphs"},
    "physics": {"geometry"},
    "chem": {"geometry"},
    "training": {"latents"},
    "data": {"geometry", "graphs"},
    "tasks": {"models", "diffusion", "latents", "data", "training", "geometry", "graphs"},
    "inference": {"models", "diffusion", "latents", "data", "chem", "physics", "geometry", "graphs"},
    "evaluation": {"inference", "data", "chem", "geometry"},
    "screening": {"inference", "data", "chem"},
    "report": {"inference", "chem", "screening"},
    "images": {"latents", "training", "diffusion"},
    "cli": {"tasks", "inference", "evaluation", "data", "images", "report", "screening"},
    "weights": set(),
    "__init__": {"inference", "report", "screening"},
}
"""Who may import whom, by sub-package; the leaves anyone may. The docstring of every sub-package says the same."""

EXCEPTIONS = {
    ("data.crystal", "chem"),  # reading structures; training, and what it needs of data, works without rdkit
    ("data.featurize", "chem"),  # the features of what was read
    ("data.prepare_embeddings", "chem"),  # the sequences of chains are read off the structures again
    ("data.prepare_peptides", "chem"),  # what amino acids are as ligands
    ("cli", "diffusion.solvers"),  # help texts name all solvers
    ("cli", "chem.ligand_formats"),  # and all formats
}
"""Single modules (or sub-packages) that may import one more; every one with its reason."""

FORBIDDEN_OUTSIDE = {  # external package -> the sub-packages that may import it
    "rdkit": {"chem"},
    "gemmi": {"chem"},
    "e3nn": {"nn", "models"},
    "torch_geometric": set(),  # seconds to import; tests compare `nn.scatter` and `nn.graph_convolution` with it
    "pytorch_lightning": {"training", "tasks", "data", "images"},
    "jinja2": {"report"},
    "typer": {"cli"},
    "rich": {"cli"},
    "PIL": {"images"},
    "matplotlib": {"images", "evaluation"},
}
EXTERNAL_EXCEPTIONS = {
    ("data.prepare", "rdkit"),  # silences its log
    ("data.pyg", "torch_geometric"),  # graphs for networks of others, which nothing here needs
}
"""Single modules that may import one external package more; every one with its reason."""


def module_name(path):
    parts = path.relative_to(PACKAGE).with_suffix("").parts
    return ".".join(part for part in parts if part != "__init__") or "__init__"


def is_type_checking(node):
    return isinstance(node, ast.If) and ast.unparse(node.test) in ("TYPE_CHECKING", "typing.TYPE_CHECKING")


def imported_modules(tree, types=False):
    """Every module imported anywhere, in functions too; `from a import b` counts as a.b. Types alone if so wished."""
    guarded = [] if types else [node for node in ast.walk(tree) if is_type_checking(node)]
    skipped = {id(inner) for node in guarded for inner in ast.walk(node)}
    for node in ast.walk(tree):
        if id(node) in skipped:
            continue
        if isinstance(node, ast.Import):
            yield from ((alias.name, node.lineno) for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"relative import in line {node.lineno}"
            yield from ((f"{node.module}.{alias.name}", node.lineno) for alias in node.names)


def own_imports(path):
    """Modules of ours that a file imports, such as ("diffusion.schedule.NoiseSchedule", 12)."""
    for name, line in imported_modules(ast.parse(path.read_text())):
        if name.startswith("discodock.") and name.split(".")[1] not in LEAVES:
            yield name.removeprefix("discodock."), line


def is_allowed(source, target):
    home, goal = source.split(".")[0], target.split(".")[0]
    if home == goal or goal in ARROWS.get(home, set()):
        return not (home == "images" and goal == "diffusion") or target.split(".")[1] in (
            "schedule",
            "solvers",
            "spaces",
        )
    return any(f"{source}.".startswith(f"{a}.") and f"{target}.".startswith(f"{b}.") for a, b in EXCEPTIONS)


FILES = sorted(PACKAGE.rglob("*.py"))


def test_no_arrow_that_is_not_allowed():
    wrong = [
        f"{module_name(path)} (line {line}) -> {target}"
        for path in FILES
        for target, line in own_imports(path)
        if not is_allowed(module_name(path), target)
    ]
    assert not wrong, "\n".join(wrong)


def test_no_module_imports_itself_by_way_of_others():
    modules = {module_name(path) for path in FILES}
    imported = {}
    for path in FILES:
        names = {
            name.removeprefix("discodock.") for name, _ in imported_modules(ast.parse(path.read_text()), types=True)
        }
        imported[module_name(path)] = {own for n in names for own in (n, n.rpartition(".")[0]) if own in modules}
    graphlib.TopologicalSorter(imported).prepare()  # CycleError names the circle


def test_leaves_import_nothing_of_ours():
    for leaf in LEAVES:
        assert not list(own_imports(PACKAGE / f"{leaf}.py"))


def test_nothing_imports_the_command_line():
    importers = {
        module_name(path).split(".")[0] for path in FILES for name, _ in own_imports(path) if name.startswith("cli")
    }
    assert importers <= {"cli"}


@pytest.mark.parametrize("package", FORBIDDEN_OUTSIDE)
def test_external_packages_stay_where_they_belong(package):
    homes = FORBIDDEN_OUTSIDE[package]
    wrong = [
        f"{module_name(path)} (line {line})"
        for path in FILES
        for name, line in imported_modules(ast.parse(path.read_text()))
        if name.split(".")[0] == package
        and module_name(path).split(".")[0] not in homes
        and (module_name(path), package) not in EXTERNAL_EXCEPTIONS
    ]
    assert not wrong, wrong


def test_every_subpackage_has_its_arrows_stated():
    found = {path.relative_to(PACKAGE).parts[0].removesuffix(".py") for path in FILES} - LEAVES
    assert found <= set(ARROWS), f"add {found - set(ARROWS)} to the arrows"


@pytest.mark.parametrize("package", sorted(path.parent.name for path in PACKAGE.glob("*/__init__.py")))
def test_every_subpackage_says_what_it_may_import(package):
    docstring = ast.get_docstring(ast.parse((PACKAGE / package / "__init__.py").read_text()))
    (line,) = [line for line in docstring.splitlines() if line.startswith("May import: ")]
    assert line.removeprefix("May import: ") == (", ".join(sorted(ARROWS[package])) or "none") + "."


def test_a_wrong_arrow_would_be_seen():
    assert not is_allowed("geometry.pose", "chem.ligand")
    assert not is_allowed("data.batch", "chem.ligand")
    assert not is_allowed("report.page", "data.store")
    assert not is_allowed("images.train", "diffusion.process")
    assert is_allowed("data.crystal", "chem.ligand.read_ligand")


@pytest.mark.parametrize(
    ("statement", "heavy"),
    [
        ("import discodock", ("torch", "rdkit", "numpy", "pydantic")),
        ("import discodock.cli.main", ("torch", "rdkit", "numpy", "pytorch_lightning", "scipy")),
        ("import discodock.data.module", ("rdkit", "gemmi", "torch_geometric")),
        ("import discodock.inference.many.run_jobs", ("pytorch_lightning", "scipy.stats")),
    ],
)
def test_importing_is_as_light_as_promised(statement, heavy):
    code = f"import sys; {statement}; print([name for name in {heavy!r} if name in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_the_public_api_is_there():
    import discodock

    for name in discodock.__all__:
        assert getattr(discodock, name).__name__ == name
    with pytest.raises(AttributeError, match="has no attribute 'nothing'"):
        _ = discodock.nothing
