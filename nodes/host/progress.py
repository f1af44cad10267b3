"""One progress bar for a whole run, with a picture of the clip in work and a line of text."""

from __future__ import annotations

import time

import comfy.model_management as mm
import comfy.utils
import latent_preview
from comfy.latent_formats import LatentFormat
from torch import Tensor

PREVIEW_SIZE = 512  # px, the longest side shown


class ClipProgress:
    """Counts steps over all clips; shows the first frame of the clip as far as it has come."""

    def __init__(
        self, frames: int, clips: int, steps: int, latent_format: LatentFormat, node_id: str | None
    ) -> None:
        self._bar = comfy.utils.ProgressBar(clips * steps, node_id=node_id)
        self._clips, self._steps, self._node_id = clips, steps, node_id
        self._first = self._clip = 0
        self._begin = time.monotonic()
        self._previewer = _previewer(latent_format)
        show_text(f"{counted(frames, 'frame')} in {counted(clips, 'clip')}", node_id)

    def resume(self, clips: int) -> None:
        """Take `clips` for done: they were found on disk."""
        if clips:
            self._first = clips
            self._bar.update_absolute(min(clips, self._clips) * self._steps)
            show_text(f"{clips} of {counted(self._clips, 'clip')} found on disk", self._node_id)

    def start_clip(self, index: int) -> None:
        """Announce clip `index`, counted from 0; raise the host's interruption if the user cancelled."""
        mm.throw_exception_if_processing_interrupted()
        self._clip = index
        self._tell(index - self._first)

    def __call__(self, step: int, clean: Tensor, noisy: Tensor, steps: int) -> None:
        """The host's sampler calls this after each step."""
        preview = (
            self._previewer.decode_latent_to_preview_image("JPEG", clean[:1]) if self._previewer else None
        )
        if self._clip == self._first:
            self._tell((step + 1) / self._steps)  # an estimate as soon as there is one
        self._bar.update_absolute(
            self._clip * self._steps + step + 1,
            self._clips * self._steps,
            preview and (*preview[:2], PREVIEW_SIZE),
        )

    def _tell(self, done: float) -> None:
        """Show which clip is in work and, once `done` clips have been made, how long the rest will take."""
        text = f"clip {self._clip + 1}/{self._clips}"
        if done:
            each = (time.monotonic() - self._begin) / done
            text += f", about {lasting(each * (self._clips - self._first - done))} left"
        show_text(text, self._node_id)


def _previewer(latent_format: LatentFormat) -> latent_preview.LatentPreviewer | None:
    """A small matrix from latents to colours: cheap, so it does not wait for the host's preview setting."""
    if latent_format.latent_rgb_factors is None:
        return None
    return latent_preview.Latent2RGBPreviewer(
        latent_format.latent_rgb_factors, latent_format.latent_rgb_factors_bias
    )


def counted(number: int, word: str) -> str:
    """A number with its word, in the plural where it must be."""
    return f"{number} {word}" + ("" if number == 1 else "s")


def lasting(seconds: float) -> str:
    """A length of time as a person says it."""
    if seconds < 90:
        return f"{max(1, round(seconds))} s"
    if seconds < 90 * 60:
        return f"{round(seconds / 60)} min"
    return f"{seconds / 3600:.1f} h"


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
