"""The `discodock` command: one thin module per command, nothing heavy imported at its top.

Start with `main.py`. Nobody imports this package.

May import: data, evaluation, images, inference, report, screening, tasks.
"""
