"""AutoDock Vina's scoring function for batches of poses, with analytic gradients.

Trott and Olson 2010, doi 10.1002/jcc.21334, with the weights of AutoDock Vina 1.2 (Eberhardt et al. 2021, doi
10.1021/acs.jcim.1c00203). Only heavy atoms count; two atoms further apart than `CUTOFF` do not feel each other.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import torch
from pydantic import Field
from torch import Tensor

from discodock.settings import Settings

CUTOFF: Final = 8.0  # Å between atoms
FAR: Final = 1e4  # Å: where the padding of neighbour lists lies


class VinaWeights(Settings):
    """Weights of the terms, kcal/mol; the defaults are Vina's."""

    gauss1: float = Field(-0.035579, description="attraction at contact")
    gauss2: float = Field(-0.005156, description="attraction around 3 Å beyond contact")
    repulsion: float = Field(0.840245, description="squared overlap, per Å²")
    hydrophobic: float = Field(-0.035069, description="contact of two hydrophobic atoms")
    hydrogen_bond: float = Field(-0.587439, description="a donor and an acceptor, or a metal and an acceptor")
    rotor: float = Field(0.05846, description="weight of each rotatable bond in the divisor of the score; no unit")


VINA: Final = VinaWeights()


@dataclass(frozen=True)
class VinaAtoms:
    """What the scoring function knows of N atoms.

    Attributes:
        radius: Vina's radii, Å, shape (N,).
        hydrophobic: true for hydrophobic atoms, bool, shape (N,).
        donor: true for hydrogen-bond donors, bool, shape (N,).
        acceptor: true for hydrogen-bond acceptors, bool, shape (N,).
    """

    radius: Tensor
    hydrophobic: Tensor
    donor: Tensor
    acceptor: Tensor


@dataclass(frozen=True)
class VinaPairs:
    """Pairs of atoms, in any shape (...).

    Attributes:
        touch: sum of the two radii, Å.
        hydrophobic: one if both are hydrophobic, else zero, float.
        hydrogen_bond: one if one may donate and the other accept, else zero, float.
    """

    touch: Tensor
    hydrophobic: Tensor
    hydrogen_bond: Tensor

    @classmethod
    def of(cls, atoms: VinaAtoms, i: Tensor, other: VinaAtoms, j: Tensor) -> VinaPairs:
        """Pairs of atoms `atoms[i]` and `other[j]`; the index tensors broadcast to (...)."""
        both = atoms.hydrophobic[i] & other.hydrophobic[j]
        bond = (atoms.donor[i] & other.acceptor[j]) | (atoms.acceptor[i] & other.donor[j])
        dtype = atoms.radius.dtype
        return cls(atoms.radius[i] + other.radius[j], both.to(dtype), bond.to(dtype))

    @property
    def tensors(self) -> tuple[Tensor, Tensor, Tensor]:
        """All of it, in order."""
        return self.touch, self.hydrophobic, self.hydrogen_bond

    def select(self, idx: Tensor) -> VinaPairs:
        """The pairs of the chosen rows."""
        return VinaPairs(*(tensor[idx] for tensor in self.tensors))


def pair_energy(distance: Tensor, pairs: VinaPairs, weights: VinaWeights) -> tuple[Tensor, Tensor]:
    """Energy of each pair and its slope.

    With d the distance less the sum of radii: exp(-(d/0.5)²), exp(-((d-3)/2)²), d² where d < 0, a ramp from 1 at
    d = 0.5 to 0 at 1.5 for hydrophobic pairs, a ramp from 1 at -0.7 to 0 at 0 for hydrogen bonds; Trott and Olson 2010,
    equations 3 to 8.

    Args:
        distance: distance of each pair, Å, shape (...).
        pairs: types of the pairs, shape (...).
        weights: weights of the terms.

    Returns:
        Energies in kcal/mol and their derivatives by distance, kcal/mol/Å, both (...), zero beyond `CUTOFF`.
    """
    gap = distance - pairs.touch
    near, wide = torch.exp(-4 * gap.square()), torch.exp(-0.25 * (gap - 3).square())
    overlap = gap.clamp(max=0.0)
    greasy = weights.hydrophobic * pairs.hydrophobic
    bonded = weights.hydrogen_bond * pairs.hydrogen_bond
    energy = weights.gauss1 * near + weights.gauss2 * wide + weights.repulsion * overlap.square()
    energy = energy + greasy * (1.5 - gap).clamp(0.0, 1.0) + bonded * (gap / -0.7).clamp(0.0, 1.0)
    slope = -8 * weights.gauss1 * gap * near - 0.5 * weights.gauss2 * (gap - 3) * wide + 2 * weights.repulsion * overlap
    slope = slope - greasy * ((gap > 0.5) & (gap < 1.5)) - bonded / 0.7 * ((gap > -0.7) & (gap < 0.0))
    close = distance < CUTOFF
    return energy * close, slope * close


