"""Minimisation of the energy of many poses at once, over translation, rotation and torsions.

Each pose has its own BFGS in the tangent space of R^3 x SO(3) x T^k (Nocedal and Wright 2006, algorithm 6.1), with
the metric of atom displacements as first inverse Hessian, its own backtracking line search, and its own end.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

import torch
from torch import Tensor

from discodock.geometry.pose import PoseTangent, pose_jacobian, update_pose
from discodock.geometry.topology import LigandTopology
from discodock.physics.config import MinimiserConfig

ARMIJO: Final = 1e-4
SHRINK: Final = 0.3
FIRST_STEP: Final = 0.05
"""Å of displacement per kcal/mol/Å of force before any curvature is known; the stiffest contacts have about that."""


@dataclass(frozen=True)
class Evaluated:
    """An energy and its derivatives.

    Attributes:
        energy: energy of each pose, kcal/mol, shape (P,).
        pos_grad: derivative of the energy by the atoms' positions, kcal/mol/Å, shape (P, L, 3).
        tor_grad: derivative by the torsions directly, beyond what they move, kcal/mol/rad, shape (P, T).
    """

    energy: Tensor
    pos_grad: Tensor
    tor_grad: Tensor


Objective = Callable[[Tensor, Tensor, Tensor], Evaluated]
"""(positions (A, L, 3), torsions turned since the start (A, T), which of the P poses these are (A,)) to energies."""


@dataclass(frozen=True)
class Minimised:
    """Where minimisation ended.

    Attributes:
        pos: positions in Å, shape (P, L, 3).
        tor: angle that each bond was turned by, radians, shape (P, T).
        energy: energy of each pose, kcal/mol, shape (P,); never above the start's.
    """

    pos: Tensor
    tor: Tensor
    energy: Tensor


@dataclass
class _State:
    """The poses on their way; tensors are written to row by row."""

    pos: Tensor
    tor: Tensor
    energy: Tensor
    slope: Tensor  # (P, D) by the tangent vector
    inverse_hessian: Tensor  # (P, D, D)
    is_fresh: Tensor  # (P,) whether the inverse Hessian is still the metric's
    idle: Tensor  # (P,) steps in a row that gained next to nothing


def minimise(objective: Objective, pos: Tensor, topology: LigandTopology, config: MinimiserConfig) -> Minimised:
    """Move each pose downhill; deterministic, and no pose depends on the others.

    A pose whose energy is not finite stays where it is.

    Args:
        objective: energy of poses.
        pos: start, Å, shape (P, L, 3).
        topology: rotatable bonds and padding of all P poses.
        config: limits of the search.
    """
    state = _start(objective, pos, topology)
    for _ in range(config.max_iterations):
        active = torch.nonzero(state.idle < 2).flatten()
        if len(active) == 0:
            break
        _step(state, active, objective, topology.select(active), config)
    return Minimised(state.pos, state.tor, state.energy)


def tangent_slope(value: Evaluated, jacobian: Tensor) -> Tensor:
    """Derivative of the energy by the tangent vector, kcal/mol per Å or rad, shape (P, 6 + T).

    Args:
        value: energies and their derivatives by positions and torsions.
        jacobian: derivative of the positions by the pose's degrees of freedom, from `pose_jacobian`, shape (P, 6 + T,
            L, 3).
    """
    slope = torch.einsum("pdlx,plx->pd", jacobian, value.pos_grad)
    slope[:, 6:] += value.tor_grad
    return slope


def _start(objective: Objective, pos: Tensor, topology: LigandTopology) -> _State:
    everyone = torch.arange(len(pos), device=pos.device)
    tor = pos.new_zeros(topology.tor_mask.shape)
    value = objective(pos, tor, everyone)
    jacobian = pose_jacobian(pos, topology)
    return _State(
        pos=pos.clone(),
        tor=tor,
        energy=value.energy,
        slope=tangent_slope(value, jacobian),
        inverse_hessian=_metric_inverse(jacobian),
        is_fresh=torch.ones_like(value.energy, dtype=torch.bool),
        idle=torch.where(torch.isfinite(value.energy), 0, 2),
    )


@dataclass(frozen=True)
class _Found:
    """What the line searches of A poses came to; where one is stuck, nothing has changed."""

    pos: Tensor
    tor: Tensor
    energy: Tensor
    slope: Tensor
    length: Tensor  # (A,) of the step as a fraction of its direction
    is_stuck: Tensor


def _step(
    state: _State, active: Tensor, objective: Objective, topology: LigandTopology, config: MinimiserConfig
) -> None:
    """One step of the active poses; `topology` is theirs."""
    slope = state.slope[active]
    jacobian = pose_jacobian(state.pos[active], topology)
    metric = _metric_inverse(jacobian)
    direction = -_apply(state.inverse_hessian[active], slope)
    is_metric = state.is_fresh[active] | ((direction * slope).sum(-1) >= 0)  # uphill: it has lost its way
    direction = torch.where(is_metric[:, None], -_apply(metric, slope), direction)
    # No atom may move farther than `max_step`: beyond, the linear picture that the direction rests on is wrong.
    movement = torch.einsum("pd,pdlx->plx", direction, jacobian).norm(dim=-1).amax(1)  # (A,), Å
    direction = direction * (config.max_step / movement.clamp(min=config.max_step))[:, None]

    found = _search(state, active, direction, objective, topology, config)
    # The curvature that the last step used, whichever it was, learns from the change of slope along the way.
    old = torch.where(is_metric[:, None, None], metric, state.inverse_hessian[active])
    move = direction * found.length[:, None]
    state.inverse_hessian[active] = _updated_curvature(old, move, found.slope - slope, is_metric)
    state.is_fresh[active] = found.is_stuck  # a second search, along the metric's direction
    is_idle = found.is_stuck | (state.energy[active] - found.energy < config.tolerance)
    is_over = found.is_stuck & is_metric
    state.idle[active] = torch.where(is_over, 2, torch.where(is_idle, state.idle[active] + 1, 0))
    state.pos[active], state.tor[active] = found.pos, found.tor
    state.energy[active], state.slope[active] = found.energy, found.slope


def _search(
    state: _State,
    active: Tensor,
    direction: Tensor,
    objective: Objective,
    topology: LigandTopology,
    config: MinimiserConfig,
) -> _Found:
    """Shorten the steps of the active poses until each lowers its energy enough (Armijo's rule)."""
    pos, tor, energy = state.pos[active], state.tor[active], state.energy[active]
    slope, length = state.slope[active], torch.ones_like(energy)
    descent = (direction * slope).sum(-1)  # (A,), negative: energy per unit of step length
    before, start, torsion = energy.clone(), pos.clone(), tor.clone()
    # Rows that still look for a step; only these are evaluated, and a row is final once it has left.
    searching = torch.arange(len(active), device=active.device)
    for _ in range(config.max_trials):
        part, move = topology.select(searching), direction[searching] * length[searching, None]
        trial = update_pose(start[searching], part, PoseTangent(move[:, :3], move[:, 3:6], move[:, 6:]))
        # `tor` adds up all turns since the start, which the objective needs for torsional energies
        trial_tor = torsion[searching] + move[:, 6:]
        value = objective(trial, trial_tor, active[searching])
        bound = before[searching] + ARMIJO * length[searching] * descent[searching]
        # an energy that is not a number compares false and is refused, as positions that overflow are
        is_lower = (value.energy <= bound) & torch.isfinite(trial).flatten(1).all(1)
        taken = searching[is_lower]
        pos[taken], tor[taken], energy[taken] = trial[is_lower], trial_tor[is_lower], value.energy[is_lower]
        slope[taken] = tangent_slope(value, pose_jacobian(trial, part))[is_lower]
        searching = searching[~is_lower]
        if len(searching) == 0:
            break
        length[searching] *= SHRINK
    is_stuck = torch.zeros_like(length, dtype=torch.bool)
    is_stuck[searching] = True
    return _Found(pos, tor, energy, slope, torch.where(is_stuck, 0, length), is_stuck)


def _metric_inverse(jacobian: Tensor) -> Tensor:
    """Inverse of how far tangent vectors move the atoms, times `FIRST_STEP`, shape (P, D, D).

    With it as inverse Hessian, a step is the displacement along the force that the pose's freedom allows.
    """
    flat = jacobian.flatten(2)
    metric = flat @ flat.mT
    ridge = 1e-4 * metric.diagonal(dim1=1, dim2=2).amax(1) + 1e-6  # a rod does not turn about itself
    eye = torch.eye(metric.shape[1], dtype=metric.dtype, device=metric.device)
    return FIRST_STEP * torch.linalg.inv(metric + ridge[:, None, None] * eye)


def _updated_curvature(inverse_hessian: Tensor, move: Tensor, change: Tensor, is_metric: Tensor) -> Tensor:
    """Inverse Hessians (A, D, D) after steps `move` that changed the slope by `change` (BFGS).

    The metric is first scaled to the curvature just seen; steps along which the slope did not rise teach nothing.
    """
    product = (move * change).sum(-1)
    is_sound = product > 1e-6 * move.norm(dim=-1) * change.norm(dim=-1)
    safe = torch.where(is_sound, product, 1.0)
    bend = (change * _apply(inverse_hessian, change)).sum(-1).clamp(min=1e-12)
    scale = torch.where(is_metric & is_sound, safe / bend, 1.0)
    scaled = inverse_hessian * scale[:, None, None]
    eye = torch.eye(move.shape[1], dtype=move.dtype, device=move.device)
    left = eye - move[:, :, None] * change[:, None] / safe[:, None, None]
    updated = left @ scaled @ left.mT + move[:, :, None] * move[:, None] / safe[:, None, None]
    return torch.where(is_sound[:, None, None], updated, inverse_hessian)


def _apply(matrix: Tensor, vec: Tensor) -> Tensor:
    return (matrix @ vec[..., None]).squeeze(-1)
