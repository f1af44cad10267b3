"""ComfyUI's real frontend in the machine's own Chromium, without a window."""

import json
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from comfy_server import ComfyServer

FLAGS = ["--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking"]
READY = """() => window.app?.graph && window.app.extensionManager
    && Object.keys(window.LiteGraph?.registered_node_types || {}).length > 100"""
SEEN = {"Comfy.TutorialCompleted": True, "Comfy.InstalledVersion": "1.32.9", "Comfy.Minimap.Visible": False}
"""Settings of a user who knows ComfyUI: nothing opens by itself."""


def find_chromium() -> str | None:
    """The browser's program, None if there is none."""
    return shutil.which("chromium") or shutil.which("google-chrome")


def prepare_user(base: Path) -> None:
    """Give a server's base folder a user who knows ComfyUI; before it starts."""
    settings = base / "user" / "default" / "comfy.settings.json"
    settings.parent.mkdir(parents=True)
    settings.write_text(json.dumps(SEEN))


@contextmanager
def frontend(server: ComfyServer, complaints: list[str] | None = None) -> Iterator[Any]:
    """A playwright page with the frontend ready; errors on its console are added to `complaints`."""
    from playwright.sync_api import sync_playwright

    heard = [] if complaints is None else complaints
    with sync_playwright() as started:
        browser = started.chromium.launch(executable_path=find_chromium(), args=FLAGS)
        page = browser.new_page(viewport={"width": 2080, "height": 1170})
        page.set_default_timeout(180_000)
        page.on("console", lambda said: heard.append(said.text) if said.type == "error" else None)
        page.on("pageerror", lambda error: heard.append(str(error)))
        page.goto(server.url, wait_until="domcontentloaded")
        page.wait_for_function(READY)
        page.wait_for_timeout(2000)  # sidebar and tabs come a moment later
        yield page
        browser.close()
