"""What a user does in the browser: ComfyUI's real frontend in headless Chromium, driven by its own buttons.

EMO_SCREENSHOTS=docs/images keeps pictures of the steps there.
"""

import json
import os
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from browser import find_chromium, frontend, prepare_user
from comfy_server import PACK, PACK_FOLDER, ComfyServer

pytestmark = [pytest.mark.host, pytest.mark.slow]

WORKFLOWS = sorted(path.stem for path in (PACK / "example_workflows").glob("*.json"))
UNKNOWN = """() => window.app.graph.nodes
    .filter(n => !window.LiteGraph.registered_node_types[n.type] || n.has_errors).map(n => n.type)"""
COUNT = "() => window.app.graph.nodes.length"
WATCH = """() => { window.seen = {};
    for (const kind of ['progress', 'progress_state', 'progress_text', 'b_preview', 'b_preview_with_metadata'])
        window.app.api.addEventListener(kind, () => { window.seen[kind] = (window.seen[kind] || 0) + 1; }); }"""
DROP = """async ([address, name]) => {
    const data = await (await fetch(address)).blob();
    const transfer = new DataTransfer();
    transfer.items.add(new File([data], name, {type: 'video/mp4'}));
    for (const kind of ['dragenter', 'dragover', 'drop'])
        document.querySelector('#graph-canvas').dispatchEvent(new DragEvent(kind,
            {dataTransfer: transfer, bubbles: true, cancelable: true, clientX: 600, clientY: 500})); }"""

TITLE = """type => { const node = window.app.graph.nodes.find(n => n.type === type);
    window.app.canvas.centerOnNode(node);
    const [x, y] = window.app.canvas.ds.convertOffsetToCanvas([node.pos[0] + 60, node.pos[1] - 15]);
    const frame = document.querySelector('#graph-canvas').getBoundingClientRect();
    return [frame.left + x, frame.top + y]; }"""


