"""Docking: from a receptor and a ligand to ranked poses with what is known of them, and to files.

Start with `dock.py` (`dock`) for one ligand, `many/run_jobs.py` (`run_jobs`) for many.

May import: chem, data, diffusion, geometry, graphs, latents, models, physics.
"""
