"""Docking many ligands: what jobs there are, and running them so that one failure never stops the rest."""
