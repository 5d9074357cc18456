"""What was trained on, from a table or from lists."""

import pytest

from discodock.data.datasets.split_table import read_split_table
from discodock.errors import InputError


def test_a_family_with_a_complex_in_train_is_seen(tmp_path):
    path = tmp_path / "index.csv"
    path.write_text("id,split,cluster\na,train,1\nb,val,1\nc,test,2\nd,train,\n")
    table = read_split_table(path)
    assert table.train_clusters == {"1"}
    assert [table.is_seen(*each) for each in (("b", "1"), ("new", "1"), ("d", ""))] == [True] * 3
    assert [table.is_seen(*each) for each in (("c", "2"), ("new", ""), ("new", "3"))] == [False] * 3


def test_lists_do_as_well_with_families_or_without(tmp_path):
    (tmp_path / "train.txt").write_text("a\nb\n")
    (tmp_path / "test.txt").write_text("c\n")
    assert read_split_table(tmp_path).is_seen("a", "") and not read_split_table(tmp_path).is_seen("c", "")
    (tmp_path / "clusters.csv").write_text("id,cluster\na,P1\nc,P1\n")
    assert read_split_table(tmp_path).is_seen("c", "P1")


@pytest.mark.parametrize("text", ["", "id,cluster\na,1\n", "\x00\xff"])
def test_a_table_without_its_columns_is_refused(tmp_path, text):
    (tmp_path / "splits.csv").write_text(text)
    with pytest.raises(InputError, match="splits.csv"):
        read_split_table(tmp_path / "splits.csv")
