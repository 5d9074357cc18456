"""Where to dock: the pocket that the user gives, or the sites that the site model finds on the whole protein."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np
import torch
from torch import Tensor

from discodock.chem.receptor import Receptor
from discodock.data.batch import Arrays
from discodock.data.crop import receptor_center
from discodock.data.residues import collate_residues, residue_arrays
from discodock.errors import InputError
from discodock.graphs import ReceptorGraph
from discodock.inference.config import DockingConfig
from discodock.inference.network import DockingNetwork
from discodock.inference.pocket import THREE_WAYS, Pocket
from discodock.models.site.distinct import Site, distinct_sites, site_probs
from discodock.models.site.model import SiteModel, SitePrediction

MISSING_POCKET: Final = (
    f"no pocket given, and blind docking needs the site model, which this checkpoint does not have;"
    f" name the pocket by {THREE_WAYS}, or give another --checkpoint"
)


@dataclass(frozen=True)
class DockingSite:
    """A place that samples start from.

    Attributes:
        pocket: centre of the site, and the radius within which a pose counts as in it.
        prob: probability of the site by the site model; 1 for a pocket that the user gave.
        residue: the residue that the site code points at, such as "A:ASP86"; empty without a site model.
    """

    pocket: Pocket
    prob: float
    residue: str

    @property
    def code(self) -> str:
        """The site's part of `latent_code`."""
        return f"site={self.residue}" if self.residue else ""


def choose_sites(
    network: DockingNetwork, arrays: Arrays, receptor: Receptor, pocket: Pocket | None, config: DockingConfig
) -> tuple[DockingSite, ...]:
    """The sites to dock into, most probable first.

    A pocket takes the place of the predicted centres, and restricts the site code: to residues with their centroid or
    their predicted ligand centre within its radius, without exception.

    Args:
        network: the network, from `load_network`.
        arrays: receptor and ligand, not cropped.
        receptor: the same, for the names of its residues.
        pocket: the user's; None searches the whole protein.
        config: settings of docking; those of sites and the radius of their pockets are used.

    Raises:
        InputError: no pocket is given, and the network neither has a site model nor searches whole receptors.
    """
    model = network.site_model
    is_known = pocket is not None and not config.sites.name_pocket
    if model is None or network.whole_receptor or is_known:
        if pocket is None and not network.whole_receptor:
            raise InputError(MISSING_POCKET)
        return (DockingSite(pocket or whole_receptor(arrays, config.pocket_radius), 1.0, ""),)
    prediction, centroid = _predict(model, arrays, network.device)
    allowed = None if pocket is None else residues_in_pocket(prediction, centroid, pocket)
    if allowed is not None and not allowed.any():
        assert pocket is not None
        return (DockingSite(pocket, 1.0, ""),)
    probs = site_probs(prediction, config.sites.code, allowed)[0]
    if pocket is not None:
        return (DockingSite(pocket, 1.0, receptor.residues[int(probs.argmax())].label),)
    sites = distinct_sites(probs, prediction.center[0], max_sites=config.sites.max_sites)
    return tuple(_named(site, receptor, config.pocket_radius) for site in sites)


def whole_receptor(arrays: Arrays, margin: float) -> Pocket:
    """Everywhere within reach of a receptor and `margin` (Å) beyond, for networks that search it by diffusion alone."""
    center = receptor_center(arrays)
    reach = np.linalg.norm(arrays["receptor_pos"] - center, axis=1).max()
    return Pocket(center, float(reach) + margin, "whole receptor")


def residues_in_pocket(prediction: SitePrediction, centroid: Tensor, pocket: Pocket) -> Tensor:
    """Residues that the site code may point at in a pocket, bool, shape (1, N); `centroid` has shape (1, N, 3)."""
    center = torch.from_numpy(pocket.center).to(centroid)
    near = [(place - center).norm(dim=-1) <= pocket.radius for place in (centroid, prediction.center)]
    return (near[0] | near[1]) & prediction.mask


def _predict(model: SiteModel, arrays: Arrays, device: torch.device) -> tuple[SitePrediction, Tensor]:
    """The prediction for one complex, and the centroids of its residues, shape (1, N, 3)."""

    def encode(atoms: ReceptorGraph) -> tuple[Tensor, Tensor]:
        return model.encode_receptor(atoms.to(device))

    with torch.inference_mode():
        batch = collate_residues([arrays | residue_arrays(arrays, encode)]).to(device)
        return model(batch.residues, batch.ligand), batch.residues.pos


def _named(site: Site, receptor: Receptor, radius: float) -> DockingSite:
    residue = receptor.residues[site.residue_idx].label
    center = site.center.cpu().numpy().astype(np.float64)
    return DockingSite(Pocket(center, radius, f"site {residue}, {site.prob:.0%}"), site.prob, residue)
