"""The results page says what was counted, published and measured, and nothing else."""

from pathlib import Path

import pytest

from benchmarks.results_page import Measured, read_measured, write_results
from htzoo.configs import config_names
from htzoo.hub.model_info import read_info

DOCS = Path(__file__).parents[2] / "docs"


def cells(page: str, name: str) -> list[str]:
    (line,) = [line for line in page.splitlines() if line.startswith(f"| `{name}` | LSTM |")]
    return [cell.strip() for cell in line.strip("|").split("|")]


def test_a_row(tmp_path: Path) -> None:
    designs = [read_info(name)[0] for name in ("ucf11_bt_r1", "ucf11_ht", "fir_ht")]
    found = Measured("fir_ht", "0.91234", "0.01", "3 folds", "group", "0", "a machine", "htzoo fit --config fir_ht")
    write_results(designs, {"fir_ht": found}, tmp_path / "results.md")
    page = (tmp_path / "results.md").read_text()
    assert cells(page, "ucf11_bt_r1")[3:8] == ["721 (true: 722)", "81,693x", "stated", "722", "81,693x"]
    assert cells(page, "ucf11_ht")[6:10] == ["1,245", "47,375x", "264,413", "267,240"]
    assert cells(page, "ucf11_ht")[11:] == ["0.872", ""]
    assert cells(page, "fir_ht")[11:] == ["", "0.912 ± 0.010"]
    assert "`htzoo fit --config fir_ht`" in page
    assert "UCF11, UCF50, HMDB51, YouTube Celebrities and Hollywood2 were not run here" in page


def test_measurements_of_nothing_are_refused(tmp_path: Path) -> None:
    table = tmp_path / "measured.csv"
    head = "name,accuracy,spread,runs,split,seed,machine,command\n"
    table.write_text(head + "fir_ht,91,,1,group,0,m,c\n")
    with pytest.raises(ValueError, match="accuracy of fir_ht is 91: give a number from 0 to 1"):
        read_measured(table)
    table.write_text("name,accuracy\n")
    with pytest.raises(ValueError, match="give name, accuracy, spread"):
        read_measured(table)
    table.write_text(head + "gone,.5,,1,group,0,m,c\n")
    with pytest.raises(ValueError, match="no configuration has the name gone"):
        write_results([read_info("fir_ht")[0]], read_measured(table), tmp_path / "results.md")
    assert not (tmp_path / "results.md").exists()


def test_the_page_has_every_configuration() -> None:
    page = (DOCS / "results.md").read_text()
    missing = [name for name in config_names() if f"| `{name}` |" not in page]
    assert not missing, "run python benchmarks/results_page.py"
