"""Fill and empty the heap, then leave `memory.returned`: writes how many bytes the process had grown before and behind.

    heap_run.py COMFYUI [fails]    with "fails" the body raises
"""

import contextlib
import importlib
import os
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[2] / "scripts"))

import torch
from in_process import import_comfy, import_pack


def resident() -> int:
    """Bytes of this process in memory."""
    return int(Path("/proc/self/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")


comfyui, fails = Path(sys.argv[1]), sys.argv[2:] == ["fails"]
sys.argv = sys.argv[:1]  # ComfyUI reads them
import_comfy(comfyui)
memory = importlib.import_module(f"{import_pack().__name__}.nodes.host.memory")
before = resident()
pieces = [torch.ones(25_000) for _ in range(3000)]  # 100 kB each: from the heap, not mapped
end_of_heap = pieces[-1]
del pieces  # the last one holds the heap's end, so free() alone returns nothing
kept = resident() - before
with contextlib.suppress(MemoryError), memory.returned():
    if fails:
        raise MemoryError
sys.stdout.write(f"{kept} {resident() - before}\n")
assert end_of_heap.sum() == 25_000
