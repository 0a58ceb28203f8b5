"""Fetch the two files of a model from the Hub, or from the cache of an earlier time."""

from __future__ import annotations

import os
from pathlib import Path

from huggingface_hub import get_hf_file_metadata, hf_hub_download, hf_hub_url
from huggingface_hub.errors import LocalEntryNotFoundError, OfflineModeIsEnabled

from htzoo.hub.client_errors import explaining, is_unreachable
from htzoo.hub.config import CONFIG_NAME, MAX_BYTES
from htzoo.hub.errors import HubError, ModelError
from htzoo.hub.weights import WEIGHTS_NAME


class Download:
    """One model of the Hub at one commit.

    The size of a file is asked for before it is fetched, and both files are of the commit that the revision meant when
    the first of them came, whatever happens to the branch in between.

    Args:
        repository: ``ORG/REPO``.
        revision: branch, tag or commit; the main branch when None.
        cache_dir: where downloads are kept; the client's own cache when None.
        local_files_only: whether to use only what is in the cache.
        token: access token; the client's own when None.

    Raises:
        HubError: (by all methods) a file cannot be had; the message says why.
    """

    def __init__(
        self,
        repository: str,
        revision: str | None,
        cache_dir: str | os.PathLike[str] | None,
        local_files_only: bool,
        token: str | bool | None,
    ) -> None:
        self.repository = repository
        self.revision = revision
        self.cache_dir = None if cache_dir is None else Path(cache_dir)
        self.local = local_files_only
        self.token = token
        self.unreachable: Exception | None = None

    def config(self) -> Path:
        """config.json; from here on the commit is fixed."""
        path = self._fetch(CONFIG_NAME, MAX_BYTES)
        self.revision = path.parent.name  # the cache names the folder of a snapshot after its commit
        return path

    def weights(self, most: int) -> Path:
        """model.safetensors, if it is not larger than ``most`` bytes."""
        return self._fetch(WEIGHTS_NAME, most)

    def _fetch(self, file: str, most: int) -> Path:
        with explaining(self.repository, self.revision, file):
            if not self.local:
                self._check_size(file, most)
            try:
                path = hf_hub_download(
                    self.repository,
                    file,
                    revision=self.revision,
                    cache_dir=self.cache_dir,
                    local_files_only=self.local,
                    token=self.token,
                )
            except LocalEntryNotFoundError as error:
                if self.unreachable is not None and not isinstance(self.unreachable, OfflineModeIsEnabled):
                    raise self.unreachable from None
                why = "local_files_only is set" if self.unreachable is None else "HF_HUB_OFFLINE is set"
                at = f" at {self.revision}" if self.revision else ""
                text = f"{file} of {self.repository}{at} is not in the cache, and {why}: load it once online"
                raise HubError(text) from error
            return Path(path)

    def _check_size(self, file: str, most: int) -> None:
        """Refuse a file that is too large; where the Hub cannot be reached, turn to the cache, which fails at once."""
        try:
            metadata = get_hf_file_metadata(hf_hub_url(self.repository, file, revision=self.revision), token=self.token)
        except Exception as error:
            if not is_unreachable(error):
                raise
            self.local = True
            self.unreachable = error
            return
        if metadata.size is not None and metadata.size > most:
            raise ModelError(
                f"{file} of {self.repository} has {metadata.size:,} bytes, and at most {most:,} make sense: "
                "it is not downloaded"
            )
