"""The sheet of misclassified test clips."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import torch

from htzoo.report.misclassified import (
    MAX_CLIPS,
    Mistake,
    as_tensor,
    find_mistakes,
    from_tensor,
    most_certain,
    plot_misclassified,
)
from tests.data.helpers import FewDigits
from tests.report.images import pixels


def test_mistakes_of_a_batch() -> None:
    probability = torch.tensor([[0.9, 0.1], [0.3, 0.7], [0.6, 0.4]])
    found = find_mistakes(probability, torch.tensor([0, 0, 1]), torch.tensor([5, 6, 7]))
    np.testing.assert_allclose(found, [(0.7, 6, 1), (0.6, 7, 0)], rtol=1e-6)


def test_the_most_certain_of_all_processes() -> None:
    mistakes = [Mistake(k / 100, k, k % 3) for k in range(2 * MAX_CLIPS)]
    halves = [most_certain(mistakes[k::2]) for k in range(2)]
    gathered = from_tensor(torch.stack([as_tensor(half) for half in halves]))
    assert most_certain(gathered) == mistakes[: -MAX_CLIPS - 1 : -1]
    assert from_tensor(as_tensor(mistakes[:2])) == mistakes[:2]  # fewer than fit


def test_sheet(few_root: Path, tmp_path: Path) -> None:
    data = FewDigits(root=str(few_root), size=(12, 16), num_workers=0)
    data.prepare_data()
    data.setup()
    mistakes = [Mistake(0.99, 3, 1), Mistake(0.5, 4, 2)]
    assert plot_misclassified(data, mistakes, tmp_path / "two.png", "wrong")
    assert plot_misclassified(data, mistakes[:1], tmp_path / "one.png", "wrong")
    assert pixels(tmp_path / "two.png").shape[0] > pixels(tmp_path / "one.png").shape[0] + 50
    assert not plot_misclassified(data, [], tmp_path / "none.png", "wrong")
    gone = replace(data.clips[3], path=str(tmp_path / "gone.mp4"))
    data.clips = [*data.clips[:3], gone, *data.clips[4:]]
    assert not plot_misclassified(data, mistakes[:1], tmp_path / "none.png", "wrong")
    assert not (tmp_path / "none.png").exists()
