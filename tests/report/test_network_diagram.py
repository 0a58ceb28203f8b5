"""Where cores stand, and that a diagram shows every core, rank and mode."""

import math
from pathlib import Path

import pytest
from matplotlib.figure import Figure
from PIL import Image

from htzoo.formats import (
    CP,
    BlockTerm,
    Format,
    HierarchicalTucker,
    KroneckerCP,
    TensorRing,
    TensorTrain,
    Tucker,
    format_classes,
)
from htzoo.hub.model_info import read_info
from htzoo.models.model_info import first_layer_weights
from htzoo.report.network_diagram import draw_network, plot_design
from htzoo.report.network_layout import lay_out

IN, OUT = (4, 5, 6), (2, 3, 4)
SHAPES: list[Format] = [
    HierarchicalTucker(IN, OUT, 2, 2),
    TensorTrain(IN, OUT, 3),
    TensorRing(IN, OUT, 2),
    BlockTerm(IN, OUT, 2, 2),
    KroneckerCP(IN, OUT, 2, 3),
    CP(IN, OUT, 7),
    Tucker(IN, OUT, (4, 2, 3, 2, 2, 2)),
]
CASES = [*((shape, 120) for shape in SHAPES), *((cls.example(), 60) for cls in format_classes().values())]


@pytest.mark.parametrize(("format", "size"), CASES)
def test_nothing_overlaps_and_everything_is_named(format: Format, size: int) -> None:
    network = format.network(size, 24, 4)
    layout = lay_out(network)
    places = [*layout.cores, *layout.hubs.values()]
    apart = [math.dist(a, b) for k, a in enumerate(places) for b in places[:k]]
    assert min(apart, default=1) > 0.9
    axes = Figure().subplots()
    draw_network(axes, network, layout, 4)
    texts = sorted(text.get_text() for text in axes.texts)
    modes = [size for edge in (*network.inputs, *network.outputs) for size in [network.sizes[edge]]]
    first = network.sizes["o1"]
    expected = [f"{math.prod(core.shape):,}" for core in network.cores]
    expected += [f"{size:,}" for size in modes if size != first or modes.count(first) > 1]
    assert f"4\N{MULTIPLICATION SIGN}{first // 4}" in texts
    for text in expected:
        assert text in texts
    ranks = {edge for edge in network.sizes if len(network.holders(edge)) > 1} - {layout.stacked}
    drawn = sum(len(network.holders(edge)) if edge in layout.hubs else 1 for edge in ranks)
    assert len(axes.lines) == drawn + len(modes)


def test_shapes_of_the_layouts() -> None:
    def layout(format: Format):
        return lay_out(format.network(120, 24, 4))

    assert len({y for _, y in layout(SHAPES[1]).cores}) == 1  # a train is a line
    ring = layout(SHAPES[2]).cores
    centre = sum(x for x, _ in ring) / 6, sum(y for _, y in ring) / 6
    assert len({round(math.dist(place, centre), 6) for place in ring}) == 1
    tree = SHAPES[0].network(120, 24, 4)
    heights = {core.name: y for core, (_, y) in zip(tree.cores, layout(SHAPES[0]).cores, strict=True)}
    assert max(heights, key=heights.__getitem__) == "transfer_1_3"
    assert layout(SHAPES[3]).stacked == "b"
    assert layout(SHAPES[4]).stacked == "t"
    assert set(layout(SHAPES[5]).hubs) == {"r"}


def test_a_diagram_is_written(tmp_path: Path) -> None:
    design, model = read_info("ucf11_ht_fd")
    plot_design(design, first_layer_weights(model), 4, tmp_path / "plot.png")
    with Image.open(tmp_path / "plot.png") as image:
        assert image.width > 1000
    assert [path.name for path in tmp_path.iterdir()] == ["plot.png"]
