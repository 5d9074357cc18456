"""Physical validity of poses: the checks of PoseBusters, made cheap for many poses of one ligand."""

from __future__ import annotations

import inspect
import math
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
import rdkit
from rdkit import Chem, rdBase

from discodock.chem.conformers import embeds_readily
from discodock.chem.receptor import Receptor

CONFIG: Final = "dock"
"""PoseBusters' own list of checks, with its thresholds, for a docked ligand whose crystal pose is not known."""

NEIGHBOURHOOD: Final = 7.0
"""Å around the poses within which receptor atoms matter: the checks look no further than 6 Å."""

QUICK_CONFORMERS: Final = 5
CLEAR_MARGIN: Final = 10.0
"""A pose whose energy ratio is this many times below the threshold with the first five conformers of PoseBusters' fifty
passes; the others are compared with all fifty, at ten times the cost."""

HETERO_KINDS: Final = ("metal", "cofactor", "other")
Results = Mapping[str, Any]
Check = Callable[..., Mapping[str, Any]]


@dataclass(frozen=True)
class Validity:
    """What the checks say of a pose.

    Attributes:
        failed: names of the failed checks, as PoseBusters has them, such as "minimum_distance_to_protein". A check that
            gives no verdict (the force field lacks an element) is not among them.
    """

    failed: tuple[str, ...]

    @property
    def is_valid(self) -> bool:
        """Whether no check failed."""
        return not self.failed


def check_validity(poses: Sequence[Chem.Mol], receptor: Receptor) -> list[Validity]:
    """Run PoseBusters' checks for docked ligands on poses of one ligand.

    The verdicts are those of `PoseBusters(config="dock").bust` with the receptor as `mol_cond`. What does not depend on
    the pose (chemistry, bounds of distances, energies of reference conformers) is computed once, and only the
    receptor's neighbourhood of the poses is looked at.

    Args:
        poses: the same molecule, sanitised, with one conformer each in the receptor's frame, Å.
        receptor: the receptor; metals, cofactors and waters that were kept count too.
    Source: Buttenschoen et al. 2024, doi 10.1039/D3SC04185A; thresholds as in the installed version.
    """
    if not poses:
        return []
    with _silent_rdkit():
        from posebusters import PoseBusters
        from posebusters.posebusters import module_dict

        rdBase.DisableLog("rdApp.*")
        surroundings = neighbourhood(receptor, np.concatenate([mol.GetConformer().GetPositions() for mol in poses]))
        failed: list[list[str]] = [[] for _ in poses]
        for module in PoseBusters(config=CONFIG).config["modules"]:
            run = _RUNS.get(module["function"], _each_pose)
            found = run(module_dict[module["function"]], module.get("parameters", {}), poses, surroundings)
            for names, results in zip(failed, found, strict=True):
                names += _failures(module, results)
    return [Validity(tuple(names)) for names in failed]


def neighbourhood(receptor: Receptor, pos: np.ndarray, distance: float = NEIGHBOURHOOD) -> Chem.Mol:
    """The atoms of a receptor near any of the positions, without bonds, with the residue labels of a PDB file.

    Args:
        receptor: the receptor, as read from its file.
        pos: points to look around, Å, shape (N, 3).
        distance: farthest distance from a point, Å.

    Returns:
        A molecule with one conformer; the nearest atom alone if none is within the distance. Atoms of unknown element
        (X) become dummy atoms, as when RDKit reads them from a file.
    """
    from scipy.spatial import cKDTree

    gaps, _ = cKDTree(pos).query(receptor.pos)
    near = np.flatnonzero(gaps <= max(distance, gaps.min()))
    table = Chem.GetPeriodicTable()
    symbols = {table.GetElementSymbol(number) for number in range(1, table.GetMaxAtomicNumber() + 1)}
    mol = Chem.RWMol()
    for index in near:
        residue = receptor.residues[receptor.residue_idx[index]]
        symbol = str(receptor.element[index])
        atom = Chem.Atom(symbol if symbol in symbols else "*")
        info = Chem.AtomPDBResidueInfo(f" {receptor.atom_name[index]:<3}"[:4], residueName=residue.name)
        info.SetIsHeteroAtom(residue.kind in HETERO_KINDS)
        atom.SetMonomerInfo(info)
        mol.AddAtom(atom)
    conformer = Chem.Conformer(len(near))
    conformer.SetPositions(np.ascontiguousarray(receptor.pos[near]))
    mol.AddConformer(conformer)
    return mol.GetMol()


@contextmanager
def _silent_rdkit() -> Iterator[None]:
    """Give RDKit's log streams back as they were: PoseBusters redirects them, on import and during its checks."""
    before = dict(line.split(":") for line in rdBase.LogStatus().splitlines())
    stream = rdkit.log_handler.stream
    rdkit.log_handler.stream = sys.stderr  # PoseBusters flushes it, and fails if it has been closed meanwhile
    try:
        yield
    finally:
        rdBase.LogToCppStreams()
        rdkit.log_handler.stream = stream
        for stream, state in before.items():
            (rdBase.EnableLog if state == "enabled" else rdBase.DisableLog)(stream)


def _failures(module: Mapping[str, Any], results: Results) -> list[str]:
    """Names of a module's checks whose verdict is no, in PoseBusters' spelling."""
    outputs = module.get("chosen_binary_test_output", [])
    titles = {name: module.get("rename_outputs", {}).get(name, name) for name in outputs}
    # a verdict that is missing or not a number is none
    return [title.lower().replace(" ", "_") for name, title in titles.items() if _is_no(results.get(name))]


def _is_no(verdict: object) -> bool:
    return isinstance(verdict, bool | np.bool_) and not verdict


