"""What the commands that are no training share: a parser whose errors are one line."""

from __future__ import annotations

import argparse
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, NoReturn

from htzoo.names import UnknownNameError

if TYPE_CHECKING:
    from htzoo.formats import Format
    from htzoo.hub.open_model import HubOptions


class Parser(argparse.ArgumentParser):
    """A parser of one command.

    Args:
        command: its name.
        description: what it does, and examples.
        epilog: what stands below the options.
    """

    def __init__(self, command: str, description: str, epilog: str | None = None) -> None:
        super().__init__(
            prog=f"htzoo {command}",
            description=description,
            epilog=epilog,
            formatter_class=argparse.RawDescriptionHelpFormatter,
            allow_abbrev=False,
        )
        self.register("type", int, _number(int, "a whole number"))
        self.register("type", float, _number(float, "a number"))

    def error(self, message: str) -> NoReturn:
        """Print the message without the usage text, and exit with status 2."""
        self.exit(2, f"htzoo: {message} ({self.prog} --help lists every option)\n")


def _number(kind: type, words: str) -> Callable[[str], float]:
    """A type of arguments whose error says what is asked for, where argparse would name the type in Python."""

    def read(text: str) -> float:
        try:
            number: float = kind(text)
        except ValueError:
            raise argparse.ArgumentTypeError(f"{text!r} is not {words}") from None
        return number

    return read


def positive(text: str) -> int:
    """The type of an argument that counts something.

    Raises:
        argparse.ArgumentTypeError: it is not a whole number above zero.
    """
    if not text.isdigit() or int(text) < 1:
        raise argparse.ArgumentTypeError(f"{text!r} is not a whole number above zero")
    return int(text)


def format_class(text: str) -> type[Format]:
    """The type of an argument that is the name of a format.

    Raises:
        argparse.ArgumentTypeError: there is no such format.
    """
    from htzoo.formats import find_format

    try:
        return find_format(text)
    except UnknownNameError as error:
        raise argparse.ArgumentTypeError(str(error)) from None


def listing(commands: Mapping[str, tuple[str, str]]) -> str:
    """Lines of a help text from command -> (module, what it does)."""
    width = max(map(len, commands))
    return "\n".join(f"  {name:<{width}}  {text}" for name, (_, text) in commands.items())


def add_hub_options(parser: argparse.ArgumentParser) -> None:
    """The options of :func:`htzoo.from_pretrained`; the token comes from ``hf auth login`` or HF_TOKEN."""
    parser.add_argument("--revision", help="branch, tag or commit of a model on the Hub")
    parser.add_argument("--cache-dir", metavar="FOLDER", help="where downloads are kept")
    parser.add_argument("--local-files-only", action="store_true", help="never ask the Hub, use what is in the cache")


def hub_options(given: argparse.Namespace) -> HubOptions:
    """What was given of them."""
    from htzoo.hub.open_model import HubOptions

    return HubOptions(given.revision, given.cache_dir, given.local_files_only)
