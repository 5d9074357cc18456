"""Poses written as the molecule that was read: same atoms, charges, stereo, hydrogens and tags, and proven so."""

from __future__ import annotations

import gzip
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
from rdkit import Chem, rdBase

from discodock.chem.axes import turned_axis
from discodock.chem.hydrogens import place_hydrogens
from discodock.chem.ligand import LigandRecord, heavy_indices
from discodock.chem.records.raw_ligand import ATOM_NAME
from discodock.chem.records.sd_tags import (
    ATOM_NAMES_TAG,
    END_OF_RECORD,
    Tags,
    split_record,
    split_records,
    tag_text,
    with_own_tags,
)
from discodock.chem.stereo import labelled_stereo, perceived_stereo, with_positions
from discodock.errors import InputError
from discodock.files import write_atomically

V2000_LIMIT = 9999.0  # Å: larger coordinates do not fit the columns of a V2000 file

Tag = object
"""Value of an SD tag: text, number or truth value."""


def pose_mol(record: LigandRecord, heavy_pos: np.ndarray) -> Chem.Mol:
    """The input molecule in a pose: everything as read but the coordinates, explicit hydrogens placed.

    Args:
        record: the ligand as read.
        heavy_pos: heavy-atom coordinates in the molecule's order, Å, shape (L, 3).
    """
    return pose_mols(record, np.asarray(heavy_pos)[None])[0]


def pose_mols(record: LigandRecord, poses: np.ndarray) -> list[Chem.Mol]:
    """As `pose_mol`, for heavy-atom poses of shape (N, L, 3)."""
    poses = np.asarray(poses, dtype=np.float64)
    num_heavy = len(heavy_indices(record.mol))
    if poses.ndim != 3 or poses.shape[1:] != (num_heavy, 3):
        raise ValueError(f"poses of shape {poses.shape} for a ligand with {num_heavy} heavy atoms")
    return [with_positions(record.mol, pos) for pos in place_hydrogens(record, poses)]


def write_poses(
    record: LigandRecord, poses: np.ndarray, tags: Sequence[Mapping[str, Tag]], path: Path
) -> list[str | None]:
    """Write poses as SDF, read the text back, and say for each whether it is still the input molecule.

    Args:
        record: the ligand as read.
        poses: heavy-atom coordinates in the molecule's order, Å, shape (N, L, 3).
        tags: SD tags of each pose; an input tag of the same name is kept as `input_<name>`, one of that name as
            `input_input_<name>`, and so on.
        path: `.sdf` or `.sdf.gz`; replaced in one step, so that an interrupted run leaves no half-written file.

    Returns:
        For each pose what `check_chemistry` found on the written text, or the tag that is not the raw text that was
        read; None when all is well.

    Raises:
        InputError: the file cannot be written.
    """
    mols = pose_mols(record, poses)
    wanted = [_all_tags(record, each) for each in tags]
    text = sdf_text(mols, wanted)
    _write_text(path, text)
    found = [split_record(each) for each in split_records(text)]
    return [
        check_chemistry(record.mol, _read_back(block)) or _tag_difference(expected, written)
        for expected, (block, written) in zip(wanted, found, strict=True)
    ]


def poses_text(record: LigandRecord, mols: Sequence[Chem.Mol], tags: Sequence[Mapping[str, Tag]]) -> str:
    """SDF text of poses.

    Args:
        record: the ligand as read.
        mols: molecules in their poses, as `pose_mols` makes them.
        tags: SD tags of each pose, as in `write_poses`.
    """
    return sdf_text(mols, [_all_tags(record, each) for each in tags])


def sdf_text(mols: Sequence[Chem.Mol], tags: Sequence[Tags] | None = None) -> str:
    """SDF text of molecules, in the Kekulé form they were read in; V3000 where V2000 cannot hold them.

    Args:
        mols: molecules with one conformer each, sanitised.
        tags: SD tags of each; None writes none.
    """
    is_v3000 = any(_needs_v3000(mol) for mol in mols)
    records = []
    for number, (mol, own) in enumerate(zip(mols, tags or [()] * len(mols), strict=True), start=1):
        block = Chem.MolToMolBlock(_as_drawn(mol), kekulize=False, forceV3000=is_v3000)
        records.append(f"{block}{tag_text((*own, *_atom_names(mol)), number)}{END_OF_RECORD}\n")
    return "".join(records)


def _all_tags(record: LigandRecord, of_pose: Mapping[str, Tag]) -> Tags:
    return with_own_tags(record.tags, [(name, _tag_text(value)) for name, value in of_pose.items()])


def _atom_names(mol: Chem.Mol) -> Tags:
    """The names of a molecule's atoms as RDKit's property list; nothing if none has a name."""
    if not any(atom.HasProp(ATOM_NAME) for atom in mol.GetAtoms()):
        return ()
    named = Chem.Mol(mol)
    Chem.CreateAtomStringPropertyList(named, ATOM_NAME)
    return ((ATOM_NAMES_TAG, named.GetProp(ATOM_NAMES_TAG)),)


def _read_back(block: str) -> Chem.Mol | None:
    supplier = Chem.SDMolSupplier()
    with rdBase.BlockLogs():
        supplier.SetData(block, removeHs=False)
        return next(supplier, None)


