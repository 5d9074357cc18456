"""What discrete codes do for images: Fréchet distance against evaluations of the denoiser, and curvature of the ODE.

    python -m benchmarks.images --plain runs/mnist_plain/images.safetensors --codes runs/mnist_prior/prior.safetensors \
        --train mnist_train.npz --reference mnist_test.npz --out out/images_benchmark

Both models with the same sampler, the same noise, the same extractor; codes read off training images (oracle), drawn
from the prior, or hidden (none). Writes `plain/metrics.json`, `codes/metrics.json` and `frechet.png`.
"""

from __future__ import annotations

import argparse
import logging
from pathlib import Path
from typing import Any

import numpy as np
import torch

from discodock.cli.runtime import raise_allocator_thresholds
from discodock.images.evaluation.evaluate import ImageEvaluationConfig, evaluate_images
from discodock.images.generate import GenerationConfig, load_generator
from discodock.images.outputs import pick_device
from discodock.images.sampler import SamplerConfig

Row = tuple[str, dict[str, Any]]
"""Name of a curve, and an entry of `frechet` in metrics.json."""


def main() -> None:
    """Measure both models, print a table, draw the figure."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--plain", type=Path, required=True, help="model without codes")
    parser.add_argument("--codes", type=Path, required=True, help="model with codes and their prior")
    parser.add_argument("--train", type=Path, required=True, help="training images")
    parser.add_argument("--reference", type=Path, required=True, help="held-out images to compare with")
    parser.add_argument("--samples", type=int, default=2000, help="images per point and seed")
    parser.add_argument("--seeds", type=int, default=2, help="repetitions of the sampling")
    parser.add_argument("--curvature-samples", type=int, default=100, help="paths whose turning is measured")
    parser.add_argument("--curvature-steps", type=int, default=64, help="noise levels of those paths")
    parser.add_argument("--sources", default="none,oracle,prior", help="where the codes come from")
    parser.add_argument("--solver", default="dpm_solver_pp", help="as `discodock images sample --solver`; EDM's: heun")
    parser.add_argument("--evaluations", default="3,5,9,18,35", help="per sample; heun takes one less if even")
    parser.add_argument("--device", default="auto", help="auto, cpu, cuda")
    parser.add_argument("--out", type=Path, default=Path("out/images_benchmark"), help="folder to write to")
    arguments = parser.parse_args()
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(message)s")
    raise_allocator_thresholds()
    torch.set_num_threads(1)
    sampler = SamplerConfig.model_validate({"solver": arguments.solver})
    config = ImageEvaluationConfig(
        train=arguments.train,
        reference=arguments.reference,
        num_samples=arguments.samples,
        seeds=arguments.seeds,
        steps=tuple(steps_within(int(number), sampler) for number in arguments.evaluations.split(",")),
        generation=GenerationConfig(sampler=sampler),
        classifier=arguments.out / "classifier.safetensors",
        curvature_samples=arguments.curvature_samples,
        curvature_steps=arguments.curvature_steps,
    )
    device = pick_device(arguments.device)
    sources = {"plain": ("none",), "codes": tuple(arguments.sources.split(","))}
    metrics = {
        name: evaluate_images(
            load_generator(path, device), config.model_copy(update={"sources": sources[name]}), arguments.out / name
        )
        for name, path in (("plain", arguments.plain), ("codes", arguments.codes))
    }
    rows = curves(metrics)
    print_table(metrics, rows)
    draw(rows, metrics["plain"]["floor"]["distance"], arguments.out / "frechet.png")


def steps_within(evaluations: int, sampler: SamplerConfig) -> int:
    """The most steps of a sampler that take no more calls of the denoiser than that."""
    return 1 + (evaluations - 1) // sampler.evaluations_per_step


def curves(metrics: dict[str, dict[str, Any]]) -> list[Row]:
    """Entries of both models, named by model and source of codes."""
    names = {"none": "codes hidden", "oracle": "oracle codes", "prior": "codes of the prior"}
    found = [("plain", row) for row in metrics["plain"]["frechet"]]
    return found + [(names[row["codes"]], row) for row in metrics["codes"]["frechet"]]


def print_table(metrics: dict[str, dict[str, Any]], rows: list[Row]) -> None:
    """Print distances with their standard deviation over seeds, and curvature."""
    first = metrics["plain"]
    print(f"\n{first['n']} images, {first['seeds']} seeds of sampling, features: {first['features']}")
    for name, values in metrics.items():
        print(f"parameters of {name}: {values['parameters']}")
    print(f"real training images: distance {first['floor']['distance']:.3f}")
    for name, row in rows:
        spread = np.std(row["distances"], ddof=1) if len(row["distances"]) > 1 else 0.0
        print(
            f"{name:20} {row['evaluations']:3} evaluations  distance {row['distance']:8.3f} ± {spread:.3f}"
            f"  precision {row['precision']:.3f}  recall {row['recall']:.3f}"
        )
    for model, values in metrics.items():
        for source, turning in values.get("curvature", {}).items():
            print(f"curvature of {model} ({source} codes): {turning['mean']:.3f} ± {turning['standard_error']:.3f} rad")


def draw(rows: list[Row], floor: float, path: Path) -> None:
    """Fréchet distance against evaluations, both on logarithmic axes."""
    import matplotlib

    matplotlib.use("Agg")
    import matplotlib.pyplot as plot

    figure, panel = plot.subplots(figsize=(5.4, 3.8))
    for name in dict.fromkeys(name for name, _ in rows):
        points = [(row["evaluations"], row["distance"]) for other, row in rows if other == name]
        panel.plot(*zip(*points, strict=True), marker="o", label=name)
    panel.axhline(floor, color="0.6", linestyle=":", label="real training images")
    panel.set(xscale="log", yscale="log", xlabel="evaluations of the denoiser", ylabel="Fréchet distance")
    ticks = sorted({row["evaluations"] for _, row in rows})
    panel.set_xticks(ticks, [str(tick) for tick in ticks])
    panel.minorticks_off()
    panel.legend(fontsize=8)
    figure.tight_layout()
    path.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(path, dpi=90)
    plot.close(figure)


if __name__ == "__main__":
    main()
