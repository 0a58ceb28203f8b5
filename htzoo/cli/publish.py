"""``htzoo publish``: a trained model to the Hub, or into a folder that holds the same."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from tempfile import TemporaryDirectory

from htzoo.cli.arguments import Parser

DESCRIPTION = """\
Publish a trained model on the Hub: config.json, model.safetensors, a model card, and the plots of its training run.

All files are uploaded in one commit. Publishing the same model again changes nothing, and a card that was edited by
hand is kept.
Log in with `hf auth login`, or set HF_TOKEN.

examples:
  htzoo publish runs/moving_digits_ht/TIME --repo ORG/moving_digits_ht --dry-run
  htzoo publish runs/moving_digits_ht/TIME --repo ORG/moving_digits_ht --private
  htzoo publish runs/moving_digits_ht/TIME -o checkpoints/moving_digits_ht
"""


def run(words: Sequence[str]) -> None:
    """Run the command.

    Args:
        words: the command line, without ``htzoo``.
    """
    parser = Parser("publish", DESCRIPTION)
    parser.add_argument("source", metavar="RUN", help="a training run, its checkpoint, or a folder that htzoo saved")
    where = parser.add_mutually_exclusive_group(required=True)
    where.add_argument("--repo", metavar="ORG/NAME", help="repository on the Hub; created if it is missing")
    where.add_argument("-o", "--output", type=Path, metavar="FOLDER", help="write the files to this folder instead")
    parser.add_argument("--private", action="store_true", default=None, help="make a new repository private")
    parser.add_argument("--revision", metavar="BRANCH", help="branch to publish on; created if it is missing")
    parser.add_argument("--dry-run", action="store_true", help="show what would be published, and upload nothing")
    given = parser.parse_args(words[1:])
    if given.output is not None and (given.private or given.revision or given.dry_run):
        parser.error("--private, --revision and --dry-run are for --repo: use them without -o")
    source = Path(given.source)
    with TemporaryDirectory() as made:
        if given.output is not None:
            saved = _save(source, given.output, None)
            print(f"{saved}: {_sizes({path.name: path for path in saved.iterdir()})}")
            return
        folder = source if (source / "config.json").is_file() else _save(source, Path(made), given.repo)
        _publish(folder, given.repo, given.private, given.revision, given.dry_run)


def _save(source: Path, output: Path, load_as: str | None) -> Path:
    """Save the model of a training run, with a card that reports the run."""
    from htzoo.hub.classifier import ZooClassifier
    from htzoo.hub.open_model import open_model
    from htzoo.hub.packaged_weights import checkpoint_folder
    from htzoo.hub.save import save_pretrained
    from htzoo.hub.training_run import BEST, read_training

    if (source / "config.json").is_file():
        raise ValueError(f"{source} is a saved model already: publish it with --repo, or copy the folder")
    checkpoint = source / BEST if source.is_dir() else source
    if source.is_dir() and not checkpoint.is_file():
        raise ValueError(f"{source} has neither config.json nor {BEST} in it: give a training run, or a saved folder")
    model = open_model(checkpoint, ZooClassifier)
    if load_as is None and output.resolve().parent == checkpoint_folder().resolve():
        load_as = output.resolve().name
    return save_pretrained(model, output, model.config, training=read_training(checkpoint), load_as=load_as)


def _publish(folder: Path, repo: str, private: bool | None, revision: str | None, dry_run: bool) -> None:
    from huggingface_hub import hf_hub_url

    from htzoo.hub.card import CARD_NAME
    from htzoo.hub.client_errors import explaining
    from htzoo.hub.config import CONFIG_NAME, read_config
    from htzoo.hub.upload import contents, upload_folder

    with explaining(repo):
        hf_hub_url(repo, CARD_NAME)  # checks the name without asking the Hub
    if "/" not in repo:
        raise ValueError(f"--repo is {repo!r}: write ORG/NAME")
    read_config(folder / CONFIG_NAME)  # raises if it is not a model
    at = f" on branch {revision}" if revision else ""
    files = contents(folder, repo)
    if dry_run:
        if CARD_NAME in files:
            print(_bytes(files[CARD_NAME]).decode())
        print(f"would publish {_sizes(files)} as {repo}{at}; nothing was uploaded")
        return
    commit = upload_folder(folder, repo, private=private, revision=revision)
    print(f"{repo}{at}: {_sizes(files)}")
    print(f"{commit.commit_url}\nhtzoo.from_pretrained({repo!r})")


def _sizes(files: Mapping[str, Path | bytes]) -> str:
    return ", ".join(f"{name} ({len(_bytes(files[name])):,} bytes)" for name in sorted(files))


def _bytes(content: Path | bytes) -> bytes:
    return content if isinstance(content, bytes) else content.read_bytes()
