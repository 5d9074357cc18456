#!/usr/bin/env bash
# Dock biotin into streptavidin three times: pocket by a ligand in it, by a point, by residues around it.
set -euo pipefail
cd "$(dirname "$0")/complexes/1stp_BTN"
out=${1:-../../../demo_out/predict}
options=(--protein protein.pdb --ligand ligand.sdf --samples "${SAMPLES:-40}" --out "$out" "${@:2}")

discodock predict "${options[@]}" --name by_ligand --pocket-ligand ligand.sdf
discodock predict "${options[@]}" --name by_center --pocket-center 11.1 1.7 -10.8
discodock predict "${options[@]}" --name by_residues --pocket-residues A:23,A:27,A:43,A:45,A:79,A:88,A:90,A:108,A:128
