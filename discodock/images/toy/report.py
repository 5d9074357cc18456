"""What codes do in the plane: curvature, samples at few steps, codes against modes; as numbers and as figures."""

from __future__ import annotations

import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from discodock.files import replacing, write_json
from discodock.images.sampler import SamplerConfig, sample, total_turning
from discodock.images.toy.model import Mixture, ToyConfig, ToyModel, ToyPair, train_pair
from discodock.latents.diagnostics import NATS_PER_BIT, joint_labels, mutual_information
from discodock.latents.registry import stack_hard_codes

CURVATURE_STEPS = 64
FEW_STEPS = (2, 3, 5, 9, 18)
MAX_MODE_DISTANCE = 4.0  # a sample within so many widths of a mode counts as of that mode


@dataclass(frozen=True)
class Paths:
    """Paths of the generative ODE.

    Attributes:
        states: states after each step, from noise to point, shape (steps + 1, n, 2).
        codes: first code of each path, int64, shape (n,); -1 without codes.
    """

    states: Tensor
    codes: Tensor


def run_toy(config: ToyConfig, folder: Path) -> dict[str, Any]:
    """Train both models, measure them, and write `metrics.json` and two figures to `folder`."""
    started = time.monotonic()
    pair = train_pair(config)
    metrics = {**measure(pair, config), "seconds_of_training": round(time.monotonic() - started, 1)}
    write_json(folder / "metrics.json", metrics)
    draw_trajectories(pair, config, folder / "trajectories.png")
    draw_codes(pair.codes, config, folder / "codes.png")
    return metrics


@torch.no_grad()
def measure(pair: ToyPair, config: ToyConfig, num: int = 2000) -> dict[str, Any]:
    """Curvature, information, and samples of both models, `num` paths or points each.

    Returns:
        `curvature` (mean turning of a path, rad), what `correspondence` says of codes and modes, `samples`: by number
        of evaluations the fraction of samples at no mode (`stray`) and the total variation between the frequencies of
        modes and those of the data (`imbalance`).
    """
    models = {"plain": pair.plain, "codes": pair.codes}
    curvature = {
        name: float(total_turning(generate(model, config, num, CURVATURE_STEPS).states).mean())
        for name, model in models.items()
    }
    points, modes = config.mixture.draw(num, torch.Generator().manual_seed(config.seed + 100))
    codes = joint_codes(pair.codes, points, config.seed)
    samples = [
        {"model": name, "evaluations": 2 * steps - 1}
        | quality(generate(model, config, num, steps).states[-1], config.mixture)
        for steps in FEW_STEPS
        for name, model in models.items()
    ]
    return {
        "n": num,
        "seed": config.seed,
        "parameters": {name: model.num_parameters for name, model in models.items()},
        "curvature": curvature,
        "samples": samples,
    } | correspondence(codes, modes)


def correspondence(codes: Tensor, modes: Tensor) -> dict[str, float]:
    """How far codes and modes name each other.

    Args:
        codes: codes of n points, int64, shape (n,).
        modes: modes of the same points, int64, shape (n,).

    Returns:
        `information_bits`, also over the entropy of modes (1: no two modes share a code) and over that of codes (1: no
        two codes share a mode); both entropies, bits; `pairs` of a code and a mode that are each other's most frequent.
    """
    information, of_modes, of_codes = (
        mutual_information(a, b) / NATS_PER_BIT for a, b in ((codes, modes), (modes, modes), (codes, codes))
    )
    codes, modes = (joint_labels(each[:, None]) for each in (codes, modes))  # no gaps between the numbers
    table = torch.zeros(int(codes.max()) + 1, int(modes.max()) + 1)
    table.index_put_((codes, modes), torch.ones(len(codes)), accumulate=True)
    favourite = table.argmax(dim=0)  # of each mode
    is_mutual = table[favourite].argmax(dim=1) == torch.arange(len(favourite))
    return {
        "information_bits": information,
        "mode_entropy_bits": of_modes,
        "code_entropy_bits": of_codes,
        "information_over_mode_entropy": information / of_modes if of_modes > 0 else 1.0,
        "information_over_code_entropy": information / of_codes if of_codes > 0 else 1.0,
        "pairs": int(is_mutual.sum()),
    }


