"""Molecular docking with discrete-continuous latent diffusion."""
