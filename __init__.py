"""EMO for ComfyUI: a portrait and a voice become a talking or singing video.

ComfyUI imports this file. Nothing of the pack or of the host is imported before ComfyUI asks, so that
pytest, linters and `import emo_core` work where ComfyUI is not installed.
"""

import logging

WEB_DIRECTORY = "./nodes/web"  # help pages; the host serves them under /extensions/<folder name>


async def comfy_entrypoint():
    """Give ComfyUI the extension. A failure is logged with its traceback, which the host leaves out."""
    try:
        from .nodes import EMOExtension

        return EMOExtension()
    except Exception:
        logging.getLogger(__name__).exception("EMO could not be loaded")
        raise
