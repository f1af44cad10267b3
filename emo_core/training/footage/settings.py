"""What a good clip is. The numbers are ours where the paper gives none."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

FORMAT = 1


@dataclass(frozen=True)
class Settings:
    """How footage is cut and what is rejected; part of the output's identity."""

    fps: float = 30.0
    """Frames per second of the clips (30 in the paper)."""
    size: int = 512
    """Side of the clips' frames, px."""
    sample_rate: int = 16000
    """Of the sound, Hz."""
    shortest: float = 3.0
    """s."""
    longest: float = 12.0
    """s."""
    expand: float = 2.0
    """Side of the crop against the face's height (brows to chin)."""
    smallest_crop: int = 256
    """Side of the crop in the source, px: smaller ones would be blown up too much."""
    yaw: float = 60.0
    """Largest turn to either side, degrees, in nine tenths of the frames."""
    pitch: float = 45.0
    """The same up and down."""
    sharpness: float = 12.0
    """Least variance of the Laplacian of the face at 128 px."""
    darkest: float = 20.0
    """Least mean brightness of the face, 0..255."""
    brightest: float = 240.0
    """Greatest."""
    stillness: float = 0.25
    """Least mean change of the face from frame to frame at 128 px, 0..255: less is a photograph."""
    silence: float = -50.0
    """Least level of the sound, dB below full scale."""
    lag: int = 5
    """Largest shift between mouth and sound, frames."""
    correlation: float = 0.2
    """Least correlation of mouth and loudness at the best shift; 0 switches the test off."""

    def __post_init__(self) -> None:
        if self.size < 64 or self.size % 8:
            raise ValueError(f"size must be a multiple of 8 and at least 64 pixels, got {self.size}")
        if self.fps <= 0:
            raise ValueError(f"fps must be above 0, got {self.fps}")
        if not 0 < self.shortest <= self.longest:
            raise ValueError(f"clips from {self.shortest} to {self.longest} s: want 0 < shortest <= longest")

    def to_dict(self) -> dict[str, Any]:
        """All numbers by name."""
        return asdict(self)


@dataclass(frozen=True)
class Rejected:
    """Why a stretch of video is no clip: a word to count by, and the numbers."""

    reason: str
    detail: str
