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
    "Total length of `ClipLoader` across ranks is zero",  # no validation clips, and fast_dev_run
):
    warnings.filterwarnings("ignore", message=f"(?s).*{advice}")

import lightning.pytorch as pl  # noqa: E402
import yaml  # noqa: E402
from jsonargparse import ActionConfigFile  # type: ignore[attr-defined]  # noqa: E402
from lightning.fabric.plugins.environments.slurm import SLURMEnvironment  # noqa: E402
from lightning.pytorch.cli import LightningArgumentParser, LightningCLI  # noqa: E402
from lightning.pytorch.plugins.io import CheckpointIO  # noqa: E402
from lightning.pytorch.strategies.launchers import subprocess_script  # noqa: E402

from htzoo import __version__  # noqa: E402
from htzoo.cli import processes, slurm  # noqa: E402
from htzoo.cli.allocator import reuse_memory  # noqa: E402
from htzoo.cli.checkpoint import check_checkpoint, is_published, load_published, note_differences  # noqa: E402
from htzoo.cli.class_policy import allow_only_known_classes, denied_sentence  # noqa: E402
from htzoo.cli.errors import shorten  # noqa: E402
from htzoo.cli.loggers import LoggerName, make_logger  # noqa: E402
from htzoo.cli.progress_bar import Bar  # noqa: E402
from htzoo.cli.run_choice import RUNS, checked_name, find_checkpoint, run_folder, spelled_out  # noqa: E402
from htzoo.cli.run_name import run_name  # noqa: E402
from htzoo.cli.save_config import SaveConfig  # noqa: E402
from htzoo.cli.training_help import where_listed  # noqa: E402
from htzoo.configs import find_config, load_config  # noqa: E402
from htzoo.data import VideoDataModule  # noqa: E402
from htzoo.data.datasets.registry import dataset_names, find_dataset  # noqa: E402
from htzoo.names import printable  # noqa: E402
from htzoo.report.metrics_logger import MetricsLogger  # noqa: E402
from htzoo.report.run_folder import RunReport  # noqa: E402
from htzoo.tasks import (  # noqa: E402
    AtomicCheckpointIO,
    BestAndLast,
    MultiLabelClassification,
    Stopped,
    StopSignals,
    Throughput,
    VideoClassification,
)

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
        text = denied_sentence(str(message)) or shorten(str(message))
        if text.startswith("the following arguments are required"):
            text = f"{text}: give --config NAME, such as moving_digits_ht, which needs no download"
        words = sys.argv[1:]
        where = where_listed(text, words[0] if words else "fit", words)
        self.exit(2, f"htzoo: {text} ({where} lists the options)\n" if processes.rank() == 0 else None)


