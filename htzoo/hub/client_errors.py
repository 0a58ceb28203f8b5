"""Errors of the Hub's client, in one sentence for the user."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager

from huggingface_hub.errors import (
    EntryNotFoundError,
    GatedRepoError,
    HfHubHTTPError,
    HFValidationError,
    LocalEntryNotFoundError,
    OfflineModeIsEnabled,
    RepositoryNotFoundError,
    RevisionNotFoundError,
)

from htzoo.hub.errors import HubError, ModelError
from htzoo.messages import first_line

_LOGIN = "log in with `hf auth login`, or give a token"


def is_unreachable(error: BaseException) -> bool:
    """Whether the Hub did not answer, or answered to try again later."""
    if isinstance(error, HfHubHTTPError):
        return _status(error) >= 500 or _status(error) == 429
    module = type(error).__module__.partition(".")[0]
    return isinstance(error, ConnectionError | TimeoutError) or module in ("httpx", "httpx2", "requests", "urllib3")


@contextmanager
def explaining(
    repository: str, revision: str | None = None, file: str | None = None, write: bool = False
) -> Iterator[None]:
    """Turn the client's errors into a :class:`~htzoo.hub.errors.HubError` of one sentence.

    Args:
        repository: ``ORG/REPO``.
        revision: branch, tag or commit that was requested.
        file: file that was requested.
        write: whether the request changes something there.
    """
    try:
        yield
    except (HubError, ModelError):
        raise
    except Exception as error:
        cause = error
        while type(cause) is RuntimeError and isinstance(cause.__cause__, Exception):
            cause = cause.__cause__  # the client wraps the reason of a failed upload
        text = _sentence(cause, repository, revision, file, write)
        if text is None:
            raise
        raise HubError(text) from error


def _sentence(error: Exception, repository: str, revision: str | None, file: str | None, write: bool) -> str | None:
    match error:
        case HFValidationError():
            return f"{repository!r} is not the name of a repository: write ORG/NAME"
        case GatedRepoError():
            return f"{repository} is gated: ask for access on its page on the Hub, then {_LOGIN}"
        case RepositoryNotFoundError():
            may = "write to" if write else "read"
            return f"the Hub has no model {repository} that you may {may}: check the name; if it is private, {_LOGIN}"
        case RevisionNotFoundError():
            return f"{repository} has no revision {revision!r}: give a branch, a tag or a commit of it"
        case OfflineModeIsEnabled():
            return f"{repository} is on the Hub, and HF_HUB_OFFLINE is set: unset it"
        case LocalEntryNotFoundError():
            return f"the Hub does not answer for {repository}: check the connection, or try again later"
        case EntryNotFoundError():
            why = (
                "so it is not a model of htzoo"
                if file == "config.json"
                else "and other kinds of weights are never read"
            )
            return f"{repository} has no {file}, {why}"
        case HfHubHTTPError() if _status(error) in (401, 403):
            may = "write to" if write else "read"
            return f"the Hub refuses ({_status(error)}): this token may not {may} {repository}; {_LOGIN}"
        case HfHubHTTPError() if _status(error) == 412:
            return f"{repository} was changed by someone else in the meantime: publish again"
        case HfHubHTTPError() if is_unreachable(error):
            return f"the Hub answers {_status(error)} for {repository}: try again later"
        case HfHubHTTPError():
            return f"the Hub answers {_status(error)} for {repository}: {_without_token(error)}"
        case _ if is_unreachable(error):
            return f"the Hub cannot be reached for {repository} ({_without_token(error)}): check the connection"
        case OSError():
            return (
                f"{file or repository} of {repository} was not received completely: try again ({_without_token(error)})"
            )
    return None


def _status(error: HfHubHTTPError) -> int:
    return int(error.response.status_code) if error.response is not None else 0


def _without_token(error: Exception) -> str:
    # The client quotes a token that is not valid as a header, such as one that ends with a line break.
    return re.sub(r"(Bearer |hf_)[^'\"\s\\]+", r"\1...", first_line(error))
