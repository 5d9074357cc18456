"""Energies of poses and their minimisation: Vina's terms, MMFF94, torsions, and OpenMM.

Start with `minimise.py` and `openmm_relax.py`. Works on arrays that `chem` has made: no rdkit; OpenMM is imported
inside functions.

May import: geometry.
"""
