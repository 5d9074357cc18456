"""Reading a pose's coordinates on R^3 x SO(3) x T^k back from its atoms, and scores of known pose distributions."""

from dataclasses import dataclass

import torch
from torch import Tensor

from discodock.diffusion.process import PoseProcess
from discodock.distributions import igso3, wrapped_normal
from discodock.geometry.alignment import align, masked_centroid
from discodock.geometry.pose import PoseTangent
from discodock.geometry.rotations import rotmat_to_rotvec
from discodock.geometry.topology import LigandTopology
from discodock.geometry.torsions import dihedral
from tests.geometry.random_molecules import random_poses, tree_neighbours


@dataclass(frozen=True)
class Molecule:
    """One molecule in its reference pose, with four atoms that measure the dihedral of each rotatable bond.

    Attributes: pos (L, 3); topology of one pose; quads (T, 4).
    """

    pos: Tensor
    topology: LigandTopology
    quads: Tensor

    def repeat(self, num: int) -> tuple[Tensor, LigandTopology]:
        topology = self.topology
        fields = (topology.atom_mask, topology.tor_bond, topology.tor_mask, topology.mask_rotate)
        return self.pos.expand(num, -1, -1), LigandTopology(*(x.expand(num, *x.shape[1:]) for x in fields))

    def coordinates(self, pos: Tensor) -> PoseTangent:
        """Centroid shift, rotation vector and torsion changes of poses (P, L, 3) against the reference pose."""
        reference, topology = self.repeat(len(pos))
        rotmat = align(reference, pos, topology.atom_mask).rotmat
        before, after = (dihedral(*x[:, self.quads].unbind(2)) for x in (reference, pos))
        return PoseTangent(
            tr=masked_centroid(pos, topology.atom_mask) - masked_centroid(reference, topology.atom_mask),
            rot=rotmat_to_rotvec(rotmat),
            tor=wrapped_normal.wrap(after - before),
        )


def molecule(seed: int = 0, size: int = 14) -> Molecule:
    pos, topology = random_poses(seed, sizes=(size,))
    neighbours = tree_neighbours(pos[0], topology.atom_mask[0])
    quads = []
    for u, v in topology.tor_bond[0].tolist():
        a = next(x for x in neighbours[u] if x != v)
        b = next(x for x in neighbours[v] if x != u)
        quads.append([a, u, v, b])
    return Molecule(pos[0], topology, torch.tensor(quads, dtype=torch.int64).reshape(-1, 4))


def kernel_score(
    example: Molecule, process: PoseProcess, pos: Tensor, t: Tensor, data_width: float = 0.0
) -> PoseTangent:
    """Exact score for data that are the reference pose, blurred by `data_width` (Å or rad) in every coordinate."""
    coordinates, sigmas = example.coordinates(pos), process.sigmas(t)
    tr, rot, tor = ((sigma.square() + data_width**2).sqrt() for sigma in (sigmas.tr, sigmas.rot, sigmas.tor))
    return PoseTangent(
        tr=-coordinates.tr / tr.square()[:, None],
        rot=igso3.score(coordinates.rot, rot),
        tor=wrapped_normal.score(coordinates.tor, tor[:, None]),
    )
