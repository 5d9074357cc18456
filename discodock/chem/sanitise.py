"""Make a drawn molecule usable: one fragment, valid valences, aromaticity, stereo; every repair is reported."""

from __future__ import annotations

import itertools
from collections import Counter
from typing import Any

from rdkit import Chem, rdBase
from rdkit.Chem import rdMolDescriptors

from discodock.errors import InputError

MAX_REPAIRS = 64
MAX_RING_NITROGENS = 10  # candidates of a ring system whose hydrogens are missing; pairs of them are tried

Repair = tuple[Chem.Mol, str]


def sanitise(mol: Chem.Mol) -> tuple[Chem.Mol, tuple[str, ...]]:
    """Sanitise in stages, mending common drawing errors; atom order and hydrogens stay.

    Mended are: over-valent carboxylates, ammonium and oxonium without their charge, superfluous charges, aromatic
    bonds outside rings (carboxylate, sulfonate, amidinium), and aromatic nitrogens without hydrogen or charge.

    Args:
        mol: parsed molecule; not modified.

    Returns:
        The sanitised molecule and one sentence for each repair.

    Raises:
        InputError: something is wrong that has no clear repair (no file name in the message).
    """
    notes: list[str] = []
    mol = Chem.Mol(mol)
    for bond in mol.GetBonds():
        if bond.GetBondType() == Chem.BondType.AROMATIC:  # not every parser flags the atoms too
            bond.SetIsAromatic(True)
            bond.GetBeginAtom().SetIsAromatic(True)
            bond.GetEndAtom().SetIsAromatic(True)
    with rdBase.BlockLogs():
        for _ in range(MAX_REPAIRS):
            problems = Chem.DetectChemistryProblems(mol)
            if not problems:
                break
            problem = min(problems, key=lambda problem: _urgency(mol, problem))
            repaired = _repair(mol, problem)
            if repaired is None:
                raise InputError(f"{problem.Message().strip()}; correct the drawing of this atom")
            mol, note = repaired
            notes.append(note)
        try:
            Chem.SanitizeMol(mol)
        except (Chem.MolSanitizeException, RuntimeError) as error:
            raise InputError(f"{str(error).strip().splitlines()[0]}; correct the structure") from None
    return mol, tuple(notes)


def largest_fragment(mol: Chem.Mol) -> tuple[Chem.Mol, tuple[str, ...]]:
    """Drop all but the fragment with the most heavy atoms (ties: the first), keeping order, names and tags.

    Returns:
        The molecule and a sentence naming what was dropped, if anything was.
    """
    fragments = Chem.GetMolFrags(mol)
    if len(fragments) <= 1:
        return mol, ()
    sizes = [sum(mol.GetAtomWithIdx(i).GetAtomicNum() > 1 for i in fragment) for fragment in fragments]
    kept = set(fragments[sizes.index(max(sizes))])
    dropped = Counter(_formula(mol, fragment) for fragment in fragments if fragment[0] not in kept)
    editable = Chem.RWMol(mol)
    editable.BeginBatchEdit()
    for idx in range(mol.GetNumAtoms()):
        if idx not in kept:
            editable.RemoveAtom(idx)
    editable.CommitBatchEdit()
    what = ", ".join(f"{count} x {formula}" if count > 1 else formula for formula, count in dropped.items())
    return editable.GetMol(), (f"{len(fragments)} fragments: kept the largest, dropped {what}",)


def _formula(mol: Chem.Mol, fragment: tuple[int, ...]) -> str:
    smiles = Chem.MolFragmentToSmiles(mol, fragment)
    piece = Chem.MolFromSmiles(smiles, sanitize=False)
    piece.UpdatePropertyCache(strict=False)
    return str(rdMolDescriptors.CalcMolFormula(piece))


def _urgency(mol: Chem.Mol, problem: Any) -> int:
    """Over-valent centres first: redrawing an amidine's carbon also mends its nitrogens, which look over-valent too."""
    if problem.GetType() != "AtomValenceException":
        return 2
    return 0 if mol.GetAtomWithIdx(problem.GetAtomIdx()).GetSymbol() in ("C", "P", "S") else 1


