"""How good docking is: redocking of crystal complexes, RMSD, success rates, calibration.

Start with `evaluate.py` (the run) and `metrics.py` (`METRICS`).

May import: chem, data, geometry, inference.
"""
