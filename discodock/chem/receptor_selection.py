"""Which residues of a structure belong to a receptor."""

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np
from rdkit import Chem

from discodock.chem.receptor import Residue, ResidueAtoms
from discodock.chem.residues import is_additive, is_pseudo_residue, is_water
from discodock.chem.structures.change_log import UNNAMED

ReferenceLigand = Chem.Mol | np.ndarray
"""A ligand whose copy leaves the receptor: a molecule, or heavy-atom positions in Å of shape (L, 3)."""

MIN_COMPOSITION_ATOMS = 6  # smaller molecules share their formula with too many others
HETERO_OVERLAP = 1.0  # Å, between atoms of a hetero group and of the reference ligand to be the same atom
OXIDES = frozenset({"O", "OH", "OX", "OXO", "O2-", "OH-"})
POLYMER_OVERLAP = 0.5  # Å, stricter: a peptide written as ATOM records may be the docked ligand


class ReceptorSelection:
    """The rules by which residues belong to a receptor.

    Args:
        keep: selectors of residues (`Residue.matches`) to keep although a rule would drop them.
        drop: selectors of residues to drop whatever they are.
        reference_ligands: ligands whose copies leave the receptor.
    """

    def __init__(
        self, keep: Sequence[str] = (), drop: Sequence[str] = (), reference_ligands: Iterable[ReferenceLigand] = ()
    ) -> None:
        self.keep, self.drop = keep, drop
        self._references = [_Reference.of(ligand) for ligand in reference_ligands]

    def reason_to_drop(self, residue: Residue, atoms: ResidueAtoms) -> str | None:
        """Why a residue does not belong to the receptor, worded for the log; None if it does."""
        if any(residue.matches(selector) for selector in self.drop):
            return "dropped as asked"
        if any(residue.matches(selector) for selector in self.keep):
            return None
        if is_pseudo_residue(residue.name):
            return "points in space that are no atoms dropped"
        if is_water(residue.name) or _is_lone_oxygen(residue, atoms):
            return UNNAMED
        is_hetero = residue.kind in ("cofactor", "metal") or atoms.is_free
        limit = HETERO_OVERLAP if is_hetero else POLYMER_OVERLAP
        if any(_is_copy(reference, residue, atoms, limit) for reference in self._references):
            return "copy of the ligand dropped (same position)"
        if residue.kind == "cofactor" and any(reference.excludes(atoms) for reference in self._references):
            return "alternative of the ligand dropped"
        if (is_hetero or atoms.molecule) and any(reference.has_composition(atoms) for reference in self._references):
            return "copy of the ligand dropped (same composition)"
        return "crystallisation additives dropped" if is_hetero and is_additive(residue.parent) else None

    def unmatched(self, residues: Sequence[Residue]) -> tuple[str, ...]:
        """One line for each selector that means none of the residues of a structure."""
        return tuple(
            f"nothing to {what}: no residue is {selector!r}"
            for what, selectors in (("keep", self.keep), ("drop", self.drop))
            for selector in selectors
            if not any(residue.matches(selector) for residue in residues)
        )


@dataclass(frozen=True)
class _Reference:
    """What is known of a ligand whose copies leave the receptor."""

    pos: np.ndarray | None
    composition: Counter[str] | None

    @classmethod
    def of(cls, ligand: ReferenceLigand) -> "_Reference":
        if isinstance(ligand, np.ndarray):
            return cls(ligand.reshape(-1, 3), None)
        heavy = [atom for atom in ligand.GetAtoms() if atom.GetAtomicNum() > 1]
        pos = None
        if ligand.GetNumConformers() and ligand.GetConformer().Is3D():
            pos = ligand.GetConformer().GetPositions()[[atom.GetIdx() for atom in heavy]]
        return cls(pos, Counter(atom.GetSymbol() for atom in heavy))

    def overlaps(self, atoms: ResidueAtoms, limit: float) -> bool:
        """Whether at least half of the atoms of any location lie on atoms of the ligand (within `limit`, Å)."""
        return any(self._overlap(np.array(pos), limit) for pos in (atoms.pos, *atoms.locations))

    def _overlap(self, pos: np.ndarray, limit: float) -> bool:
        if self.pos is None or len(self.pos) == 0:
            return False
        if (pos.min(0) > self.pos.max(0) + limit).any() or (pos.max(0) < self.pos.min(0) - limit).any():
            return False
        distance = np.linalg.norm(pos[:, None] - self.pos[None], axis=-1)
        return bool((distance.min(1) < limit).mean() >= 0.5)

    def excludes(self, atoms: ResidueAtoms) -> bool:
        """Whether a group with alternative locations has none that leaves the ligand its place."""
        reference = self.pos
        if reference is None or len(reference) == 0 or not atoms.locations:
            return False
        gaps = [np.linalg.norm(np.array(pos)[:, None] - reference[None], axis=-1).min() for pos in atoms.locations]
        return bool(max(gaps) < HETERO_OVERLAP)

    def may_hold(self, metal: str) -> bool:
        """Whether a metal ion may be the ligand's, rather than one of the protein that the pose came close to."""
        if self.composition is not None:
            return metal in self.composition or self.composition.total() == 1
        return self.pos is not None and len(self.pos) == 1

    def has_composition(self, atoms: ResidueAtoms) -> bool:
        """Whether the atoms, or the molecule that they are a part of, have the ligand's heavy-atom composition."""
        if self.composition is None or self.composition.total() < MIN_COMPOSITION_ATOMS:
            return False
        return Counter(atoms.elements) == self.composition or Counter(atoms.molecule) == self.composition


def _is_copy(reference: _Reference, residue: Residue, atoms: ResidueAtoms, limit: float) -> bool:
    """Whether a residue lies where the ligand does and may be it."""
    is_ion = residue.kind == "metal" and len(atoms.names) == 1
    return reference.overlaps(atoms, limit) and (not is_ion or reference.may_hold(atoms.elements[0]))


def _is_lone_oxygen(residue: Residue, atoms: ResidueAtoms) -> bool:
    """Whether a hetero group is a water under a name of some program's own: one oxygen, and no oxide or hydroxide."""
    return residue.kind == "cofactor" and atoms.elements == ["O"] and residue.name not in OXIDES
