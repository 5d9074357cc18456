"""Settings of the energy, its minimiser and OpenMM, apart from them so that they are read without loading torch."""

from __future__ import annotations

from pydantic import Field

from discodock.settings import Settings


class EnergyConfig(Settings):
    """How the parts of the energy weigh.

    Chosen on 41 val complexes with 20 sampled poses each (seed 0). With the defaults, 97 poses below 1 Å came 0.11 Å
    nearer to the crystal (median), crystal poses moved by 0.26 Å (median; 90 % below 0.36), and 29 % of the poses were
    below 2 Å before and after. A weaker restraint lets poses between 1 and 2 Å drift away: with 1, 28 % were left, and
    without any, on 28 of the complexes, 26 % of 28 %.
    """

    torsion_weight: float = Field(
        0.2, ge=0, description="weight of MMFF94's torsion energy beside Vina's terms, no unit"
    )
    restraint: float = Field(
        3.0, ge=0, description="spring to the start in a pocket, kcal/mol/Å² of mean square distance"
    )


class MinimiserConfig(Settings):
    """How far and how exactly poses are minimised."""

    max_iterations: int = Field(60, ge=1, description="most steps")
    max_trials: int = Field(6, ge=1, description="most step lengths tried in one line search")
    max_step: float = Field(0.4, gt=0, description="longest way of an atom in one step, Å")
    tolerance: float = Field(
        0.005, gt=0, description="gain at which a pose ends when two steps promise or bring less, kcal/mol"
    )


class OpenMMConfig(Settings):
    """How poses are relaxed with OpenMM."""

    radius: float = Field(8.0, gt=0, description="distance from a pose within which residues are in the system, Å")
    dielectric: float = Field(4.0, ge=1, description="relative permittivity, which divides all electrostatics, no unit")
    restraint: float = Field(0.5, ge=0, description="spring of heavy ligand atoms to their start, kcal/mol/Å²")
    flexible: float = Field(0.0, ge=0, description="side chains with an atom this near to a pose move too, Å; 0: none")
    side_chain_restraint: float = Field(
        1.0, ge=0, description="spring of their heavy atoms to their start, kcal/mol/Å²"
    )
    max_iterations: int = Field(300, ge=1, description="most steps of L-BFGS")
    tolerance: float = Field(0.5, gt=0, description="root mean square force to stop at, kcal/mol/Å")
