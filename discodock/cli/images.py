"""`discodock images`: image diffusion with the latent core of docking; one sub-command per step."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from discodock.diffusion.solvers import SOLVERS

if TYPE_CHECKING:
    from discodock.images.generate import GenerationConfig

app = typer.Typer(help="Image diffusion with discrete codes: a toy in the plane, training, sampling, evaluation.")

ConfigFile = Annotated[Path, typer.Option("--config", "-c", metavar="FILE", help="YAML file: configs/images_*.yaml.")]
Overrides = Annotated[list[str] | None, typer.Argument(help="key=value, such as data.train=images.npz")]
CheckpointFile = Annotated[Path, typer.Argument(metavar="CHECKPOINT", help="Weights of `train` or `prior`.")]
Steps = Annotated[int, typer.Option("--steps", metavar="N", help="Noise levels of the sampler.", min=1, max=1000)]
Solver = Annotated[str, typer.Option("--solver", metavar="NAME", help=f"Sampler: {', '.join(SOLVERS)} or stochastic.")]
Churn = Annotated[
    float,
    typer.Option("--churn", metavar="S", help="Noise added and removed by `stochastic`, in steps.", min=0),
]
ClassGuidance = Annotated[
    float, typer.Option("--class-guidance", metavar="W", help="Weight of the class beyond what was trained.", min=-1)
]
CodeGuidance = Annotated[
    float, typer.Option("--code-guidance", metavar="W", help="Weight of the codes beyond what was trained.", min=-1)
]
Temperature = Annotated[float, typer.Option("--temperature", metavar="T", help="Of the prior of the codes.", min=0)]
TopP = Annotated[float, typer.Option("--top-p", metavar="P", help="Of the prior: likeliest entries up to this sum.")]
Seed = Annotated[int, typer.Option("--seed", metavar="N", help="Of codes and noise; batches have no effect.", min=0)]
BatchSize = Annotated[int, typer.Option("--batch-size", metavar="N", help="Images at a time.", min=1)]
Device = Annotated[str, typer.Option("--device", metavar="NAME", help="auto, cpu, cuda, cuda:N or mps.")]
Out = Annotated[Path, typer.Option("--out", "-o", metavar="DIR", help="Output folder.")]


@app.command("toy")
def toy(
    out: Out = Path("out/toy"),
    config: Annotated[Path | None, typer.Option("--config", "-c", metavar="FILE", help="YAML file.")] = None,
    overrides: Annotated[list[str] | None, typer.Argument(help="key=value, such as steps=1000")] = None,
) -> None:
    """Learn a mixture in the plane with and without codes: figures of paths and codes, curvature (two minutes)."""
    from discodock.config import load_config
    from discodock.images.toy.model import ToyConfig
    from discodock.images.toy.report import run_toy

    metrics = run_toy(load_config(config, overrides or [], ToyConfig), out)
    turning = metrics["curvature"]
    print(f"curvature: {turning['plain']:.2f} rad without codes, {turning['codes']:.2f} rad with codes")
    print(
        f"codes tell {metrics['information_over_mode_entropy']:.1%} of the entropy of modes, modes"
        f" {metrics['information_over_code_entropy']:.1%} of that of codes; modes with a code of their own:"
        f" {metrics['pairs']}"
    )
    print(f"figures and metrics.json: {out}")


@app.command("train")
def train(config: ConfigFile, out: Out = Path("runs/images"), overrides: Overrides = None) -> None:
    """Train a denoiser, with codes and their encoder if so configured."""
    from discodock.config import load_config
    from discodock.images.stages import ImageStageConfig, train_images

    _log()
    print(f"weights: {train_images(load_config(config, overrides or [], ImageStageConfig), out)}")


@app.command("prior")
def prior(config: ConfigFile, out: Out = Path("runs/images_prior"), overrides: Overrides = None) -> None:
    """Train the prior of the codes, from the encoder of a trained model with codes."""
    from discodock.config import load_config
    from discodock.images.stages import ImagePriorStageConfig, train_image_prior

    _log()
    print(f"weights: {train_image_prior(load_config(config, overrides or [], ImagePriorStageConfig), out)}")


@app.command("sample")
def sample(
    checkpoint: CheckpointFile,
    num: Annotated[int, typer.Option("--samples", "-n", metavar="N", help="Number of images.", min=1)] = 64,
    columns: Annotated[int, typer.Option("--columns", metavar="N", help="Images in a row of the grid.", min=1)] = 8,
    label: Annotated[int | None, typer.Option("--label", metavar="N", help="Class [default: all in turn].")] = None,
    images: Annotated[
        Path | None, typer.Option("--images", metavar="PATH", help="With --group: images whose codes are taken.")
    ] = None,
    group: Annotated[
        int | None, typer.Option("--group", metavar="N", help="Traversal: rows share the codes of this group.")
    ] = None,
    resample: Annotated[
        bool, typer.Option("--resample", help="With --group: draw the other codes from the prior, given this group's.")
    ] = False,
    steps: Steps = 18,
    solver: Solver = "heun",
    churn: Churn = 0.0,
    class_guidance: ClassGuidance = 0.0,
    code_guidance: CodeGuidance = 0.0,
    temperature: Temperature = 1.0,
    top_p: TopP = 1.0,
    seed: Seed = 0,
    batch_size: BatchSize = 100,
    device: Device = "auto",
    out: Out = Path("out/images"),
) -> None:
    """Draw images: `samples.png`, a grid, and `samples.npz`; with --group `traversal.png`, one group of codes a row.

    In a traversal every row takes the codes of --group and the noise from one image, all other codes from other images,
    or with --resample from the prior; the first column has all codes of its image. Codes of the prior are drawn evenly
    spread, so that a grid repeats few.
    """
    from discodock.errors import ConfigError
    from discodock.images.outputs import write_samples, write_traversal

    if resample and group is None:
        raise ConfigError("--resample needs --group, whose codes are kept")
    sampler = {"solver": solver, "steps": steps, "S_churn": churn}
    guidance = {"classes": class_guidance, "codes": code_guidance}
    codes = {"temperature": temperature, "top_p": top_p}
    values = {"sampler": sampler, "guidance": guidance, "codes": codes, "batch_size": batch_size, "seed": seed}
    config = _generation(values | {"quasi_random": True})
    if group is None:
        print(f"images: {write_samples(checkpoint, num, columns, config, out, device=device, label=label)}")
    else:
        rows = -(-num // columns)
        path = write_traversal(
            checkpoint, images, group, (rows, columns), config, out, device=device, resample=resample
        )
        print(f"images: {path}")


@app.command("evaluate")
def evaluate(
    checkpoint: CheckpointFile,
    train_images: Annotated[
        Path, typer.Option("--train", metavar="PATH", help="Training images: oracle codes, and the classifier's.")
    ],
    reference: Annotated[Path, typer.Option("--reference", metavar="PATH", help="Real images to compare with.")],
    num: Annotated[int, typer.Option("--samples", "-n", metavar="N", help="Images per row and seed.", min=10)] = 2000,
    seeds: Annotated[int, typer.Option("--seeds", metavar="N", help="Repetitions.", min=1)] = 1,
    steps: Annotated[str, typer.Option("--steps", metavar="LIST", help="Noise levels of the sampler.")] = "2,3,5,9,18",
    features: Annotated[
        str, typer.Option("--features", metavar="NAME", help="Compare by: classifier, trained here, or inception.")
    ] = "classifier",
    classifier: Annotated[
        Path | None, typer.Option("--classifier", metavar="FILE", help="Of the classifier [default: in --out].")
    ] = None,
    curvature_samples: Annotated[
        int, typer.Option("--curvature-samples", metavar="N", help="Paths whose turning is measured.", min=0)
    ] = 200,
    solver: Solver = "heun",
    temperature: Temperature = 1.0,
    top_p: TopP = 1.0,
    seed: Seed = 0,
    batch_size: BatchSize = 100,
    device: Device = "auto",
    out: Out = Path("out/images_evaluated"),
) -> None:
    """Fréchet distance, precision, recall and curvature by source of codes; use of the codes. Writes `metrics.json`."""
    from discodock.images.outputs import evaluate_checkpoint

    codes = {"temperature": temperature, "top_p": top_p}
    generation = {"sampler": {"solver": solver}, "codes": codes, "batch_size": batch_size, "seed": seed}
    values = {
        "train": train_images,
        "reference": reference,
        "num_samples": num,
        "seeds": seeds,
        "steps": _numbers(steps),
        "features": features,
        "classifier": classifier or out / "classifier.safetensors",
        "curvature_samples": curvature_samples,
        "generation": generation,
    }
    _log()
    _print_metrics(evaluate_checkpoint(checkpoint, values, out, device=device))
    print(f"metrics: {out / 'metrics.json'}")


def _print_metrics(metrics: Mapping[str, Any]) -> None:
    for row in metrics["frechet"]:
        print(
            f"{row['codes']:7} {row['evaluations']:3} evaluations  Fréchet distance {row['distance']:8.3f}"
            f"  precision {row['precision']:.3f}  recall {row['recall']:.3f}"
        )
    for name, turning in metrics.get("curvature", {}).items():
        print(f"{name:7} curvature {turning['mean']:.3f} rad")


def _generation(values: dict[str, Any]) -> GenerationConfig:
    from discodock.images.generate import GenerationConfig

    return GenerationConfig.checked(values)


def _numbers(text: str) -> Sequence[int]:
    from discodock.errors import ConfigError

    try:
        return tuple(int(part) for part in text.split(","))
    except ValueError:
        raise ConfigError(f"--steps {text}: give whole numbers with commas between them, such as 2,3,5") from None


def _log() -> None:
    import logging

    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(message)s")
    logging.getLogger("pytorch_lightning").setLevel(logging.WARNING)
