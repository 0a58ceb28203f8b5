"""``htzoo export``: a model as one file for other runtimes."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path

from htzoo.cli.arguments import Parser, add_hub_options, hub_options

DESCRIPTION = """\
Write a trained model as one file that runs without htzoo: ONNX (.onnx), or a program of torch.export (.pt2).

The input is "video", uint8 (batch, time, height, width, 3), with any batch and time; the output is "logits". The
file is run and compared with the model before it is kept. ONNX needs: pip install 'htzoo[export]'

examples:
  htzoo export moving_digits_ht -o moving_digits.onnx
  htzoo export runs/moving_digits_ht/TIME -o moving_digits.pt2
"""


def run(words: Sequence[str]) -> None:
    """Run the command.

    Args:
        words: the command line, without ``htzoo``.
    """
    parser = Parser("export", DESCRIPTION)
    parser.add_argument("model", metavar="NAME", help="name of the zoo, folder, ORG/REPO, or training run")
    parser.add_argument("-o", "--output", type=Path, required=True, metavar="FILE", help="ends in .onnx or .pt2")
    add_hub_options(parser)
    given = parser.parse_args(words[1:])
    if given.output.suffix not in (".onnx", ".pt2"):
        parser.error(f"--output is {given.output}: give a file that ends in .onnx or .pt2")

    from htzoo.hub.classifier import ZooClassifier
    from htzoo.hub.open_model import open_model
    from htzoo.models.export import export

    model = open_model(given.model, ZooClassifier, hub=hub_options(given))
    metadata = {
        "classes": json.dumps(model.classes, ensure_ascii=False),
        "frame_size": json.dumps(model.frame_size),
        "sampling": json.dumps(vars(model.sampling)),
        "multilabel": json.dumps(model.config.multilabel),
    }
    difference = export(model, given.output, metadata)
    size = given.output.stat().st_size
    print(f"{given.output}: {size:,} bytes; its logits differ from those of the model by at most {difference:.1e}")
