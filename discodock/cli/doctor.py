"""`discodock doctor`: what this machine has, and what will be used."""

from __future__ import annotations

import os
import platform
import sys
from importlib.metadata import PackageNotFoundError, version
from typing import Final

from discodock.cli.runtime import raise_allocator_thresholds
from discodock.inference.relaxation.config import METHODS

HELP = "Print what this machine has (versions, processors, memory, checkpoint) and what will be used."

PACKAGES: Final = (
    "torch",
    "pytorch-lightning",
    "torch-geometric",
    "e3nn",
    "rdkit",
    "gemmi",
    "spyrmsd",
    "posebusters",
    "safetensors",
    "numpy",
)
OPTIONAL: Final = {
    "vina": "vina",
    "meeko": "vina",
    **{package: method.extra for method in METHODS.values() for package in method.packages},
}
"""The extra that installs an optional package."""


def doctor() -> int:
    """Print the report; returns 0 if docking can run, else 1."""
    print(f"discodock {version('discodock')} on Python {platform.python_version()}, {platform.platform()}")
    missing = _print_packages()
    if missing:
        print(f"verdict: not usable, install {', '.join(missing)} (pip install discodock does)")
        return 1
    _print_devices()
    return _print_checkpoint()


def _print_packages() -> list[str]:
    """Print versions; return the names of required packages that are missing."""
    found = {name: _version(name) for name in PACKAGES}
    print("packages: " + ", ".join(f"{name} {number or 'MISSING'}" for name, number in found.items()))
    extras = {name: _version(name) or f"not installed (extra: {extra})" for name, extra in OPTIONAL.items()}
    print("optional: " + ", ".join(f"{name} {text}" for name, text in extras.items()))
    return [name for name, number in found.items() if number is None]


def _version(name: str) -> str | None:
    try:
        return version(name)
    except PackageNotFoundError:
        return None


def _print_devices() -> None:
    import torch

    from discodock.inference.compute.device import choose_device, free_memory, total_memory

    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    cpu = torch.device("cpu")
    print(
        f"cpu: {cores} cores usable, torch uses {torch.get_num_threads()} threads, "
        f"{free_memory(cpu) / 2**30:.1f} of {total_memory() / 2**30:.1f} GiB memory free"
    )
    kept = "raised" if raise_allocator_thresholds() else "not raised (not glibc)"
    print(f"allocator: thresholds for keeping freed memory {kept}")
    print(f"cuda: {_cuda_verdict()}")
    mps = torch.backends.mps.is_available()
    print(f"mps: {'usable' if mps else 'not usable (only on Apple silicon with a torch built for it)'}")
    print(f"--device auto takes: {choose_device('auto')}")


def _cuda_verdict() -> str:
    import torch

    if torch.version.cuda is None:
        return "this torch was built without it; for an NVIDIA GPU install the CUDA build of torch"
    if not torch.cuda.is_available():
        return f"torch was built for CUDA {torch.version.cuda} but finds no usable GPU or driver; see nvidia-smi"
    names = []
    for index in range(torch.cuda.device_count()):
        free, total = torch.cuda.mem_get_info(index)
        names.append(f"{torch.cuda.get_device_name(index)}, {free / 2**30:.0f} of {total / 2**30:.0f} GiB free")
    return f"usable, CUDA {torch.version.cuda}: " + "; ".join(names)


def _print_checkpoint() -> int:
    import torch

    from discodock.errors import CheckpointError
    from discodock.inference.network import default_checkpoint, load_network

    try:
        network = load_network(None, torch.device("cpu"))
    except CheckpointError as error:
        print(f"checkpoint: {error}")
        print("verdict: docking needs --checkpoint; everything else is usable")
        return 1
    num_weights = sum(weight.numel() for weight in network.score_model.parameters())
    print(f"checkpoint: {default_checkpoint()}")
    print(f"            sha256 {network.sha256[:16]}…, {num_weights:,} parameters")
    print(f"verdict: ready to dock ({sys.argv[0].rsplit(os.sep, 1)[-1]} predict --help)")
    return 0