@torch.no_grad()
def generate(model: ToyModel, config: ToyConfig, num: int, steps: int, seed: int = 0) -> Paths:
    """Draw points by Heun's method, with codes of the prior if the model has codes; the same noise for all models."""
    generator = torch.Generator().manual_seed(config.seed + seed + 10)
    codes, first = None, torch.full((num,), -1)
    if model.layout is not None:
        codes = model.prior_codes(num, torch.Generator().manual_seed(config.seed + seed + 20))
        first = stack_hard_codes(codes)[:, 0]
    states: list[Tensor] = []

    def denoise(x: Tensor, sigma: Tensor) -> Tensor:
        return model.denoiser(x, sigma, None, codes)

    def keep(_step: int, state: Tensor) -> None:
        states.append(state)

    sample(denoise, generator, (num, 2), SamplerConfig(steps=steps), config.edm, on_step=keep)
    return Paths(torch.stack(states), first)


def joint_codes(model: ToyModel, points: Tensor, seed: int) -> Tensor:
    """One number per combination of codes that the encoder draws for points (n, 2); int64, shape (n,)."""
    drawn = model.draw_codes(points, torch.Generator().manual_seed(seed + 30))
    number = torch.zeros(len(points), dtype=torch.int64)
    for column, weights in zip(drawn.codes.unbind(1), drawn.weights, strict=True):
        number = number * weights.shape[1] + column
    return number


def quality(points: Tensor, mixture: Mixture) -> dict[str, float]:
    """Fraction of points at no mode, and total variation between the modes' fractions of the rest and equal ones."""
    distance = torch.cdist(points, mixture.means())
    near = distance.amin(dim=1) < MAX_MODE_DISTANCE * mixture.width
    counts = torch.bincount(distance.argmin(dim=1)[near], minlength=mixture.num_modes).double()
    fractions = counts / counts.sum().clamp(min=1)
    imbalance = (fractions - 1 / mixture.num_modes).abs().sum() / 2
    return {"stray": float((~near).double().mean()), "imbalance": float(imbalance)}


def draw_trajectories(pair: ToyPair, config: ToyConfig, path: Path, num: int = 150) -> None:
    """The last part of paths from noise to points, without and with codes."""
    plot = _pyplot()
    figure, panels = plot.subplots(1, 2, figsize=(9, 4.6), sharex=True, sharey=True)
    for panel, (title, model) in zip(panels, {"plain": pair.plain, "with codes": pair.codes}.items(), strict=True):
        paths = generate(model, config, num, CURVATURE_STEPS)
        drawn = joint_labels(paths.codes[:, None])
        for number in range(num):
            color = "0.4" if model.layout is None else plot.get_cmap("tab20")(int(drawn[number]) % 20)
            panel.plot(*paths.states[:, number].T.numpy(), color=color, linewidth=0.7, alpha=0.8)
        panel.scatter(*config.mixture.means().T.numpy(), s=14, color="black", zorder=3)
        panel.set_title(f"{title}: mean turning {float(total_turning(paths.states).mean()):.2f} rad", fontsize=10)
        panel.set(xlim=(-4, 4), ylim=(-4, 4), aspect="equal")
    _save(figure, path)


def draw_codes(model: ToyModel, config: ToyConfig, path: Path, num: int = 3000) -> None:
    """Points coloured by their code, and how often each code is given to each mode."""
    plot = _pyplot()
    points, modes = config.mixture.draw(num, torch.Generator().manual_seed(config.seed + 200))
    codes = joint_codes(model, points, config.seed)
    size = config.codes.codebook_size**config.codes.num_codes
    table = torch.zeros(config.mixture.num_modes, size)
    table.index_put_((modes, codes), torch.ones(num), accumulate=True)
    order = list(dict.fromkeys([*table.argmax(dim=1).tolist(), *range(size)]))  # each mode's most frequent code first
    figure, (left, right) = plot.subplots(1, 2, figsize=(9, 4.2))
    left.scatter(*points.T.numpy(), s=4, c=(joint_labels(codes[:, None]) % 20).numpy(), cmap="tab20", vmin=0, vmax=19)
    left.set_aspect("equal")
    left.set_title("points, coloured by their code", fontsize=10)
    right.imshow((table / table.sum(dim=1, keepdim=True))[:, order].numpy(), cmap="Greys", vmin=0, vmax=1)
    right.set_xlabel("code: the most frequent one of each mode, then the rest")
    right.set_ylabel("mode")
    right.set_title("fraction of each mode's points", fontsize=10)
    _save(figure, path)


def _save(figure: Any, path: Path) -> None:
    figure.tight_layout()
    with replacing(path) as draft:
        figure.savefig(draft, dpi=80, format="png")
    _pyplot().close(figure)


def _pyplot() -> Any:
    import matplotlib

    matplotlib.use("Agg")
    import matplotlib.pyplot

    return matplotlib.pyplot
