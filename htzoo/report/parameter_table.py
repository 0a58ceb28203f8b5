"""Parameters of a model by component: names, sums and ratios."""

from collections.abc import Iterator, Mapping

# The keys of htzoo.models.count_parameters, in words.
PARTS = {
    "input_to_hidden": "input to hidden",
    "hidden_to_hidden": "hidden to hidden",
    "joint": "input and hidden to hidden, joint",
    "bias": "bias",
    "classifier": "classifier",
    "backbone": "CNN",
    "total": "whole model",
}
LAYER = ("input_to_hidden", "hidden_to_hidden", "joint", "bias")  # the recurrent layer


def layer_parameters(counts: Mapping[str, int]) -> int:
    """Parameters of the recurrent layer, bias included."""
    return sum(counts[part] for part in LAYER)


def first_parameters(counts: Mapping[str, int]) -> int:
    """Parameters of the input-to-hidden weight, or of the joint weight."""
    return counts["joint"] or counts["input_to_hidden"]


def ratio_text(ratio: float | None) -> str:
    """A ratio with three digits, or all digits before the point."""
    if ratio is None:
        return "-"
    return f"{ratio:,.0f}x" if ratio >= 100 else f"{ratio:.3g}x"


def fewer(dense: int, ours: int) -> str:
    """How many times fewer parameters than the dense equivalent, as text."""
    return ratio_text(dense / ours if ours else None)


def parameter_table(ours: Mapping[str, int], dense: Mapping[str, int]) -> Iterator[str]:
    """Lines of Markdown: each component that the model has, beside its dense equivalent."""
    yield "| parameters | this model | dense | fewer by |"
    yield "|---|---:|---:|---:|"
    for part, words in PARTS.items():
        if ours.get(part) or dense.get(part):  # a bare layer has no classifier, and most models have no CNN
            name = f"**{words}**" if part == "total" else words
            yield f"| {name} | {ours[part]:,} | {dense[part]:,} | {fewer(dense[part], ours[part])} |"
