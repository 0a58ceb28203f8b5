"""What to tell a user whose dataset is not there."""

from pathlib import Path

from htzoo.data.prepare.source_files import Published


def how_to_get(dataset: Published, root: Path) -> str:
    """Say in three lines that a dataset is not in a folder, and how to get it.

    Args:
        dataset: The dataset.
        root: Folder of all datasets.
    """
    name = dataset.dataset_name
    clips = f"{dataset.clip_count:,} clips, " if dataset.clip_count else ""
    command = f"htzoo data prepare {name} --root {root}"
    where = f"; {dataset.homepage}" if dataset.homepage else ""
    missing = f"{root / name} does not hold {dataset.title} ({clips}{dataset.licence}{where})."
    if dataset.made:
        return f"{missing}\n  to make it:  {command}"
    download = f"  to download and prepare it:      {command}\n" if dataset.sources else ""
    return f"{missing}\n{download}  to prepare what you have of it:  {command} --from FOLDER_OR_ARCHIVE"
