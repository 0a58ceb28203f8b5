"""Model cards: what they say, and texts from strangers that must stay text."""

from dataclasses import replace
from pathlib import Path

import pytest
import yaml
from hypothesis import example, given
from hypothesis import strategies as st
from markdown_it import MarkdownIt
from markdown_it.token import Token

from htzoo.hub.card import Training, is_ours, model_card, readdressed
from htzoo.hub.classifier import ZooClassifier
from htzoo.hub.config import ModelConfig, Result
from htzoo.hub.kinds import describe
from htzoo.hub.save import save_pretrained
from htzoo.nn import LSTM
from htzoo.report.markdown import code, code_block, escape, link
from htzoo.report.parameter_table import PARTS
from htzoo.report.summary import RunSummary
from tests.hub.conftest import SAMPLING, small_model

HOSTILE = (
    "<img src=x onerror=alert(1)>",
    "![x](https://evil.example/x.png)",
    "[x](javascript:alert(1))",
    "a | b | c",
    "`code` and **bold** and _more_ and ~~less~~",
    "https://evil.example/track?me or www.evil.example or me@evil.example",
    "<https://evil.example>",
    "&lt;b&gt; &#60;b&#62;",
    "\\<b\\>",
    "a\n\n# heading\n\n```sh\nrm -rf /\n```",
    "1. list",
    "- list",
    "---",
    "\u202egnp.exe",
    "<!-- sha256",
)
PARSER = MarkdownIt("commonmark", {"linkify": False}).enable(["table", "strikethrough"])


def tokens(text: str) -> list[Token]:
    """All tokens of a text that its reader's page is made of."""
    blocks = PARSER.parse(text)
    return [inner for block in blocks for inner in (block, *(block.children or ()))]


def body(text: str) -> str:
    """A card without its metadata, which must be YAML."""
    _, metadata, rest = text.split("---\n", 2)
    assert yaml.safe_load(metadata)["library_name"] == "htzoo"
    return rest


def shown(text: str) -> str:
    """The text that a reader sees of one paragraph, which must be all that there is."""
    begin, line, end = PARSER.parse(text)
    assert (begin.type, line.type, end.type) == ("paragraph_open", "inline", "paragraph_close")
    assert {token.type for token in line.children or ()} <= {"text", "text_special"}
    return "".join(token.content for token in line.children or ())


def summary(**values: object) -> RunSummary:
    counts = dict.fromkeys(PARTS, 1)
    return RunSummary("mine", "htzoo fit", 3, 4.0, counts, counts, **values)  # type: ignore[arg-type]


def card(training: Training | None = None, load_as: str = "./mine", **changes: object) -> str:
    model = small_model(classes=changes.pop("classes", ("left", "right", "up")))
    config = ModelConfig(*describe(model), SAMPLING)
    return model_card(replace(config, **changes), model, training, load_as)


@given(st.text())
@example("www.www.x")
@example("a_b _c_ d__e")
@example("+ x")
@example("==")
def test_an_escaped_text_is_shown_as_it_is(text: str) -> None:
    expected = "".join(letter if letter.isprintable() else "\ufffd" for letter in " ".join(text.split()))
    assert not expected or shown(escape(text)) == expected


@pytest.mark.parametrize("text", HOSTILE)
def test_hostile_labels(text: str) -> None:
    kept = escape(text)
    assert not any(address in kept for address in ("://", "www.", "me@"))
    plain = tokens(body(card(classes=("a", "b", "c"), name="a", result=Result("b", "c", 0.5, 2))))
    per_class = {text: (1, 2), "b": (1, 1)}
    training = Training(summary(per_class=per_class, test_accuracy=2 / 3, test_clips=3), text, text, text, text)
    made = tokens(body(card(training, text, classes=(text, "b", "c"), name=text, result=Result(text, text, 2 / 3, 3))))
    known = {token.type for token in plain}
    new = {token.type for token in made} - known - {"text_special"}
    assert not new, new
    assert sum(token.type == "heading_open" for token in made) == sum(token.type == "heading_open" for token in plain)
    rows = [token.content for token in made if token.type == "inline" and token.content.endswith(escape(text))]
    assert rows


@pytest.mark.parametrize("text", ["a`b", "``", "`a", "x\n``` y", "````"])
def test_code_stays_code(text: str) -> None:
    line = PARSER.parse(code(text))[1]
    assert [(token.type, token.content) for token in line.children or ()] == [("code_inline", " ".join(text.split()))]
    (block,) = PARSER.parse(code_block(text, "sh"))
    assert (block.type, block.content) == ("fence", f"{text}\n")


def test_links_are_of_the_web() -> None:
    assert link("a]b", "https://x.example/a(b)") == "[a\\]b](<https://x.example/a(b)>)"
    assert link("a", "javascript:alert(1)") == "a"
    assert link("a", "https://x.example/> <b>") == "a"


def test_a_licence_that_nobody_stated() -> None:
    for training in (None, Training(summary(), "mine")):
        text = card(training)
        assert "\nLicence: not stated." in text and "\nlicense: unknown\n" in text
        assert "Apache-2.0, as htzoo" not in text
    known = card(Training(summary(), "moving_digits", licence="CC BY 4.0 (the digits)"))
    assert "\nLicence: CC BY 4.0 (the digits), that of the dataset, applies to the weights too." in known
    assert "\nlicense: cc-by-4.0\n" in known
    assert "\nlicense: other\n" in card(Training(summary(), "ucf11", licence="for research"))


@pytest.mark.parametrize("name", ["./mine", "./a b", "./it's", './"quoted"', "./back`tick", "./$(id)", "./ü"])
def test_a_card_for_another_place(name: str, tmp_path: Path) -> None:
    path = tmp_path / "README.md"
    path.write_text(card(load_as=name), encoding="utf-8")
    assert is_ours(path)
    moved = readdressed(path.read_text(encoding="utf-8"), "someone/mine")
    assert moved == card(load_as="someone/mine")
    assert readdressed(moved, name) == card(load_as=name)


def test_the_code_of_a_card_runs(tmp_path: Path) -> None:
    """The example of the card, with a folder whose name needs quoting."""
    folder = save_pretrained(small_model(), tmp_path / 'a "b" \\c', sampling=SAMPLING)
    blocks = [token.content for token in tokens((folder / "README.md").read_text()) if token.info == "python"]
    code_of_card = blocks[0].replace('model.classify("clip.mp4", top=5)', "found = model").replace("./", f"{tmp_path}/")
    found: dict[str, ZooClassifier] = {}
    exec(code_of_card, found)
    assert found["found"].classes == ("left", "right", "up")


def test_the_card_of_a_layer(tmp_path: Path) -> None:
    text = (save_pretrained(LSTM(4, 4), tmp_path / "layer") / "README.md").read_text()
    assert "A recurrent layer (torch.nn.LSTM: 4 inputs, 4 hidden units) with dense weights." in text
    assert "# a drop-in for torch.nn.LSTM" in text
