"""Molecular docking with discrete-continuous latent diffusion.

The public API, imported when first used so that `import discodock` costs nothing:

* `dock`: dock one ligand into a pocket; returns ranked poses with scores.
* `DockingResult`, `DockedPose`: what it returns.
* `screen`: dock a library into a pocket; returns its ligands, best first.
* `write_result`: write a result's poses, scores and complex into a folder.
* `write_report`: write a page to look at into such a folder.
* `DiscodockError`: base of every error raised on purpose.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from discodock.errors import DiscodockError
    from discodock.inference.dock import dock
    from discodock.inference.docked_pose import DockedPose
    from discodock.inference.outputs import write_result
    from discodock.inference.result import DockingResult
    from discodock.report.write import write_report
    from discodock.screening.api import screen

__all__ = ["DiscodockError", "DockedPose", "DockingResult", "dock", "screen", "write_report", "write_result"]

_HOME: Final = {
    "DiscodockError": "discodock.errors",
    "DockedPose": "discodock.inference.docked_pose",
    "DockingResult": "discodock.inference.result",
    "dock": "discodock.inference.dock",
    "screen": "discodock.screening.api",
    "write_report": "discodock.report.write",
    "write_result": "discodock.inference.outputs",
}


def __getattr__(name: str) -> Any:
    if name not in _HOME:
        raise AttributeError(f"module 'discodock' has no attribute {name!r}; it has {', '.join(__all__)}")
    return getattr(import_module(_HOME[name]), name)


def __dir__() -> list[str]:
    return sorted([*globals(), *__all__])
