"""`discodock train`: one sub-command per stage."""

import importlib
import logging
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Final

import typer

app = typer.Typer(help="Train a network from prepared complexes; killed runs go on where they stopped.")


@app.callback()
def _root() -> None:
    pass


@dataclass(frozen=True)
class Stage:
    """A sub-command that trains.

    Attributes:
        what: first line of its help.
        module: module in `discodock` with the function and its configuration, imported when the command runs.
        function: name of the function, which takes a configuration and a run folder and returns a file of weights.
        config: name of the class of its configuration.
        example: configuration to name in the help.
        override: value to change that is worth an example.
    """

    what: str
    module: str
    function: str
    config: str
    example: str
    override: str


STAGES: Final = {
    "score": Stage(
        "Train the score model.",
        "tasks.score_stage",
        "train_score",
        "ScoreStageConfig",
        "one of configs/",
        "task.optimizer.learning_rate=1e-3",
    ),
    "site": Stage(
        "Train the site model: where on a whole protein a ligand binds.",
        "tasks.site_stage",
        "train_site",
        "SiteStageConfig",
        "configs/site.yaml",
        "run.max_steps=1000",
    ),
    "prior": Stage(
        "Train the prior of the codes, from the encoder of a trained network with codes.",
        "tasks.prior_stage",
        "train_prior",
        "PriorStageConfig",
        "configs/prior.yaml",
        "start_from=runs/codes/score.safetensors",
    ),
    "confidence": Stage(
        "Train the confidence model on the poses of `discodock prepare poses`, and calibrate it.",
        "tasks.confidence_stage",
        "train_confidence",
        "ConfidenceStageConfig",
        "configs/confidence.yaml",
        "run.max_steps=1000",
    ),
}


def _add(name: str, stage: Stage) -> None:
    """Make a sub-command of a row of `STAGES`."""

    @app.command(name, help=stage.what)
    def train(
        config: Annotated[
            Path, typer.Option("--config", "-c", help=f"YAML file, for instance {stage.example.rstrip('.')}.")
        ],
        out: Annotated[Path, typer.Option("--out", "-o", help="Run folder.")] = Path("runs") / name,
        overrides: Annotated[list[str] | None, typer.Argument(help=f"key=value, such as {stage.override}")] = None,
    ) -> None:
        from discodock.config import load_config

        logging.basicConfig(level=logging.INFO, format="%(asctime)s %(message)s")
        logging.getLogger("pytorch_lightning").setLevel(logging.WARNING)
        module = importlib.import_module(f"discodock.{stage.module}")
        settings = load_config(config, overrides or [], getattr(module, stage.config))
        print(f"weights: {getattr(module, stage.function)(settings, out)}")


for _name, _stage in STAGES.items():
    _add(_name, _stage)


@app.command("pack")
def pack(
    files: Annotated[list[Path], typer.Argument(help="Weights of the stages; of what two files hold, the first's.")],
    out: Annotated[Path, typer.Option("--out", "-o", help="File to write.")],
) -> None:
    """Put networks that were trained apart into one checkpoint for prediction."""
    from discodock.inference.network import pack_network

    network = pack_network(files, out)
    found = "with" if network.site_model is not None else "without"
    print(f"checkpoint: {out}, {found} a site model")


@app.command("average")
def average(
    files: Annotated[list[Path], typer.Argument(help="Weights of runs that began with the same weights.")],
    out: Annotated[Path, typer.Option("--out", "-o", help="File to write.")],
) -> None:
    """Average the weights of runs that began alike and ended in different places; often better than each of them."""
    from discodock.tasks.average import average_checkpoints

    average_checkpoints(files, out)
    print(f"weights: {out}")
