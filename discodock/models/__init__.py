"""The networks of docking: score model, code encoder, prior, site model, confidence model, in two families.

Start with `registry.py`, which makes a network of the kind that its settings name, and `checkpoint.py`. The families
are `all_atom` and `disco_diffdock`; `site` and `confidence` belong to neither. Networks return numbers of unit scale;
noise levels are the business of `diffusion`.

May import: geometry, graphs, latents, nn.
"""