def _repair(mol: Chem.Mol, problem: Any) -> Repair | None:
    kind = problem.GetType()
    if kind == "AtomValenceException":
        return _repair_valence(Chem.RWMol(mol), problem.GetAtomIdx())
    if kind == "AtomKekulizeException":
        return _repair_chain_aromaticity(Chem.RWMol(mol), problem.GetAtomIdx())
    if kind == "KekulizeException":
        return _repair_ring_nitrogens(mol, list(problem.GetAtomIndices()))
    return None


def _repair_valence(mol: Chem.RWMol, idx: int) -> Repair | None:
    """Mend an atom with one bond too many by the charge or bond order it must have had."""
    atom = mol.GetAtomWithIdx(idx)
    label = f"atom {idx + 1} ({atom.GetSymbol()})"
    valence = sum(bond.GetBondTypeAsDouble() for bond in atom.GetBonds()) + atom.GetNumExplicitHs()
    charge = atom.GetFormalCharge()
    if atom.GetSymbol() in ("C", "P", "S"):
        return _repair_delocalised(mol, atom, label)
    if charge == -1 and atom.GetSymbol() in ("N", "O"):
        atom.SetFormalCharge(0)
        return mol.GetMol(), f"{label}: superfluous negative charge removed"
    missing = {("N", 4): 1, ("O", 3): 1, ("B", 4): -1}.get((atom.GetSymbol(), round(valence)))
    if charge or missing is None:
        return None
    atom.SetFormalCharge(missing)
    return mol.GetMol(), f"{label}: charge {missing:+d} added"


def _repair_delocalised(mol: Chem.RWMol, centre: Chem.Atom, label: str) -> Repair | None:
    """Redraw a carboxylate, phosphate, sulfonate or amidinium whose equal bonds were all drawn double."""
    doubles = [n for n in centre.GetNeighbors() if _order(mol, centre, n) == 2]
    oxygens = [n for n in doubles if n.GetSymbol() in ("O", "S") and n.GetDegree() == 1]
    nitrogens = [n for n in doubles if n.GetSymbol() == "N"]
    num_kept = _num_double(centre)
    if len(oxygens) > num_kept:
        for oxygen in oxygens[num_kept:]:
            mol.GetBondBetweenAtoms(centre.GetIdx(), oxygen.GetIdx()).SetBondType(Chem.BondType.SINGLE)
            oxygen.SetFormalCharge(-1)
        centre.SetFormalCharge(0)
        return mol.GetMol(), f"{label}: {len(oxygens)} double bonds to oxygen redrawn with negative charges"
    if len(nitrogens) > 1 and centre.GetSymbol() == "C":
        for nitrogen in nitrogens[1:]:
            mol.GetBondBetweenAtoms(centre.GetIdx(), nitrogen.GetIdx()).SetBondType(Chem.BondType.SINGLE)
        centre.SetFormalCharge(0)
        return mol.GetMol(), f"{label}: {len(nitrogens)} double bonds to nitrogen redrawn as an amidine"
    return None


def _repair_chain_aromaticity(mol: Chem.RWMol, idx: int) -> Repair | None:
    """Give aromatic bonds outside rings (as for carboxylates) alternating orders and charges."""
    Chem.FastFindRings(mol)
    flagged = mol.GetAtomWithIdx(idx)
    for centre in (flagged, *flagged.GetNeighbors()):
        ends = [n for n in _terminal(centre) if _order(mol, centre, n) == 1.5]
        if not ends:
            continue
        in_ring = centre.IsInRing() and any(b.IsInRing() and b.GetIsAromatic() for b in centre.GetBonds())
        num_double = min(_num_double(centre), len(ends))
        for rank, end in enumerate(ends):
            bond = mol.GetBondBetweenAtoms(centre.GetIdx(), end.GetIdx())
            bond.SetIsAromatic(False)
            end.SetIsAromatic(False)
            bond.SetBondType(Chem.BondType.DOUBLE if rank < num_double else Chem.BondType.SINGLE)
            if end.GetSymbol() in ("O", "S") and rank >= num_double and not _has_hydrogen(end):
                end.SetFormalCharge(-1)
            if end.GetSymbol() == "N" and rank < num_double and len(ends) > 1:
                end.SetFormalCharge(1)
        if not in_ring:
            centre.SetIsAromatic(False)
        return (
            mol.GetMol(),
            f"atom {centre.GetIdx() + 1} ({centre.GetSymbol()}): aromatic bonds to its ends redrawn",
        )
    return None


