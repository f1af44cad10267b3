"""Keep today's example workflows as a promise: `python scripts/freeze_workflows.py`, once before each release.

They go to `tests/workflows/<version>/`, as users have them and, in `api/`, as the server understands them.
`tests/host/test_frozen_workflows.py` holds every later version to them.
"""

import json
import re
import shutil
import sys
import tempfile
from pathlib import Path

from comfy_cli.workflow_to_api import convert_ui_to_api
from comfy_server import PACK, ComfyServer

FROZEN = PACK / "tests" / "workflows"


def main() -> int:
    version = re.search(r'^version = "(.+)"', (PACK / "pyproject.toml").read_text(), re.MULTILINE)
    assert version is not None
    folder = FROZEN / version[1]
    (folder / "api").mkdir(parents=True, exist_ok=True)
    comfyui = PACK / ".cache" / "comfyui"
    with tempfile.TemporaryDirectory() as base, ComfyServer(comfyui, Path(base), Path(sys.executable)) as server:
        object_info = server.get("/object_info")
    for path in sorted((PACK / "example_workflows").glob("*.json")):
        prompt = convert_ui_to_api(json.loads(path.read_text()), object_info)
        shutil.copyfile(path, folder / path.name)
        (folder / "api" / path.name).write_text(json.dumps(prompt, indent=1, ensure_ascii=False) + "\n")
        print(f"{path.name} is kept in {folder.relative_to(PACK)}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
