"""What ``htzoo fit --help`` says: the options that people need, and where the others are listed."""

from __future__ import annotations

import re
from collections.abc import Sequence
from itertools import pairwise

_HEAD = {
    "fit": "Train a model, then test the epoch of the lowest validation loss.",
    "validate": "Measure a checkpoint on the validation clips.",
    "test": "Measure a checkpoint on the test clips.",
    "predict": "Write predictions.csv: class probabilities of every test clip.",
}

_TEXT = """\
usage: htzoo {command} NAME [options]

{head} NAME is a configuration: one of the
package (htzoo models lists them) or a YAML file. Flags win over it.

start here:
  htzoo fit moving_digits_demo                               nothing to download, about three minutes
  htzoo fit moving_digits_demo --data VideoFolder --data.folder clips --model.budget 50x
                                                             your videos: one folder for each class
  htzoo fit --resume runs/NAME/TIME                          go on with a run that was stopped
  htzoo fit NAME --print_config > mine.yaml                  every setting, to change and to use in place of NAME
  htzoo test --ckpt_path runs/NAME/TIME                      measure the best epoch again
  htzoo runs                                                 compare all runs

the run:
  --config NAME          the same as NAME; several are merged, later ones win
  --name NAME            name of the run; its folder is runs/NAME/TIME
  --resume RUN           go on in the folder of a run, also within an epoch
  --ckpt_path CKPT       last or best (of the newest run of NAME), the folder of a run, a file, or a published model
  --seed_everything N    seed of everything random (0)
  --logger NAME          log to tensorboard, wandb or mlflow too
  --allow PACKAGE        let configurations name classes of this package; by default those of htzoo, Lightning and
                         torch.optim alone
  --debug                show the traceback of an error

data:
  --data CLASS           a dataset (htzoo data list), or VideoFolder with --data.folder FOLDER
  --data.root FOLDER     where prepared datasets are (data)
  --data.split RULE      group (keep clips of one scene together), clip, or official
  --data.frames N        frames that the model sees of a clip (8)
  --data.size "[H,W]"    frame size
  --data.batch_size N    clips in a step, over all processes (32)
  --data.num_workers N   processes that read clips

model:
  --model.budget 50x     choose modes and ranks: 50 times fewer parameters than a dense weight, or a number of them
  --model.input_format   "{{name: TensorTrain, in_modes: [..], out_modes: [..], rank: 4}}"
  --model.hidden_size N  features of the hidden state (256)
  --model.cell CELL      LSTM, GRU or RNN
  --model.backbone CNN   a timm model that reads the frames first
  --model.optimizer.lr X learning rate
  --model.class_weights balanced   for classes of unequal size
  --model.label_smoothing X        share of the label that is spread over all classes

trainer:
  --trainer.max_epochs N           length of the run
  --trainer.max_time "{{hours: 8}}"  stop, save and test after this time
  --trainer.devices N --trainer.strategy ddp   several processes
  --trainer.precision bf16-mixed

every option:
  htzoo {command} --data.help VideoFolder            of a dataset
  htzoo {command} --model.help VideoClassification   of the model
  htzoo {command} --help_all                         of the trainer, and everything else
"""


def training_help(words: Sequence[str]) -> str | None:
    """The help text, where a command line asks for it; None where it asks for something else.

    Args:
        words: the command line, without ``htzoo``.
    """
    if not {"-h", "--help"} & set(words):
        return None
    return _TEXT.format(command=words[0], head=_HEAD[words[0]])


def where_listed(message: str, command: str, words: Sequence[str]) -> str:
    """Which command lists the options that an error is about.

    Args:
        message: the error.
        command: the subcommand.
        words: the command line.
    """
    if "are required" in message:
        return f"htzoo {command} --help"
    found = re.search(r"\b(data|model|trainer)(?=[.\"'`:\s])", message)
    group = found[1] if found else next((g for g in ("data", "model") if any(f"--{g}." in w for w in words)), "")
    given = {word.partition("=")[0]: word.partition("=")[2] for word in words if "=" in word}
    given |= {a: b for a, b in pairwise(words) if a.startswith("--") and not b.startswith("-")}
    usual = {"data": "VideoFolder", "model": "VideoClassification"}
    if group in usual:
        return f"htzoo {command} --{group}.help {given.get(f'--{group}', usual[group])}"
    return f"htzoo {command} --help_all" if group == "trainer" else f"htzoo {command} --help"
