"""Records of ligand files before RDKit reads them: their text, bounds, tags, and lists of SMILES."""
