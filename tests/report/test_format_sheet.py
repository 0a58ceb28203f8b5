"""``htzoo info FORMAT``."""

import json

import pytest

from htzoo.cli.main import main
from htzoo.formats import Format, format_classes


@pytest.mark.parametrize("cls", format_classes().values())
def test_info_of_every_format(cls: type[Format], capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["info", cls.short_name, "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert found["name"] == cls.__name__ and found["paper"] == (cls.paper or None)
    assert found["example"]["parameters"] == cls.example().network(60, 24).num_parameters
    assert main(["info", cls.__name__]) == 0
    sheet = capsys.readouterr().out
    assert sheet.startswith(f"{cls.__name__} ({cls.short_name})\n")
    assert f"{found['example']['parameters']:,} parameters; dense 1,440" in sheet
    assert all(name in sheet for name in found["arguments"])


def test_a_format_has_no_picture(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as stopped:
        main(["info", "tt", "--picture", "tt.png"])
    assert stopped.value.code == 2
    assert "--picture draws models, and tt is a format" in capsys.readouterr().err
