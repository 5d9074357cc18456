from types import SimpleNamespace

import torch

from discodock.images.data import ImageBatch
from discodock.images.evaluation import evaluate
from discodock.images.evaluation.evaluate import ImageEvaluationConfig, compare, load_real


class SortedByClass:
    """Images of one pixel, a number beside that of their class, as a folder lists them: 10 classes of 30."""

    def __init__(self):
        self.labels = torch.arange(10).repeat_interleave(30)
        self.images = self.labels[:, None] + 0.1 * torch.randn(300, 2, generator=torch.Generator().manual_seed(0))

    def __len__(self):
        return len(self.labels)

    def batch(self, rows):
        return ImageBatch(self.images[list(rows)], self.labels[list(rows)])


def test_images_are_compared_with_a_fair_sample_of_a_sorted_reference(monkeypatch):
    images = SortedByClass()
    monkeypatch.setattr(evaluate, "open_images", lambda path, shape: images)
    monkeypatch.setitem(evaluate.FEATURES, "classifier", lambda path, train, shape: lambda each: each)
    generator = SimpleNamespace(model=SimpleNamespace(config=SimpleNamespace(shape=(1, 1, 1))))
    config = ImageEvaluationConfig(train="train", reference="reference", num_samples=60)
    real, again = (load_real(generator, config).reference_features for _ in range(2))
    assert torch.equal(real, again)
    assert torch.equal(real.sort(dim=0).values, images.images.sort(dim=0).values)
    assert len(real[:60].mean(dim=1).round().unique()) == 10
    generated = load_real(generator, config).train
    found = compare(generated, real)
    assert found["precision"] > 0.8 and found["recall"] > 0.8  # 0.2 each against the first two classes
