"""The ``htzoo`` command: finds the subcommand, imports only what that needs, and turns errors into one line."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from importlib import import_module

from htzoo.cli.arguments import listing
from htzoo.cli.training_help import training_help
from htzoo.names import UnknownNameError, did_you_mean, printable

# Command: the module of htzoo.cli that has its `run(words)`, and what it does.
COMMANDS = {
    "fit": ("training", "train a model, then test its best epoch"),
    "validate": ("training", "measure a checkpoint on the validation clips"),
    "test": ("training", "measure a checkpoint on the test clips"),
    "predict": ("training", "write class probabilities for the test clips"),
    "runs": ("runs", "compare all runs, and sum up seeds"),
    "report": ("report", "draw the plots of a run, also of one that was stopped"),
    "data": ("data", "list, prepare, check and show datasets"),
    "models": ("models", "list the models of the zoo"),
    "info": ("info", "one model: sizes, parameters, ratios, published figures, a picture of its networks"),
    "classify": ("classify", "label video files with a trained model"),
    "demo": ("demo", "a local web page on which to try models"),
    "compress": ("compress", "turn trained dense layers into small ones"),
    "export": ("export", "write a model as ONNX or a torch.export program"),
    "publish": ("publish", "send a trained model to the Hub, with its card"),
    "bench": ("bench", "time tensorized layers beside dense ones"),
}

HELP = """\
usage: htzoo COMMAND [options]

Train recurrent video models whose weights are tensor networks.

commands:
{commands}

examples:
  htzoo fit moving_digits_demo                            train and test, about three minutes on two cores
  htzoo fit moving_digits_ht --seed_everything 1          another seed
  htzoo fit moving_digits_ht --print_config               show every setting, and train nothing
  htzoo fit --resume runs/moving_digits_ht/TIME           go on with a run that was stopped
  htzoo test --ckpt_path runs/moving_digits_ht/TIME       measure its best epoch again
  htzoo bench HierarchicalTucker --threads 1              how fast a format is here, beside dense layers

options:
  -h, --help   this text; htzoo COMMAND --help lists a command's options
  --version    print the version
  --debug      show the whole traceback of an error
"""


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command.

    Args:
        arguments: what stands behind ``htzoo`` on the command line; taken from there when None.

    Returns:
        Exit status: 0 done, 1 it failed, 2 the command line is wrong.
    """
    words = list(sys.argv[1:] if arguments is None else arguments)
    debug = "--debug" in words
    words = [word for word in words if word != "--debug"]
    if not words or words[0] in ("-h", "--help"):
        print(HELP.format(commands=listing(COMMANDS)))
        return 0
    if words[0] == "--version":
        from htzoo import __version__

        print(f"htzoo {__version__}")
        return 0
    if words[0] not in COMMANDS:
        hint = did_you_mean(words[0], COMMANDS, f"commands are {', '.join(COMMANDS)}")
        return _fail(f"no command {words[0]!r}: {hint}", 2)
    try:
        module, _ = COMMANDS[words[0]]
        if module == "training" and (text := training_help(words)) is not None:
            print(text, end="")
            return 0
        import_module(f"htzoo.cli.{module}").run(words)
    except KeyboardInterrupt as stop:
        return _fail(str(stop.args[0]) if stop.args else "stopped", 1)
    except Exception as error:
        if debug:
            raise
        from htzoo.cli.errors import sentence
        from htzoo.cli.processes import tell

        return _fail(tell(error, sentence(error)), 2 if isinstance(error, UnknownNameError) else 1)
    return 0


def _fail(text: str | None, status: int) -> int:
    if text:
        print(f"htzoo: {printable(text)}", file=sys.stderr)
    return status


def console() -> None:
    """What the ``htzoo`` script calls."""
    sys.exit(main())
