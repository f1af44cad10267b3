"""The ComfyUI nodes: thin, typed, and the only part of the pack that knows the host."""

from comfy_api.latest import ComfyExtension, io
from typing_extensions import override

__all__ = ["NODES", "EMOExtension"]

NODES: tuple[type[io.ComfyNode], ...] = ()


class EMOExtension(ComfyExtension):
    """What `comfy_entrypoint` hands to ComfyUI."""

    @override
    async def get_node_list(self) -> list[type[io.ComfyNode]]:
        return list(NODES)
