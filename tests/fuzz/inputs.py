"""Damaged files as hypothesis draws them: a good one with pieces cut out, doubled, overwritten or put in."""

from hypothesis import strategies as st

TOKENS = [
    token.encode("utf-8")
    for token in (
        "\n", "\r\n", "\t", ",", ";", '"', "'", "#", "\0", "\x1b[31m", "\x85", "\u202e", "\ufeff", "é", "-", "_", "~/",
        "nan", "inf", "1e999", "-1", "0", "99999999999", "1_0", "٣", "2001-13-4","&a [*a]", "{a: {a: ", "[[[[[[",
        "$$$$\n", "M  END\n", "> <tag>\n", "V3000", "M  V30 COUNTS 9 9 9 9 9", "M  CHG  1   1  99", "@<TRIPOS>ATOM\n",
        "ATOM  ", "HETATM", "TER\n", "END\n", "ENDMDL\n", "MODEL        1\n", "loop_\n", "data_x\n", "_atom_site.id\n",
        "C", "[", ")", "%99", "*", ".", "@@", "|a:0|", '{"a":', "null", "[]", "!!python/object:os.system", "?", "../",
    )
]  # fmt: skip


def _edited(data: bytes, edits: list[tuple[str, float, int, bytes]]) -> bytes:
    for kind, where, length, token in edits:
        start = int(where * len(data))
        end = min(len(data), start + length)
        data = {
            "cut": data[:start] + data[end:],
            "double": data[:end] + data[start:end] * 3 + data[end:],
            "put": data[:start] + token + data[start:],
            "overwrite": data[:start] + token + data[start + len(token) :],
            "flip": data[:start] + bytes(255 - byte for byte in data[start : start + 1]) + data[start + 1 :],
            "end": data[: max(1, start)],
            "swap": data[end:] + data[start:end],
        }[kind]
    return data


def damaged(good: bytes) -> st.SearchStrategy[bytes]:
    """Files that are nearly a good one, and some that are anything."""
    edit = st.tuples(
        st.sampled_from(["cut", "double", "put", "overwrite", "overwrite", "flip", "flip", "end", "swap"]),
        st.floats(0, 1),
        st.sampled_from([1, 2, 3, 8, 40, 81, 400]),
        st.one_of(st.sampled_from(TOKENS), st.binary(min_size=1, max_size=8)),
    )
    edits = st.lists(edit, min_size=1, max_size=6)
    return st.one_of(edits.map(lambda found: _edited(good, found)), st.binary(max_size=200))