def _each_pose(
    check: Check, parameters: Mapping[str, Any], poses: Sequence[Chem.Mol], surroundings: Chem.Mol
) -> list[Results]:
    """A check as PoseBusters runs it, pose by pose."""
    wanted = inspect.signature(check).parameters
    given = {"mol_cond": surroundings} if "mol_cond" in wanted else {}
    return [check(mol_pred=Chem.Mol(mol), **given, **parameters)["results"] for mol in poses]


def _once(
    check: Check, parameters: Mapping[str, Any], poses: Sequence[Chem.Mol], surroundings: Chem.Mol
) -> list[Results]:
    """A check of the molecule alone, whose verdict holds for all its poses."""
    return _each_pose(check, parameters, poses[:1], surroundings) * len(poses)


def _sanitisable(
    _check: Check, _parameters: Mapping[str, Any], poses: Sequence[Chem.Mol], _surroundings: Chem.Mol
) -> list[Results]:
    """PoseBusters' own function, but for its switching on of all of RDKit's messages."""
    return [{"passes_rdkit_sanity_checks": not Chem.DetectChemistryProblems(poses[0])}] * len(poses)


def _distance_bounds(
    check: Check, parameters: Mapping[str, Any], poses: Sequence[Chem.Mol], _surroundings: Chem.Mol
) -> list[Results]:
    """Bond lengths, bond angles and internal clashes of all poses against the bounds that hold for the molecule."""
    first = check(mol_pred=Chem.Mol(poses[0]), **parameters)
    if "details" not in first:  # a single atom, or no bounds could be had: the same for every pose
        return [first["results"]] * len(poses)
    pos = np.stack([mol.GetConformer().GetPositions() for mol in poses])
    tables = first["details"]
    verdicts = {
        "bond_lengths_within_bounds": within_bounds(pos, tables["bonds"], parameters["threshold_bad_bond_length"]),
        "bond_angles_within_bounds": within_bounds(pos, tables["angles"], parameters["threshold_bad_angle"]),
        "no_internal_clash": within_bounds(pos, tables["clash"], parameters["threshold_clash"], only_lower=True),
    }
    return [{name: ok[index] for name, ok in verdicts.items()} for index in range(len(poses))]


def within_bounds(
    pos: np.ndarray, table: Mapping[str, Any], tolerance: float, *, only_lower: bool = False
) -> np.ndarray:
    """Whether all distances of a table lie between their bounds, widened by a fraction; bool, shape (N,).

    A distance d is in order if (d - lower)/lower ≥ -tolerance and (d - upper)/upper ≤ tolerance.

    Args:
        pos: atoms of N poses, Å, shape (N, A, 3).
        table: columns `atom_pair` (two atom indices), `lower_bound` and `upper_bound`, Å.
        tolerance: fraction of a bound by which distances may exceed it.
        only_lower: distances may be as large as they like.
    """
    pairs = np.array(list(table["atom_pair"]), dtype=np.int64).reshape(-1, 2)
    lower, upper = np.asarray(table["lower_bound"], float), np.asarray(table["upper_bound"], float)
    distance = np.linalg.norm(pos[:, pairs[:, 0]] - pos[:, pairs[:, 1]], axis=2)  # (N, pairs)
    is_ok = (distance - lower) / lower >= -tolerance
    if not only_lower:
        is_ok &= (distance - upper) / upper <= tolerance
    return np.asarray(is_ok.all(axis=1))


def _energy_ratio(
    check: Check, parameters: Mapping[str, Any], poses: Sequence[Chem.Mol], surroundings: Chem.Mol
) -> list[Results]:
    """The energy of a pose over the mean one of relaxed conformers, few of these where the verdict is clear.

    There is no verdict for a molecule that has hardly any conformers: PoseBusters would look for them for minutes. If
    it finds none all the same, there are none for any pose, and it is asked once.
    """
    if not embeds_readily(poses[0]):
        return [{}] * len(poses)
    settings = dict(parameters) | {"num_threads": 1}
    few = settings | {"ensemble_number_conformations": QUICK_CONFORMERS}
    limit = settings["threshold_energy_ratio"] / CLEAR_MARGIN
    first = _each_pose(check, few, poses[:1], surroundings)
    if math.isfinite(first[0]["mol_pred_energy"]) and math.isnan(first[0]["ensemble_avg_energy"]):
        return first * len(poses)
    results = first + _each_pose(check, few, poses[1:], surroundings)
    return [
        found if 0 <= found["energy_ratio"] <= limit else _each_pose(check, settings, [mol], surroundings)[0]
        for mol, found in zip(poses, results, strict=True)
    ]


def _near_receptor(
    check: Check, parameters: Mapping[str, Any], poses: Sequence[Chem.Mol], surroundings: Chem.Mol
) -> list[Results]:
    """Distances to, or overlap with, one class of receptor atoms; where there are none, there is no clash."""
    from posebusters.tools.protein import get_atom_type_mask

    if (
        not any(get_atom_type_mask(surroundings, parameters["ignore_types"]))
        and "protein" in parameters["ignore_types"]
    ):
        return [{"no_clashes": True, "no_volume_clash": True}] * len(poses)
    return _each_pose(check, parameters, poses, surroundings)


_RUNS: Final = {
    "rdkit_sanity": _sanitisable,
    "inchi_convertible": _once,
    "atoms_connected": _once,
    "check_radicals": _once,
    "distance_geometry": _distance_bounds,
    "energy_ratio": _energy_ratio,
    "intermolecular_distance": _near_receptor,
    "volume_overlap": _near_receptor,
}
"""How each function of PoseBusters is run on many poses; those that are not named, pose by pose."""
