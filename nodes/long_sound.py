"""Sound of hours, which stays on disk."""

from __future__ import annotations

from typing import Any

from comfy_api.latest import io

from ..emo_core.media.video import Sound, sound_pieces
from .convert import audio_from_sound
from .host.folders import input_file, input_sounds
from .host.spill import on_disk


class LoadAudio(io.ComfyNode):
    """The host's Load Audio holds a sound in memory, at first twice."""

    @classmethod
    def define_schema(cls) -> io.Schema:
        return io.Schema(
            node_id="EMO_LoadAudio",
            display_name="EMO Load Long Audio",
            category="EMO",
            description="Loads the sound of an audio or video file and keeps it on disk, so that hours of it need no "
            "memory. For short sounds Load Audio does the same.",
            inputs=[
                io.Combo.Input(
                    "audio",
                    options=input_sounds(),
                    # no upload button: the frontend's works in nodes named LoadAudio only and breaks others
                    tooltip="A file of ComfyUI's input folder; put it there and press R. Of a video the sound is "
                    "taken.",
                )
            ],
            outputs=[
                io.Audio.Output(
                    display_name="audio",
                    tooltip="All samples as they are in the file, for EMO Encode Audio. The copy on disk lies in the "
                    "temp folder until ComfyUI ends.",
                )
            ],
        )

    @classmethod
    def validate_inputs(cls, audio: str) -> bool | str:
        """Files that came after the graph was loaded are welcome too."""
        try:
            input_file(audio)
        except ValueError as error:
            return str(error)
        return True

    @classmethod
    def fingerprint_inputs(cls, audio: str) -> Any:
        """Another file of the same name is loaded again."""
        found = input_file(audio).stat()
        return found.st_mtime_ns, found.st_size

    @classmethod
    def execute(cls, audio: str) -> io.NodeOutput:
        pieces, rate = sound_pieces(input_file(audio))
        return io.NodeOutput(audio_from_sound(Sound(on_disk(pieces)[1].T, rate)))
