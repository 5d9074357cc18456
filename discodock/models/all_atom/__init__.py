"""The all-atom family of networks: score model, code encoder and prior on heavy atoms of ligand and pocket.

Start with `score_model.py`; `trunk.py` is what it shares with the confidence model.
"""
