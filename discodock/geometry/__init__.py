"""Where atoms are and how they move: rotations, rigid and torsional moves, alignment, cavities.

Start with `pose.py` (poses and tangent vectors) and `topology.py` (which bonds turn which atoms). Arrays and tensors
alone: nothing here knows of elements, networks or files.

May import: none.
"""
