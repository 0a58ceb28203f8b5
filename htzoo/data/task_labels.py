"""Which labels a task takes: one class per clip, or several."""


def check_task(task: object, multilabel: bool, title: str) -> None:
    """Check that a task takes labels of the kind that a dataset has.

    Args:
        task: The LightningModule; `has_confusion` says whether it takes one class per clip.
        multilabel: Whether a clip of the dataset may have several classes.
        title: Name of the dataset.

    Raises:
        ValueError: It does not.
    """
    takes_several = not getattr(task, "has_confusion", not multilabel)
    if takes_several != multilabel:
        several, one = "several labels per clip", "one label per clip"
        raise ValueError(
            f"{type(task).__name__} takes {several if takes_several else one}, and {title} has "
            f"{several if multilabel else one}; choose another --model, or set --data.multilabel."
        )
