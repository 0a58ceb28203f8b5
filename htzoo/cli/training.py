"""``htzoo fit``, ``validate``, ``test``, ``predict``: LightningCLI with named configurations and a run folder."""

from __future__ import annotations

import logging
import os
import shlex
import sys
import warnings
from collections.abc import Sequence
from datetime import datetime
from pathlib import Path
from typing import Any, NoReturn

# Set before Lightning is imported: nothing below may print what is of no use to the user.
warnings.filterwarnings("ignore", message=".*is deprecated", module=r"(lightning|jsonargparse|torch)\b")
warnings.filterwarnings("ignore", message=".*LeafSpec", category=FutureWarning)
for advice in (
    "smaller than the logging interval",
    "does not have many workers",
    "callbacks used to create the checkpoint",
    "dirpath has changed",
    "Total length of `DataLoader` across ranks is zero",  # no validation clips, and fast_dev_run
):
    warnings.filterwarnings("ignore", message=f"(?s).*{advice}")

import lightning.pytorch as pl  # noqa: E402
import yaml  # noqa: E402
from jsonargparse import ActionConfigFile  # type: ignore[attr-defined]  # noqa: E402
from lightning.pytorch.callbacks import ModelCheckpoint  # noqa: E402
from lightning.pytorch.cli import LightningArgumentParser, LightningCLI  # noqa: E402
from lightning.pytorch.loggers import CSVLogger  # noqa: E402

from htzoo import __version__  # noqa: E402
from htzoo.cli.allocator import reuse_memory  # noqa: E402
from htzoo.cli.checkpoint import check_checkpoint, is_published, load_published, note_differences  # noqa: E402
from htzoo.cli.errors import shorten  # noqa: E402
from htzoo.cli.progress_bar import Bar  # noqa: E402
from htzoo.configs import find_config, load_config  # noqa: E402
from htzoo.data import VideoDataModule  # noqa: E402
from htzoo.data.datasets.registry import dataset_names, find_dataset  # noqa: E402
from htzoo.report.run_folder import RunReport  # noqa: E402
from htzoo.tasks import MultiLabelClassification, Throughput, VideoClassification  # noqa: E402

# The parser knows a class by its bare name once it is imported: this is never read.
NAMED_CLASSES = (*map(find_dataset, dataset_names()), VideoClassification, MultiLabelClassification)

FROM_DATA = ("classes", "frame_size")  # arguments of the model that are attributes of the data


class ConfigByName(ActionConfigFile):
    """``--config`` that takes the name of a configuration of the package as well as a path."""

    def __call__(self, parser: Any, cfg: Any, values: Any, option_string: str | None = None) -> None:
        """Resolve the name, then read the file with the parts that it is built on."""
        try:
            path, content = find_config(values), load_config(values)
        except (OSError, ValueError) as error:
            parser.error(str(error))
        text = yaml.safe_dump(content, sort_keys=False)
        super().__call__(parser, cfg, text, option_string)  # type: ignore[no-untyped-call]
        cfg[self.dest][-1] = str(path)  # in place of None, which stands for settings that came without a file


class OneLineParser(LightningArgumentParser):
    """A parser whose errors are one line."""

    def error(self, message: str, ex: Exception | None = None) -> NoReturn:
        """Print the message without the usage text, and exit with status 2."""
        text = shorten(str(message))
        if text.startswith("the following arguments are required"):
            text = f"{text}: give --config NAME, such as moving_digits_ht, which needs no download"
        self.exit(2, f"htzoo: {text} (--help lists every option)\n")


