"""Write the configuration of a run into its folder."""

from __future__ import annotations

from pathlib import Path

import lightning.pytorch as pl
from lightning.pytorch.cli import SaveConfigCallback

from htzoo.files import replacing
from htzoo.report.metrics_logger import MetricsLogger


class SaveConfig(SaveConfigCallback):
    """Writes the whole configuration, every default included, whole or not at all.

    The file has the name of the run, so that a run of it is called the same. Its first lines are comments: the version
    of htzoo and the command line.
    """

    def save_config(self, trainer: pl.Trainer, pl_module: pl.LightningModule, stage: str) -> None:
        """See the class."""
        if not isinstance(trainer.logger, MetricsLogger):
            return  # no folder, and the working folder is the user's
        text = self.parser.dump(self.config, skip_none=False)
        with replacing(Path(trainer.logger.save_dir) / self.config_filename) as temporary:
            temporary.write_text(text, encoding="utf-8", newline="\n")
