"""Benchmarks that others are to repeat: they run, go on where they stopped, and never mix settings."""

import json
import shutil

import pytest

from tests.tiny import COMPLEXES, write_tiny_checkpoint


@pytest.fixture
def compare(tmp_path):
    pytest.importorskip("vina")
    from benchmarks.vina import main

    for name in ("2azr_982", "6rzx_KPQ"):
        shutil.copytree(COMPLEXES / name, tmp_path / "complexes" / name)
    weights = write_tiny_checkpoint(tmp_path / "tiny.safetensors", has_site_model=True)
    few = ["--exhaustiveness", "1", "--samples", "2", "--poses", "2", "--checkpoint", str(weights)]

    def call(*arguments):
        return main([str(tmp_path / "complexes"), "--out", str(tmp_path / "out"), *few, *arguments])

    return call


@pytest.mark.slow
def test_vina_docks_the_same_complexes_and_is_judged_alike(compare, tmp_path, capsys):
    assert compare("--limit", "1") == 0
    (first,) = (tmp_path / "out" / "vina").glob("*.sdf")
    made = first.stat().st_mtime_ns
    assert compare() == 0
    assert first.stat().st_mtime_ns == made and len(list((tmp_path / "out" / "vina").glob("*.sdf"))) == 2
    found = json.loads((tmp_path / "out" / "comparison.json").read_text())
    assert list(found) == ["discodock", "AutoDock Vina", "discodock, rescored by Vina"]
    for metrics in found.values():
        assert metrics["n"] == 2 and metrics["failed"] == 0 and metrics["cpu_seconds_per_complex"] > 0
        assert "top1_lt2_pb_valid" in metrics
    assert "| AutoDock Vina | 2 | 0 |" in capsys.readouterr().out
    assert compare("--seed", "1") == 2 and "other settings" in capsys.readouterr().err


def test_the_worth_of_confidence_is_measured_without_looking_at_the_family_judged(tmp_path, monkeypatch, capsys):
    import numpy as np
    import torch

    from benchmarks import confidence
    from discodock.models.pose_ranking import FEATURES

    rng = np.random.default_rng(0)
    rmsds = [rng.uniform(0, 5, 8) for _ in range(40)]
    tables = [torch.from_numpy(rng.normal(size=(8, len(FEATURES)))) for _ in rmsds]
    for table, rmsd in zip(tables, rmsds, strict=True):
        table[:, FEATURES.index("confidence")] = torch.from_numpy(3 * (2 - rmsd) + rng.normal(size=8))
    clusters = [str(i // 2) for i in range(40)]
    told = confidence.cross_fitted(tables, rmsds, clusters, ("confidence",))
    assert confidence.pairs_of(told, rmsds) > 0.9
    noise = confidence.cross_fitted(tables, rmsds, clusters, ("strain",))
    assert abs(confidence.pairs_of(noise, rmsds) - 0.5) < 0.15
    figures = confidence.calibration(told, rmsds)
    assert figures["ece_poses"] < 0.1 and figures["selective"]["1.0"] > 0.5
    rmsds[0][:] = 9.0  # of its own family nothing is learned
    again = confidence.cross_fitted(tables, rmsds, clusters, ("confidence",))
    np.testing.assert_array_equal(again[0], told[0])
