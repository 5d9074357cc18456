"""Embeddings of residues by ESM-2 protein language models, through the optional package `transformers`.

Source: Lin et al. 2023, Science 379, 1123; DiffDock reads the 33-layer model of 650 million parameters.
"""

from __future__ import annotations

import hashlib
import math
from typing import Any, Final

import numpy as np
import torch

from discodock.errors import ConfigError, InputError

WINDOW: Final = 1022
"""Residues that ESM-2 was trained to see at once, beside the marks of both ends."""


class EsmEmbedder:
    """A loaded language model.

    Attributes:
        model: name or folder that it came from.
        size: channels of its embeddings.
        key: hash of everything that an embedding depends on beside the sequence.
    """

    def __init__(self, model: str, device: str = "cpu") -> None:
        self.model, self.device = model, torch.device(device)
        self.tokenizer, self.network = _load(model)
        self.network.eval().requires_grad_(False).to(self.device)
        config = self.network.config
        self.size = int(config.hidden_size)
        self.window = min(WINDOW, int(config.max_position_embeddings) - 4)  # both ends, and two that HF counts apart
        text = f"{model}/{config.num_hidden_layers}/{config.hidden_size}/{self.window}"
        self.key = hashlib.blake2b(text.encode(), digest_size=8).hexdigest()

    @torch.inference_mode()
    def embed(self, sequence: str) -> np.ndarray:
        """Embeddings of a chain's residues, last layer, float32, shape (len(sequence), size).

        A chain longer than the window is read in overlapping windows; each residue takes the embedding of the window
        in whose middle it lies best.
        """
        starts = window_starts(len(sequence), self.window)
        pieces = [self._embed_window(sequence[start : start + self.window]) for start in starts]
        best = nearest_window(len(sequence), starts, self.window)
        rows = [pieces[window][residue - starts[window]] for residue, window in enumerate(best)]
        return np.stack(rows) if rows else np.zeros((0, self.size), dtype=np.float32)

    def _embed_window(self, sequence: str) -> np.ndarray:
        tokens = self.tokenizer.convert_tokens_to_ids(list(sequence))
        ids = [self.tokenizer.cls_token_id, *tokens, self.tokenizer.eos_token_id]
        inputs = torch.tensor([ids], device=self.device)
        hidden = self.network(input_ids=inputs, attention_mask=torch.ones_like(inputs)).last_hidden_state
        return hidden[0, 1:-1].float().cpu().numpy()


def window_starts(length: int, window: int) -> list[int]:
    """First residues of windows that cover a chain, each half over the next or more, in even steps."""
    if length <= window:
        return [0]
    num_steps = math.ceil((length - window) / (window // 2))
    return [round(step * (length - window) / num_steps) for step in range(num_steps + 1)]


def nearest_window(length: int, starts: list[int], window: int) -> np.ndarray:
    """For each residue of a chain the window whose middle is nearest, int64, shape (length,)."""
    middles = np.array(starts) + (min(length, window) - 1) / 2
    return np.abs(np.arange(length)[:, None] - middles).argmin(axis=1)


def _load(model: str) -> tuple[Any, Any]:
    try:
        from transformers import AutoTokenizer, EsmModel
    except ImportError:
        raise ConfigError("ESM-2 embeddings need the package transformers: pip install 'discodock[esm]'") from None
    try:
        return AutoTokenizer.from_pretrained(model), EsmModel.from_pretrained(model, add_pooling_layer=False)
    except (OSError, ValueError) as error:
        raise InputError(
            f"{model}: no ESM-2 weights here, and none could be downloaded ({type(error).__name__}); give the folder of"
            " downloaded weights, or a name such as facebook/esm2_t33_650M_UR50D on a machine with internet access"
        ) from error
