"""Screening: one protein and a library, of any length, docked in stages by any number of processes.

Start with `run.py` (`screen_library`, the run) and `api.py` (`screen`); `ledger.py` keeps what is done.

May import: chem, data, inference.
"""
