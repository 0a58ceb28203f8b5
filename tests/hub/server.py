"""A Hub on this machine: enough of the protocol for the real client, and faults on demand.

Repositories live in memory. Files that end in .safetensors are sent by LFS, as on the real Hub: their upload goes to a
store, and their download is redirected to another origin. Everything else is sent with the commit.
"""

import base64
import contextlib
import hashlib
import json
import re
import socket
import threading
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import unquote, urlsplit

OWNER, READER, STRANGER = "hf_owner", "hf_reader", "hf_stranger"  # may write, may read, may do neither
_REPO = r"(?P<repo>[\w.-]+/[\w.-]+)"


@dataclass
class Repo:
    private: bool = False
    gated: bool = False
    refs: dict[str, str] = field(default_factory=dict)  # branches and tags
    commits: dict[str, dict[str, bytes]] = field(default_factory=dict)

    def commit(self, branch: str, files: dict[str, bytes]) -> str:
        sha = hashlib.sha1(repr((len(self.commits), sorted(files))).encode()).hexdigest()
        self.commits[sha] = files
        self.refs[branch] = sha
        return sha

    def resolve(self, revision: str) -> str | None:
        return self.refs.get(revision, revision if revision in self.commits else None)


@dataclass
class Fault:
    """What happens to the next `times` requests of this kind: an error status, or the connection cut at `cut` bytes."""

    method: str
    path: str  # a regular expression
    status: int = 0
    cut: int | None = None
    times: int = 1_000


class Hub:
    """Start with `with Hub() as hub`, and point the client to `hub.url`."""

    def __init__(self) -> None:
        self.repos: dict[str, Repo] = {}
        self.store: dict[str, bytes] = {}
        self.faults: list[Fault] = []
        self.log: list[str] = []
        self.lock = threading.Lock()
        self.sockets: set[socket.socket] = set()
        self.servers = [self._server(), self._server()]  # the second is the other origin of the store
        self.url, self.store_url = (f"http://127.0.0.1:{server.server_port}" for server in self.servers)

    def _server(self) -> ThreadingHTTPServer:
        hub = self

        class Bound(_Handler):
            pass

        Bound.hub = hub
        server = ThreadingHTTPServer(("127.0.0.1", 0), Bound)
        server.daemon_threads = True
        threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True).start()
        return server

    def __enter__(self) -> "Hub":
        return self

    def __exit__(self, *_: object) -> None:
        for server in self.servers:
            server.shutdown()
            server.server_close()
        for kept in list(self.sockets):  # a client that keeps a connection open would go on being served
            with contextlib.suppress(OSError):
                kept.shutdown(socket.SHUT_RDWR)

    def fault(self, method: str, path: str) -> Fault | None:
        with self.lock:
            self.log.append(f"{method} {path}")
            for fault in self.faults:
                if fault.times and fault.method == method and re.search(fault.path, path):
                    fault.times -= 1
                    return fault
        return None

    def requests(self, pattern: str) -> int:
        return sum(re.search(pattern, line) is not None for line in self.log)