class TrainingCLI(LightningCLI):
    """The four training commands.

    Args:
        words: the command line, without ``htzoo``.
    """

    def __init__(self, words: Sequence[str]) -> None:
        self.words = words
        super().__init__(
            parser_class=OneLineParser,
            seed_everything_default=0,
            auto_configure_optimizers=False,
            save_config_kwargs={"overwrite": True},
            args=_configurations_first(words),
        )

    def init_parser(self, **kwargs: Any) -> LightningArgumentParser:
        """A parser that knows configurations by name."""
        parser = self.parser_class(**{"dump_header": [f"htzoo=={__version__}"], **kwargs})
        parser.add_argument(
            "-c",
            "--config",
            action=ConfigByName,
            help="Name or path of a configuration. Several are merged, later ones win, and flags win over all.",
        )
        return parser

    @staticmethod
    def subcommands() -> dict[str, set[str]]:
        """The commands, and the arguments of the trainer's methods that are not the user's."""
        return {name: skip | {"verbose", "weights_only"} for name, skip in LightningCLI.subcommands().items()}

    def add_arguments_to_parser(self, parser: LightningArgumentParser) -> None:
        """The model takes class names and frame size from the data."""
        for name in FROM_DATA:
            parser.link_arguments(f"data.{name}", f"model.init_args.{name}", apply_on="instantiate")

    def parse_arguments(self, parser: LightningArgumentParser, args: Any) -> None:
        """Parse the words given, whatever ``sys.argv`` holds."""
        self.config = parser.parse_args(args)

    def _parse_ckpt_path(self) -> None:
        """Unlike LightningCLI, never let a checkpoint's hyper-parameters replace what was asked for."""
        subcommand = self.config.get("subcommand")
        path = self.config[subcommand].get("ckpt_path")
        if path is None and subcommand != "fit":
            self.parser.error(
                f"{subcommand} needs a checkpoint: give --ckpt_path RUN/checkpoints/best.ckpt, or a published model"
            )
        if path is not None and not (subcommand != "fit" and is_published(path)):
            note_differences(path, self.config[subcommand].model.init_args.as_dict(), FROM_DATA)

    def after_instantiate_classes(self) -> None:
        """Refuse a checkpoint of another model before any work is done."""
        path = self.config[self.subcommand].get("ckpt_path")
        if path is not None and self.subcommand != "fit" and is_published(path):
            load_published(path, self.model, self.datamodule)
            self.config_init[self.subcommand].ckpt_path = None  # the weights are there
        elif path is not None:
            check_checkpoint(path, self.model)

    def instantiate_trainer(self, **kwargs: Any) -> pl.Trainer:
        """A trainer that logs to ``runs/NAME/TIME`` and keeps the best and the last epoch.

        In a run of several processes the first one's folder counts: Lightning passes it on to the others.
        """
        config = self.config[self.subcommand]
        name = Path(str(config.config[0])).stem if config.get("config") else "unnamed"
        words = ["htzoo", *self.words]
        callbacks: list[pl.Callback] = [RunReport(name, shlex.join(words), config.seed_everything)]
        if self.subcommand == "fit":
            callbacks.insert(0, Throughput())
            if not config.trainer.fast_dev_run and config.trainer.enable_checkpointing is not False:
                unseen = config.trainer.limit_val_batches == 0 or self._keeps_none()
                monitor = None if unseen else "val/loss"  # without: the last epoch
                callbacks.append(ModelCheckpoint(monitor=monitor, filename="best", save_last=True))
        if config.trainer.enable_progress_bar is None:
            kwargs["enable_progress_bar"] = sys.stderr.isatty()  # in a log file, a bar is a line for every refresh
        if kwargs.get("enable_progress_bar", config.trainer.enable_progress_bar):
            callbacks.append(Bar())
        if self._keeps_none():
            kwargs["limit_val_batches"] = 0
        kwargs["enable_model_summary"] = bool(config.trainer.enable_model_summary)
        self.trainer_defaults["callbacks"] = callbacks
        if config.trainer.logger is None and not config.trainer.fast_dev_run:
            time = datetime.now().isoformat("_", "milliseconds").replace(":", "-")
            version = time if self.subcommand == "fit" else f"{time}_{self.subcommand}"
            kwargs["logger"] = CSVLogger(config.trainer.default_root_dir or "runs", name, version)
        if config.trainer.logger is False:
            self.save_config_callback = None  # there is no folder, and the working folder is the user's
        self.save_config_kwargs["config_filename"] = f"{name}.yaml"  # so that a run of it has the same name
        return super().instantiate_trainer(**kwargs)

    def _keeps_none(self) -> bool:
        """Whether all clips that are not for testing are trained on."""
        return isinstance(self.datamodule, VideoDataModule) and self.datamodule.validation == 0

    def fit(self, **kwargs: Any) -> None:
        """Train, then test the epoch of the lowest validation loss, or the last one where nothing is validated."""
        self.trainer.fit(**kwargs)
        checkpoint = self.trainer.checkpoint_callback
        ckpt_path = (checkpoint.best_model_path or None) if isinstance(checkpoint, ModelCheckpoint) else None
        self.trainer.test(self.model, datamodule=self.datamodule, ckpt_path=ckpt_path, verbose=False)

    def _run_subcommand(self, subcommand: str) -> None:
        """Turn Lightning's silent exit after Ctrl-C back into an interrupt that says how to go on."""
        try:
            super()._run_subcommand(subcommand)
        except SystemExit:
            if not self.trainer.interrupted or not self.trainer.is_global_zero:
                raise
            checkpoint = self.trainer.checkpoint_callback
            last = checkpoint.last_model_path if isinstance(checkpoint, ModelCheckpoint) else ""
            go_on = [shlex.join(["htzoo", *self.words, "--ckpt_path", os.path.relpath(last)])] if last else []
            raise KeyboardInterrupt(*go_on) from None

    def validate(self, **kwargs: Any) -> None:
        """Measure on the validation clips.

        Raises:
            ValueError: there are none.
        """
        if self._keeps_none():
            raise ValueError("validation is 0, so that no clips are kept to validate on: measure with htzoo test")
        self.trainer.validate(verbose=False, **kwargs)

    def test(self, **kwargs: Any) -> None:
        """Measure on the test clips."""
        self.trainer.test(verbose=False, **kwargs)


def _configurations_first(words: Sequence[str]) -> list[str]:
    """Move every ``--config`` in front, so that flags win over it wherever they stand."""
    first, rest, waiting = [], [], list(words)
    while waiting:
        word = waiting.pop(0)
        if word in ("-c", "--config") and waiting:
            first += [word, waiting.pop(0)]
        elif word.startswith("--config="):
            first.append(word)
        else:
            rest.append(word)
    return [*rest[:1], *first, *rest[1:]]


def run(words: Sequence[str]) -> TrainingCLI:
    """Run one training command.

    Args:
        words: the command line, without ``htzoo``.

    Returns:
        What it was run with, and what came out.
    """
    reuse_memory()
    logging.getLogger("lightning.pytorch").setLevel(logging.WARNING)
    logging.getLogger("lightning.fabric").setLevel(logging.WARNING)
    return TrainingCLI(words)
