"""How good sampled poses are: the confidence model, the ranking of poses by evidence, and where both apply."""
