"""Random but well-formed complexes as the networks see them."""

import torch

from discodock import schema
from discodock.geometry.topology import LigandTopology
from discodock.graphs import LigandGraph, ReceptorGraph


def random_complexes(seed: int, sizes: list[tuple[int, int]], dtype: torch.dtype = torch.float64):
    """Padded graphs and poses of chain-like ligands in random receptors; `sizes` are (receptor, ligand) atom counts."""
    generator = torch.Generator().manual_seed(seed)

    def integers(high: int, *shape: int) -> torch.Tensor:
        return torch.randint(high, shape, generator=generator)

    num, num_receptor, num_ligand = len(sizes), max(s[0] for s in sizes), max(s[1] for s in sizes)
    receptor_size, ligand_size = torch.tensor(sizes).T
    receptor = ReceptorGraph(
        pos=torch.randn(num, num_receptor, 3, generator=generator, dtype=dtype) * 5,
        mask=torch.arange(num_receptor) < receptor_size[:, None],
        element=integers(len(schema.ELEMENTS), num, num_receptor),
        residue_type=integers(len(schema.RESIDUE_TYPES), num, num_receptor),
        atom_name=integers(len(schema.ATOM_NAMES), num, num_receptor),
        residue_idx=torch.arange(num_receptor).div(6, rounding_mode="floor").expand(num, -1),
    )
    atom_mask = torch.arange(num_ligand) < ligand_size[:, None]
    chain = (torch.arange(num_ligand)[:, None] - torch.arange(num_ligand)).abs().expand(num, -1, -1)
    both = atom_mask[:, :, None] & atom_mask[:, None, :]
    fixed = torch.arange(1, num_ligand - 2).expand(num, -1)
    tor_mask = fixed + 2 < ligand_size[:, None]
    topology = LigandTopology(
        atom_mask=atom_mask,
        tor_bond=torch.stack([fixed, fixed + 1], dim=-1) * tor_mask[..., None],
        tor_mask=tor_mask,
        mask_rotate=(torch.arange(num_ligand) > fixed[..., None]) & atom_mask[:, None, :] & tor_mask[..., None],
    )
    ligand = LigandGraph(
        atom_feat=torch.stack(
            [integers(high, num, num_ligand) for high in schema.LIGAND_ATOM_FEATURES.values()], dim=-1
        ),
        bond_type=((chain == 1) & both).long() * (1 + integers(len(schema.BOND_TYPES), num, 1, 1)),
        hops=chain.clamp(max=schema.MAX_HOPS) * both,
        topology=topology,
    )
    pos = torch.randn(num, num_ligand, 3, generator=generator, dtype=dtype) * 3
    return receptor, ligand, pos


def member(receptor: ReceptorGraph, ligand: LigandGraph, pos: torch.Tensor, i: int, size: tuple[int, int]):
    """One complex of a batch alone and without padding; `size` as in `random_complexes`."""
    num_receptor, num_ligand = size
    own, topology = slice(i, i + 1), ligand.topology
    num_torsions = max(num_ligand - 3, 0)
    alone = LigandGraph(
        ligand.atom_feat[own, :num_ligand],
        ligand.bond_type[own, :num_ligand, :num_ligand],
        ligand.hops[own, :num_ligand, :num_ligand],
        LigandTopology(
            topology.atom_mask[own, :num_ligand],
            topology.tor_bond[own, :num_torsions],
            topology.tor_mask[own, :num_torsions],
            topology.mask_rotate[own, :num_torsions, :num_ligand],
        ),
    )
    fields = {name: value[own, :num_receptor] for name, value in vars(receptor).items()}
    return type(receptor)(**fields), alone, pos[own, :num_ligand]


def reordered(receptor: ReceptorGraph, ligand: LigandGraph, receptor_order: torch.Tensor, order: torch.Tensor):
    """Complexes with their receptor atoms and ligand atoms in other orders."""
    topology = ligand.topology
    turned = LigandGraph(
        ligand.atom_feat[:, order],
        ligand.bond_type[:, order][:, :, order],
        ligand.hops[:, order][:, :, order],
        LigandTopology(
            topology.atom_mask[:, order],
            order.argsort()[topology.tor_bond],
            topology.tor_mask,
            topology.mask_rotate[:, :, order],
        ),
    )
    return type(receptor)(**{name: value[:, receptor_order] for name, value in vars(receptor).items()}), turned
