"""How tests ask for a refusal, and an atom to make files of."""

from tests.fuzz.readers import READERS

ATOM = "ATOM      1  CA  ALA A   1      11.104   6.134  -6.504  1.00  0.00           C\n"
"""A line of a PDB file."""


def refused(name, path):
    """The message with which a reader refuses a file; that it refuses it is asserted."""
    error = READERS[name].refusal(path)
    assert error is not None, f"{path.name} is read"
    return str(error)
