"""Reading the training clips that `clips` has written, without loading them into memory."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from .clip_plan import SAMPLE_RATE, ClipInfo, ClipPlan, ClipsError, read_meta


class ClipShards:
    """All clips below a folder, in order; arrays are memory-mapped when first asked for.

    Shards that appear later are not seen; make a new object for them.
    """

    def __init__(self, folder: Path | str) -> None:
        """Raises ClipsError if there is no shard, or if shards of different plans lie together."""
        self.folder = Path(folder)
        self._shards: list[Path] = []
        self._places: list[tuple[int, int]] = []
        self._maps: dict[tuple[int, str], np.ndarray] = {}
        self.info: list[ClipInfo] = []
        """Who does what in each clip."""
        plans = []
        for shard, path in enumerate(sorted(self.folder.glob("shard-*/meta.json"))):
            meta = read_meta(path)
            plans.append(ClipPlan(**meta["plan"]))
            self._shards.append(path.parent)
            self._places += [(shard, row) for row in range(len(meta["clips"]))]
            self.info += [ClipInfo(**clip) for clip in meta["clips"]]
        if not plans:
            raise ClipsError(f"no shards in {self.folder}; make some with emo_core.training.synthetic.clips")
        if any(plan != plans[0] for plan in plans):
            raise ClipsError(f"{self.folder} mixes clips of different plans; keep one plan per folder")
        self.plan = plans[0]

    def __len__(self) -> int:
        return len(self._places)

    def _row(self, clip: int, name: str) -> np.ndarray:
        shard, row = self._places[clip]
        if (shard, name) not in self._maps:
            self._maps[shard, name] = np.load(self._shards[shard] / f"{name}.npy", mmap_mode="r")
        return self._maps[shard, name][row]

    def frames(self, clip: int) -> np.ndarray:
        """uint8 [F, H, W, 3], RGB; read-only and still on disk: copy what is needed."""
        return self._row(clip, "frames")

    def tracks(self, clip: int) -> np.ndarray:
        """float32 [F, 14], columns `types.TRACKS`."""
        return self._row(clip, "tracks")

    def landmarks(self, clip: int) -> np.ndarray:
        """float32 [F, 12, 2], px, in the order of `types.Truth`."""
        return self._row(clip, "landmarks")

    def boxes(self, clip: int) -> np.ndarray:
        """float32 [F, 4]: x0, y0, x1, y1 of the head, px."""
        return self._row(clip, "boxes")

    def speed(self, clip: int) -> np.ndarray:
        """float32 [F], degrees per frame."""
        return self._row(clip, "speed")

    def waveform(self, clip: int) -> tuple[np.ndarray, int]:
        """Mono sound float32 [S] within -1..1 and its sample rate, Hz."""
        return self._row(clip, "wave").astype(np.float32) / 32767, SAMPLE_RATE

    def portraits(self, clip: int) -> np.ndarray:
        """uint8 [K, H, W, 3]: other pictures of the clip's identity."""
        return self._row(clip, "portraits")

    def portrait_boxes(self, clip: int) -> np.ndarray:
        """float32 [K, 4]: their head boxes, px."""
        return self._row(clip, "portrait_boxes")
