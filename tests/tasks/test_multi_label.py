"""Several classes a clip."""

import pytest
import torch
from torch import nn

from htzoo.tasks import MultiLabelClassification


def test_loss_metric_and_probabilities() -> None:
    task = MultiLabelClassification(classes=["a", "b"], frame_size=(2, 2, 3), hidden_size=4)
    labels = torch.tensor([[1, 0], [0, 1], [1, 1], [0, 0]])
    logits = torch.tensor([[2.0, 0.1], [1.0, 0.9], [3.0, 0.5], [-1.0, 0.7]])
    expected = nn.functional.binary_cross_entropy(logits.sigmoid(), labels.float())
    assert task.loss(logits, labels).item() == pytest.approx(expected.item())
    assert torch.equal(task.probability(logits), logits.sigmoid())
    task.test_metrics.update(logits, labels)
    # Class a is ranked perfectly; of class b the hits are first and third: (1 + 2/3) / 2.
    found = task.test_metrics.compute()
    assert found["test/mean_average_precision"].item() == pytest.approx((1 + (1 + 2 / 3) / 2) / 2)
    assert task.confusion is None
