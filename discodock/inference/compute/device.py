"""Which processor to use, and how much of its memory is free."""

from __future__ import annotations

import os
import re

import torch

from discodock.errors import InputError


def choose_device(name: str) -> torch.device:
    """The device meant by `auto`, `cpu`, `cuda`, `cuda:N` or `mps`; `auto` takes CUDA, then MPS, then the CPU.

    Raises:
        InputError: the name is not one of these, or this machine or this torch build does not have the device.
    """
    if name == "auto":
        if torch.cuda.is_available():
            return torch.device("cuda")
        return torch.device("mps" if torch.backends.mps.is_available() else "cpu")
    if not re.fullmatch(r"cpu|mps|cuda(:\d+)?", name):
        raise InputError(f"device {name!r} is not known; choose auto, cpu, cuda, cuda:0, cuda:1, ... or mps")
    device = torch.device(name)
    if device.type == "cuda":
        count = torch.cuda.device_count() if torch.cuda.is_available() else 0
        if (device.index or 0) >= count:
            raise InputError(
                f"device {name!r} is not usable: torch {torch.__version__} finds {count} CUDA devices;"
                " use --device cpu, or see `discodock doctor`"
            )
    if device.type == "mps" and not torch.backends.mps.is_available():
        raise InputError(f"device 'mps' is not usable with torch {torch.__version__} here; use --device cpu")
    return device


def num_workers(name: str) -> int:
    """Processes to dock with on a device of this machine: one for each GPU, or for each core that this process may use.

    Args:
        name: device that the user wants, as in `choose_device`.
    """
    device = choose_device(name)
    if device.type != "cpu":
        return torch.cuda.device_count() if device.type == "cuda" and device.index is None else 1
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def worker_device(name: str, number: int) -> str:
    """The device of one of several processes: `auto` and `cuda` mean all GPUs of this machine, taken in turn.

    Args:
        name: device that the user wants, as in `choose_device`.
        number: number of the process, from 0.
    """
    count = torch.cuda.device_count() if name in ("auto", "cuda") and torch.cuda.is_available() else 0
    return f"cuda:{number % count}" if count > 1 else name


def free_memory(device: torch.device) -> int:
    """Bytes of memory that can still be taken on a device; an estimate of half the total where nothing tells."""
    if device.type == "cuda":
        return int(torch.cuda.mem_get_info(device)[0])
    try:
        with open("/proc/meminfo", encoding="ascii") as lines:
            kilobytes = {name: int(value.split()[0]) for name, _, value in (line.partition(":") for line in lines)}
        return kilobytes["MemAvailable"] * 1024
    except (OSError, KeyError, ValueError):
        return total_memory() // 2


def total_memory() -> int:
    """Bytes of main memory; 8 GiB where the system does not say."""
    try:
        return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    except (AttributeError, ValueError, OSError):
        return 8 << 30
