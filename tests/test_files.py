from pathlib import Path

import pytest

from htzoo.files import replacing


def test_what_cannot_be_replaced_is_named(tmp_path: Path) -> None:
    """And not the temporary file, of which nobody has heard; an error about another file stays as it is."""
    folder = tmp_path / "folder"
    folder.mkdir()
    with pytest.raises(IsADirectoryError) as caught, replacing(folder) as temporary:
        temporary.touch()
    assert caught.value.filename == str(folder)
    with pytest.raises(FileNotFoundError) as other, replacing(tmp_path / "new"):
        (tmp_path / "gone").read_text()
    assert other.value.filename == str(tmp_path / "gone")
    assert list(tmp_path.iterdir()) == [folder]
