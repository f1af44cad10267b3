"""A real ComfyUI, headless on the CPU, in a base folder of its own with only this pack in it.

`make demo` and the host tests both use it. It needs nothing but websocket-client.
"""

import json
import os
import socket
import struct
import subprocess
import time
import urllib.error
import urllib.request
import uuid
from collections.abc import Callable
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import websocket

PACK = Path(__file__).resolve().parents[1]
PACK_FOLDER = "ComfyUI-EMO"
FOLDERS = ("custom_nodes", "models", "input", "output", "temp", "user")
FLAGS = ("--cpu", "--database-url", "sqlite:///:memory:", "--disable-api-nodes", "--disable-auto-launch")
FINAL_EVENTS = ("execution_success", "execution_error", "execution_interrupted")
BINARY_EVENTS = {1: "preview", 3: "text", 4: "preview"}

OnEvent = Callable[[str, Any], None]
"""Called with the kind of each message of the run and its data: a dict, or bytes for "preview" and "text"."""


class ComfyServerError(RuntimeError):
    """ComfyUI did not start, or refused or failed a prompt; the message says which and why."""


@dataclass(frozen=True)
class PromptRun:
    """What ComfyUI recorded of one prompt."""

    outputs: dict[str, Any]
    """What each output node showed or saved: {node id: {kind: [entries]}}."""
    status: str
    """"success" or "error"."""
    messages: list[tuple[str, dict[str, Any]]]
    """The run's events, such as ("execution_error", {...})."""

    @property
    def error(self) -> str | None:
        """One sentence about what failed, or None."""
        for kind, data in self.messages:
            if kind == "execution_error":
                return f"{data['node_type']}: {data['exception_message'].strip()}"
            if kind == "execution_interrupted":
                return f"{data['node_type']}: interrupted"
        return None


