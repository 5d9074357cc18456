"""`discodock train`: one sub-command per stage."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

app = typer.Typer(help="Train a network from prepared complexes; killed runs go on where they stopped.")


@app.callback()
def _root() -> None:
    pass


@app.command("score")
def score(
    config: Annotated[Path, typer.Option("--config", "-c", help="YAML file, for instance one of configs/.")],
    out: Annotated[Path, typer.Option("--out", "-o", help="Run folder.")] = Path("runs/score"),
    overrides: Annotated[
        list[str] | None, typer.Argument(help="key=value, such as task.optimizer.learning_rate=1e-3")
    ] = None,
) -> None:
    """Train the score model."""
    import logging

    from discodock.config import load_config
    from discodock.tasks.stages import ScoreStageConfig, train_score

    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(message)s")
    logging.getLogger("pytorch_lightning").setLevel(logging.WARNING)
    settings = load_config(config, overrides or [], ScoreStageConfig)
    weights = train_score(settings, out)
    print(f"weights: {weights}")


@app.command("site")
def site(
    config: Annotated[Path, typer.Option("--config", "-c", help="YAML file, for instance configs/site.yaml.")],
    out: Annotated[Path, typer.Option("--out", "-o", help="Run folder.")] = Path("runs/site"),
    overrides: Annotated[list[str] | None, typer.Argument(help="key=value, such as run.max_steps=1000")] = None,
) -> None:
    """Train the site model: where on a whole protein a ligand binds."""
    import logging

    from discodock.config import load_config
    from discodock.tasks.site_stage import SiteStageConfig, train_site

    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(message)s")
    logging.getLogger("pytorch_lightning").setLevel(logging.WARNING)
    weights = train_site(load_config(config, overrides or [], SiteStageConfig), out)
    print(f"weights: {weights}")


@app.command("prior")
def prior(
    config: Annotated[Path, typer.Option("--config", "-c", help="YAML file, for instance configs/prior.yaml.")],
    out: Annotated[Path, typer.Option("--out", "-o", help="Run folder.")] = Path("runs/prior"),
    overrides: Annotated[
        list[str] | None, typer.Argument(help="key=value, such as start_from=runs/codes/score.safetensors")
    ] = None,
) -> None:
    """Train the prior of the codes, from the encoder of a trained network with codes."""
    import logging

    from discodock.config import load_config
    from discodock.tasks.prior_stage import PriorStageConfig, train_prior

    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(message)s")
    logging.getLogger("pytorch_lightning").setLevel(logging.WARNING)
    weights = train_prior(load_config(config, overrides or [], PriorStageConfig), out)
    print(f"weights: {weights}")


@app.command("confidence")
def confidence(
    config: Annotated[Path, typer.Option("--config", "-c", help="YAML file, for instance configs/confidence.yaml.")],
    out: Annotated[Path, typer.Option("--out", "-o", help="Run folder.")] = Path("runs/confidence"),
    overrides: Annotated[list[str] | None, typer.Argument(help="key=value, such as run.max_steps=1000")] = None,
) -> None:
    """Train the confidence model on the poses of `discodock prepare poses`, and calibrate it."""
    import logging

    from discodock.config import load_config
    from discodock.tasks.confidence_stage import ConfidenceStageConfig, train_confidence

    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(message)s")
    logging.getLogger("pytorch_lightning").setLevel(logging.WARNING)
    weights = train_confidence(load_config(config, overrides or [], ConfidenceStageConfig), out)
    print(f"weights: {weights}")


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
