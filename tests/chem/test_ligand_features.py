"""The static ligand fields, against computations that share no code with the package."""

import networkx as nx
import numpy as np
import pytest
from rdkit import Chem
from rdkit.Chem import Lipinski

from discodock import schema
from discodock.chem.ligand import heavy_molecule, read_ligand
from discodock.chem.ligand_features import MAX_AUTOMORPHISMS, automorphisms, ligand_arrays
from tests.chem.ligand_samples import CRYSTAL_LIGANDS, DATA

SMILES = (
    "CC(=O)Nc1ccc(O)cc1", "CC#CCCC#N", "CCCCC#CC(C)C", "C1CCCCC1CC1CC1", "CC(C)(C)C", "C", "CC", "CCC", "CCCC",
    "c1ccccc1", "CC(=O)[O-]", "NC(=[NH2+])NCCC[C@H]([NH3+])C(=O)[O-]", "CC=C=CC", "C1CC1C1CC1",
    "O=C1CCCCCCCCCCCCCC1CCC", "CN=[N+]=[N-]",
)  # fmt: skip
ALL = (*CRYSTAL_LIGANDS, *SMILES)


def molecule(name: str) -> Chem.Mol:
    return read_ligand(DATA / f"{name}.sdf").mol if name in CRYSTAL_LIGANDS else Chem.MolFromSmiles(name)


def graph(mol: Chem.Mol) -> nx.Graph:
    heavy = heavy_molecule(mol)
    result = nx.Graph()
    result.add_nodes_from(range(heavy.GetNumAtoms()))
    result.add_edges_from((b.GetBeginAtomIdx(), b.GetEndAtomIdx()) for b in heavy.GetBonds())
    return result


@pytest.mark.parametrize("name", ALL)
def test_fields_have_the_shapes_and_types_of_the_schema(name: str) -> None:
    mol = molecule(name)
    arrays = ligand_arrays(mol)
    sizes = {"L": heavy_molecule(mol).GetNumAtoms()}
    assert set(arrays) == {f for f in schema.FIELDS if f.startswith("ligand_") and not f.endswith("pos")}
    for field, array in arrays.items():
        shape_text, _, rest = schema.FIELDS[field].partition(") ")
        assert str(array.dtype) == rest.split(",")[0].strip(), field
        names = [part.strip() for part in shape_text.strip("(").split(",") if part.strip()]
        names = [
            part if part != "len(LIGAND_ATOM_FEATURES" else str(len(schema.LIGAND_ATOM_FEATURES)) for part in names
        ]
        assert array.ndim == len(names), field
        for size, symbol in zip(array.shape, names, strict=True):
            assert size == (int(symbol) if symbol.isdigit() else sizes.setdefault(symbol, size)), field
    limits = np.array(list(schema.LIGAND_ATOM_FEATURES.values()))
    assert (arrays["ligand_atom_feat"] < limits).all()


@pytest.mark.parametrize("name", ALL)
def test_rotatable_bonds_are_the_bridges_that_move_something(name: str) -> None:
    mol, bonds = molecule(name), graph(molecule(name))
    heavy = heavy_molecule(mol)
    arrays = ligand_arrays(mol)
    linear = {m[0] for m in heavy.GetSubstructMatches(Chem.MolFromSmarts("[*;^1;D2]"))}
    expected, axes = [], set()
    for a, b in nx.bridges(bonds):
        if heavy.GetBondBetweenAtoms(a, b).GetBondTypeAsDouble() != 1.0:
            continue
        cut = bonds.copy()
        cut.remove_edge(a, b)
        ends = frozenset(straight_run(bonds, linear, {a, b}) - linear)
        if len(ends) < 2 or any(bonds.degree(end) < 2 for end in ends) or ends in axes:
            continue
        axes.add(ends)
        expected.append({frozenset(side) for side in nx.connected_components(cut)})
    found = [
        {frozenset(np.flatnonzero(mask).tolist()), frozenset(np.flatnonzero(~mask).tolist())}
        for mask in arrays["ligand_mask_rotate"]
    ]
    # On a straight run any of its bonds may stand for the axis; elsewhere the partition is unique.
    assert len(found) == len(expected)
    if not linear:
        assert sorted(map(sorted_sides, found)) == sorted(map(sorted_sides, expected))
    for (fixed, moving), mask in zip(arrays["ligand_tor_bond"], arrays["ligand_mask_rotate"], strict=True):
        assert mask[moving] and not mask[fixed]
        assert 1 < mask.sum() <= len(mask) / 2 or 2 * mask.sum() <= len(mask)
        cut = bonds.copy()
        cut.remove_edge(int(fixed), int(moving))
        assert set(np.flatnonzero(mask).tolist()) == nx.node_connected_component(cut, int(moving))


def straight_run(bonds: nx.Graph, linear: set[int], atoms: set[int]) -> set[int]:
    """Atoms on the axis of a bond: its ends, and on through atoms whose two bonds are in line."""
    grown = atoms | {n for atom in atoms & linear for n in bonds.neighbors(atom)}
    return atoms if grown == atoms else straight_run(bonds, linear, grown)


def sorted_sides(sides: set[frozenset[int]]) -> list[list[int]]:
    return sorted(sorted(side) for side in sides)


