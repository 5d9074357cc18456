"""The residue-level family, of kind `residue`: the published networks of DisCo-DiffDock.

They read the alpha carbons of whole receptors, are the reference that the all-atom family is compared with, and alone
need e3nn. Start with `score_model.py`; `config.py` has the settings of all, and imports none of them.
"""
