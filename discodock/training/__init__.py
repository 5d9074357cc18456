"""How anything is trained: optimiser, averaging of weights, callbacks, run folders. Shared by docking and images.

Start with `run.py` (`fit`).

May import: none.
"""
