"""Molecules and their files: reading, checking, features, conformers, writing. The only home of rdkit and gemmi.

Start with `ligand.py` (`read_ligand`) and `read_receptor.py` (`read_receptor`).

Two rooms have what comes before that: `structures` reads structure files as other programs write them, `records` the
records of ligand files.

May import: geometry.
"""
