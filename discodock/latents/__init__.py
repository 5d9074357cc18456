"""Discrete codes: what values they take, how they are drawn, relaxed, dropped, guided and predicted.

Start with `registry.py` (`CodeLayout`, the codes of a model) and `prior.py` (`CodePrior`). Nothing here knows what a
code is about.

May import: none.
"""
