"""What ligands may be ranked by: scores of a ligand from what docking says of its poses. None is an affinity."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Final

SIZE_EXPONENT: Final = 0.3
"""Power of the number of heavy atoms in size-corrected scores.

Source: Nissink 2009, "Simple size-independent measure of ligand efficiency", J. Chem. Inf. Model. 49, 1617.
"""


@dataclass(frozen=True)
class LigandFacts:
    """What a score of a ligand is made from.

    Attributes:
        heavy_atoms: number of heavy atoms.
        vina: AutoDock Vina's score of the best-ranked pose, kcal/mol; lower is better.
        log_odds: score that the best-ranked pose was ranked first by, higher is better.
    """

    heavy_atoms: int
    vina: float
    log_odds: float


@dataclass(frozen=True)
class Ranking:
    """A score that ligands can be ranked by.

    Attributes:
        meaning: line of text for people.
        score: score of a ligand, higher is better.
    """

    meaning: str
    score: Callable[[LigandFacts], float]


def per_atom(value: float, heavy_atoms: int) -> float:
    """A score for each heavy atom: ligand efficiency."""
    return value / heavy_atoms


def size_corrected(value: float, heavy_atoms: int) -> float:
    """A score without the growth that a larger ligand brings by itself, v / N^0.3."""
    return float(value / heavy_atoms**SIZE_EXPONENT)


RANKINGS: Final[dict[str, Ranking]] = {
    "vina": Ranking("Vina's score of the best pose, its sign changed", lambda facts: -facts.vina),
    "vina_size_corrected": Ranking(
        "the same over the 0.3rd power of the number of heavy atoms",
        lambda facts: -size_corrected(facts.vina, facts.heavy_atoms),
    ),
    "vina_per_atom": Ranking(
        "the same for each heavy atom: ligand efficiency", lambda facts: -per_atom(facts.vina, facts.heavy_atoms)
    ),
    "pose_confidence": Ranking("rank_score of the best pose: how sure the pose is", lambda facts: facts.log_odds),
}
"""All scores by the name that `--rank-by` takes; each higher the better."""

DEFAULT_RANKING: Final = "vina"


def ranking_texts() -> Mapping[str, str]:
    """What each score is, by its name."""
    return {name: ranking.meaning for name, ranking in RANKINGS.items()}
