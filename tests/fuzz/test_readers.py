"""Every reader on a few damaged files, always the same; `python -m tests.fuzz` takes as many as time allows."""

import pytest
from hypothesis import HealthCheck, given, settings

from tests.fuzz.inputs import damaged
from tests.fuzz.readers import READERS


@pytest.mark.parametrize("name", READERS)
def test_damaged_files_are_read_or_refused_in_one_line(name, tmp_path):
    reader, path = READERS[name], tmp_path / name

    @settings(max_examples=15, derandomize=True, deadline=None, database=None, suppress_health_check=list(HealthCheck))
    @given(damaged(reader.good()))
    def check(content):
        path.write_bytes(content)
        reader.refusal(path)

    check()


@pytest.mark.parametrize("name", READERS)
def test_the_good_file_is_read(name, tmp_path):
    path = tmp_path / name
    path.write_bytes(READERS[name].good())
    assert READERS[name].refusal(path) is None