def _num_double(centre: Chem.Atom) -> int:
    """Double bonds among a centre's delocalised terminal bonds: two for sulfur, else one."""
    return 2 if centre.GetSymbol() == "S" else 1


def _repair_ring_nitrogens(mol: Chem.Mol, ring: list[int]) -> Repair | None:
    """Find the fewest aromatic nitrogens (one or two) that lack a hydrogen or a charge for the ring to be aromatic."""
    nitrogens = [
        atom.GetIdx()
        for atom in map(mol.GetAtomWithIdx, _aromatic_system(mol, ring))
        if atom.GetSymbol() == "N" and atom.GetFormalCharge() == 0 and atom.GetNumExplicitHs() == 0
    ][:MAX_RING_NITROGENS]
    before = sum(len(problem.GetAtomIndices()) for problem in _kekule_problems(mol))
    for changed in itertools.chain(itertools.combinations(nitrogens, 1), itertools.combinations(nitrogens, 2)):
        trial = Chem.RWMol(mol)
        notes = [_complete_nitrogen(trial.GetAtomWithIdx(idx)) for idx in changed]
        if sum(len(problem.GetAtomIndices()) for problem in _kekule_problems(trial)) < before:
            return trial.GetMol(), "; ".join(notes)
    return None


def _aromatic_system(mol: Chem.Mol, atoms: list[int]) -> list[int]:
    """Atoms joined to the given ones by aromatic bonds, those included, ascending."""
    seen, stack = set(atoms), list(atoms)
    while stack:
        for bond in mol.GetAtomWithIdx(stack.pop()).GetBonds():
            ends = {bond.GetBeginAtomIdx(), bond.GetEndAtomIdx()} - seen if bond.GetIsAromatic() else set()
            seen |= ends
            stack += ends
    return sorted(seen)


def _kekule_problems(mol: Chem.Mol) -> list[Any]:
    return [problem for problem in Chem.DetectChemistryProblems(mol) if problem.GetType() == "KekulizeException"]


def _complete_nitrogen(atom: Chem.Atom) -> str:
    """Give an aromatic nitrogen what it may lack: a charge, or a hydrogen if the file leaves hydrogens out."""
    label = f"aromatic atom {atom.GetIdx() + 1} (N)"
    if atom.GetDegree() > 2:
        atom.SetFormalCharge(1)
        return f"{label}: charge +1 added"
    if atom.GetNoImplicit():
        atom.SetFormalCharge(-1)
        return f"{label}: charge -1 added"
    atom.SetNumExplicitHs(1)
    return f"{label}: hydrogen added"


def _terminal(atom: Chem.Atom) -> list[Chem.Atom]:
    """Neighbours with no further heavy neighbour."""
    return [
        n
        for n in atom.GetNeighbors()
        if n.GetAtomicNum() > 1 and sum(m.GetAtomicNum() > 1 for m in n.GetNeighbors()) == 1
    ]


def _order(mol: Chem.Mol, a: Chem.Atom, b: Chem.Atom) -> float:
    return float(mol.GetBondBetweenAtoms(a.GetIdx(), b.GetIdx()).GetBondTypeAsDouble())


def _has_hydrogen(atom: Chem.Atom) -> bool:
    return atom.GetNumExplicitHs() > 0 or any(n.GetAtomicNum() == 1 for n in atom.GetNeighbors())
