"""How anything is trained: tasks, stages, optimiser, averaging of weights, run folders. Shared by docking and images.

Start with `stage.py` (`run_stage`) and `task.py` (`Task`); `prior_task.py` is stage two of whatever has codes.

May import: latents.
"""
