"""A real HTTP server on loopback that misbehaves as told."""

import hashlib
import re
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer


@dataclass
class Behaviour:
    """What the server does, and what it was asked.

    Attributes:
        files: Path to content.
        ranges: Whether it can resume.
        cut_after: Bytes after which it drops each connection, or None.
        failures: Statuses to answer with first, one a request.
        content_type: Of what it sends.
        asked: Range headers, "" where there was none.
    """

    files: dict[str, bytes]
    ranges: bool = True
    cut_after: int | None = None
    failures: list[int] = field(default_factory=list)
    content_type: str = "application/octet-stream"
    asked: list[str] = field(default_factory=list)


@contextmanager
def serve(behaviour: Behaviour) -> Iterator[str]:
    """Serve on loopback; yields the address without a slash at its end."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            asked = self.headers.get("Range", "")
            behaviour.asked.append(asked)
            if behaviour.failures:
                self.send_error(behaviour.failures.pop(0))
                return
            content = behaviour.files.get(self.path)
            if content is None:
                self.send_error(404)
                return
            tag = f'"{hashlib.sha1(content).hexdigest()}"'
            start = 0
            found = re.fullmatch(r"bytes=(\d+)-", asked)
            if behaviour.ranges and found and self.headers.get("If-Range", tag) == tag:
                start = int(found[1])
                if start >= len(content):
                    self.send_response(416)
                    self.send_header("Content-Range", f"bytes */{len(content)}")
                    self.send_header("Content-Length", "0")
                    self.end_headers()
                    return
                self.send_response(206)
                self.send_header("Content-Range", f"bytes {start}-{len(content) - 1}/{len(content)}")
            else:
                self.send_response(200)
            rest = content[start:]
            self.send_header("Content-Type", behaviour.content_type)
            self.send_header("ETag", tag)
            self.send_header("Content-Length", str(len(rest)))
            self.end_headers()
            self.wfile.write(rest[: behaviour.cut_after])

        def log_message(self, *_: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
