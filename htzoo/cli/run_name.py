"""What a run is called that no configuration of the package is meant for."""

from __future__ import annotations

from htzoo.data import VideoDataModule
from htzoo.formats import find_format
from htzoo.names import printable
from htzoo.nn.layer_arguments import formats_in
from htzoo.tasks import VideoClassification


def run_name(data: VideoDataModule, task: VideoClassification) -> str:
    """``DATA[_cnn]_FORMAT[_CELL]``, as the models of the package are called: ``my_clips_cnn_ht_gru``."""
    model = task.hparams
    kinds = [model.get(key) for key in ("joint_format", "input_format", "hidden_format")]
    formats = (form for kind in kinds for form in formats_in(kind))
    form = next((find_format(one["name"]).short_name.lower() for one in formats), None)
    cell = str(model.get("cell", "LSTM")).lower()
    parts = [printable(data.dataset_name).replace("\\", "_"), "cnn" if model.get("backbone") else ""]
    parts += [form, "" if cell == "lstm" else cell] if form else [cell]
    return "_".join(filter(None, parts)).replace("/", "_").replace(" ", "_")
