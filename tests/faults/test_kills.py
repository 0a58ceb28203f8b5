"""kill -9 in every phase of a run, in the writing of a checkpoint and while it goes on: the end is the same."""

from pathlib import Path

import pytest

from benchmarks.faults import PHASES, Setting, kill_and_go_on, whole_run

FEW = ("before the first checkpoint", "writing last.ckpt", "going on, writing last.ckpt")


@pytest.mark.slow
def test_killed_runs_end_like_the_one_that_was_not(few_root: Path, tmp_path: Path) -> None:
    setting = Setting(few_root, tmp_path, epochs=3)
    reference = whole_run(setting)
    for number, phase in enumerate(FEW):
        assert phase in PHASES
        found = kill_and_go_on(setting, reference, phase, number)
        assert (found.half_files, found.identical) == (0, True), found
