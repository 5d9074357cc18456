"""Where on a receptor a ligand may bind: the site model, and distinct sites from its prediction."""