class ComfyServer:
    """A running ComfyUI; use it with `with`.

    comfyui: its folder. base: folder for custom_nodes, models, input, output, temp and user; this pack is
    linked into it. python: what runs it; looked for if not given.
    """

    def __init__(
        self, comfyui: Path, base: Path, python: Path | None = None, extra_flags: tuple[str, ...] = ()
    ) -> None:
        if not (comfyui / "main.py").is_file():
            raise ComfyServerError(f"{comfyui} is not a ComfyUI folder: it has no main.py")
        self.base = base
        self.log_path = base / "comfyui.log"
        self._comfyui = comfyui
        self._flags = (*FLAGS, *extra_flags)
        self.python = python or find_python(comfyui)
        self._process: subprocess.Popen[bytes] | None = None
        self._address = ""

    def __enter__(self) -> "ComfyServer":
        for name in FOLDERS:
            (self.base / name).mkdir(parents=True, exist_ok=True)
        link = self.base / "custom_nodes" / PACK_FOLDER
        if not link.exists():
            link.symlink_to(PACK, target_is_directory=True)
        self._address = f"127.0.0.1:{free_port()}"
        port = self._address.rpartition(":")[2]
        command = [str(self.python), "main.py", "--port", port, "--base-directory", str(self.base)]
        with self.log_path.open("wb") as log:
            self._process = subprocess.Popen(
                [*command, *self._flags], cwd=self._comfyui, stdout=log, stderr=subprocess.STDOUT
            )
        try:
            self._wait_until_it_answers(self._process, seconds=600)
        except BaseException:
            self.__exit__()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        if self._process is None:
            return
        self._process.terminate()
        try:
            self._process.wait(20)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        self._process = None

    def kill(self) -> None:
        """End it as a power cut would."""
        if self._process is not None:
            self._process.kill()
            self._process.wait()

    def limit_memory(self, more: int | None) -> None:
        """Let the process map only `more` bytes beyond what it has mapped; None takes the limit away. Linux only."""
        import resource

        if self._process is not None:
            now = self._memory("VmSize") or 0
            most = resource.RLIM_INFINITY if more is None else now + more
            resource.prlimit(self._process.pid, resource.RLIMIT_AS, (most, resource.RLIM_INFINITY))

    @property
    def url(self) -> str:
        """Where it listens, such as http://127.0.0.1:8188."""
        return f"http://{self._address}"

    @property
    def log(self) -> str:
        """Everything it has printed."""
        return self.log_path.read_text(errors="replace")

    def get(self, path: str) -> Any:
        """The JSON at `path`, such as "/object_info"."""
        with urllib.request.urlopen(self.url + path) as response:
            return json.load(response)

    def post(self, path: str, body: dict[str, Any]) -> Any:
        """The JSON answer to `body` at `path`, or None if the answer is empty.

        Raises ComfyServerError with ComfyUI's own words if it refuses.
        """
        data = json.dumps(body).encode()
        request = urllib.request.Request(self.url + path, data, {"Content-Type": "application/json"})
        try:
            with urllib.request.urlopen(request) as response:
                return json.loads(response.read() or b"null")
        except urllib.error.HTTPError as error:
            raise ComfyServerError(f"ComfyUI refused: {refusal(error.read())}") from error

    def run(self, prompt: dict[str, Any], on_event: OnEvent | None = None, timeout: float = 300) -> PromptRun:
        """Run `prompt` (API format) to its end, which may be an error, for at most `timeout` seconds."""
        client = uuid.uuid4().hex
        with closing(websocket.create_connection(f"ws://{self._address}/ws?clientId={client}")) as events:
            events.send(json.dumps({"type": "feature_flags", "data": {"supports_preview_metadata": True}}))
            prompt_id = self.post("/prompt", {"prompt": prompt, "client_id": client})["prompt_id"]
            self._listen(events, prompt_id, on_event, time.monotonic() + timeout)
        while prompt_id not in (history := self.get(f"/history/{prompt_id}")):
            time.sleep(0.05)  # the last event comes a moment before the entry
        entry = history[prompt_id]
        messages = [(kind, data) for kind, data in entry["status"]["messages"]]
        return PromptRun(entry["outputs"], entry["status"]["status_str"], messages)

    def peak_memory(self) -> int | None:
        """The most memory the process held so far, in bytes; None where the system does not say."""
        return self._memory("VmHWM")

    def memory(self) -> int | None:
        """The memory the process holds now, in bytes; None where the system does not say."""
        return self._memory("VmRSS")

    def _memory(self, name: str) -> int | None:
        status = Path(f"/proc/{self._process.pid}/status") if self._process else Path()
        if not status.is_file():
            return None
        lines = dict(line.split(":", 1) for line in status.read_text().splitlines())
        return int(lines[name].split()[0]) * 1024 if name in lines else None

    def _wait_until_it_answers(self, process: subprocess.Popen[bytes], seconds: float) -> None:
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            try:
                urllib.request.urlopen(self.url + "/system_stats", timeout=2).close()
                return
            except OSError:
                time.sleep(0.2)
            if process.poll() is not None:
                break
        tail = "\n".join(self.log.splitlines()[-20:])
        raise ComfyServerError(f"ComfyUI did not start. The end of {self.log_path}:\n{tail}")

    def _listen(
        self, events: websocket.WebSocket, prompt_id: str, on_event: OnEvent | None, end: float
    ) -> None:
        """Pass on the messages of the prompt until its last."""
        while True:
            events.settimeout(max(end - time.monotonic(), 0.01))
            try:
                message = events.recv()
            except websocket.WebSocketTimeoutException as error:
                raise ComfyServerError(f"the prompt did not end in time; see {self.log_path}") from error
            except (websocket.WebSocketException, OSError) as error:
                raise ComfyServerError(f"ComfyUI went away ({error}); see {self.log_path}") from error
            if isinstance(message, bytes):
                kind: str = BINARY_EVENTS.get(struct.unpack(">I", message[:4])[0], "binary")
                data: Any = message[4:]
            else:
                kind, data = (event := json.loads(message))["type"], event["data"]
            if on_event:
                on_event(kind, data)
            if kind in FINAL_EVENTS and data.get("prompt_id") == prompt_id:
                return


def free_port() -> int:
    """A TCP port that nothing listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def refusal(body: bytes) -> str:
    """ComfyUI's reasons for refusing a prompt, one sentence."""
    try:
        answer = json.loads(body)
    except ValueError:
        return body.decode(errors="replace")
    reasons = [
        f"{node['class_type']}: {error['message']} ({error['details']})"
        for node in answer.get("node_errors", {}).values()
        for error in node["errors"]
    ]
    return "; ".join(reasons) or str(answer.get("error", answer))


def find_python(comfyui: Path) -> Path:
    """The interpreter that a ComfyUI folder is run with.

    That is COMFYUI_PYTHON if it is set, else a virtual environment or an embedded Python beside it.
    """
    if named := os.environ.get("COMFYUI_PYTHON"):
        return Path(named)
    places = (".venv/bin/python", "venv/bin/python", ".venv/Scripts/python.exe", "venv/Scripts/python.exe")
    for place in (*places, "../python_embeded/python.exe"):
        if (comfyui / place).exists():
            return comfyui / place
    raise ComfyServerError(f"no virtual environment in {comfyui}: set COMFYUI_PYTHON to its Python")