class _Handler(BaseHTTPRequestHandler):
    hub: Hub
    protocol_version = "HTTP/1.1"
    wbufsize = 1 << 16
    disable_nagle_algorithm = True

    def setup(self) -> None:
        super().setup()
        self.hub.sockets.add(self.connection)

    def finish(self) -> None:
        self.hub.sockets.discard(self.connection)
        with contextlib.suppress(OSError):
            super().finish()

    def log_message(self, *_: object) -> None:
        pass

    def do_HEAD(self) -> None:
        self._handle("HEAD")

    def do_GET(self) -> None:
        self._handle("GET")

    def do_POST(self) -> None:
        self._handle("POST")

    def do_PUT(self) -> None:
        self._handle("PUT")

    def _handle(self, method: str) -> None:
        path = unquote(urlsplit(self.path).path)
        self.fault = self.hub.fault(method, path)
        try:
            if self.fault is not None and self.fault.cut is not None and method in ("POST", "PUT"):
                self.rfile.read(self.fault.cut)
                self.close_connection = True
                return self.connection.shutdown(socket.SHUT_RDWR)
            body = self._body()
            if self.fault is not None and self.fault.status:
                return self._fail(self.fault.status, "", "as the test wishes")
            for route in (self._api, self._branch, self._file, self._lfs, self._stored):
                if route(method, path, body):
                    return None
            return self._fail(404, "", f"no route for {method} {path}")
        except (ConnectionError, BrokenPipeError):
            self.close_connection = True

    def _body(self) -> bytes:
        if "chunked" in self.headers.get("Transfer-Encoding", ""):
            parts = []
            while size := int(self.rfile.readline().strip() or b"0", 16):
                parts.append(self.rfile.read(size))
                self.rfile.readline()
            self.rfile.readline()
            return b"".join(parts)
        return self.rfile.read(int(self.headers.get("Content-Length", 0)))

    # Answers

    def _send(self, status: int, body: bytes, headers: dict[str, str] | None = None, size: int | None = None) -> None:
        self.send_response(status)
        for key, value in (headers or {}).items():
            self.send_header(key, value)
        self.send_header("Content-Length", str(len(body) if size is None else size))
        self.end_headers()
        if self.command == "HEAD":
            return
        if self.fault is not None and self.fault.cut is not None:
            self.wfile.write(body[: self.fault.cut])
            self.wfile.flush()
            self.close_connection = True
            self.connection.shutdown(socket.SHUT_RDWR)
            return
        self.wfile.write(body)

    def _json(self, values: object, status: int = 200) -> bool:
        self._send(status, json.dumps(values).encode(), {"Content-Type": "application/json"})
        return True

    def _fail(self, status: int, code: str, message: str) -> bool:
        headers = {"X-Error-Code": code} if code else {}
        self._send(status, json.dumps({"error": message}).encode(), {**headers, "X-Error-Message": message})
        return True

    # Rights

    def _token(self) -> str:
        return self.headers.get("Authorization", "").removeprefix("Bearer ")

    def _readable(self, name: str) -> Repo | None:
        """The repository, or None after an answer that says no."""
        token = self._token()
        if token and token not in (OWNER, READER, STRANGER):
            self._fail(401, "", "Invalid credentials in Authorization header")
            return None
        repo = self.hub.repos.get(name)
        if repo is None or (repo.private and token not in (OWNER, READER)):
            self._fail(404 if token else 401, "RepoNotFound", "Repository not found")
            return None
        if repo.gated and token != OWNER:
            self._fail(403, "GatedRepo", "Access to this repository is restricted")
            return None
        return repo

    def _writable(self) -> bool:
        token = self._token()
        if token == OWNER:
            return True
        self._fail(403 if token else 401, "", "You have no right to write here" if token else "Log in first")
        return False

    # Routes: each says whether it has answered

    def _api(self, method: str, path: str, body: bytes) -> bool:
        if path == "/api/repos/create":
            values = json.loads(body)
            name = f"{values['organization']}/{values['name']}"
            if not self._writable():
                return True
            if name in self.hub.repos:
                return self._json({"error": "exists", "url": f"{self.hub.url}/{name}"}, 409)
            repo = self.hub.repos[name] = Repo(values.get("visibility") == "private" or bool(values.get("private")))
            repo.commit("main", {".gitattributes": b"*.safetensors filter=lfs\n"})
            return self._json({"url": f"{self.hub.url}/{name}", "id": name})
        if path == "/api/validate-yaml":
            return self._json({"errors": [], "warnings": []})
        found = re.fullmatch(rf"/api/models/{_REPO}(/revision/(?P<revision>.+))?", path)
        if not found or method != "GET":
            return False
        repo = self._readable(found["repo"])
        if repo is None:
            return True
        sha = repo.resolve(found["revision"] or "main")
        if sha is None:
            return self._fail(404, "RevisionNotFound", "Revision not found")
        siblings = [{"rfilename": name} for name in sorted(repo.commits[sha])]
        return self._json({"id": found["repo"], "sha": sha, "private": repo.private, "siblings": siblings, "tags": []})

    def _branch(self, method: str, path: str, body: bytes) -> bool:
        found = re.fullmatch(rf"/api/models/{_REPO}/(?P<what>branch|tag|preupload|commit)/(?P<revision>.+)", path)
        if not found or method != "POST":
            return False
        repo = self._readable(found["repo"])
        if repo is None or not self._writable():
            return True
        what, revision = found["what"], found["revision"]
        if what in ("branch", "tag"):
            name = revision if what == "branch" else json.loads(body)["tag"]
            start = repo.resolve(json.loads(body).get("startingPoint", "main") if what == "branch" else revision)
            if name in repo.refs:
                return self._json({"error": "exists"}, 409)
            if start is None:
                return self._fail(404, "RevisionNotFound", "Revision not found")
            repo.refs[name] = start
            return self._json({}, 201)
        if revision not in repo.refs:
            return self._fail(404, "RevisionNotFound", "Revision not found")
        files = repo.commits[repo.refs[revision]]
        if what == "preupload":
            modes = [
                {
                    "path": file["path"],
                    "uploadMode": "lfs" if file["path"].endswith(".safetensors") else "regular",
                    "shouldIgnore": False,
                    "oid": _oid(file["path"], files[file["path"]]) if file["path"] in files else None,
                }
                for file in json.loads(body)["files"]
            ]
            return self._json({"files": modes})
        lines = [json.loads(line) for line in body.splitlines() if line.strip()]
        header = lines[0]["value"]
        if header.get("parentCommit", repo.refs[revision]) != repo.refs[revision]:
            return self._fail(412, "", "A commit has happened since")
        files = dict(files)
        for line in lines[1:]:
            value = line["value"]
            if line["key"] == "file":
                files[value["path"]] = base64.b64decode(value["content"])
            elif line["key"] == "lfsFile":
                files[value["path"]] = self.hub.store[value["oid"]]
        sha = repo.commit(revision, files)
        return self._json(
            {"success": True, "commitUrl": f"{self.hub.url}/{found['repo']}/commit/{sha}", "commitOid": sha}
        )

    def _file(self, method: str, path: str, body: bytes) -> bool:
        found = re.fullmatch(rf"/{_REPO}/resolve/(?P<rest>.+)", path)
        if not found or method not in ("GET", "HEAD"):
            return False
        repo = self._readable(found["repo"])
        if repo is None:
            return True
        revision, _, name = found["rest"].rpartition("/")
        sha = repo.resolve(revision)
        if sha is None:
            return self._fail(404, "RevisionNotFound", "Revision not found")
        content = repo.commits[sha].get(name)
        headers = {"X-Repo-Commit": sha}
        if content is None:
            self._send(404, b"", {**headers, "X-Error-Code": "EntryNotFound"})
            return True
        headers["ETag"] = f'"{_oid(name, content)}"'
        if name.endswith(".safetensors"):
            oid = hashlib.sha256(content).hexdigest()
            self.hub.store[oid] = content
            headers |= {"X-Linked-Size": str(len(content)), "X-Linked-Etag": headers["ETag"]}
            self._send(302, b"", {**headers, "Location": f"{self.hub.store_url}/store/{oid}"})
            return True
        self._send(200, content, headers)
        return True

    def _lfs(self, method: str, path: str, body: bytes) -> bool:
        found = re.fullmatch(rf"/{_REPO}\.git/info/lfs/objects/batch", path)
        if not found or method != "POST":
            return False
        if self._readable(found["repo"]) is None or not self._writable():
            return True
        objects = []
        for item in json.loads(body)["objects"]:
            upload = {"upload": {"href": f"{self.hub.store_url}/store/{item['oid']}", "header": {}}}
            known = item["oid"] in self.hub.store
            objects.append({"oid": item["oid"], "size": item["size"], **({} if known else {"actions": upload})})
        return self._json({"transfer": "basic", "objects": objects})

    def _stored(self, method: str, path: str, body: bytes) -> bool:
        found = re.fullmatch(r"/store/(?P<oid>[0-9a-f]{64})", path)
        if not found:
            return False
        if method == "PUT":
            if hashlib.sha256(body).hexdigest() != found["oid"]:
                return self._fail(400, "", "the bytes are others than announced")
            self.hub.store[found["oid"]] = body
            self._send(200, b"")
            return True
        content = self.hub.store.get(found["oid"])
        if content is None:
            return self._fail(404, "", "not in the store")
        asked = re.fullmatch(r"bytes=(\d+)-(\d*)", self.headers.get("Range", ""))
        if asked is None:
            self._send(200, content, {"Accept-Ranges": "bytes"})
            return True
        first, last = int(asked[1]), int(asked[2] or len(content) - 1)
        part = content[first : last + 1]
        self._send(206, part, {"Content-Range": f"bytes {first}-{first + len(part) - 1}/{len(content)}"})
        return True


def _oid(name: str, content: bytes) -> str:
    """What tells one content from another: SHA-256 of an LFS file, git's own hash of any other."""
    if name.endswith(".safetensors"):
        return hashlib.sha256(content).hexdigest()
    return hashlib.sha1(b"blob %d\0" % len(content) + content).hexdigest()
