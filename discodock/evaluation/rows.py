"""Rows of `per_complex.csv`: what is known of each complex after its redocking, and how it is read back."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from typing import Any, Final

import numpy as np

from discodock.chem.ligand import heavy_indices, heavy_molecule
from discodock.chem.ligand_features import torsion_topology
from discodock.data.crystal import CrystalComplex
from discodock.evaluation.copies import crystal_copies
from discodock.evaluation.metrics import SUCCESS_RMSD, RedockingResult
from discodock.evaluation.rmsd import ligand_rmsd
from discodock.evaluation.sources import PredictedPoses

COLUMNS: Final = (
    "id", "split", "cluster", "is_seen", "status", "message", "num_ligand_atoms", "num_torsions", "num_residues",
    "top1_rmsd", "top5_rmsd", "oracle_rmsd", "centroid_top1", "sample_lt2", "is_exact_rmsd", "pb_valid",
    "pb_failed_checks", "stereo_ok", "seconds", "cpu_seconds", "rmsds", "valid", "probs", "confidences",
    "site_distances", "latent_code", "num_copies", "copy_rmsds", "copy_site_distances", "fingerprint",
)  # fmt: skip
"""Columns of `per_complex.csv`. `pb_valid`, `pb_failed_checks` and `stereo_ok` are the best-ranked pose's; `rmsds`,
`valid` (1 or 0), `probs` and `confidences` (of the confidence model alone) have every pose's, best-ranked first, so
that any metric can be had later. In blind mode `site_distances` has those of the sites' centres from the crystal
centroid, most probable first; `num_copies` counts the site's copies in like chains, itself among them, and the columns
after it measure from the nearest one."""


def complex_values(crystal: CrystalComplex, predicted: PredictedPoses, *, blind: bool = False) -> dict[str, Any]:
    """Everything about a complex and its poses that goes into a row; copies of the site, if docked blindly."""
    mol, poses = crystal.ligand.mol, predicted.pos
    rmsd = ligand_rmsd(mol, crystal.crystal_pos, poses)
    values = rmsd.values
    return {
        "num_ligand_atoms": len(heavy_indices(mol)),
        "num_torsions": len(torsion_topology(heavy_molecule(mol)).tor_bond),
        "num_residues": len(crystal.receptor.residues),
        "top1_rmsd": f"{values[0]:.3f}",
        "top5_rmsd": f"{values[:5].min():.3f}",
        "oracle_rmsd": f"{values.min():.3f}",
        "centroid_top1": f"{np.linalg.norm((poses[0] - crystal.crystal_pos).mean(axis=0)):.3f}",
        "sample_lt2": f"{(values < SUCCESS_RMSD).mean():.4f}",
        "is_exact_rmsd": rmsd.is_exact,
        "rmsds": _formatted(values),
        **_judgement(predicted),
        **_site_values(crystal, predicted),
        **(_copy_values(crystal, predicted, values) if blind else {}),
    }


def failure_values(message: str) -> dict[str, Any]:
    """What goes into the row of a complex without poses."""
    return {"status": "failed", "message": " ".join(message.split())}


def redocking_of(row: Mapping[str, str]) -> RedockingResult:
    """What the metrics need, from a row."""
    rmsds = _numbers(row.get("rmsds"))
    return RedockingResult(
        id=row["id"],
        rmsds=rmsds,
        centroid_distance=float(row["centroid_top1"]) if rmsds else math.inf,
        seconds=float(row.get("seconds") or "nan"),
        cluster=row.get("cluster", ""),
        site_distances=_numbers(row.get("site_distances")),
        copy_rmsds=_numbers(row.get("copy_rmsds")),
        copy_site_distances=_numbers(row.get("copy_site_distances")),
        cpu_seconds=float(row.get("cpu_seconds") or "nan"),
        valid=tuple(value == 1 for value in _numbers(row.get("valid"))),
        probs=_numbers(row.get("probs")),
        confidences=_numbers(row.get("confidences")),
        num_atoms=int(row["num_ligand_atoms"]) if row.get("num_ligand_atoms") else None,
        num_torsions=int(row["num_torsions"]) if row.get("num_torsions") else None,
        is_seen=row["is_seen"] == "true" if row.get("is_seen") else None,
    )


def _judgement(predicted: PredictedPoses) -> dict[str, Any]:
    values: dict[str, Any] = {
        "probs": _words(f"{prob:.4f}" for prob in predicted.probs),
        "confidences": _formatted(predicted.confidences),
    }
    if predicted.stereo_ok:
        values["stereo_ok"] = predicted.stereo_ok[0]
    if predicted.validity:
        values |= {
            "pb_valid": predicted.validity[0].is_valid,
            "pb_failed_checks": ";".join(predicted.validity[0].failed),
            "valid": _words(str(int(validity.is_valid)) for validity in predicted.validity),
        }
    return values


def _site_values(crystal: CrystalComplex, predicted: PredictedPoses) -> dict[str, Any]:
    """How far the sites that were found are from the crystal ligand's centroid."""
    if predicted.site_centers is None:
        return {}
    distances = np.linalg.norm(predicted.site_centers - crystal.crystal_pos.mean(axis=0), axis=1)
    return {"site_distances": _formatted(distances), "latent_code": predicted.code}


def _copy_values(crystal: CrystalComplex, predicted: PredictedPoses, rmsds: np.ndarray) -> dict[str, Any]:
    """The same measures from whichever copy of the site is nearest; `rmsds` are those from the crystal pose."""
    copies = crystal_copies(crystal.receptor, crystal.crystal_pos)
    further = [ligand_rmsd(crystal.ligand.mol, copy, predicted.pos).values for copy in copies[1:]]
    values = {"num_copies": len(copies), "copy_rmsds": _formatted(np.min([rmsds, *further], axis=0))}
    if predicted.site_centers is not None:
        away = np.linalg.norm(predicted.site_centers[:, None] - copies.mean(axis=1), axis=2).min(axis=1)
        values["copy_site_distances"] = _formatted(away)
    return values


def _formatted(values: Iterable[float]) -> str:
    return _words(f"{value:.3f}" for value in values)


def _words(values: Any) -> str:
    return " ".join(values)


def _numbers(text: str | None) -> tuple[float, ...]:
    return tuple(float(word) for word in (text or "").split())
