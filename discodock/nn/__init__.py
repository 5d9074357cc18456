"""Layers of networks: convolutions over edges, radial bases, neighbour lists, sums per node.

Start with `interaction.py` (a round of message passing) and `convolution.py` (its formula).

May import: geometry.
"""
