"""Noise and its removal: schedules, the process on poses, and solvers that work on any manifold.

Start with `process.py` (`PoseProcess`) and `solvers.py` (`SOLVERS`).

May import: distributions, geometry.
"""
