"""Pages and PyMOL scripts to look at docked poses.

Start with `write.py` (`write_report`).

May import: chem, inference, screening.
"""
