"""Configurations: layering, refusal of unknown keys with the nearest known one, round trip."""

from typing import Annotated, Literal

import pytest
from pydantic import Field, model_validator

from discodock.config import dump_config, load_config
from discodock.data.featurize import PrepareConfig
from discodock.data.module import StoreConfig
from discodock.data.prepare_peptides import PeptideConfig
from discodock.errors import ConfigError
from discodock.images.data import ImageDataConfig
from discodock.images.generate import GenerationConfig
from discodock.images.toy.model import ToyConfig
from discodock.inference.config import DockingConfig
from discodock.settings import Settings
from discodock.training.optim import OptimizerConfig
from discodock.training.task import TaskConfig

SEEDED = (
    DockingConfig,
    GenerationConfig,
    ImageDataConfig,
    PeptideConfig,
    PrepareConfig,
    StoreConfig,
    TaskConfig,
    ToyConfig,
)


class Small(Settings):
    kind: Literal["small"] = "small"
    width: int = 1


class Large(Settings):
    kind: Literal["large"] = "large"
    height: int = Field(2, ge=1)


class Optimiser(Settings):
    learning_rate: float = Field(1e-3, gt=0)
    weight_decay: float = Field(0.0, ge=0)


class Run(Settings):
    steps: int = Field(10, ge=1)
    warmup: int = 0
    name: str | None = None
    sizes: tuple[int, ...] = (1, 2)
    optimiser: Optimiser = Optimiser()
    nets: tuple[Annotated[Small | Large, Field(discriminator="kind")], ...] = ()

    @model_validator(mode="after")
    def _warmup_fits(self):
        if self.warmup > self.steps:
            raise ValueError("warmup is longer than the run")
        return self


@pytest.fixture
def yaml_file(tmp_path):
    path = tmp_path / "run.yaml"
    path.write_text("steps: 20\noptimiser:\n  weight_decay: 0.1\n")
    return path


def test_overrides_win_over_the_file_and_the_file_over_defaults(yaml_file):
    config = load_config(yaml_file, ["optimiser.learning_rate=3e-4", "name=null", "sizes=[4, 5]"], Run)
    assert config == Run(steps=20, sizes=(4, 5), optimiser=Optimiser(learning_rate=3e-4, weight_decay=0.1))
    assert load_config(yaml_file, ["steps=7"], Run).steps == 7
    assert load_config(None, [], Run) == Run()


def test_written_config_reads_back_equal_with_every_default_spelled_out(yaml_file, tmp_path):
    config = load_config(yaml_file, ["name=first"], Run)
    dump_config(config, tmp_path / "new" / "config.yaml")
    assert load_config(tmp_path / "new" / "config.yaml", [], Run) == config
    assert "learning_rate" in (tmp_path / "new" / "config.yaml").read_text()


@pytest.mark.parametrize(
    ("override", "fragment"),
    [
        ("step=5", "did you mean 'steps'"),
        ("optimiser.learning_rat=1", "did you mean 'optimiser.learning_rate'"),
        ("optimizer.learning_rate=1", "did you mean 'optimiser'"),
        ("zzz=1", "known here: steps, warmup"),
        ("steps=0", "steps: Input should be greater than or equal to 1, not 0"),
        ("steps=many", "steps"),
        ("nets=[{kind: small}, {kind: large, heigt: 3}]", "'nets.1.heigt'; did you mean 'nets.1.height'"),
        ("nets=[{kind: large, height: 0}]", "nets.0.height: Input should be greater"),
        ("warmup=100", "warmup is longer than the run"),
        ("steps", "not of the form key=value"),
        ("steps.deep=1", "is a value, not a block"),
        ("name=[1", "quote it"),
    ],
)
def test_bad_overrides_say_what_to_do_in_one_line(yaml_file, override, fragment):
    with pytest.raises(ConfigError) as caught:
        load_config(yaml_file, [override], Run)
    assert fragment in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("content", [b"a: [1", b"- 1\n- 2\n", b"\xff\xfe\x00", None])
def test_bad_files_name_the_file(tmp_path, content):
    path = tmp_path / "bad.yaml"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(ConfigError) as caught:
        load_config(path, [], Run)
    assert str(path) in str(caught.value) and "\n" not in str(caught.value)


def test_settings_of_any_class_are_checked_with_one_line():
    assert OptimizerConfig.checked({"warmup_steps": 3}).warmup_steps == 3
    with pytest.raises(ConfigError, match=r"^run\.yaml: unknown key 'warmup_step'; did you mean 'warmup_steps'\?$"):
        OptimizerConfig.checked({"warmup_step": 3}, "run.yaml")
    with pytest.raises(ConfigError, match=r"^decay_fraction: Input should be less than or equal to 1, not 2$"):
        OptimizerConfig.checked({"decay_fraction": 2})


@pytest.mark.parametrize("seed", [-1, 2**32])
@pytest.mark.parametrize("block", SEEDED, ids=lambda block: block.__name__)
def test_seeds_are_what_every_generator_takes(block, seed):
    assert block.checked({"seed": 2**32 - 1}).seed == 2**32 - 1
    with pytest.raises(ConfigError, match="seed: "):
        block.checked({"seed": seed})
