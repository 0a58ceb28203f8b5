"""Which run belongs to a job of SLURM."""

from pathlib import Path

import pytest

from htzoo.cli.slurm import interrupted_run


def run_of(runs: Path, name: str) -> Path:
    folder = runs / name
    (folder / "checkpoints").mkdir(parents=True)
    (folder / "checkpoints" / "last.ckpt").touch()
    (folder / "a.yaml").write_text("# htzoo==1\n# htzoo fit a\n")
    return folder


@pytest.mark.parametrize("name", ["1_job4711_1", "1_job4711_1-2"])
def test_a_job_goes_on_with_its_own_run(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SLURM_RESTART_COUNT", "1")
    monkeypatch.setenv("SLURM_ARRAY_JOB_ID", "4711")
    monkeypatch.setenv("SLURM_ARRAY_TASK_ID", "1")
    run_of(tmp_path, "2_job4711_10")
    run_of(tmp_path, "2_job4711")
    assert interrupted_run(tmp_path, "htzoo fit a") is None
    own = run_of(tmp_path, name)
    assert interrupted_run(tmp_path, "htzoo fit a") == own
    monkeypatch.delenv("SLURM_ARRAY_JOB_ID")
    monkeypatch.setenv("SLURM_JOB_ID", "471")
    assert interrupted_run(tmp_path, "htzoo fit a") is None
