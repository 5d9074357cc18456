"""What a molecule leaves open of its stereochemistry: centres and double bonds without a hand, groups of forms."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

from rdkit import Chem, rdBase
from rdkit.Chem import rdDistGeom

NUM_FORMS: Final = 12
"""Embeddings of a cage in which a second form is looked for; of two equally likely forms one is missed once in 2048."""

FORMS_SEED: Final = 11
FORM_TRIES: Final = 30

ORIGIN: Final = "_discodock_origin"
"""Atom property of a cage: the atom's index in the molecule that it was cut out of."""

GROUPS: Final = {
    Chem.StereoGroupType.STEREO_AND: "AND group ({}): one form of a racemate is docked, the one drawn",
    Chem.StereoGroupType.STEREO_OR: "OR group ({}): one of the possible forms is docked, the one drawn",
}


def undefined_stereo(mol: Chem.Mol) -> tuple[str, ...]:
    """Stereocentres and double bonds that the molecule leaves open, as 'atom 5 (C)' or 'bond 3=4', counted from 1.

    A centre of a cage, where rings share atoms, is open only if the cage can be built in more than one form and the
    centre is one in these: bridgeheads of adamantane or cubane, which the graph alone leaves open, have no choice.
    """
    potential = [
        info
        for info in Chem.FindPotentialStereo(Chem.Mol(mol), cleanIt=False)
        if info.specified != Chem.StereoSpecified.Specified
    ]
    atoms = [info.centeredOn for info in potential if info.type == Chem.StereoType.Atom_Tetrahedral]
    fixed = _centres_without_choice(mol, atoms)
    found = []
    for info in potential:
        if info.type == Chem.StereoType.Atom_Tetrahedral:
            atom = mol.GetAtomWithIdx(info.centeredOn)
            if info.centeredOn not in fixed and not _is_amine(atom) and not _is_oxo_acid(atom):
                found.append(atom_label(atom))
        elif info.type == Chem.StereoType.Bond_Double:
            bond = mol.GetBondWithIdx(info.centeredOn)
            if not (_is_bare_imine(bond) or _is_cumulated(bond)):
                found.append(f"bond {bond.GetBeginAtomIdx() + 1}={bond.GetEndAtomIdx() + 1}")
    return tuple(found)


def form_groups(mol: Chem.Mol) -> tuple[str, ...]:
    """A sentence for each group of centres of which a file says that they stand for more than the form drawn."""
    return tuple(
        GROUPS[group.GetGroupType()].format(", ".join(map(atom_label, group.GetAtoms())))
        for group in mol.GetStereoGroups()
        if group.GetGroupType() in GROUPS
    )


def atom_label(atom: Chem.Atom) -> str:
    """An atom in messages, counted from 1, such as 'atom 5 (C)'."""
    return f"atom {atom.GetIdx() + 1} ({atom.GetSymbol()})"


def _is_amine(atom: Chem.Atom) -> bool:
    """Whether a nitrogen turns over or, at a bridgehead, follows its ring; one with four neighbours does neither."""
    return atom.GetAtomicNum() == 7 and (atom.GetFormalCharge() == 0 or atom.GetTotalNumHs(includeNeighbors=True) > 0)


def _is_oxo_acid(atom: Chem.Atom) -> bool:
    """Whether terminal oxygens, =O and -OH or -O(-), make two hands one, as a proton goes from one to the other."""
    terminal = [other for other in atom.GetNeighbors() if other.GetSymbol() == "O" and _is_terminal(other)]
    return atom.GetAtomicNum() > 10 and len(terminal) > 1


def _is_terminal(atom: Chem.Atom) -> bool:
    return sum(neighbor.GetAtomicNum() > 1 for neighbor in atom.GetNeighbors()) == 1


def _centres_without_choice(mol: Chem.Mol, centres: Sequence[int]) -> set[int]:
    """Those of the centres left open that lie in a cage, and of which the cage can be built in one form only."""
    without: set[int] = set()
    for system in _ring_systems(mol) if centres else ():
        inside = system.intersection(centres)
        is_cage = any(sum(bond.IsInRing() for bond in mol.GetAtomWithIdx(idx).GetBonds()) > 2 for idx in system)
        if inside and is_cage:
            without |= inside - _open_centres(_cage(mol, system), inside)
    return without


