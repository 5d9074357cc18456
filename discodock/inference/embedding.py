"""Embeddings of a receptor's residues for networks that were trained with them."""

from __future__ import annotations

from functools import lru_cache

from discodock.chem.protein import Receptor
from discodock.chem.sequences import chain_sequences
from discodock.data.batch import Arrays
from discodock.data.embeddings import ResidueChains
from discodock.data.esm import EsmEmbedder
from discodock.errors import CheckpointError
from discodock.inference.network import DockingNetwork
from discodock.models.residue_config import ResidueScoreModelConfig


def embedding_arrays(network: DockingNetwork, receptor: Receptor) -> Arrays:
    """`residue_embedding` (N, E) as the network read it in training; nothing for networks that read none.

    Raises:
        ConfigError, InputError: the language model is not installed, or its weights are not here.
        CheckpointError: it is not the model that the network was trained with.
    """
    config = network.score_model.config
    size = config.embedding_size if isinstance(config, ResidueScoreModelConfig) else 0
    if size == 0:
        return {}
    embedder = _embedder(str(network.info.get("esm")), str(network.device))
    if embedder.size != size:
        raise CheckpointError(
            f"{network.path}: reads embeddings of {size} channels, {embedder.model} has {embedder.size}; train it again"
        )
    chains = chain_sequences(receptor)
    residues = ResidueChains(chains.sequences, chains.chain, chains.position, key="")
    return {"residue_embedding": residues.gather((embedder.embed(each) for each in chains.sequences), size)}


@lru_cache(maxsize=1)
def _embedder(model: str, device: str) -> EsmEmbedder:
    return EsmEmbedder(model, device)