class TrainingCLI(LightningCLI):
    """The four training commands.

    Args:
        words: the command line, without ``htzoo``.
        signals: what keeps signals until a training step has ended.
    """

    trainer: pl.Trainer

    def __init__(self, words: Sequence[str], signals: StopSignals | None = None) -> None:
        self.command = printable(shlex.join(["htzoo", *words])).replace("\n", " ")
        self.signals = signals or StopSignals()
        words, self.allowed = allow_only_known_classes(words)
        words = ["--help" if word == "--help_all" else word for word in words]
        self.ckpt_path: str | None = None
        super().__init__(
            parser_class=OneLineParser,
            seed_everything_default=0,
            auto_configure_optimizers=False,
            save_config_callback=SaveConfig,
            save_config_kwargs={"save_to_log_dir": False},
            args=_configurations_first(spelled_out(words)),
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
        parser.add_argument(
            "--name",
            type=str | None,
            help="Name of the run and of its folder; by default that of the configuration, or, with other data, "
            "DATA_FORMAT.",
        )
        parser.add_argument(
            "--logger",
            type=LoggerName | list[LoggerName] | None,
            help="Where else to log, beside metrics.csv in the folder of the run: tensorboard, wandb or mlflow.",
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
        if self.config[subcommand].get("ckpt_path") is None and subcommand != "fit":
            self.parser.error(f"{subcommand} needs a checkpoint: give --ckpt_path RUN, or a published model")

    def instantiate_trainer(self, **kwargs: Any) -> pl.Trainer:
        """A trainer that logs to ``runs/NAME/TIME`` and keeps the best and the last epoch.

        In a run of several processes the first one's folder counts: Lightning passes it on to the others.
        """
        config = self.config[self.subcommand]
        asked = config.trainer
        name = self._name()
        runs = Path(asked.default_root_dir or RUNS) / name
        folder = self._choose_checkpoint(runs)
        if folder is not None:  # a run goes on where it lies and as it is called, whatever is asked for now
            folder = folder.resolve()
            runs, name = folder.parent, folder.parent.name
        self.report = RunReport(name, self.command, config.seed_everything)
        callbacks: list[pl.Callback] = [self.report]
        self.checkpoints: BestAndLast | None = None
        if self.subcommand == "fit":
            callbacks.insert(0, Throughput())
            if not asked.fast_dev_run and asked.enable_checkpointing is not False:
                unseen = asked.limit_val_batches == 0 or self._keeps_none()
                self.checkpoints = BestAndLast(None if unseen else "val/loss", self.signals)
                callbacks.append(self.checkpoints)
        if asked.enable_progress_bar is None:
            kwargs["enable_progress_bar"] = sys.stderr.isatty()  # in a log file, a bar is a line for every refresh
        if kwargs.get("enable_progress_bar", asked.enable_progress_bar):
            callbacks.append(Bar())
        if self._keeps_none():
            kwargs["limit_val_batches"] = 0
        kwargs["enable_model_summary"] = bool(asked.enable_model_summary)
        kwargs["plugins"] = self._plugins()
        kwargs["default_root_dir"] = str(runs)  # Lightning looks there for checkpoints of other jobs
        self.trainer_defaults["callbacks"] = callbacks
        if asked.logger is not False and not asked.fast_dev_run:
            given = self._get(self.config_init, "trainer").logger
            others = [] if given is None or given is True else given if isinstance(given, list) else [given]
            ours = MetricsLogger(runs, folder.name, True) if folder else MetricsLogger(runs, self._new_folder())
            names: list[LoggerName] = config.logger if isinstance(config.logger, list) else [config.logger or "csv"]
            named = [make_logger(name, runs, ours.version) for name in names]
            kwargs["logger"] = [ours, *others, *filter(None, named)]
        # A run of it has the same name; a run that goes on keeps the file that it has.
        self.save_config_kwargs["config_filename"] = next(folder.glob("*.yaml")).name if folder else f"{name}.yaml"
        self._parser(self.subcommand).dump_header = [f"htzoo=={__version__}", self.command]
        return super().instantiate_trainer(**kwargs)

    def _name(self) -> str:
        """Name of the run: what was asked for, else that of the configuration, but not where the data are others."""
        config = self.config[self.subcommand]
        if config.name is not None:
            return checked_name(config.name)
        if not config.get("config"):
            return "unnamed"
        first = str(config.config[0])
        meant = str((load_config(first).get("data") or {}).get("class_path", "")).rpartition(".")[2]
        known = {base.__name__ for base in type(self.datamodule).__mro__}
        if meant in known or not meant or not isinstance(self.datamodule, VideoDataModule):
            return Path(first).stem
        return checked_name(run_name(self.datamodule, self.config_init[self.subcommand].model))

    def _new_folder(self) -> str:
        time = datetime.now().isoformat("_", "milliseconds").replace(":", "-")
        job = slurm.job_id()
        return time + ("" if self.subcommand == "fit" else f"_{self.subcommand}") + (f"_job{job}" if job else "")

    def _plugins(self) -> list[Any]:
        """Those asked for, with checkpoints that are written whole, and a SLURM that leaves signals to us."""
        given = self._get(self.config_init, "trainer").plugins
        plugins = [] if given is None else list(given) if isinstance(given, list) else [given]
        if not any(isinstance(plugin, CheckpointIO) for plugin in plugins):
            plugins.append(AtomicCheckpointIO())
        if SLURMEnvironment.detect() and not any(isinstance(plugin, SLURMEnvironment) for plugin in plugins):
            plugins.append(SLURMEnvironment(auto_requeue=False))
        return plugins

    def _choose_checkpoint(self, runs: Path) -> Path | None:
        """Find the checkpoint that was asked for, make sure that it fits, and return the run to go on with."""
        config, fits = self.config[self.subcommand], self.subcommand == "fit"
        given, config.ckpt_path = config.ckpt_path, None  # who repeats the run begins anew
        interrupted = slurm.interrupted_run(runs, self.command) if fits else None
        if given is None and interrupted is not None:
            given = str(interrupted)
        if given is None:
            return None
        own = given in ("last", "best") or run_folder(Path(given)) is not None
        if not fits and not own and is_published(given):
            load_published(given, self.model, self.datamodule)
            return None
        path = find_checkpoint(given, runs, "last" if fits else "best")
        note_differences(str(path), config.model.init_args.as_dict(), FROM_DATA)
        check_checkpoint(str(path), self.model)
        self.ckpt_path = str(path)
        return run_folder(path) if fits else None

    def _keeps_none(self) -> bool:
        """Whether all clips that are not for testing are trained on."""
        return isinstance(self.datamodule, VideoDataModule) and self.datamodule.validation == 0

    def fit(self, **kwargs: Any) -> None:
        """Train, then test the epoch of the lowest validation loss, or the last one where nothing is validated."""
        processes.prepare_watch()
        # Lightning's own observer kills all processes without a word.
        setattr(subprocess_script, "_launch_process_observer", processes.watch_children)  # noqa: B010 (private)
        kwargs["ckpt_path"] = self.ckpt_path
        try:
            self.trainer.fit(**kwargs)
        except Stopped as stop:
            if stop.signal is not None or not stop.saved:
                raise
            self.report.say(self.trainer, f"{stop}; {self._how_to_go_on()}")
        best = None if self.checkpoints is None else self.checkpoints.best or self.checkpoints.last
        self.trainer.test(self.model, datamodule=self.datamodule, ckpt_path=best, verbose=False)
        if not self.report.tested:
            self.report.finish_untested(self.trainer, self.model)

    def _how_to_go_on(self) -> str:
        """What to type to go on with this run."""
        last = None if self.checkpoints is None else self.checkpoints.last
        if last is None:
            return "nothing was saved yet"
        words = ["htzoo", "fit", "--resume", os.path.relpath(last.parent.parent)]
        return "go on with " + shlex.join([*words, *(f"--allow={name}" for name in self.allowed)])

    def _run_subcommand(self, subcommand: str) -> None:
        """Say how to go on after a run was stopped, and put a job of SLURM back into the queue."""
        try:
            super()._run_subcommand(subcommand)
        except Stopped as stop:
            if not self.trainer.is_global_zero:
                if stop.saved:  # all stop together, and the first process says so: this one has not failed
                    return
                raise KeyboardInterrupt("") from None
            text = f"{stop}; {self._how_to_go_on()}" if subcommand == "fit" else str(stop)
            if stop.signal is not None and stop.signal.name == "SIGUSR1":
                text = "; ".join(filter(None, [text, slurm.requeue()]))
            raise KeyboardInterrupt(text) from None

    def validate(self, **kwargs: Any) -> None:
        """Measure on the validation clips.

        Raises:
            ValueError: there are none.
        """
        if self._keeps_none():
            raise ValueError("validation is 0, so that no clips are kept to validate on: measure with htzoo test")
        self.trainer.validate(verbose=False, **{**kwargs, "ckpt_path": self.ckpt_path})

    def test(self, **kwargs: Any) -> None:
        """Measure on the test clips."""
        self.trainer.test(verbose=False, **{**kwargs, "ckpt_path": self.ckpt_path})

    def predict(self, **kwargs: Any) -> None:
        """Write class probabilities of the test clips."""
        self.trainer.predict(**{**kwargs, "ckpt_path": self.ckpt_path})


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
    signals = StopSignals()
    signals.install()
    processes.watch_parent()
    try:
        return TrainingCLI(words, signals)
    except Stopped as stop:  # before there was anything to train
        raise KeyboardInterrupt(str(stop)) from None
    finally:
        signals.restore()
