"""MMFF94 of one molecule as OpenMM forces.

Halgren 1996, doi 10.1002/(SICI)1096-987X(199604)17:5/6<490::AID-JCC1>3.0.CO;2-P, equations 2 to 8 and 13. OpenMM counts
in nm and kJ/mol, MMFF94 in Å and kcal/mol; the expressions convert.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import numpy as np

if TYPE_CHECKING:
    import openmm

BOND: Final = "4.184*71.96625*k*d^2*(1-2*d+7/3*d^2); d=10*(r-r0)"
ANGLE: Final = "4.184*0.021922*k*t^2*(1-0.006981317*t); t=57.29577951308232*theta-t0"
LINEAR_ANGLE: Final = "4.184*143.9325*k*(1+cos(theta))"
STRETCH_BEND: Final = (
    "4.184*2.5121*(ka*(10*distance(p1,p2)-ra)+kb*(10*distance(p3,p2)-rb))*(57.29577951308232*angle(p1,p2,p3)-t0)"
)
OUT_OF_PLANE: Final = (
    "4.184*0.021922*k*(57.29577951308232*asin(s))^2; s=sin(angle(p4,p2,p1))*sin(dihedral(p4,p2,p1,p3))"
)
TORSION: Final = "4.184*0.5*(v1*(1+cos(theta))+v2*(1-cos(2*theta))+v3*(1+cos(3*theta)))"
NONBONDED: Final = (
    "4.184*(depth*(1.07*size/(d+0.07*size))^7*(1.12*size^7/(d^7+0.12*size^7)-2)+332.0716*qq/(d+0.05)); d=10*r"
)


def mmff_forces(arrays: dict[str, np.ndarray], first: int = 0, dielectric: float = 1.0) -> list[openmm.Force]:
    """Bond, angle, stretch-bend, out-of-plane, torsion, buffered 14-7 and buffered Coulomb forces.

    Args:
        arrays: parameters of MMFF94, from `chem.mmff.mmff_arrays`.
        first: number of the molecule's first particle in the system.
        dielectric: constant that divides the electrostatics.
    """
    import openmm

    bond = openmm.CustomBondForce(BOND)
    angle, linear = openmm.CustomAngleForce(ANGLE), openmm.CustomAngleForce(LINEAR_ANGLE)
    stretch_bend = openmm.CustomCompoundBondForce(3, STRETCH_BEND)
    out_of_plane = openmm.CustomCompoundBondForce(4, OUT_OF_PLANE)
    torsion, nonbonded = openmm.CustomTorsionForce(TORSION), openmm.CustomBondForce(NONBONDED)
    for add, names in (
        (bond.addPerBondParameter, ("k", "r0")),
        (angle.addPerAngleParameter, ("k", "t0")),
        (linear.addPerAngleParameter, ("k",)),
        (stretch_bend.addPerBondParameter, ("ka", "kb", "ra", "rb", "t0")),
        (out_of_plane.addPerBondParameter, ("k",)),
        (torsion.addPerTorsionParameter, ("v1", "v2", "v3")),
        (nonbonded.addPerBondParameter, ("size", "depth", "qq")),
    ):
        for name in names:
            add(name)

    for (i, j), (k, length) in _terms(arrays, "bond", first):
        bond.addBond(i, j, [k, length / 10])
    for atoms, (k, degrees, is_linear) in _terms(arrays, "angle", first):
        (linear if is_linear else angle).addAngle(*atoms, [k] if is_linear else [k, degrees])
    for atoms, values in _terms(arrays, "stretch_bend", first):
        stretch_bend.addBond(atoms, values)
    for atoms, values in _terms(arrays, "out_of_plane", first):
        out_of_plane.addBond(atoms, values)
    for atoms, values in _terms(arrays, "torsion", first):
        torsion.addTorsion(*atoms, values)
    for (i, j), (size, depth, charges) in _terms(arrays, "nonbonded", first):
        nonbonded.addBond(i, j, [size, depth, charges / dielectric])
    return [bond, angle, linear, stretch_bend, out_of_plane, torsion, nonbonded]


def _terms(arrays: dict[str, np.ndarray], name: str, first: int) -> list[tuple[list[int], list[float]]]:
    index, value = arrays[f"{name}_index"] + first, arrays[f"{name}_value"]
    return list(zip(index.tolist(), value.tolist(), strict=True))
