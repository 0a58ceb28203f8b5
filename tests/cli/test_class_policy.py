"""A configuration from elsewhere runs no code: fifty hostile files, none of which may touch the canary."""

from pathlib import Path

import pytest

from htzoo.cli.class_policy import allow_only_known_classes, denied_sentence
from htzoo.cli.main import main

OS = "{class_path: os.system, init_args: {command: 'touch CANARY'}}"
CALLS = [
    "os.system",
    "posix.system",
    "subprocess.run",
    "subprocess.Popen",
    "subprocess.check_output",
    "builtins.exec",
    "builtins.eval",
    "builtins.__import__",
    "importlib.import_module",
    "runpy.run_path",
    "pickle.load",
    "shutil.rmtree",
    "pathlib.Path",
    "functools.partial",
    "operator.methodcaller",
    "torch.load",
    "torch.hub.load",
    "torch.utils.cpp_extension.load_inline",
    "numpy.load",
    "yaml.unsafe_load",
    "jsonargparse.set_parsing_settings",
    "htzoo.configs.os.system",  # other ways to the same functions
    "htzoo.files.os.remove",
    "lightning.pytorch.trainer.connectors.signal_connector.call",
    "torch.optim.lr_scheduler.partial",
    "canary_module.Touch",  # a module beside the configuration, whose import alone writes the file
    "canary_module.sub.Touch",
]
SPECS = {path: f"{{class_path: {path}, init_args: {{command: touch CANARY, args: touch CANARY}}}}" for path in CALLS}
MODEL = "model: {class_path: VideoClassification, init_args: {hidden_size: 4, %s}}"
FILES = {
    **{f"Any: {path}": MODEL % f"backbone: {spec}" for path, spec in SPECS.items()},
    "a format": MODEL % f"input_format: {OS}",
    "within a format": MODEL % f"input_format: {{name: TensorTrain, in_modes: {OS}}}",
    "a list": MODEL % f"milestones: [{OS}]",
    "an optimiser": MODEL % f"optimizer: {OS}",
    "an optimiser by name": MODEL % "optimizer: os.system",
    "an argument of an optimiser": MODEL % f"optimizer: {{class_path: torch.optim.AdamW, init_args: {{lr: {OS}}}}}",
    "a model": f"model: {OS}",
    "a model by name": "model: os.system",
    "data": f"data: {OS}",
    "data by name": "data: canary_module.Touch",
    "a callback": f"trainer: {{callbacks: [{OS}]}}",
    "a hook of a callback": "trainer: {callbacks: [{class_path: lightning.pytorch.callbacks.LambdaCallback, "
    "init_args: {setup: os.system}}]}",
    "a logger": f"trainer: {{logger: {OS}}}",
    "a plugin": f"trainer: {{plugins: [{OS}]}}",
    "a strategy": f"trainer: {{strategy: {OS}}}",
    "a profiler": f"trainer: {{profiler: {OS}}}",
    "an accelerator": f"trainer: {{accelerator: {OS}}}",
    "a seed": f"seed_everything: {OS}",
    "a tag of YAML": "model: !!python/object/apply:os.system ['touch CANARY']",
    "a new object of YAML": "trainer: !!python/object/new:os.system ['touch CANARY']",
    "a name of YAML": "trainer: {callbacks: !!python/name:os.system }",
    "parts elsewhere": "parts: [../../evil]",
    "parts that are no names": f"parts: [{OS}]",
    "allow": f"allow: [os]\nmodel: {OS}",
    "dict_kwargs": f"model: {{class_path: VideoClassification, dict_kwargs: {{backbone: {OS}}}}}",
}


def test_there_are_fifty() -> None:
    assert len(FILES) >= 50


@pytest.mark.parametrize("content", FILES.values(), ids=FILES.keys())
def test_a_hostile_configuration_runs_nothing(
    content: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    canary = tmp_path / "canary"
    (tmp_path / "canary_module.py").write_text(f"open({str(canary)!r}, 'w')\nclass Touch: ...\n")
    (tmp_path / "evil.yaml").write_text("model: VideoClassification\n")
    (tmp_path / "hostile.yaml").write_text(content.replace("CANARY", str(canary)) + "\n")
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(tmp_path)
    try:
        status = main(["fit", "--config", "moving_digits_ht", "--config", "hostile.yaml", "--data.root", "nothing"])
    except SystemExit as stop:
        status = int(stop.code or 0)
    assert status in (1, 2)
    assert not canary.exists()
    assert len(capfd.readouterr().err.strip().splitlines()) <= 4


def test_what_the_user_allows() -> None:
    words = ["fit", "--allow", "one", "--allow=two.three", "--data=my.Data", "--config", "dir.yaml", "--x", "four.Five"]
    rest, allowed = allow_only_known_classes(words)
    assert rest == ["fit", "--data=my.Data", "--config", "dir.yaml", "--x", "four.Five"]
    assert allowed == ["one", "two.three", "my.Data", "four.Five"]
    with pytest.raises(ValueError, match="--allow is 'os system': give a module or class"):
        allow_only_known_classes(["fit", "--allow", "os system"])
    sentence = denied_sentence("x: Importing 'a.b.C' is not allowed, denied by")
    assert sentence is not None and sentence.endswith("if you trust it, add --allow a.b")
