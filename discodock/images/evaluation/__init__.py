"""How good generated images are: features, distances between their distributions, and what the codes say.

Start with `evaluate.py`.
"""
