"""Prepared complexes: from files to arrays, the store that they are in, and batches of them.

Start with `crystal.py` (reads a complex), `featurize.py` (makes its arrays), `prepare.py` (writes a store), `store.py`
(reads one), `module.py` (batches for training); `pyg.py` has graphs for networks of your own.

May import: geometry, graphs.
"""
