"""Measurements as plain data and as a Markdown table."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from typing import Any

from htzoo.bench.measure import FLOOR, LOOP, READING, Row, Time
from htzoo.bench.settings import Setting


def results(setting: Setting, rows: Sequence[Row]) -> dict[str, Any]:
    """One setting and its rows as plain data; every ratio is to rows of the same run.

    A row gets ``faster_than_vendor`` and ``faster_than_loop`` (step of PyTorch's layer, and of the dense product with a
    loop by hand, over its own), ``over_floor`` (its step over the fastest floor's), ``memory_share`` (of the loop's)
    and ``reading_share`` (the time of reading all frames once over its forward).
    """
    by_name = {row.name: row for row in rows}
    vendor, loop = _step(by_name[f"torch.nn.{setting.cell}"]), _step(by_name[LOOP])
    floor = min(_step(row) for row in rows if row.name.startswith(FLOOR))
    loop_memory = by_name[LOOP].memory
    found = []
    for row in rows:
        ratios: dict[str, float | None] = {"reading_share": by_name[READING].forward.median / row.forward.median}
        if row.step is not None and row.memory is not None and loop_memory is not None:
            own = row.step.median
            ratios |= {"faster_than_vendor": vendor / own, "faster_than_loop": loop / own, "over_floor": own / floor}
            ratios["memory_share"] = row.memory / loop_memory
        found.append({**asdict(row), **ratios})
    return {
        "title": setting.title,
        "cell": setting.cell,
        "input_size": setting.input_size,
        "hidden_size": setting.hidden_size,
        "frames": setting.frames,
        "batch": setting.batch,
        "rows": found,
    }


def markdown(result: Mapping[str, Any], *, gpu: bool) -> str:
    """The table of one of :func:`results`, times as median (lower to upper quartile)."""
    cell = result["cell"]
    titles = ["layer", "input weight", "whole layer", "MACs per frame", "forward ms", "step ms"]
    titles += [f"faster than nn.{cell}", "faster than hand loop", "time / floor", "peak MB"] + (
        ["frames read / forward"] if gpu else []
    )
    lines = [_line(titles), _line(["---", *["---:"] * (len(titles) - 1)])]
    for row in result["rows"]:
        if row["step"] is None:
            cells = [row["name"], "", "", "", _time(row["forward"]), "", "", "", "", ""] + ([""] if gpu else [])
        else:
            cells = [
                f"*{row['name']}*" if row["baseline"] else row["name"],
                f"{row['input_parameters']:,}",
                f"{row['parameters']:,}",
                "" if row["macs"] is None else f"{row['macs']:,}",
                _time(row["forward"]),
                _time(row["step"]),
                f"{row['faster_than_vendor']:.1f}",
                f"{row['faster_than_loop']:.1f}",
                f"{row['over_floor']:.2f}",
                f"{row['memory'] / 1e6:,.1f}",
            ] + ([f"{row['reading_share']:.2f}"] if gpu else [])
        lines.append(_line(cells))
    return "\n".join(lines)


def heading(result: Mapping[str, Any]) -> str:
    """What was measured, in one line."""
    return (
        f"{result['cell']} {result['input_size']:,} -> {result['hidden_size']:,} ({result['title']}), "
        f"{result['frames']} frames, batch {result['batch']}, float32"
    )


def _step(row: Row) -> float:
    assert isinstance(row.step, Time)
    return row.step.median


def _time(time: Mapping[str, float]) -> str:
    digits = 1 if time["median"] >= 1 else 3
    return f"{time['median']:,.{digits}f} ({time['lower']:,.{digits}f} to {time['upper']:,.{digits}f})"


def _line(cells: Sequence[str]) -> str:
    return f"| {' | '.join(cells)} |"