@pytest.mark.parametrize(
    ("smiles", "count"),
    [
        ("CCCC", 1), ("CCC", 0), ("CC(C)(C)C", 0), ("CCC(=O)N", 1), ("CC(=O)NC", 1), ("CCC#N", 0), ("CCC#CCC", 1),
        ("CC#CC", 0), ("c1ccccc1-c1ccccc1", 1), ("C1CCCCC1", 0), ("CC=CC", 0), ("CCN=[N+]=[N-]", 1), ("CCCC#N", 1),
        ("CCC(=O)[O-]", 1), ("CCOP(=O)(O)O", 2),
    ],
)  # fmt: skip
def test_number_of_rotatable_bonds(smiles: str, count: int) -> None:
    assert len(ligand_arrays(Chem.MolFromSmiles(smiles))["ligand_tor_bond"]) == count


@pytest.mark.parametrize("name", ALL)
def test_hops_and_bonds_against_networkx(name: str) -> None:
    mol, bonds = molecule(name), graph(molecule(name))
    arrays = ligand_arrays(mol)
    paths = dict(nx.all_pairs_shortest_path_length(bonds))
    size = len(bonds)
    expected = [[min(paths[i].get(j, 99), schema.MAX_HOPS) for j in range(size)] for i in range(size)]
    assert arrays["ligand_hops"].tolist() == expected
    pairs = set(map(tuple, arrays["ligand_bond_index"].T.tolist()))
    assert pairs == {(i, j) for a, b in bonds.edges for i, j in ((a, b), (b, a))}


def test_atom_features_of_a_known_molecule() -> None:
    # sulfonamide with a pyridine, a fluorine and a charged amine; columns checked by hand
    mol = Chem.MolFromSmiles("Fc1ccncc1S(=O)(=O)NCC[NH3+]")
    feat = dict(zip(schema.LIGAND_ATOM_FEATURES, ligand_arrays(mol)["ligand_atom_feat"].T, strict=True))
    symbols = [schema.ELEMENTS[i] for i in feat["element"]]
    assert symbols == ["F", "C", "C", "C", "N", "C", "C", "S", "O", "O", "N", "C", "C", "N"]
    assert feat["formal_charge"].tolist() == [2] * 13 + [3]
    assert feat["num_hydrogens"].tolist() == [0, 0, 1, 1, 0, 1, 0, 0, 0, 0, 1, 2, 2, 3]
    assert feat["is_aromatic"].tolist() == [0, 1, 1, 1, 1, 1, 1] + [0] * 7
    assert feat["ring_size"].tolist() == [0, 4, 4, 4, 4, 4, 4] + [0] * 7
    assert feat["degree"].tolist() == [1, 3, 2, 2, 2, 2, 3, 4, 1, 1, 2, 2, 2, 1]
    assert np.flatnonzero(feat["is_donor"]).tolist() == [10, 13]
    assert set(np.flatnonzero(feat["is_acceptor"]).tolist()) >= {4, 8, 9}


@pytest.mark.parametrize("name", CRYSTAL_LIGANDS)
def test_donors_against_rdkit_and_features_ignore_explicit_hydrogens(name: str) -> None:
    heavy = heavy_molecule(molecule(name))
    arrays = ligand_arrays(heavy)
    donors = arrays["ligand_atom_feat"][:, list(schema.LIGAND_ATOM_FEATURES).index("is_donor")]
    assert donors.sum() == Lipinski.NumHDonors(heavy)
    explicit = ligand_arrays(Chem.AddHs(heavy))
    assert all(np.array_equal(arrays[field], explicit[field]) for field in arrays)


@pytest.mark.parametrize(
    ("smiles", "count"),
    [
        ("CCO", 1), ("Cc1ccc(C)cc1", 4), ("CC(C)(C)O", 6), ("CC(=O)[O-]", 2), ("[O-]C(=O)c1ccccc1", 4),
        ("COP(=O)([O-])O", 6), ("NC(=[NH2+])NC", 2), ("FC(F)(F)c1ccccc1", 12), ("c1ccccc1", 12), ("CC(=C)C", 2),
        ("C[C@H](O)[C@H](O)C", 1), ("C[C@H](O)[C@@H](O)C", 2), ("O=C1C=CC(=O)C=C1", 4), ("CC(O)=CC(C)=O", 1),
    ],
)  # fmt: skip
def test_number_of_automorphisms(smiles: str, count: int) -> None:
    found = automorphisms(Chem.MolFromSmiles(smiles))
    assert len(found) == count
    assert found[0].tolist() == list(range(found.shape[1]))
    assert len(set(map(tuple, found.tolist()))) == count


@pytest.mark.parametrize("name", ALL)
def test_automorphisms_map_bonds_onto_bonds(name: str) -> None:
    mol = molecule(name)
    bonds, heavy = graph(mol), heavy_molecule(mol)
    symbols = np.array([atom.GetSymbol() for atom in heavy.GetAtoms()])
    adjacency = nx.to_numpy_array(bonds, nodelist=range(len(bonds)))
    for permutation in automorphisms(heavy):
        assert np.array_equal(adjacency[np.ix_(permutation, permutation)], adjacency)
        assert np.array_equal(symbols[permutation], symbols)


def test_automorphisms_are_capped_and_quick_for_huge_symmetry() -> None:
    # six CF3 groups: 6^6 permutations and more
    mol = Chem.MolFromSmiles("FC(F)(F)" + "C(C(F)(F)F)" * 4 + "C(F)(F)F")
    found = automorphisms(mol)
    assert len(found) == MAX_AUTOMORPHISMS
    assert found[0].tolist() == list(range(mol.GetNumAtoms()))