def _ring_systems(mol: Chem.Mol) -> list[set[int]]:
    """Rings that share bonds, as one system of atoms each."""
    systems: list[set[int]] = []
    for ring in map(set, mol.GetRingInfo().AtomRings()):
        touching = [system for system in systems if len(system & ring) > 1]
        systems = [system for system in systems if len(system & ring) <= 1] + [ring.union(*touching)]
    return systems


def _cage(mol: Chem.Mol, system: set[int]) -> Chem.Mol:
    """A ring system alone, its substituents cut to one atom each; isotopes keep different ones apart."""
    ranks = list(Chem.CanonicalRankAtoms(mol, breakTies=False, includeChirality=True))
    cage = Chem.RWMol(mol)
    cage.RemoveAllConformers()
    cage.BeginBatchEdit()
    for atom in cage.GetAtoms():
        idx = atom.GetIdx()
        atom.SetIntProp(ORIGIN, idx)
        if idx in system:
            continue
        bonds = [bond for bond in atom.GetBonds() if bond.GetOtherAtomIdx(idx) in system]
        if not bonds:
            cage.RemoveAtom(idx)
            continue
        atom.SetIsotope(ranks[idx] + 1)
        for what, value in (("AtomicNum", 6), ("FormalCharge", 0), ("NumExplicitHs", 0), ("NumRadicalElectrons", 0)):
            getattr(atom, f"Set{what}")(value)
        atom.SetNoImplicit(False)
        atom.SetIsAromatic(False)
        atom.SetChiralTag(Chem.ChiralType.CHI_UNSPECIFIED)
    cage.CommitBatchEdit()
    return cage.GetMol()


def _open_centres(cage: Chem.Mol, centres: set[int]) -> set[int]:
    """Those of the centres that tell apart the forms in which a cage can be built; all where none can be built."""
    params: Any = rdDistGeom.EmbedParameters()
    params.useRandomCoords = True
    params.maxIterations = FORM_TRIES
    forms: dict[str, set[int]] = {}
    with rdBase.BlockLogs():
        if Chem.SanitizeMol(cage, catchErrors=True) != Chem.SanitizeFlags.SANITIZE_NONE:
            return centres
        full = Chem.AddHs(cage)
        has_mirror = not any(atom.GetChiralTag() for atom in cage.GetAtoms())
        for number in range(NUM_FORMS):
            params.randomSeed = FORMS_SEED + number
            if rdDistGeom.EmbedMolecule(full, params) == 0:
                forms |= _forms_shown(full, with_mirror=has_mirror)
            if len(forms) > 1:
                return centres & set().union(*forms.values())
    return set() if forms else centres


def _forms_shown(full: Chem.Mol, *, with_mirror: bool) -> dict[str, set[int]]:
    """The form of a conformer and its centres, and those of its mirror image, which exists where no centre is set."""
    forms = {}
    for mirrored in (False, True) if with_mirror else (False,):
        shown = Chem.Mol(full)
        if mirrored:
            shown.GetConformer().SetPositions(-full.GetConformer().GetPositions())
        Chem.AssignStereochemistryFrom3D(shown, replaceExistingTags=True)
        shown = Chem.RemoveHs(shown)
        centres = {atom.GetIntProp(ORIGIN) for atom in shown.GetAtoms() if atom.GetChiralTag()}
        forms[str(Chem.MolToSmiles(shown))] = centres
    return forms


def _is_cumulated(bond: Chem.Bond) -> bool:
    """Whether an end is linear, with a second double bond (allenes, azides, isocyanates): it has no two sides."""
    return any(
        atom.GetAtomicNum() in (6, 7) and sum(b.GetBondType() == Chem.BondType.DOUBLE for b in atom.GetBonds()) > 1
        for atom in (bond.GetBeginAtom(), bond.GetEndAtom())
    )


def _is_bare_imine(bond: Chem.Bond) -> bool:
    """Whether one end is =NH with an implicit hydrogen, whose side nobody draws."""
    ends = (bond.GetBeginAtom(), bond.GetEndAtom())
    return any(atom.GetDegree() == 1 and atom.GetAtomicNum() == 7 for atom in ends)
