"""Make docs/results.md from the configurations, the published figures and docs/measured.csv.

python benchmarks/results.py
"""

from __future__ import annotations

from pathlib import Path

from tqdm import tqdm

from htzoo import list_models
from htzoo.hub.design import load_design
from htzoo.report.results import read_measured, write_results

DOCS = Path(__file__).parents[1] / "docs"


def main() -> None:
    """Write the page."""
    designs = [load_design(name)[0] for name in tqdm(list_models(), desc="counting", unit="model")]
    write_results(designs, read_measured(DOCS / "measured.csv"), DOCS / "results.md")


if __name__ == "__main__":
    main()
