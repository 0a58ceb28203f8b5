"""Publishing and loading with the real client against a Hub on this machine."""

import shutil
from pathlib import Path

import huggingface_hub
import pytest
import torch

import htzoo
from htzoo.hub.errors import HubError, ModelError
from htzoo.hub.upload import push_to_hub, upload_folder
from tests.hub.conftest import SAMPLING, small_model
from tests.hub.server import OWNER, READER, STRANGER, Fault, Hub

# The client's own, when it uploads by LFS without the binary extension that it prefers.
pytestmark = pytest.mark.filterwarnings("ignore:Use 'content=:DeprecationWarning")

REPO = "someone/small"


def same(model: torch.nn.Module, other: torch.nn.Module) -> bool:
    mine, theirs = model.state_dict(), other.state_dict()
    return mine.keys() == theirs.keys() and all(torch.equal(mine[key], theirs[key]) for key in mine)


def publish(seed: int = 0, **options: object) -> str:
    return push_to_hub(small_model(seed), REPO, sampling=SAMPLING, token=OWNER, **options).oid  # type: ignore[arg-type]


def forget(tmp_path: Path) -> None:
    shutil.rmtree(tmp_path / "cache")


def test_publish_and_load(hub: Hub) -> None:
    publish()
    files = hub.repos[REPO].commits[hub.repos[REPO].refs["main"]]
    assert set(files) == {".gitattributes", "README.md", "config.json", "model.safetensors"}
    assert f'htzoo.from_pretrained("{REPO}")' in files["README.md"].decode()
    model = htzoo.from_pretrained(REPO)
    assert same(model, small_model()) and not model.training
    assert same(htzoo.from_pretrained(f"hf-hub:{REPO}"), small_model())


def test_publishing_the_same_again_changes_nothing(hub: Hub) -> None:
    first = publish()
    assert publish() == first
    assert len(hub.repos[REPO].commits) == 2  # the empty repository, and the model
    assert hub.requests("PUT /store") == 1
    assert publish(seed=1) != first


def test_revisions(hub: Hub) -> None:
    first = publish()
    huggingface_hub.HfApi(token=OWNER).create_tag(REPO, tag="v1")
    second = publish(seed=1)
    other = publish(seed=2, revision="experiment")
    assert len({first, second, other}) == 3
    for revision, seed in (("v1", 0), (first, 0), (None, 1), ("main", 1), ("experiment", 2)):
        assert same(htzoo.from_pretrained(REPO, revision=revision), small_model(seed)), revision


def test_moved_branch(hub: Hub) -> None:
    publish()
    assert same(htzoo.from_pretrained(REPO), small_model())
    publish(seed=1)
    assert same(htzoo.from_pretrained(REPO), small_model(1))
    assert same(htzoo.from_pretrained(REPO, local_files_only=True), small_model(1))


def test_a_branch_that_moves_between_the_two_files(hub: Hub, monkeypatch: pytest.MonkeyPatch) -> None:
    publish()
    from htzoo.hub.download import Download

    weights = Download.weights
    monkeypatch.setattr(Download, "weights", lambda self, most: (publish(seed=1), weights(self, most))[1])
    assert same(htzoo.from_pretrained(REPO), small_model())


def test_private(hub: Hub) -> None:
    publish(private=True)
    for token in (None, STRANGER):
        with pytest.raises(HubError, match=r"no model someone/small that you may read.*hf auth login"):
            htzoo.from_pretrained(REPO, token=token)
    assert same(htzoo.from_pretrained(REPO, token=READER), small_model())


def test_private_is_never_published_where_all_can_read(hub: Hub) -> None:
    first = publish()
    with pytest.raises(HubError, match="someone/small exists and is public"):
        publish(seed=1, private=True, revision="hidden")
    assert hub.repos[REPO].refs == {"main": first}


def test_gated(hub: Hub) -> None:
    publish()
    hub.repos[REPO].gated = True
    with pytest.raises(HubError, match="is gated: ask for access"):
        htzoo.from_pretrained(REPO, token=READER)


