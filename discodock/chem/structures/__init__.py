"""Structure files as other programs write them: atom records, names, elements, chains, and what in them is doubtful."""
