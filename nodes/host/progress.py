"""One progress bar for a whole run, with a picture of the clip in work and a line of text."""

from __future__ import annotations

import comfy.model_management as mm
import comfy.utils
import latent_preview
from comfy.latent_formats import LatentFormat
from torch import Tensor

PREVIEW_SIZE = 512  # px, the longest side shown


class ClipProgress:
    """Counts steps over all clips; shows the first frame of the clip as far as it has come."""

    def __init__(self, clips: int, steps: int, latent_format: LatentFormat, node_id: str | None) -> None:
        self._bar = comfy.utils.ProgressBar(clips * steps, node_id=node_id)
        self._clips, self._steps, self._node_id = clips, steps, node_id
        self._clip = 0
        self._previewer = _previewer(latent_format)

    def start_clip(self, index: int) -> None:
        """Announce clip `index`, counted from 0; raise the host's interruption if the user cancelled."""
        mm.throw_exception_if_processing_interrupted()
        self._clip = index
        show_text(f"clip {index + 1}/{self._clips}", self._node_id)

    def __call__(self, step: int, clean: Tensor, noisy: Tensor, steps: int) -> None:
        """The host's sampler calls this after each step."""
        preview = (
            self._previewer.decode_latent_to_preview_image("JPEG", clean[:1]) if self._previewer else None
        )
        self._bar.update_absolute(
            self._clip * self._steps + step + 1,
            self._clips * self._steps,
            preview and (*preview[:2], PREVIEW_SIZE),
        )


def _previewer(latent_format: LatentFormat) -> latent_preview.LatentPreviewer | None:
    """A small matrix from latents to colours: cheap, so it does not wait for the host's preview setting."""
    if latent_format.latent_rgb_factors is None:
        return None
    return latent_preview.Latent2RGBPreviewer(
        latent_format.latent_rgb_factors, latent_format.latent_rgb_factors_bias
    )


class FrameProgress:
    """Counts frames that are decoded or written."""

    def __init__(self, frames: int, node_id: str | None) -> None:
        self._bar = comfy.utils.ProgressBar(frames, node_id=node_id)

    def add(self, frames: int) -> None:
        """Count `frames` more; raise the host's interruption if the user cancelled."""
        self._bar.update(frames)
        mm.throw_exception_if_processing_interrupted()


def show_text(text: str, node_id: str | None) -> None:
    """Write a line under the node; nothing where no server runs, as in tests."""
    if node_id is None:
        return
    from server import PromptServer

    PromptServer.instance.send_progress_text(text, node_id)
