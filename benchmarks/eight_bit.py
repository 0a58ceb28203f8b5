"""What 8-bit weights would save and cost: size and test accuracy of the trained models that come with htzoo.

    python benchmarks/eight_bit.py --root data NAME...

Each tensor is rounded to integers from -127 to 127 with one scale per tensor, and converted back for the test.
"""

from __future__ import annotations

import argparse
import copy
import re
from pathlib import Path
from tempfile import TemporaryDirectory

import torch
from safetensors.torch import save_file
from tqdm import tqdm

from htzoo import from_pretrained
from htzoo.data.datasets.registry import find_dataset
from htzoo.hub.classifier import ZooClassifier
from htzoo.hub.packaged_weights import checkpoint_folder, pretrained_names


@torch.no_grad()
def rounded(model: ZooClassifier) -> tuple[ZooClassifier, int]:
    """The model with the weights that 8 bits leave of it, and the bytes of its file."""
    model = copy.deepcopy(model)
    state = {}
    for name, value in model.state_dict().items():
        scale = value.abs().max().clamp_min(1e-12) / 127 if value.is_floating_point() else None
        state[name] = value if scale is None else (value / scale).round().to(torch.int8)
        if scale is not None:
            state[f"{name}.scale"] = scale.reshape(1)
            value.copy_(state[name] * scale)
    with TemporaryDirectory() as folder:
        file = Path(folder) / "model.safetensors"
        save_file(state, file)
        return model, file.stat().st_size


def measure(name: str, root: str) -> None:
    """Print a line."""
    model = from_pretrained(f"zoo:{name}")
    assert isinstance(model, ZooClassifier) and model.config.result is not None
    result = model.config.result
    fold = re.search(r"fold (\d+) of", result.split)
    data = find_dataset(result.dataset)(root=root, **({} if fold is None else {"fold": int(fold[1])}))
    data.setup("test")
    small, after = rounded(model)
    before = (checkpoint_folder() / name / "model.safetensors").stat().st_size
    tested = [clip for clip, split in zip(data.clips, data.splits, strict=True) if split == "test"]
    right = [0, 0]
    for clip in tqdm(tested, desc=name, leave=False):
        frames = model.read(clip.path)
        for k, either in enumerate((model, small)):
            right[k] += either.label(frames, 1)[0][0] == data.classes[clip.label]
    share = " -> ".join(f"{count / len(tested):.3f}" for count in right)
    print(f"{name}: {before:,} -> {after:,} bytes, accuracy {share} ({len(tested)} clips)", flush=True)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("names", nargs="*", metavar="NAME", default=pretrained_names())
    parser.add_argument("--root", default="data", help="folder of the prepared datasets")
    given = parser.parse_args()
    for name in given.names:
        measure(name, given.root)
