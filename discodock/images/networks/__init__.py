"""The networks of images: two that denoise, the encoder and the prior of codes, and how codes reach them.

Start with `conditioning.py`; `registry.py` names the networks that denoise.
"""
