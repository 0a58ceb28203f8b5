"""Upload a saved model to the Hub in one commit, or not at all."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

from huggingface_hub import CommitInfo, CommitOperationAdd, HfApi, hf_hub_download
from huggingface_hub.errors import RemoteEntryNotFoundError
from huggingface_hub.utils.tqdm import disable_progress_bars, enable_progress_bars
from torch import nn

from htzoo.data.clips.frame_sampler import FrameSampler
from htzoo.hub.card import CARD_NAME, is_ours, readdressed
from htzoo.hub.client_errors import explaining
from htzoo.hub.config import CONFIG_NAME, ModelConfig, read_config
from htzoo.hub.errors import HubError
from htzoo.hub.save import save_pretrained
from htzoo.hub.weights import WEIGHTS_NAME

_OURS = (CARD_NAME, CONFIG_NAME, WEIGHTS_NAME, "confusion.png", "curves.png")


def push_to_hub(
    module: nn.Module,
    repo_id: str,
    config: ModelConfig | None = None,
    *,
    sampling: FrameSampler | None = None,
    private: bool | None = None,
    revision: str | None = None,
    token: str | bool | None = None,
) -> CommitInfo:
    """Publish a model on the Hub: save it, see :func:`~htzoo.hub.save.save_pretrained`, and upload the folder.

    Args:
        module: the model.
        repo_id: ``ORG/REPO``; made if it is missing.
        config: name, sampling and result of the model.
        sampling: which frames of a clip the model reads, if there is no config.
        private: whether a new repository is private.
        revision: branch; made if it is missing.
        token: access token; the one of ``hf auth login`` when None.

    Raises:
        ValueError: the module cannot be saved.
        HubError: the Hub refuses or does not answer; the message says why. Nothing was changed there.
    """
    with TemporaryDirectory() as folder:
        save_pretrained(module, folder, config, sampling=sampling, load_as=repo_id)
        return upload_folder(Path(folder), repo_id, private=private, revision=revision, token=token)


def upload_folder(
    folder: Path,
    repo_id: str,
    *,
    private: bool | None = None,
    revision: str | None = None,
    token: str | bool | None = None,
) -> CommitInfo:
    """Publish a saved folder in one commit, so that no revision ever holds half a model.

    Files that the repository has already are not sent again; if all are the same, there is no new commit. A card on
    the Hub that was edited by hand is kept.

    Args:
        folder: what :func:`~htzoo.hub.save.save_pretrained` wrote.
        repo_id: ``ORG/REPO``; made if it is missing.
        private: whether a new repository is private. An existing public repository is refused.
        revision: branch; made if it is missing.
        token: access token; the one of ``hf auth login`` when None.

    Raises:
        ModelError: the folder is no saved model.
        HubError: the Hub refuses or does not answer, or the repository is public although ``private`` is set.
    """
    config = read_config(folder / CONFIG_NAME)
    api = HfApi(token=token)
    with explaining(repo_id, revision, write=True), _quiet():
        api.create_repo(repo_id, private=private, exist_ok=True)
        if private and not api.model_info(repo_id).private:
            raise HubError(f"{repo_id} exists and is public: make it private on its page, or publish without private")
        if revision is not None:
            api.create_branch(repo_id, branch=revision, exist_ok=True)
        head = api.model_info(repo_id, revision=revision).sha
        files = contents(folder, repo_id)
        if not _card_is_ours(repo_id, head, token):
            files.pop(CARD_NAME, None)
        return api.create_commit(
            repo_id,
            [CommitOperationAdd(name, content) for name, content in files.items()],
            commit_message=f"Publish {config.name or config.kind}",
            revision=revision,
            parent_commit=head,  # does not overwrite what someone else publishes in the meantime
        )


def contents(folder: Path, repo_id: str) -> dict[str, Path | bytes]:
    """The files of a saved folder that are uploaded: name -> file, or its content."""
    files: dict[str, Path | bytes] = {name: folder / name for name in _OURS if (folder / name).is_file()}
    card = folder / CARD_NAME
    if card.is_file() and is_ours(card):
        files[CARD_NAME] = readdressed(card.read_text(encoding="utf-8"), repo_id).encode()
    return files


def _card_is_ours(repo_id: str, revision: str | None, token: str | bool | None) -> bool:
    with TemporaryDirectory() as cache:
        try:
            path = hf_hub_download(repo_id, CARD_NAME, revision=revision, cache_dir=cache, token=token)
        except RemoteEntryNotFoundError:  # not LocalEntryNotFoundError, which means that the Hub did not answer
            return True
        return is_ours(Path(path))


@contextmanager
def _quiet() -> Iterator[None]:
    """Without the client's progress bars: the files are small."""
    disable_progress_bars()
    try:
        yield
    finally:
        enable_progress_bars()
