import pytest

from discodock.errors import ConfigError
from discodock.screening.filters import parse_filter

ROW = {"pb_valid": True, "heavy_atoms": 20, "logp": 1.5, "smiles": "CCO", "p": None, "stage": "full"}


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("pb_valid and heavy_atoms < 35", True),
        ("pb_valid == true", True),
        ("pb_valid == False", False),
        ("not pb_valid or heavy_atoms >= 21", False),
        ("10 < heavy_atoms <= 20", True),
        ("logp / heavy_atoms * 10 < 1", True),
        ("abs(-logp) == 1.5 and -logp < 0", True),
        ("stage in ('full', 'refined')", True),
        ("stage not in ['full']", False),
        ("'CO' in smiles", True),
        ("p > 0.5", False),
        ("p <= 0.5", False),
        ("not p > 0.5", True),
        ("p + 1 > 0", False),
        ("p is None", True),
        ("p is not None", False),
        ("pb_valid is true", True),
    ],
)
def test_a_filter_means_what_it_says(text, expected):
    assert parse_filter(text, ROW)(ROW) is expected


@pytest.mark.parametrize(
    "text",
    [
        "__import__('os').system('true')",
        "().__class__",
        "smiles.upper()",
        "[x for x in (1, 2)]",
        "lambda: 1",
        "heavy_atoms ** 99999",
        "f'{smiles}'",
        "abs(x=1)",
        "open('x')",
        "(y := 1)",
        "heavy_atoms if pb_valid else 1",
        "smiles[0] == 'C'",
        "b'x' == smiles",
        "heavy_atoms <",
        "",
        "(" * 500 + "1" + ")" * 500,
        "1 +" * 2000 + "1",
        "1+" * 990 + "1",
        "-" * 1990 + "1",
        "not " * 490 + "pb_valid",
        "stage is 'full'",
        "heavy_atoms is 20",
        "smiles is stage",
    ],
)
def test_anything_else_is_refused_and_never_run(text):
    with pytest.raises(ConfigError, match="--where"):
        parse_filter(text, ROW)


def test_texts_are_not_computed_with():
    with pytest.raises(ConfigError, match="no number"):
        parse_filter("smiles * 1000000000 == 'C'", ROW)(ROW)
    with pytest.raises(ConfigError, match="no number"):
        parse_filter("smiles < 3", ROW)(ROW)


def test_a_misspelt_column_is_told():
    with pytest.raises(ConfigError, match="no column 'heavy_atom'; did you mean heavy_atoms"):
        parse_filter("heavy_atom < 3", ROW)