@dataclass(frozen=True)
class Neighbors:
    """The receptor atoms around every ligand atom of P poses, padded to K with atoms far away.

    Attributes:
        pos: positions of the neighbours, Å, shape (P, L, K, 3).
        pairs: types of the pairs with them, shape (P, L, K).
    """

    pos: Tensor
    pairs: VinaPairs

    def select(self, idx: Tensor) -> Neighbors:
        """Those of the chosen poses."""
        return Neighbors(self.pos[idx], self.pairs.select(idx))

    def padded(self, width: int) -> Neighbors:
        """A copy with K grown to `width`."""
        more = width - self.pos.shape[2]
        pairs = VinaPairs(*(torch.nn.functional.pad(tensor, (0, more)) for tensor in self.pairs.tensors))
        return Neighbors(torch.nn.functional.pad(self.pos, (0, 0, 0, more), value=FAR), pairs)


def find_neighbors(
    pos: Tensor, ligand: VinaAtoms, receptor_pos: Tensor, receptor: VinaAtoms, reach: float
) -> Neighbors:
    """Receptor atoms within `reach` Å of each ligand atom.

    Args:
        pos: ligand atoms, Å, shape (P, L, 3).
        ligand: types of the L ligand atoms.
        receptor_pos: receptor atoms, Å, shape (R, 3).
        receptor: types of the R receptor atoms.
        reach: `CUTOFF` and as far as atoms will move.
    """
    num_atoms = pos.shape[1]
    distance = torch.cdist(pos, receptor_pos.expand(len(pos), -1, -1), compute_mode="donot_use_mm_for_euclid_dist")
    most = int((distance < reach).sum(-1).max()) if distance.numel() else 0
    nearest, found = distance.topk(most, dim=-1, largest=False)  # (P, L, K)
    pairs = VinaPairs.of(ligand, torch.arange(num_atoms, device=pos.device)[None, :, None], receptor, found)
    near_pos = torch.where((nearest < reach)[..., None], receptor_pos[found], FAR)
    return Neighbors(near_pos, pairs)


def intermolecular_energy(pos: Tensor, neighbors: Neighbors, weights: VinaWeights = VINA) -> tuple[Tensor, Tensor]:
    """Energy between ligand and receptor, kcal/mol, shape (P,), and its gradient by `pos`, (P, L, 3)."""
    vec = pos[:, :, None] - neighbors.pos
    distance = torch.linalg.vector_norm(vec, dim=-1).clamp(min=1e-3)
    energy, slope = pair_energy(distance, neighbors.pairs, weights)
    return energy.sum((1, 2)), ((slope / distance)[..., None] * vec).sum(2)


@dataclass(frozen=True)
class InternalPairs:
    """Pairs of ligand atoms that torsions move against each other.

    Attributes:
        index: the two atoms of each of N pairs, int64, shape (2, N).
        pairs: types of the pairs, shape (N,).
    """

    index: Tensor
    pairs: VinaPairs


def internal_pairs(ligand: VinaAtoms, index: Tensor) -> InternalPairs:
    """The pairs (2, N) of a ligand's atoms, such as `chem.vina_types.internal_pairs` names them."""
    return InternalPairs(index, VinaPairs.of(ligand, index[0], ligand, index[1]))


def intramolecular_energy(pos: Tensor, internal: InternalPairs, weights: VinaWeights = VINA) -> tuple[Tensor, Tensor]:
    """Energy within the ligand, kcal/mol, shape (P,), and its gradient by `pos`, (P, L, 3)."""
    first, second = internal.index
    vec = pos[:, first] - pos[:, second]
    distance = torch.linalg.vector_norm(vec, dim=-1).clamp(min=1e-3)
    energy, slope = pair_energy(distance, internal.pairs, weights)
    force = (slope / distance)[..., None] * vec
    gradient = torch.zeros_like(pos).index_add(1, first, force).index_add(1, second, -force)
    return energy.sum(1), gradient


def vina_score(intermolecular: Tensor, num_rotors: float, weights: VinaWeights = VINA) -> Tensor:
    """Vina's score, E / (1 + 0.05846 N_rot), kcal/mol: the energy between ligand and receptor, less the more it bends.

    The intramolecular energy cancels, as Vina subtracts it for the pose that it scores.

    Args:
        intermolecular: energy between ligand and receptor, kcal/mol, any shape.
        num_rotors: active rotatable bonds, as Vina counts them.
        weights: weights of the terms.
    """
    return intermolecular / (1 + weights.rotor * num_rotors)
