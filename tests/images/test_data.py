"""Images from npz files and folders; the order in which they are drawn."""

import numpy as np
import pytest
import torch
from PIL import Image

from discodock.errors import InputError
from discodock.images.data import EpochSampler, ImageDataConfig, ImageDataModule, open_images
from discodock.images.model import to_pixels, to_unit_range
from discodock.images.networks.conditioning import ImageShape
from discodock.images.png import write_grid

GREY, COLOR = ImageShape(size=4, channels=1), ImageShape(size=4, channels=3)


@pytest.fixture
def npz(tmp_path):
    path = tmp_path / "images.npz"
    images = np.arange(40, dtype=np.uint8)[:, None, None] * np.ones((1, 4, 4), dtype=np.uint8)
    np.savez(path, images=images, labels=np.arange(40, dtype=np.uint8) % 4)
    return path


def test_npz_keeps_pixels_and_classes(npz):
    source = open_images(npz, GREY)
    batch = source.batch([7, 2])
    assert batch.images.shape == (2, 1, 4, 4) and batch.images.dtype == torch.uint8
    assert batch.images[:, 0, 0, 0].tolist() == [7, 2] and batch.labels.tolist() == [3, 2]
    assert torch.equal(source.batch([7]).images[0], torch.from_numpy(source.image(7)))


def test_colour_goes_first_and_labels_may_be_missing(tmp_path):
    images = np.random.default_rng(0).integers(256, size=(3, 4, 4, 3), dtype=np.uint8)
    np.savez(tmp_path / "colour.npz", images=images)
    source = open_images(tmp_path / "colour.npz", COLOR)
    assert np.array_equal(source.image(1)[2], images[1, :, :, 2])
    assert source.labels.tolist() == [-1] * 3 and source.class_names == ()


def test_folder_takes_classes_from_its_sub_folders_and_crops_the_centre(tmp_path):
    for name, color in {"cat/a.png": 200, "ant/deep/b.jpg": 30, "c.png": 100}.items():
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        wide = np.full((8, 16), color, dtype=np.uint8)
        wide[:, :4] = wide[:, -4:] = 255 if color < 128 else 0  # outside the central square
        Image.fromarray(wide).save(path)
    (tmp_path / "notes.txt").write_text("no image")
    source = open_images(tmp_path, COLOR)
    assert source.class_names == ("ant", "cat")
    by_path = {path.name: number for number, path in enumerate(source.paths)}
    assert [int(source.labels[by_path[n]]) for n in ("a.png", "b.jpg", "c.png")] == [1, 0, -1]
    assert source.image(by_path["a.png"]).shape == (3, 4, 4)
    assert np.all(source.image(by_path["a.png"]) == 200)
    assert np.all(np.abs(source.image(by_path["b.jpg"]).astype(int) - 30) <= 3)


@pytest.mark.parametrize(
    ("write", "fragment"),
    [
        (lambda p: None, "no such file"),
        (lambda p: p.write_bytes(b"PK nonsense"), "damaged npz of images"),
        (lambda p: np.savez(p, pictures=np.zeros(3)), "no array `images`"),
        (lambda p: np.savez(p, images=np.zeros((2, 5, 5), np.uint8)), "set task.model.shape"),
        (lambda p: np.savez(p, images=np.zeros((2, 4, 4))), "float64"),
        (lambda p: np.savez(p, images=np.zeros((2, 4, 4), np.uint8), labels=np.zeros(3)), "labels of shape"),
        (lambda p: p.mkdir(), "holds no images"),
    ],
)
def test_bad_data_names_the_file_and_what_to_do(tmp_path, write, fragment):
    path = tmp_path / "bad.npz"
    write(path)
    with pytest.raises(InputError) as caught:
        open_images(path, GREY)
    assert str(path) in str(caught.value) and fragment in str(caught.value)


def test_a_broken_picture_is_named(tmp_path):
    (tmp_path / "broken.png").write_bytes(b"\x89PNG nonsense")
    with pytest.raises(InputError, match=r"broken.png: not a readable image"):
        open_images(tmp_path, GREY).image(0)


@pytest.mark.parametrize("seed", range(5))
def test_every_image_once_an_epoch_and_processes_share(seed):
    drawn = [
        [number for number, _ in EpochSampler(11, batch_size=5, flip=False, seed=seed, rank=rank, num_processes=2)]
        for rank in (0, 1)
    ]
    assert len(drawn[0]) == len(drawn[1]) == 5
    assert len(set(drawn[0] + drawn[1])) == 10


def test_a_resumed_run_continues_the_sequence():
    taken = 0

    def sampler(flip):
        return EpochSampler(10, batch_size=2, flip=flip, seed=3, count_taken=lambda: taken)

    first = list(sampler(True))
    assert {flip for _, flip in first} == {True, False}
    taken = 4
    assert list(sampler(True)) == first[4:]
    taken = 10
    second = list(sampler(True))
    assert len(second) == 10 and second != first
    assert not any(flip for _, flip in sampler(False))


@pytest.mark.parametrize("taken", [0, 9, 18, 27])
def test_an_epoch_ends_with_its_last_whole_batch(taken):
    """Else the few images that are left would make an epoch without a batch, again and again."""
    assert len(list(EpochSampler(11, batch_size=3, flip=False, seed=0, count_taken=lambda: taken))) == 9


def test_validation_images_are_kept_from_training(npz):
    config = ImageDataConfig(train=npz, batch_size=8, num_val=12, flip=True)
    module = ImageDataModule(config, GREY, num_classes=4)
    module.setup()
    val = torch.cat([batch.images[:, 0, 0, 0] for batch in module.val_dataloader()]).tolist()
    train = torch.cat([batch.images[:, 0, 0, 0] for batch in module.train_dataloader()]).tolist()
    assert len(val) == 12 and len(train) == 24  # 28, in whole batches of 8
    assert not set(val) & set(train) and len(set(train)) == 24


@pytest.mark.parametrize(
    ("changes", "num_classes", "fragment"),
    [({"num_val": 35, "batch_size": 8}, 4, "fewer than data.num_val"), ({"num_val": 4}, 3, "one of 3 classes")],
)
def test_data_that_does_not_fit_the_run_is_refused(npz, changes, num_classes, fragment):
    module = ImageDataModule(ImageDataConfig(train=npz, **({"batch_size": 8} | changes)), GREY, num_classes)
    with pytest.raises(InputError, match=fragment):
        module.setup()


def test_pixels_survive_the_unit_range():
    pixels = torch.arange(256, dtype=torch.uint8)
    assert torch.equal(to_pixels(to_unit_range(pixels)), pixels)
    assert to_pixels(torch.tensor([-3.0, 3.0])).tolist() == [0, 255]


@pytest.mark.parametrize("channels", [1, 3])
def test_grid_places_images_row_by_row(tmp_path, channels):
    images = torch.arange(5, dtype=torch.uint8)[:, None, None, None].expand(5, channels, 4, 4) * 10
    write_grid(images, 3, tmp_path / "deep" / "grid.png", scale=2, gap=1)
    with Image.open(tmp_path / "deep" / "grid.png") as picture:
        pixels = np.asarray(picture.convert("L"))
    assert pixels.shape == (2 * 9, 2 * 14)
    assert pixels[0, 0] == 0 and pixels[0, 2 * 5] == 10 and pixels[2 * 5, 0] == 30
    assert pixels[0, 2 * 4] == 255 and pixels[-1, -1] == 255  # gap, empty place
