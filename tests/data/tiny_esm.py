"""A tiny, randomly initialised ESM-2 model on disk, as `transformers` would have downloaded it."""

from pathlib import Path

VOCABULARY = "<cls> <pad> <eos> <unk> L A G V S E R T I D P K Q N F Y M H W C X B U Z O . - <null_1> <mask>".split()


def write_tiny_esm(folder: Path, size: int = 8, window: int = 30) -> Path:
    """Write weights, configuration and vocabulary; chains longer than `window` residues are read in windows."""
    import torch
    from transformers import EsmConfig, EsmModel

    config = EsmConfig(
        vocab_size=len(VOCABULARY),
        hidden_size=size,
        num_hidden_layers=1,
        num_attention_heads=2,
        intermediate_size=16,
        max_position_embeddings=window + 4,
        position_embedding_type="rotary",
        token_dropout=True,
        pad_token_id=1,
        mask_token_id=32,
    )
    with torch.random.fork_rng():
        torch.manual_seed(0)
        EsmModel(config, add_pooling_layer=False).save_pretrained(folder)
    (folder / "vocab.txt").write_text("\n".join(VOCABULARY))
    (folder / "tokenizer_config.json").write_text('{"tokenizer_class": "EsmTokenizer"}')
    return folder
