"""Layouts of folders of crystal complexes: one module each, named in `registry.py` (`DATASETS`)."""
