"""Every reader of a user's files, with a good file of its kind; whatever else it is given, it refuses in one line."""

import io
import tarfile
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import numpy as np
from rdkit import Chem

from discodock.chem.ligand import iter_ligands
from discodock.chem.pose_file import read_poses
from discodock.chem.read_receptor import read_receptor
from discodock.chem.view import read_poses as read_viewed_poses
from discodock.config import load_config
from discodock.data.datasets.complexes import ComplexesDataset
from discodock.data.datasets.split_table import read_split_table
from discodock.data.store import load_arrays, write_arrays
from discodock.errors import DiscodockError
from discodock.evaluation.sources import read_timings
from discodock.images.data import ArrayImages
from discodock.images.networks.conditioning import ImageShape
from discodock.images.png import read_image
from discodock.inference.config import DockingConfig
from discodock.inference.many.jobs import read_jobs
from discodock.inference.outputs import OWN_FILE
from discodock.input_files import read_json
from discodock.models.checkpoint import load_checkpoint
from tests.tiny import DATA, SMALL, write_tiny_checkpoint

MAX_MESSAGE = 600


@dataclass(frozen=True)
class Reader:
    """A reader, the name of its files, and a good one; `is_text` ones go through the decoder of texts."""

    name: str
    read: Callable[[Path], object]
    good: Callable[[], bytes]
    is_text: bool = True

    def refusal(self, path: Path) -> DiscodockError | None:
        """Read a file; anything but a value or an error of the project's own in one line that names it is a fault."""
        try:
            self.read(path)
        except DiscodockError as error:
            message = str(error)
            assert path.name in message, f"does not name the file: {message!r}"
            assert "\n" not in message and len(message) < MAX_MESSAGE, f"not one line: {message!r}"
            return error
        return None


def _protein() -> bytes:
    return b"".join((SMALL / "protein.pdb").read_bytes().splitlines(keepends=True)[:300])


def _mmcif() -> bytes:
    return (DATA / "proteins" / "6a5k_site.cif").read_bytes()


def _sdf() -> bytes:
    return (SMALL / "ligand.sdf").read_bytes()


def _mol2() -> bytes:
    return (
        b"@<TRIPOS>MOLECULE\nethanol\n 9 8 1 0 0\nSMALL\nNO_CHARGES\n\n@<TRIPOS>ATOM\n"
        b" 1 C1 -0.888 0.166 -0.027 C.3 1 LIG 0.0\n 2 C2 0.465 -0.511 -0.036 C.3 1 LIG 0.0\n"
        b" 3 O1 1.431 0.322 0.586 O.3 1 LIG 0.0\n 4 H1 -0.847 1.128 -0.549 H 1 LIG 0.0\n"
        b" 5 H2 -1.647 -0.454 -0.512 H 1 LIG 0.0\n 6 H3 -1.196 0.397 0.997 H 1 LIG 0.0\n"
        b" 7 H4 0.792 -0.722 -1.059 H 1 LIG 0.0\n 8 H5 0.424 -1.455 0.513 H 1 LIG 0.0\n"
        b" 9 H6 1.466 1.130 0.087 H 1 LIG 0.0\n@<TRIPOS>BOND\n"
        b" 1 1 2 1\n 2 2 3 1\n 3 1 4 1\n 4 1 5 1\n 5 1 6 1\n 6 2 7 1\n 7 2 8 1\n 8 3 9 1\n"
    )


def _v3000() -> bytes:
    mol = Chem.MolFromMolBlock(_sdf().decode(), removeHs=False)
    return (Chem.MolToV3KMolBlock(mol) + "> <tag>\nvalue\n\n$$$$\n").encode()


@cache
def _prepared_bytes() -> bytes:
    from discodock.data.crystal import read_crystal
    from discodock.data.featurize import PrepareConfig, featurize

    (entry,) = [each for each in ComplexesDataset(SMALL.parent) if each.id == SMALL.name]
    crystal = read_crystal(entry)
    arrays = featurize(crystal.receptor, crystal.ligand, PrepareConfig(num_conformers=1))
    return _written(lambda path: write_arrays(path, arrays))


