"""Measurements that are no tests: speed, codes, relaxation, confidence, and comparisons with other programs."""
