"""Two worlds, one direction: who may import whom."""

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
HOST = {"app", "comfy", "comfy_api", "comfy_execution", "comfy_extras", "execution", "folder_paths"}
HOST |= {"latent_preview", "node_helpers", "nodes", "server", "utils"}
HOST_INTERNALS = HOST - {"comfy_api"}  # comfy_api is the host's promise to nodes; the rest may change

FLOORS = {
    "emo_core/backend.py": 0,
    "emo_core/config.py": 0,
    "emo_core/optional.py": 0,
    "emo_core/media": 0,
    "emo_core/modules": 1,
    "emo_core/provenance": 1,
    "emo_core/face": 1,
    "emo_core/diffusion": 1,
    "emo_core/evaluation": 1,
    "emo_core/models": 2,
    "emo_core/audio": 2,
    "emo_core/checkpoints": 3,
    "emo_core/animate.py": 4,
    "emo_core/training": 4,
    "emo_core/claims": 5,
    "emo_core/bench": 4,
    "nodes": 5,
}
ROOFS = {"emo_core/__init__.py", "emo_core/__main__.py", "emo_core/cli", "__init__.py"}  # may use everything
FILES = sorted(
    path.relative_to(ROOT)
    for path in [ROOT / "__init__.py", *(ROOT / "emo_core").rglob("*.py"), *(ROOT / "nodes").rglob("*.py")]
)


def house(path: Path) -> str:
    """The folder or file of FLOORS that `path` belongs to."""
    parts = path.parts
    return parts[0] if parts[0] != "emo_core" else "/".join(parts[:2])


def imports(path: Path) -> Iterator[tuple[int, str]]:
    """Each import of the file: its number of leading dots, and the dotted name."""
    for node in ast.walk(ast.parse((ROOT / path).read_text())):
        if isinstance(node, ast.Import):
            yield from ((0, alias.name) for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            prefix = f"{node.module}." if node.module else ""
            yield from ((node.level, prefix + alias.name) for alias in node.names)


def target(path: Path, dots: int, name: str) -> Path:
    """The file or folder that a relative import of `path` reaches."""
    place = path.parents[dots - 1]
    for part in name.split("."):
        if (ROOT / place / f"{part}.py").exists():
            return place / f"{part}.py"
        if not (ROOT / place / part).is_dir():
            break
        place /= part
    return place


@pytest.mark.parametrize("path", [path for path in FILES if path.parts[0] == "emo_core"], ids=str)
def test_emo_core_never_imports_the_host(path: Path) -> None:
    found = {name for dots, name in imports(path) if not dots and name.split(".")[0] in HOST}
    assert not found, f"{path} imports {found}"


@pytest.mark.parametrize("path", FILES, ids=str)
def test_inside_the_pack_imports_are_relative(path: Path) -> None:
    found = {name for dots, name in imports(path) if not dots and name.split(".")[0] in ("emo_core", "nodes")}
    assert not found, f"{path} imports {found}: ComfyUI gives the pack another name"


@pytest.mark.parametrize("path", [path for path in FILES if path.parts[0] == "nodes"], ids=str)
def test_only_one_place_touches_the_insides_of_the_host(path: Path) -> None:
    if path.parts[1] in ("host.py", "host"):
        return
    found = {name for dots, name in imports(path) if not dots and name.split(".")[0] in HOST_INTERNALS}
    assert not found, f"{path} imports {found}: that belongs in nodes/host"


@pytest.mark.parametrize("path", FILES, ids=str)
def test_a_file_imports_its_own_folder_and_lower_floors(path: Path) -> None:
    own = house(path)
    if own in ROOFS:
        return
    assert own in FLOORS, f"{own} has no floor: add it to FLOORS and to docs/architecture.md"
    for dots, name in imports(path):
        other = house(target(path, dots, name)) if dots else own
        if other not in (own, "emo_core/__init__.py"):
            assert FLOORS[other] < FLOORS[own], f"{path} imports {other}, which is not on a lower floor"
