"""What the confidence is worth: `python -m benchmarks.confidence --checkpoint runs/confidence/confidence.safetensors`.

On the poses of validation complexes (`discodock prepare poses --split val`): which pose is ranked first by chance, by
each kind of evidence alone, by all together and by an oracle; how well calibrated the probability is, and how success
rises among the surest complexes. The coefficients that join the evidence are fitted in cross-validation over protein
families, so that no complex is judged by a fit that has seen its family. 95 % intervals by bootstrap over complexes.
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path

import numpy as np
import torch

from discodock.data.poses import whole_set
from discodock.data.store import PreparedStore
from discodock.evaluation.calibration import calibration_error, reliability, selective_accuracy
from discodock.models.checkpoint import CONFIDENCE_PART, load_checkpoint
from discodock.models.confidence.model import SUCCESS, ConfidenceModel, read_confidence_config
from discodock.models.confidence.ranking import DEFAULT_FEATURES, EVIDENCE, PoseRanking, ranking_table
from discodock.tasks.confidence import encode, evidence, pair_accuracy, predict

NUM_FOLDS = 10
FRACTIONS = (1.0, 0.75, 0.5, 0.25)
DEFAULT = "confidence and physics"
RANKERS = {
    "agreement of the samples": ("agreement",),
    "physics (Vina's score, strain)": ("contact_gap", "strain"),
    "agreement and physics": ("agreement", "contact_gap", "strain"),
    "confidence model": ("confidence",),
    DEFAULT: DEFAULT_FEATURES,
    "all three": ("confidence", "contact_gap", "strain", "agreement"),
}
FEATURES = tuple(EVIDENCE)
"""Columns of the tables of evidence."""


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--checkpoint", type=Path, required=True, help="file with a confidence model")
    parser.add_argument("--poses", type=Path, default=Path("prepared/poses_val"), help="docked val complexes")
    parser.add_argument("--out", type=Path, help="JSON file for the figures")
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    tables, rmsds, far = judge_all(arguments.checkpoint, arguments.poses)
    store = PreparedStore(arguments.poses)
    clusters = [store.row(name).cluster for name in store.ids("val")]
    figures = {"n": len(tables), "poses": sum(map(len, rmsds))}
    num_poses = np.mean([len(rmsd) for rmsd in rmsds])
    print(f"{len(tables)} val complexes of {len(set(clusters))} families, {num_poses:.0f} poses each")
    chance = [float(np.mean(rmsd < SUCCESS)) for rmsd in rmsds]
    best = [float((rmsd < SUCCESS).any()) for rmsd in rmsds]
    figures["top1"] = {"chance": show("chance", chance)}
    logits = {}
    for name, use in RANKERS.items():
        logits[name] = cross_fitted(tables, rmsds, clusters, use)
        first = [float(rmsd[logit.argmax()] < SUCCESS) for rmsd, logit in zip(rmsds, logits[name], strict=True)]
        figures["top1"][name] = show(name, first, pairs_of(logits[name], rmsds))
    figures["top1"]["oracle"] = show("oracle", best)
    figures["calibration"] = calibration(logits[DEFAULT], rmsds)
    figures["domain"] = domain(far, logits[DEFAULT], rmsds)
    if arguments.out is not None:
        arguments.out.write_text(json.dumps(figures, indent=2) + "\n")


def judge_all(checkpoint: Path, root: Path) -> tuple[list[torch.Tensor], list[np.ndarray], list[dict[str, float]]]:
    """Evidence (N, F), RMSDs (N,), and distances from the training domain of every val complex."""
    found = load_checkpoint(checkpoint)
    model = ConfidenceModel(read_confidence_config(found.config[CONFIDENCE_PART])).eval()
    model.load_state_dict(found.part(CONFIDENCE_PART))
    tables, rmsds, far = [], [], []
    with torch.inference_mode():
        for batch in whole_set(root, "val"):
            tables.append(ranking_table(evidence(batch, predict(model, batch)), FEATURES))
            rmsds.append(batch.rmsd.numpy())
            distance = model.domain(model.domain_features(encode(model, batch)))
            far.append({name: float(value) for name, value in distance.items()})
    return [table.clone() for table in tables], rmsds, far


def cross_fitted(
    tables: list[torch.Tensor], rmsds: list[np.ndarray], clusters: list[str], use: tuple[str, ...]
) -> list[np.ndarray]:
    """log-odds of all poses, each complex judged by a fit without its fold of families."""
    names = sorted(set(clusters))
    shuffled = np.random.default_rng(0).permutation(len(names))
    fold_of = {names[i]: place % NUM_FOLDS for place, i in enumerate(shuffled)}
    logits: list[np.ndarray] = [np.empty(0)] * len(tables)
    columns = [FEATURES.index(each) for each in use]
    for fold in range(NUM_FOLDS):
        train = [i for i, name in enumerate(clusters) if fold_of[name] != fold]
        ranking = PoseRanking(use)
        is_near_native = torch.from_numpy(np.concatenate([rmsds[i] < SUCCESS for i in train]))
        weight = torch.cat([torch.full((len(rmsds[i]),), 1 / len(rmsds[i])) for i in train])
        ranking.fit(torch.cat([tables[i] for i in train])[:, columns], is_near_native, weight)
        for i, name in enumerate(clusters):
            if fold_of[name] == fold:
                logits[i] = ranking(tables[i][:, columns]).numpy()
    return logits


def pairs_of(logits: list[np.ndarray], rmsds: list[np.ndarray]) -> float:
    """Mean over complexes of the fraction of (near-native, decoy) pairs in that order."""
    fractions = [
        pair_accuracy(torch.from_numpy(logit), torch.from_numpy(rmsd < SUCCESS))
        for logit, rmsd in zip(logits, rmsds, strict=True)
    ]
    return float(np.mean([float(fraction) for fraction in fractions if fraction is not None]))


def show(name: str, values: list[float], pairs: float | None = None) -> dict[str, float | None]:
    """Print and return a mean with its interval."""
    draws = np.random.default_rng(0).integers(len(values), size=(2000, len(values)))
    low, high = np.quantile(np.array(values)[draws].mean(axis=1), [0.025, 0.975])
    text = "" if pairs is None else f"   pairs in order {pairs:.3f}"
    print(f"{name:32} top-1 {np.mean(values):6.1%} ({low:.1%} to {high:.1%}){text}")
    return {"top1": float(np.mean(values)), "low": float(low), "high": float(high), "pairs": pairs}


def calibration(logits: list[np.ndarray], rmsds: list[np.ndarray]) -> dict[str, object]:
    """Calibration of first poses and of all, and success among the surest fractions."""
    prob = [1 / (1 + np.exp(-logit)) for logit in logits]
    first = np.array([p.max() for p in prob])
    is_near_native = np.array([rmsd[p.argmax()] < SUCCESS for p, rmsd in zip(prob, rmsds, strict=True)])
    every, all_near_native = np.concatenate(prob), np.concatenate([rmsd < SUCCESS for rmsd in rmsds])
    figures: dict[str, object] = {
        "ece_top1": calibration_error(first, is_near_native, 5),
        "ece_poses": calibration_error(every, all_near_native),
        "selective": {str(f): selective_accuracy(first, is_near_native, f) for f in FRACTIONS},
    }
    print(f"calibration error: top-1 {figures['ece_top1']:.3f} (5 bins), poses {figures['ece_poses']:.3f} (10 bins)")
    surest = (f"{fraction:.0%}: {selective_accuracy(first, is_near_native, fraction):.1%}" for fraction in FRACTIONS)
    print("success among the surest", ", ".join(surest))
    for found in reliability(every, all_near_native):
        print(f"  {found.low:.1f}-{found.high:.1f}: said {found.mean_prob:.3f}, came {found.rate:.3f}, n {found.count}")
    return figures


def domain(far: list[dict[str, float]], logits: list[np.ndarray], rmsds: list[np.ndarray]) -> dict[str, object]:
    """Success of the nearest and the farthest quarter from the training domain."""
    is_near_native = np.array([rmsd[logit.argmax()] < SUCCESS for logit, rmsd in zip(logits, rmsds, strict=True)])
    figures: dict[str, object] = {}
    for name in far[0]:
        distance = np.array([each[name] for each in far])
        low, high = np.quantile(distance, [0.25, 0.75])
        near, out = is_near_native[distance <= low].mean(), is_near_native[distance >= high].mean()
        figures[name] = {"nearest_quarter": float(near), "farthest_quarter": float(out)}
        print(f"distance of the {name} from training: top-1 nearest quarter {near:.1%}, farthest {out:.1%}")
    return figures


if __name__ == "__main__":
    main()
