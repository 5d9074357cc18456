"""Training in two processes: each has images of its own, both have the same weights, and a stopped run goes on."""

import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch

from discodock.images.checkpoint import load_images_checkpoint

ROOT = Path(__file__).resolve().parents[2]
SCRIPT = Path(__file__).with_name("two_processes.py")


@pytest.mark.slow
def test_two_processes_share_images_and_weights_and_resume(tmp_path):
    run_two_processes(tmp_path)
    notes = [json.loads((tmp_path / f"{rank}.json").read_text()) for rank in range(2)]
    check_that_no_image_is_seen_twice(notes)
    check_that_weights_are_the_same(notes)
    check_that_a_stopped_run_goes_on(notes, tmp_path)


def run_two_processes(folder):
    pixels = np.random.default_rng(0).integers(255, size=(72, 8, 8))
    pixels[:, 0, 0] = np.arange(72)
    np.savez(folder / "images.npz", images=pixels.astype(np.uint8), labels=np.arange(72) % 4)
    python_path = os.pathsep.join([str(ROOT), *filter(None, [os.environ.get("PYTHONPATH")])])
    command = [sys.executable, str(SCRIPT), str(folder / "images.npz"), str(folder)]
    environment = os.environ | {"PYTHONPATH": python_path, "OMP_NUM_THREADS": "1"}
    done = subprocess.run(command, env=environment, cwd=folder, capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stderr[-3000:]


def check_that_no_image_is_seen_twice(notes):
    for name, steps in {"whole": 4, "first half": 2, "second half": 2, "pointers": 2, "prior": 2}.items():
        assert [rank[name]["world_size"] for rank in notes] == [2, 2]
        batches = [rank[name]["images"] for rank in notes]
        assert [[len(batch) for batch in each] for each in batches] == [[8] * steps] * 2
    seen = [number for rank in notes for batch in rank["whole"]["images"] for number in batch]
    assert len(seen) == len(set(seen)) == 64  # 72 without 8 for validation, 4 steps of 2 x 8


def check_that_weights_are_the_same(notes):
    first, second = notes
    assert first.keys() == second.keys() and len(first) == 5
    for name in first:
        assert first[name]["digest"] == second[name]["digest"], name
    assert len({each["digest"] for each in first.values()}) == 4  # all but the whole run and its second half differ


def check_that_a_stopped_run_goes_on(notes, folder):
    for rank in notes:
        assert rank["first half"]["images"] + rank["second half"]["images"] == rank["whole"]["images"]
    whole, halves = (load_images_checkpoint(folder / name / "images.safetensors") for name in ("whole", "halves"))
    assert whole.info["step"] == halves.info["step"] == 4
    for name, value in whole.weights.items():
        torch.testing.assert_close(halves.weights[name], value, msg=name)
