"""The same codes and solvers on images: networks, training, sampling, evaluation.

Start with `stages.py` (training) and `generate.py` (sampling). Never chem, data, models or nn.

May import: diffusion, latents, training.
"""