def _written(write: Callable[[Path], object]) -> bytes:
    import tempfile

    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "file"
        write(path)
        return path.read_bytes()


def _archive() -> bytes:
    stream = io.BytesIO()
    with tarfile.open(fileobj=stream, mode="w:gz", compresslevel=1) as archive:
        for name, content in (("protein.pdb", _protein()), ("ligand.sdf", _sdf())):
            member = tarfile.TarInfo(f"2azr_982/{name}")
            member.size = len(content)
            archive.addfile(member, io.BytesIO(content))
    return stream.getvalue()


def _images() -> bytes:
    stream = io.BytesIO()
    np.savez_compressed(stream, images=np.zeros((2, 8, 8, 1), np.uint8), labels=np.arange(2))
    return stream.getvalue()


def _png() -> bytes:
    from PIL import Image

    stream = io.BytesIO()
    Image.fromarray(np.arange(192, dtype=np.uint8).reshape(8, 8, 3)).save(stream, "PNG")
    return stream.getvalue()


SMILES = b"CCO ethanol\nc1ccccc1 benzene\nC[C@H](F)Cl\n"
RUN = b'{"name": "a", "files": {}, "modes": [1, 2.5]}'
JOBS = b"name,protein,ligand,pocket_center\naspirin,protein.pdb,CC(=O)Oc1ccccc1C(=O)O,1 2 3\nb,protein.pdb,CCO,\n"
TIMES = b"id,seconds,cpu_seconds\na,1.5,2\nb,2,3e1\n"
SPLITS = b"id,split,cluster\na,train,1\nb,val,2\n"
SETTINGS = (
    b"samples: 3\nsolver: {solver: heun, steps: 4}\nreceptor:\n  keep: [HOH, 'A:301']\nrelaxation: {method: fast}\n"
)

READERS = {
    reader.name: reader
    for reader in (
        Reader("protein.pdb", read_receptor, _protein),
        Reader("protein.cif", read_receptor, _mmcif),
        Reader("ligand.sdf", lambda path: list(iter_ligands(path)), _sdf),
        Reader("v3000.sdf", lambda path: list(iter_ligands(path)), _v3000),
        Reader("ligand.mol2", lambda path: list(iter_ligands(path)), _mol2),
        Reader(
            "ligands.smi",
            lambda path: list(iter_ligands(path)),
            lambda: b"CCO ethanol\nc1ccccc1 benzene\nC[C@H](F)Cl\n",
        ),
        Reader(
            "ligand.pdb",
            lambda path: list(iter_ligands(path, template_smiles="CCO")),
            lambda: Chem.MolToPDBBlock(Chem.MolFromMol2Block(_mol2().decode(), removeHs=False)).encode(),
        ),
        Reader("poses.sdf", read_poses, _sdf),
        Reader("viewed.sdf", read_viewed_poses, _sdf),
        Reader("jobs.csv", lambda path: read_jobs(path, None), lambda: JOBS),
        Reader("splits.csv", read_split_table, lambda: SPLITS),
        Reader("timings.csv", read_timings, lambda: TIMES),
        Reader("settings.yaml", lambda path: load_config(path, [], DockingConfig), lambda: SETTINGS),
        Reader(
            "run.json", lambda path: read_json(path, OWN_FILE), lambda: b'{"name": "a", "files": {}, "modes": [1, 2.5]}'
        ),
        Reader("weights.safetensors", load_checkpoint, lambda: _written(write_tiny_checkpoint), is_text=False),
        Reader("prepared.npz", load_arrays, _prepared_bytes, is_text=False),
        Reader("images.npz", lambda path: ArrayImages(path, ImageShape(size=8, channels=1)), _images, is_text=False),
        Reader("image.png", lambda path: read_image(path, 4, 3), _png, is_text=False),
        Reader("complexes.tar.gz", lambda path: list(ComplexesDataset(path)), _archive, is_text=False),
    )
}
"""By the name of the file that they read."""
