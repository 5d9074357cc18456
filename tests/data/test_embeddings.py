import importlib.util
import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from discodock.chem.read_receptor import read_receptor
from discodock.chem.sequences import chain_sequences
from discodock.cli.main import run
from discodock.data.batch import collate
from discodock.data.embeddings import (
    CHAINS_DIR,
    EMBEDDINGS_DIR,
    EmbeddingStore,
    ResidueChains,
    embed_sequences,
    read_chains,
    write_chains,
)
from discodock.data.esm import EsmEmbedder, nearest_window, window_starts
from discodock.data.featurize import PrepareConfig
from discodock.data.module import ComplexDataModule, DataConfig
from discodock.data.prepare import prepare
from discodock.data.prepare_embeddings import prepare_embeddings
from discodock.data.store import PreparedStore
from discodock.errors import ConfigError, InputError, PreparedDataError
from tests.data.test_store import break_member
from tests.data.tiny_esm import write_tiny_esm
from tests.tiny import COMPLEXES

NAMES = ("2azr_982", "3nxo_D2B")  # the second has a cofactor
needs_transformers = pytest.mark.skipif(
    importlib.util.find_spec("transformers") is None, reason="the optional package transformers is not installed"
)


class Counting:
    """An embedder whose channels are the position and the letter; it counts its calls."""

    model, size, key = "counting", 2, "counting"

    def __init__(self) -> None:
        self.sequences: list[str] = []

    def embed(self, sequence: str) -> np.ndarray:
        self.sequences.append(sequence)
        return np.array([[i, ord(letter)] for i, letter in enumerate(sequence)], dtype=np.float32)