def test_token_that_is_none(hub: Hub) -> None:
    publish()
    with pytest.raises(HubError, match=r"refuses \(401\).*token"):
        htzoo.from_pretrained(REPO, token="hf_of_yesteryear")


def test_a_token_is_never_shown(hub: Hub) -> None:
    publish()
    with pytest.raises(HubError) as caught:
        htzoo.from_pretrained(REPO, token="hf_secret\n")
    assert "secret" not in str(caught.value)


@pytest.mark.parametrize(("token", "status"), [(READER, 403), (False, 401)])
def test_publishing_without_the_right(hub: Hub, token: str | bool, status: int) -> None:
    with pytest.raises(HubError, match=rf"refuses \({status}\).*may not write to someone/small"):
        push_to_hub(small_model(), REPO, sampling=SAMPLING, token=token)
    assert not hub.repos


@pytest.mark.parametrize(
    ("name", "revision", "message"),
    [
        ("someone/else", None, "the Hub has no model someone/else that you may read"),
        (REPO, "v9", "someone/small has no revision 'v9'"),
        ("hf-hub:not a/name", None, "is not the name of a repository: write ORG/NAME"),
    ],
)
def test_what_is_not_there(hub: Hub, name: str, revision: str | None, message: str) -> None:
    publish()
    with pytest.raises(HubError, match=message):
        htzoo.from_pretrained(name, revision=revision)


def test_repository_of_something_else(hub: Hub) -> None:
    publish()
    files = hub.repos[REPO].commits[hub.repos[REPO].refs["main"]]
    weights = files.pop("model.safetensors")
    files["pytorch_model.bin"] = weights
    with pytest.raises(HubError, match=r"no model\.safetensors, and other kinds of weights are never read"):
        htzoo.from_pretrained(REPO)
    del files["config.json"]
    with pytest.raises(HubError, match=r"no config\.json, so it is not a model of htzoo"):
        htzoo.from_pretrained(REPO)
    assert not hub.requests("GET .*bin")


def test_files_too_large_are_not_downloaded(hub: Hub) -> None:
    publish()
    files = hub.repos[REPO].commits[hub.repos[REPO].refs["main"]]
    files["model.safetensors"] += bytes(8_000_000)
    with pytest.raises(ModelError, match="it is not downloaded"):
        htzoo.from_pretrained(REPO)
    files["config.json"] += b" " * 2_000_000
    with pytest.raises(ModelError, match="it is not downloaded"):
        htzoo.from_pretrained(REPO)
    assert not hub.requests("GET /store")


def test_offline(hub: Hub, monkeypatch: pytest.MonkeyPatch) -> None:
    publish()
    with pytest.raises(HubError, match="not in the cache, and local_files_only is set: load it once online"):
        htzoo.from_pretrained(REPO, local_files_only=True)
    htzoo.from_pretrained(REPO)
    before = len(hub.log)
    assert same(htzoo.from_pretrained(REPO, local_files_only=True), small_model())
    monkeypatch.setattr(huggingface_hub.constants, "HF_HUB_OFFLINE", True)
    assert same(htzoo.from_pretrained(REPO), small_model())
    with pytest.raises(HubError, match="not in the cache, and HF_HUB_OFFLINE is set"):
        htzoo.from_pretrained(REPO, revision="v2")
    with pytest.raises(HubError, match="HF_HUB_OFFLINE is set"):
        publish()
    assert len(hub.log) == before


@pytest.mark.parametrize("status", [500, 503, 429])
def test_hub_out_of_order(hub: Hub, status: int, tmp_path: Path) -> None:
    publish()
    hub.faults = [Fault("HEAD", "/resolve/", status=status)]
    with pytest.raises(HubError, match=f"the Hub answers {status} for someone/small: try again later"):
        htzoo.from_pretrained(REPO)
    hub.faults = []
    htzoo.from_pretrained(REPO)
    hub.faults = [Fault("HEAD", "/resolve/", status=status)]
    assert same(htzoo.from_pretrained(REPO), small_model())  # from the cache


