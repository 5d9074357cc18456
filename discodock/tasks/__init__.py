"""What the networks of docking are trained for: the losses, and the stages that train them.

Start with `score.py` (`ScoreTask`, joint training with codes) and the stages, one file each.

May import: data, diffusion, geometry, graphs, latents, models, training.
"""
