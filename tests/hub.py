"""A stand-in of the model hub over HTTP on this machine, with the files a test gives it."""

from __future__ import annotations

import hashlib
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer


@dataclass
class StandIn:
    """What the hub has, what goes wrong, and what was asked of it."""

    files: dict[str, bytes]
    """Contents by path: /owner/name/resolve/main/file."""
    url: str = ""
    break_after: int | None = None
    """The first transfer ends after this many bytes."""
    refuse_second: bool = False
    """The second request for a file is answered with an error."""
    sent_instead: dict[str, bytes] = field(default_factory=dict)
    """What is sent instead of a file, under the file's own hash."""
    ranges: list[str | None] = field(default_factory=list)
    """What each request for a file asked for; None is all of it."""
    asked: list[str] = field(default_factory=list)
    """The path of each request for a file."""


def _handler(hub: StandIn) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        def log_message(self, *args: object) -> None:
            """Say nothing."""

        def do_HEAD(self) -> None:
            self.answer(0)

        def do_GET(self) -> None:
            if self.path not in hub.files:  # newer clients ask the hub for other things too
                self.answer(0)
                return
            wanted = self.headers.get("Range")
            hub.ranges.append(wanted)
            hub.asked.append(self.path)
            if hub.refuse_second and len(hub.ranges) == 2:
                self.send_error(500)
                return
            start = int(wanted.removeprefix("bytes=").split("-")[0]) if wanted else 0
            self.answer(start)
            end = hub.break_after if hub.break_after is not None and len(hub.ranges) == 1 else None
            self.wfile.write(hub.sent_instead.get(self.path, hub.files[self.path])[start:end])

        def answer(self, start: int) -> None:
            if self.path not in hub.files:
                self.send_error(404)
                return
            content = hub.files[self.path]
            self.send_response(206 if start else 200)
            self.send_header("X-Repo-Commit", "0" * 40)
            self.send_header("ETag", f'"{hashlib.sha256(content).hexdigest()}"')
            self.send_header("Content-Length", str(len(content) - start))
            if start:
                self.send_header("Content-Range", f"bytes {start}-{len(content) - 1}/{len(content)}")
            self.end_headers()

    return Handler


@contextmanager
def stand_in(files: dict[str, bytes]) -> Iterator[StandIn]:
    """A running hub with these files."""
    hub = StandIn(files)
    server = ThreadingHTTPServer(("127.0.0.1", 0), _handler(hub))
    hub.url = f"http://127.0.0.1:{server.server_port}"
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield hub
    finally:
        server.shutdown()
        server.server_close()