@pytest.fixture(scope="module")
def source(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("src")
    for name in NAMES:
        shutil.copytree(COMPLEXES / name, root / name)
    shutil.copytree(COMPLEXES / NAMES[0], root / "again")
    return root


@pytest.fixture(scope="module")
def store(source: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("store")
    prepare(source, root, PrepareConfig(num_conformers=1))
    return root


def test_sequences_are_those_of_the_chains():
    receptor = read_receptor(COMPLEXES / "3nxo_D2B" / "protein.pdb", extra=COMPLEXES / "3nxo_D2B" / "cofactors.pdb")
    chains = chain_sequences(receptor)
    letters = {"ALA": "A", "GLY": "G", "TRP": "W", "LYS": "K", "SER": "S"}
    for index, residue in enumerate(receptor.residues):
        if residue.kind != "amino_acid":
            assert chains.chain[index] == -1
        elif residue.parent in letters:
            assert chains.sequences[chains.chain[index]][chains.position[index]] == letters[residue.parent]
    assert (chains.chain == -1).any()
    assert sum(map(len, chains.sequences)) == (chains.chain >= 0).sum()


def test_residues_get_the_embedding_of_their_place_and_each_sequence_is_embedded_once(source, store):
    embedder = Counting()
    assert prepare_embeddings(source, store, PrepareConfig(num_conformers=1), embedder) == len(embedder.sequences)
    assert len(embedder.sequences) == len(set(embedder.sequences)) < 4  # "again" has the chains of the first
    embeddings = EmbeddingStore(store)
    for name in NAMES:
        values, chains = embeddings.load(name), read_chains(store / EMBEDDINGS_DIR, name)
        assert values.shape == (PreparedStore(store).row(name).num_residues, 2)
        for residue in range(0, len(values), 7):
            expected = [0, 0]
            if chains.chain[residue] >= 0:
                place = int(chains.position[residue])
                expected = [place, ord(chains.sequences[chains.chain[residue]][place])]
            assert values[residue].tolist() == expected
    again = Counting()
    assert prepare_embeddings(source, store, PrepareConfig(num_conformers=1), again) == 0
    assert again.sequences == []


def cut(path: Path) -> None:
    """Lose the second half of a file."""
    data = path.read_bytes()
    path.write_bytes(data[: len(data) // 2])


@pytest.mark.parametrize("damage", [cut, break_member])
def test_damaged_chains_are_as_good_as_none(damage: Callable[[Path], None], tmp_path: Path) -> None:
    folder = tmp_path / EMBEDDINGS_DIR
    embed_sequences(folder, ["AG"], Counting())
    chains = ResidueChains(("AG",), np.zeros(2, dtype=np.int32), np.arange(2, dtype=np.int32), "key")
    write_chains(folder, "1abc", chains)
    assert EmbeddingStore(tmp_path).load("1abc").tolist() == [[0, ord("A")], [1, ord("G")]]
    damage(folder / CHAINS_DIR / "1abc.npz")
    assert read_chains(folder, "1abc") is None
    with pytest.raises(PreparedDataError, match="no embeddings of 1abc"):
        EmbeddingStore(tmp_path).load("1abc")


def test_batches_of_whole_receptors_carry_embeddings_of_the_right_size(source, store):
    prepare_embeddings(source, store, PrepareConfig(num_conformers=1), Counting())
    data = ComplexDataModule(DataConfig(root=store, ids=NAMES), whole_receptor=True, embedding_size=2)
    data.setup()
    batch = collate([data.train_set[0], data.train_set[1]])
    assert batch.receptor.residue_embedding.shape[2] == 2
    center = batch.receptor.pos[0][batch.receptor.mask[0]].mean(dim=0)
    assert center.abs().max() < 1e-3
    with pytest.raises(PreparedDataError, match="have 2 channels, the network reads 3"):
        ComplexDataModule(DataConfig(root=store), whole_receptor=True, embedding_size=3).setup()


def test_a_store_without_embeddings_and_cut_receptors_are_refused(source, tmp_path):
    (tmp_path / "empty").mkdir()
    with pytest.raises(PreparedDataError, match="without ESM-2 embeddings"):
        EmbeddingStore(tmp_path / "empty")
    with pytest.raises(ConfigError, match="receptor-radius"):
        prepare_embeddings(source, tmp_path, PrepareConfig(receptor_radius=10), Counting())


@pytest.mark.parametrize("length", [0, 1, 29, 30, 31, 60, 61, 997])
def test_windows_cover_a_chain_and_each_residue_lies_well_inside_its_own(length):
    starts = window_starts(length, 30)
    best = nearest_window(length, starts, 30)
    assert starts[0] == 0 and starts[-1] == max(0, length - 30)
    for residue, window in enumerate(best):
        place = residue - starts[window]
        assert 0 <= place < min(length, 30)
        assert place >= 7 or window == 0  # a quarter of a window to see on either side, but at the ends of the chain
        assert place < 30 - 7 or window == len(starts) - 1


@needs_transformers
def test_a_tiny_model_embeds_short_and_long_chains(tmp_path):
    embedder = EsmEmbedder(str(write_tiny_esm(tmp_path)))
    assert (embedder.size, embedder.window) == (8, 30)
    short = "MKVLAT"
    found = embedder.embed(short)
    assert found.shape == (6, 8) and np.isfinite(found).all()
    other = embedder.embed("MKVWAT")
    assert np.abs(found - other).max() > 1e-4
    long = "MKVLATGSED" * 9
    values = embedder.embed(long)
    assert values.shape == (90, 8)
    np.testing.assert_allclose(values[:10], embedder.embed(long[:30])[:10], atol=1e-5)  # read in the first window
    np.testing.assert_allclose(values[-10:], embedder.embed(long[-30:])[-10:], atol=1e-5)


@needs_transformers
def test_the_command_embeds_and_names_what_is_missing(source, tmp_path, capsys, monkeypatch):
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    model, out = write_tiny_esm(tmp_path / "model"), tmp_path / "out"
    arguments = ["prepare", "complexes", str(source), "-o", str(out), "--workers", "1", "--conformers", "1"]
    assert run([*arguments, "--esm", str(model)]) == 0
    assert "sequences embedded" in capsys.readouterr().out
    assert EmbeddingStore(out).size == 8
    assert run([*arguments, "--esm", "nowhere/no-such-model"]) == 2
    message = capsys.readouterr().err.strip()
    assert "no ESM-2 weights here" in message and "\n" not in message


def test_a_missing_package_is_named(monkeypatch):
    monkeypatch.setitem(__import__("sys").modules, "transformers", None)
    with pytest.raises(ConfigError, match=r"pip install 'discodock\[esm\]'"):
        EsmEmbedder("anything")


@needs_transformers
def test_a_folder_without_weights_is_one_clear_line(tmp_path):
    with pytest.raises(InputError, match="no ESM-2 weights here") as caught:
        EsmEmbedder(str(tmp_path))
    assert "\n" not in str(caught.value)