@pytest.fixture(scope="module")
def server(comfyui: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[ComfyServer]:
    """A ComfyUI whose user has seen the tutorial."""
    base = tmp_path_factory.mktemp("browser")
    prepare_user(base)
    with ComfyServer(comfyui, base, Path(sys.executable)) as running:
        yield running


@pytest.fixture(scope="module")
def complaints() -> list[str]:
    """Errors on the browser's console."""
    return []


@pytest.fixture(scope="module")
def page(server: ComfyServer, complaints: list[str]) -> Iterator[Any]:
    """The frontend, ready."""
    pytest.importorskip("playwright.sync_api")
    if find_chromium() is None:
        pytest.skip("no Chromium on this machine (Debian: apt install chromium)")
    with frontend(server, complaints) as opened:
        yield opened


def picture(page: Any, name: str) -> None:
    """Keep what is on the screen, if someone wants to look at it."""
    if folder := os.environ.get("EMO_SCREENSHOTS"):
        page.screenshot(path=str(PACK / folder / f"browser_{name}.jpg"), type="jpeg", quality=80)


def test_every_template_is_offered_and_opens_without_red_nodes(page: Any) -> None:
    page.get_by_text("Templates", exact=True).first.click()
    page.get_by_text(PACK_FOLDER).first.click()
    cards = [page.get_by_test_id(f"template-workflow-{name}") for name in WORKFLOWS]
    for name, card in zip(WORKFLOWS, cards, strict=True):
        card.first.wait_for(state="attached")
        assert card.count() == 1, name
    page.wait_for_timeout(1500)
    picture(page, "templates")
    page.get_by_test_id("template-workflow-talking_portrait").first.click()
    page.wait_for_function("() => window.app.graph.nodes.some(n => n.type === 'EMO_Sample')")
    page.keyboard.press("Escape")
    page.keyboard.press(".")  # fits the view
    page.wait_for_timeout(1500)
    assert page.evaluate(UNKNOWN) == []
    picture(page, "graph")
    for name in WORKFLOWS:
        drawn = json.loads((PACK / "example_workflows" / f"{name}.json").read_text())
        page.evaluate("async drawn => { await window.app.loadGraphData(drawn); }", drawn)
        assert page.evaluate(UNKNOWN) == [], name
        assert page.evaluate(COUNT) == len(drawn["nodes"]), name


def test_run_shows_progress_and_a_video_that_plays_and_brings_its_graph_back(
    page: Any, server: ComfyServer
) -> None:
    drawn = json.loads((PACK / "example_workflows" / "talking_portrait.json").read_text())
    page.evaluate("async drawn => { await window.app.loadGraphData(drawn); }", drawn)
    page.evaluate(
        """steps => { for (const node of window.app.graph.nodes) for (const widget of node.widgets || []) {
        if (widget.name === 'steps') widget.value = steps;
        if (widget.name === 'length') widget.value = 1.2; } }""",
        10 if os.environ.get("EMO_SCREENSHOTS") else 2,
    )
    page.evaluate(WATCH)
    page.keyboard.press(".")
    with page.expect_response(lambda answer: answer.url.endswith("/api/prompt")) as queued:
        page.locator('[data-testid="queue-button"], .comfyui-queue-button button').first.click()
    prompt_id = queued.value.json()["prompt_id"]
    deadline = time.monotonic() + 300
    while prompt_id not in (history := server.get(f"/history/{prompt_id}")) and time.monotonic() < deadline:
        page.wait_for_timeout(200)
    entry = history[prompt_id]
    assert entry["status"]["status_str"] == "success", entry["status"]
    seen = page.evaluate("() => window.seen")
    assert seen.get("progress_text", 0) > 2, seen
    assert seen.get("b_preview", 0) + seen.get("b_preview_with_metadata", 0) > 2, seen
    page.wait_for_function("() => document.querySelector('video')?.readyState >= 2")
    page.wait_for_timeout(1500)
    picture(page, "after_run")
    page.evaluate("""async () => { const video = document.querySelector('video');
        video.muted = true; video.loop = true; await video.play(); }""")
    page.wait_for_function("() => document.querySelector('video').currentTime > 0.2")
    (saver,) = [node["id"] for node in drawn["nodes"] if node["type"] == "SaveVideo"]
    (video,) = entry["outputs"][str(saver)]["images"]
    address = f"/api/view?filename={video['filename']}&subfolder={video['subfolder']}&type={video['type']}"
    page.evaluate("() => window.app.graph.clear()")
    assert page.evaluate(COUNT) == 0
    page.evaluate(DROP, [address, video["filename"]])
    page.wait_for_function("count => window.app.graph.nodes.length === count", arg=len(drawn["nodes"]))
    lengths = page.evaluate("""() => window.app.graph.nodes.flatMap(n => n.widgets || [])
        .filter(w => w.name === 'length').map(w => w.value)""")
    assert lengths == [1.2]  # the graph that was run, not the template


def test_the_help_panel_shows_our_page(page: Any) -> None:
    drawn = json.loads((PACK / "example_workflows" / "talking_portrait.json").read_text())
    page.evaluate("async drawn => { await window.app.loadGraphData(drawn); }", drawn)
    page.keyboard.press("Escape")
    page.wait_for_timeout(500)
    page.mouse.click(*page.evaluate(TITLE, "EMO_Sample"))
    page.get_by_test_id("info-button").first.click()
    page.get_by_text("Typical mistakes").first.wait_for()
    page.wait_for_function("() => document.querySelector('img[src*=\"EMO_Sample.png\"]')?.naturalWidth > 100")
    page.wait_for_timeout(500)
    picture(page, "help")


def test_nothing_of_ours_complained_on_the_console(page: Any, complaints: list[str]) -> None:
    # the frontend asks api.comfy.org who publishes a node, which this machine cannot reach
    heard = [text for text in complaints if "api.comfy.org" not in text]
    ours = [text for text in heard if "EMO" in text or PACK_FOLDER.lower() in text.lower()]
    assert not ours
