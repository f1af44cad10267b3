"""How well the invisible mark holds: PSNR, detection and bit accuracy per attack, false positives without it.

    python scripts/measure_watermark.py --clips CLIPS    CLIPS: a folder of emo_core.training.synthetic.clips

Photographs are scikit-image's, with a moving middle; frames of 128 pixels also come from CLIPS. Prints the table
of docs/responsible_use.md.
"""

import argparse
import io
import math
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import av
import numpy as np
import skimage.data
import torch
from torch import Tensor
from torch.nn.functional import grid_sample, interpolate

sys.path.append(str(Path(__file__).resolve().parents[1]))

from emo_core.provenance.detect import FALSE_POSITIVES, Evidence, Finding
from emo_core.provenance.watermark import Watermark
from emo_core.training.synthetic.clip_shards import ClipShards

PHOTOS = ("astronaut", "chelsea", "coffee", "camera", "rocket")
Attack = Callable[[Tensor], Tensor]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--clips", type=Path, required=True, help="a folder of synthetic clips")
    parser.add_argument("--count", type=int, default=10, help="clips to mark")
    parser.add_argument("--unmarked", type=int, default=500, help="other clips for false positives")
    parser.add_argument("--frames", type=int, default=50)
    parser.add_argument("--psnr", type=float, default=0.0, help="dB; 0 is the nodes' own")
    args = parser.parse_args()
    torch.set_num_threads(1)
    shards = ClipShards(args.clips)
    drawn = [pictures_of(shards, index, args.frames) for index in range(args.count)]
    report("128 px, synthetic", drawn, args.psnr)
    report("128 px, photographs", [moving(photo(name, 128), args.frames) for name in PHOTOS], args.psnr)
    report("512 px, photographs", [moving(photo(name, 512), min(args.frames, 12)) for name in PHOTOS], args.psnr)
    unmarked(
        pictures_of(shards, index, args.frames) for index in range(args.count, args.count + args.unmarked)
    )
    wrong_keys([*drawn, *(moving(photo(name, 128), 8) for name in PHOTOS)])


def report(title: str, clips: list[Tensor], psnr: float) -> None:
    """One table: rows are attacks."""
    marked = [through_bytes(Watermark(psnr).mark(clip)) for clip in clips]
    errors = [
        (10 * torch.log10(1 / (a - b).square().mean())).item() for a, b in zip(clips, marked, strict=True)
    ]
    print(
        f"\n{title}: {len(clips)} clips of {len(clips[0])} frames, PSNR {min(errors):.1f} to {max(errors):.1f} dB"
    )
    for name, attack in attacks().items():
        found = [finding(attack(clip)) for clip in marked]
        right = sum(item.marked for item in found)
        bits = sum(item.bits for item in found) / len(found)
        scores = sorted(item.score for item in found)
        row = f"{right}/{len(found)} | {100 * bits:.1f} % | {scores[0]:.1f} | {scores[len(scores) // 2]:.1f}"
        print(f"| {name} | {row} |", flush=True)


def attacks() -> dict[str, Attack]:
    """What is done to a marked video; every one begins with the file that the nodes write (CRF 17)."""
    rows: dict[str, Attack] = {f"CRF {crf}": encoded(17, crf) for crf in (18, 23, 28)}
    rows["CRF 23, then 28"] = encoded(17, 23, 28)
    rows["scaled to 50 %, CRF 23"] = lambda clip: encoded(23)(scaled(encoded(17)(clip), 0.5))
    rows["scaled to 50 %, CRF 28"] = lambda clip: encoded(28)(scaled(encoded(17)(clip), 0.5))
    rows["10 % cropped off, middle, CRF 23"] = lambda clip: encoded(23)(cropped(encoded(17)(clip), 0.5))
    rows["10 % cropped off, corner, CRF 28"] = lambda clip: encoded(28)(cropped(encoded(17)(clip), 1.0))
    rows["cropped and scaled to 50 %, CRF 23"] = lambda clip: encoded(23)(
        scaled(cropped(encoded(17)(clip), 0.5), 0.5)
    )
    return rows


def unmarked(clips: Iterator[Tensor]) -> None:
    """Clips without a mark: how often one is found, and the highest score."""
    found = [finding(encoded(23)(clip)) for clip in clips]
    wrong = sum(item.marked for item in found)
    best = min(item.chance for item in found)
    print(f"\nunmarked: {wrong} of {len(found)} called marked; lowest bound of chance {best:.2g}", flush=True)


