"""Threads around torch: how many, in which order, and what an error does."""

import threading
import time

import pytest
import torch

from discodock.inference.compute.threads import MAX_THREADS, docking_threads, map_in_threads, one_thread_each


@pytest.mark.parametrize("threads", [1, 2, 5])
def test_results_come_in_the_order_of_the_items(threads):
    def slow_square(number):
        time.sleep(0.02 * (number % 3 == 0))
        return number**2

    assert map_in_threads(slow_square, range(7), threads) == [number**2 for number in range(7)]


def test_items_run_at_the_same_time_each_in_one_thread():
    barrier = threading.Barrier(2, timeout=60)

    def meet(_):
        barrier.wait()
        return torch.get_num_threads()

    with one_thread_each():
        assert map_in_threads(meet, [0, 1], 2) == [1, 1]


def test_the_first_error_ends_the_rest():
    begun = []

    def fail(number):
        begun.append(number)
        if number == 0:
            raise KeyboardInterrupt
        time.sleep(0.1)

    with pytest.raises(KeyboardInterrupt):
        map_in_threads(fail, range(100), 2)
    assert len(begun) < 100


def test_those_at_work_are_told_to_stop():
    stop, seen = threading.Event(), []

    def wait_or_fail(number):
        if number == 0:
            raise ValueError("broken")
        seen.append(stop.wait(60))

    with pytest.raises(ValueError, match="broken"):
        map_in_threads(wait_or_fail, [1, 0, 2, 3], 2, stop)
    assert seen and all(seen)  # a thread may have begun another one before the error was noticed


def test_threads_by_default_are_torchs_but_not_many(monkeypatch):
    cpu, gpu = torch.device("cpu"), torch.device("cuda")
    monkeypatch.setattr(torch, "get_num_threads", lambda: 64)
    assert (docking_threads(cpu, None), docking_threads(cpu, 7), docking_threads(gpu, 7)) == (MAX_THREADS, 7, 1)
    monkeypatch.setattr(torch, "get_num_threads", lambda: 1)
    assert docking_threads(cpu, None) == 1
