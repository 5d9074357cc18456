"""Molecules and their files: reading, checking, features, conformers, writing. The only home of rdkit and gemmi.

Start with `ligand.py` (`read_ligand`) and `read_receptor.py` (`read_receptor`).

May import: geometry.
"""
