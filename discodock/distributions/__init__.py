"""Probability densities on rotations and angles: IGSO(3) and the wrapped normal.

Start with `igso3.py` and `wrapped_normal.py`; each has its density, score, score norm and samples.

May import: none.
"""
