"""A PyMOL script for a result folder."""

from __future__ import annotations

from typing import Final

from discodock.chem.complex_file import LIGAND_NAME
from discodock.chem.view import CONTACT_DISTANCE
from discodock.inference.outputs import BEST_FILE, COMPLEX_FILE, POSES_FILE, PYMOL_FILE, SIDE_CHAINS_FILE


def pymol_script(ligand_chain: str, *, moves: bool) -> str:
    """Text of `view.pml`: protein as cartoon, the residues around the best pose as labelled sticks, poses as states.

    Nothing of the input but the chain's name goes into it, as PyMOL scripts can run code.

    Args:
        ligand_chain: chain of the ligand in the complex file, one letter or digit.
        moves: whether there is a file of the residues that moved with each pose.
    """
    assert ligand_chain.isalnum() and len(ligand_chain) == 1
    moved = _MOVED if moves else ""
    return f"""\
# Open in the folder that it lies in: pymol {PYMOL_FILE}
load {COMPLEX_FILE}, receptor
remove receptor and chain {ligand_chain} and resn {LIGAND_NAME}
load {BEST_FILE}, best
load {POSES_FILE}, poses
bg_color white
hide everything
set cartoon_transparency, 0.15
show cartoon, receptor
color gray80, receptor
show sticks, receptor and hetatm
show spheres, receptor and metals
set sphere_scale, 0.4
select pocket, byres (receptor within {CONTACT_DISTANCE:g} of best)
show sticks, pocket
color lightorange, pocket and elem C
util.cnc("receptor and (pocket or hetatm)")
set label_size, 14
set label_color, gray30
label pocket and name CA, "%s%s" % (resn, resi)
set stick_radius, 0.15
show sticks, best
color teal, best and elem C
util.cnc("best")
# all poses, best first: the arrows of the movie panel step through them, `set all_states, on` shows all at once
show lines, poses
color gray50, poses and elem C
util.cnc("poses")
{moved}hide (hydro and neighbor elem C)
deselect
orient best
zoom best, 8
"""


_MOVED: Final = f"""\
# side chains that moved, in the same states as the poses
load {SIDE_CHAINS_FILE}, side_chains
show lines, side_chains
color lightorange, side_chains and elem C
util.cnc("side_chains")
"""