def test_hub_is_down(hub: Hub) -> None:
    publish()
    htzoo.from_pretrained(REPO)
    hub.__exit__()
    assert same(htzoo.from_pretrained(REPO), small_model())
    with pytest.raises(HubError, match="the Hub cannot be reached for someone/else"):
        htzoo.from_pretrained("someone/else")
    with pytest.raises(HubError, match="the Hub cannot be reached for someone/small"):
        publish()


def test_interrupted_download_goes_on(hub: Hub, monkeypatch: pytest.MonkeyPatch) -> None:
    publish()
    monkeypatch.setattr("time.sleep", lambda seconds: None)
    hub.faults = [Fault("GET", "/store/", cut=5_000, times=1)]
    assert same(htzoo.from_pretrained(REPO), small_model())
    assert hub.requests("GET /store/") == 2


def test_download_that_never_ends_well(hub: Hub, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    publish()
    monkeypatch.setattr("time.sleep", lambda seconds: None)
    hub.faults = [Fault("GET", "/store/", cut=0)]
    with pytest.raises(HubError, match="cannot be reached for someone/small"):
        htzoo.from_pretrained(REPO)
    hub.faults = []
    assert same(htzoo.from_pretrained(REPO), small_model())


@pytest.mark.parametrize(
    "fault",
    [
        Fault("PUT", "/store/", cut=100),
        # The client repeats these for half a minute before it gives up.
        pytest.param(Fault("POST", "/commit/", cut=10), marks=pytest.mark.slow),
        pytest.param(Fault("POST", "/commit/", 503), marks=pytest.mark.slow),
    ],
)
def test_interrupted_upload_leaves_the_old_model(hub: Hub, fault: Fault, monkeypatch: pytest.MonkeyPatch) -> None:
    first = publish()
    monkeypatch.setattr("time.sleep", lambda seconds: None)
    hub.faults = [fault]
    with pytest.raises(HubError, match=r"cannot be reached|answers 503"):
        publish(seed=1)
    assert hub.repos[REPO].refs["main"] == first
    assert same(htzoo.from_pretrained(REPO), small_model())
    hub.faults = []
    publish(seed=1)
    assert same(htzoo.from_pretrained(REPO), small_model(1))


def test_somebody_else_publishes_meanwhile(hub: Hub, monkeypatch: pytest.MonkeyPatch) -> None:
    publish()
    import htzoo.hub.upload as upload

    contents = upload.contents

    def slow(folder: Path, repo_id: str) -> dict[str, Path | bytes]:
        hub.repos[REPO].commit("main", {"README.md": b"theirs"})
        return contents(folder, repo_id)

    monkeypatch.setattr(upload, "contents", slow)
    with pytest.raises(HubError, match="was changed by someone else in the meantime: publish again"):
        publish(seed=1)


def test_card_edited_by_hand_is_kept(hub: Hub, saved: Path) -> None:
    upload_folder(saved, REPO, token=OWNER)
    repo = hub.repos[REPO]
    edited = repo.commits[repo.refs["main"]]["README.md"] + b"\nI add: for research only.\n"
    repo.commit("main", {**repo.commits[repo.refs["main"]], "README.md": edited})
    publish(seed=1)
    assert repo.commits[repo.refs["main"]]["README.md"] == edited
    assert same(htzoo.from_pretrained(REPO), small_model(1))


def test_card_edited_by_hand_is_kept_where_the_hub_stumbles(hub: Hub, monkeypatch: pytest.MonkeyPatch) -> None:
    publish()
    monkeypatch.setattr("time.sleep", lambda seconds: None)
    repo = hub.repos[REPO]
    edited = repo.commit("main", {**repo.commits[repo.refs["main"]], "README.md": b"mine"})
    hub.faults = [Fault("HEAD", "/README.md", status=503)]
    with pytest.raises(HubError, match="the Hub does not answer for someone/small"):
        publish(seed=1)
    assert repo.refs["main"] == edited


def test_metadata_is_what_the_hub_reads(hub: Hub) -> None:
    publish()
    card = huggingface_hub.ModelCard(hub.repos[REPO].commits[hub.repos[REPO].refs["main"]]["README.md"].decode())
    assert card.data.library_name == "htzoo"
    assert card.data.pipeline_tag == "video-classification"
    assert card.data.license == "unknown"