def _write_text(path: Path, text: str) -> None:
    """Write a text file, gzipped for `.gz`.

    Raises:
        InputError: the folder cannot be written to.
    """
    data = text.encode()
    try:
        write_atomically(path, gzip.compress(data, mtime=0) if path.suffix == ".gz" else data)
    except OSError as error:
        raise InputError(f"{path}: cannot be written ({error.strerror}); choose another output folder") from None


def check_chemistry(reference: Chem.Mol, pose: Chem.Mol | None) -> str | None:
    """What of a ligand changed in a pose: None if nothing, else the first difference in words.

    Compared are, atom by atom in order, elements, isotopes, charges, hydrogens and names; then bonds and their orders,
    and the stereo that the pose's coordinates show at every centre the reference defines.

    Args:
        reference: the molecule as read.
        pose: the molecule in the pose, with coordinates; None (unreadable) counts as changed.
    """
    if pose is None:
        return "the pose cannot be read back"
    if reference.GetNumAtoms() != pose.GetNumAtoms():
        return f"{reference.GetNumAtoms()} atoms became {pose.GetNumAtoms()}"
    return (
        _atom_difference(reference, pose)
        or _bond_difference(reference, pose)
        or _coordinate_difference(pose)
        or _stereo_difference(reference, pose)
    )


def _atom_difference(reference: Chem.Mol, pose: Chem.Mol) -> str | None:
    for a, b in zip(reference.GetAtoms(), pose.GetAtoms(), strict=True):
        for what, one, other in (
            ("element", a.GetSymbol(), b.GetSymbol()),
            ("isotope", a.GetIsotope(), b.GetIsotope()),
            ("charge", a.GetFormalCharge(), b.GetFormalCharge()),
            ("hydrogen count", a.GetTotalNumHs(includeNeighbors=True), b.GetTotalNumHs(includeNeighbors=True)),
            ("radical electrons", a.GetNumRadicalElectrons(), b.GetNumRadicalElectrons()),
            ("name", _atom_name(a), _atom_name(b)),
        ):
            if one != other:
                return f"atom {a.GetIdx() + 1}: {what} {one} became {other}"
    return None


def _bond_difference(reference: Chem.Mol, pose: Chem.Mol) -> str | None:
    bonds = [
        {tuple(sorted((b.GetBeginAtomIdx(), b.GetEndAtomIdx()))): str(b.GetBondType()) for b in mol.GetBonds()}
        for mol in (reference, pose)
    ]
    for i, j in sorted(bonds[0].keys() | bonds[1].keys()):
        one, other = (b.get((i, j), "none") for b in bonds)
        if one != other:
            return f"bond {i + 1}-{j + 1}: {one.lower()} became {other.lower()}"
    return None


def _tag_difference(expected: Tags, written: Tags) -> str | None:
    for index, tag in enumerate(expected):
        if index >= len(written) or written[index] != tag:
            return f"SD tag {tag[0]} is lost or changed"
    return None


def _coordinate_difference(pose: Chem.Mol) -> str | None:
    if not pose.GetNumConformers() or not np.isfinite(pose.GetConformer().GetPositions()).all():
        return "the pose has no finite coordinates"
    return None


def _stereo_difference(reference: Chem.Mol, pose: Chem.Mol) -> str | None:
    wanted, pos = labelled_stereo(reference), pose.GetConformer().GetPositions()
    # The reference's graph with the pose's coordinates: same atom and bond order, whatever the file did.
    shown = perceived_stereo(reference, with_positions(reference, pos))
    if shown != wanted:
        return f"stereo: {wanted} became {shown}"
    turned = turned_axis(reference, pos)
    return None if turned is None else f"stereo: {turned.label} has turned over"


def _atom_name(atom: Chem.Atom) -> str:
    return str(atom.GetProp(ATOM_NAME)) if atom.HasProp(ATOM_NAME) else ""


def _tag_text(value: Tag) -> str:
    if isinstance(value, bool | np.bool_):
        return str(bool(value)).lower()
    if isinstance(value, float | np.floating):
        return f"{float(value):.6g}"
    # an empty line would end the tag, and the record with it
    return "\n".join(line for line in str(value).splitlines() if line.strip())


def _as_drawn(mol: Chem.Mol) -> Chem.Mol:
    """A Kekulé form to write: the one that was read, where a file gave one, else RDKit's."""
    drawn = Chem.Mol(mol)
    aromatic = [bond.GetIdx() for bond in mol.GetBonds() if bond.GetIsAromatic()]
    Chem.Kekulize(drawn, clearAromaticFlags=True)
    as_read = {1: Chem.BondType.SINGLE, 2: Chem.BondType.DOUBLE}
    orders = [
        bond.GetPropsAsDict(includePrivate=True).get("_MolFileBondType", 0)
        for bond in (mol.GetBondWithIdx(idx) for idx in aromatic)
    ]
    if all(order in as_read for order in orders):
        for idx, order in zip(aromatic, orders, strict=True):
            drawn.GetBondWithIdx(idx).SetBondType(as_read[order])
    return drawn


def _needs_v3000(mol: Chem.Mol) -> bool:
    return (
        bool(mol.GetStereoGroups())
        or mol.GetNumAtoms() > 999
        or bool(np.abs(mol.GetConformer().GetPositions()).max() > V2000_LIMIT)
    )
