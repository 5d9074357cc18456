"""Fuzzing of every reader of input files: a few fixed ones each in `make test`, more by `python -m tests.fuzz`."""
