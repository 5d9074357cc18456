"""The same codes and solvers on images: networks, training, sampling, evaluation.

Start with `stages.py` (training) and `generate.py` (sampling); rooms of their own: `networks`, `toy`, `evaluation`.
Never chem, data, models or nn.

May import: diffusion, latents, training.
"""
