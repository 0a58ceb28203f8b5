"""Download the two files of a model from the Hub, or take them from the cache."""

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

    The size of a file is checked before it is downloaded. Both files are from the commit that the revision pointed to
    when the first was downloaded, even if the branch moves in between.

    Args:
        repository: ``ORG/REPO``.
        revision: branch, tag or commit; the main branch when None.
        cache_dir: where downloads are kept; the client's own cache when None.
        local_files_only: whether to use only what is in the cache.
        token: access token; the client's own when None.

    Raises:
        HubError: (from all methods) a file cannot be read; the message says why.
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
        """Path of config.json. From here on the commit is fixed."""
        path = self._fetch(CONFIG_NAME, MAX_BYTES)
        self.revision = path.parent.name  # the cache names the folder of a snapshot after its commit
        return path

    def weights(self, limit: int) -> Path:
        """Path of model.safetensors, if it has at most ``limit`` bytes."""
        return self._fetch(WEIGHTS_NAME, limit)

    def _fetch(self, file: str, limit: int) -> Path:
        with explaining(self.repository, self.revision, file):
            if not self.local:
                self._check_size(file, limit)
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

    def _check_size(self, file: str, limit: int) -> None:
        """Refuse a file that is too large. If the Hub cannot be reached, use the cache from now on."""
        try:
            metadata = get_hf_file_metadata(hf_hub_url(self.repository, file, revision=self.revision), token=self.token)
        except Exception as error:
            if not is_unreachable(error):
                raise
            self.local = True
            self.unreachable = error
            return
        if metadata.size is not None and metadata.size > limit:
            raise ModelError(
                f"{file} of {self.repository} has {metadata.size:,} bytes, more than the {limit:,} that it can need: "
                "it is not downloaded"
            )
