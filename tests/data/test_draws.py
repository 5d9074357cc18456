import pytest

from discodock.data.module import StoreConfig, draw_probabilities
from discodock.data.store import IndexRow


def row(cluster: str, num_torsions: int) -> IndexRow:
    return IndexRow(f"{cluster}{num_torsions}", "train", cluster, 20, num_torsions, 100, "file", "key")


ROWS = [row("a", 0), row("a", 3), row("a", 8), row("b", 3)]


def test_a_family_weighs_less_than_its_size() -> None:
    equal = draw_probabilities(ROWS, StoreConfig(cluster_exponent=1.0))
    assert equal == pytest.approx([1 / 6, 1 / 6, 1 / 6, 1 / 2])
    assert draw_probabilities(ROWS, StoreConfig(cluster_exponent=0.0)) == pytest.approx([0.25] * 4)


def test_flexible_ligands_are_drawn_oftener_if_asked_for() -> None:
    drawn = draw_probabilities(ROWS, StoreConfig(cluster_exponent=0.0, torsion_exponent=0.5))
    assert drawn / drawn[0] == pytest.approx([1, 2, 3, 2])
