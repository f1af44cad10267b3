"""Pictures of the nodes for their help pages: `python scripts/node_pictures.py`, in ComfyUI's real frontend.

Needs playwright and Chromium. Writes `nodes/web/docs/pictures/NODE.png`.
"""

import sys
import tempfile
from pathlib import Path

from browser import find_chromium, frontend, prepare_user
from comfy_server import PACK, ComfyServer

PICTURES = PACK / "nodes" / "web" / "docs" / "pictures"
SHOW = """type => { const graph = window.app.graph, canvas = window.app.canvas;
    graph.clear();
    const node = window.LiteGraph.createNode(type);
    node.pos = [0, 0];
    graph.add(node);
    const size = node.computeSize();
    node.setSize([Math.max(size[0], 300), size[1]]);
    canvas.ds.scale = 1.25;
    canvas.ds.offset = [220, 160];
    canvas.setDirty(true, true);
    const frame = document.querySelector('#graph-canvas').getBoundingClientRect();
    const [x, y] = canvas.ds.convertOffsetToCanvas([-8, -38]);
    return {x: frame.left + x, y: frame.top + y,
            width: (node.size[0] + 16) * 1.25, height: (node.size[1] + 46) * 1.25}; }"""


def main() -> int:
    """Draw every node that has a help page."""
    if find_chromium() is None:
        print("no Chromium on this machine (Debian: apt install chromium)", file=sys.stderr)
        return 1
    PICTURES.mkdir(exist_ok=True)
    with tempfile.TemporaryDirectory() as folder:
        base = Path(folder)
        prepare_user(base)
        with ComfyServer(PACK / ".cache" / "comfyui", base, Path(sys.executable)) as server, frontend(server) as page:
            for help_page in sorted(PICTURES.parent.glob("*.md")):
                area = page.evaluate(SHOW, help_page.stem)
                page.wait_for_timeout(400)
                page.screenshot(path=str(PICTURES / f"{help_page.stem}.png"), clip=area)
                print(help_page.stem, flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())