def wrong_keys(clips: list[Tensor], keys: int = 500) -> None:
    """Other keys on marked and unmarked clips: a score above z must be no more frequent than exp(-z² / 2)."""
    from emo_core.provenance.detect import _match
    from emo_core.provenance.watermark import GRID, Waves

    scores = []
    for clip in clips:
        evidence = Evidence()
        evidence.add(clip[:8])
        waves = (Waves.of(32, f"another key {number}".encode()) for number in range(keys))
        scores += [_match(evidence.total, item, GRID, GRID, 1).score for item in waves]
    values = np.array(scores)
    print(f"wrong keys: {len(values)} scores, mean {values.mean():.3f}, deviation {values.std():.3f}")
    for z in (1, 2, 3, 4):
        print(f"  above {z}: {(values > z).mean():.5f}, bound {math.exp(-z * z / 2):.5f}")
    print(f"  called marked: {(np.exp(-(values.clip(0) ** 2) / 2) < FALSE_POSITIVES).sum()}")


def finding(clip: Tensor) -> Finding:
    evidence = Evidence()
    evidence.add(clip)
    return evidence.finding()


def encoded(*crfs: int) -> Attack:
    """Through x264 at each quality in turn."""

    def run(clip: Tensor) -> Tensor:
        for crf in crfs:
            clip = _encoded(clip, crf)
        return clip

    return run


def _encoded(clip: Tensor, crf: int) -> Tensor:
    file = io.BytesIO()
    with av.open(file, "w", format="mp4") as container:
        stream = container.add_stream("libx264", rate=25, options={"crf": str(crf), "threads": "1"})
        stream.height, stream.width = clip.shape[1:3]
        stream.pix_fmt = "yuv420p"
        for picture in (clip * 255).round().byte().numpy():
            container.mux(
                stream.encode(av.VideoFrame.from_ndarray(np.ascontiguousarray(picture), format="rgb24"))
            )
        container.mux(stream.encode(None))
    file.seek(0)
    with av.open(file) as container:
        frames = [frame.to_ndarray(format="rgb24") for frame in container.decode(video=0)]
    return torch.from_numpy(np.stack(frames)).float() / 255


def scaled(clip: Tensor, factor: float) -> Tensor:
    size = [int(side * factor) // 2 * 2 for side in clip.shape[1:3]]
    small = interpolate(clip.movedim(-1, 1), size, mode="bicubic", antialias=True)
    return small.movedim(1, -1).clamp(0, 1)


def cropped(clip: Tensor, place: float) -> Tensor:
    """90 % of the width and of the height; place 0.5 is the middle, 1 the lower right corner."""
    height, width = (int(side * 0.9) // 2 * 2 for side in clip.shape[1:3])
    top, left = round((clip.shape[1] - height) * place), round((clip.shape[2] - width) * place)
    return clip[:, top : top + height, left : left + width]


def through_bytes(clip: Tensor) -> Tensor:
    return (clip * 255).round() / 255


def pictures_of(shards: ClipShards, index: int, frames: int) -> Tensor:
    return torch.from_numpy(np.array(shards.frames(index)[:frames])).float() / 255


def photo(name: str, size: int) -> Tensor:
    """The middle square of a photograph, [1, 3, size, size] in 0..1."""
    pixels = torch.from_numpy(np.ascontiguousarray(getattr(skimage.data, name)()))
    pixels = pixels[..., None].expand(-1, -1, 3) if pixels.ndim == 2 else pixels
    side = min(pixels.shape[:2])
    top, left = (pixels.shape[0] - side) // 2, (pixels.shape[1] - side) // 2
    square = pixels[top : top + side, left : left + side].movedim(-1, 0)[None].float() / 255
    return interpolate(square, (size, size), mode="bicubic", antialias=True).clamp(0, 1)


def moving(picture: Tensor, frames: int) -> Tensor:
    """A clip [F, H, W, 3] whose middle sways and turns a little, as a head does, before a still background."""
    y, x = torch.meshgrid(
        torch.linspace(-1, 1, picture.shape[2]), torch.linspace(-1, 1, picture.shape[3]), indexing="ij"
    )
    middle = torch.exp(-((x / 0.5) ** 4 + ((y - 0.1) / 0.64) ** 4))
    clip = []
    for time in torch.arange(frames) / 25:
        angle = math.radians(3) * torch.sin(2 * math.pi * 0.5 * time)
        right = middle * (-angle * y + 0.04 * torch.sin(2 * math.pi * 0.7 * time))
        down = middle * (angle * x + 0.024 * torch.sin(2 * math.pi * 1.1 * time))
        field = torch.stack([x + right, y + down], dim=-1)[None]
        clip.append(
            grid_sample(picture, field, padding_mode="reflection", align_corners=True)[0].movedim(0, -1)
        )
    return torch.stack(clip).clamp(0, 1)


if __name__ == "__main__":
    main()
