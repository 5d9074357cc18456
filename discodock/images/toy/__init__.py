"""The two stages on a mixture of Gaussians in the plane: small enough to see what the codes learn.

Start with `model.py`; `report.py` trains and measures.
"""
