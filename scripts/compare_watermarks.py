"""How packaged watermarks hold against the attacks of `measure_watermark.py`, for docs/responsible_use.md.

    pip install --no-deps invisible-watermark blind-watermark opencv-python-headless PyWavelets onnxruntime
    python scripts/compare_watermarks.py --frames 12

Share of 32 bits right by majority over the frames; 50 % is chance. Frames of other sizes are also scaled back first, as
somebody would who guesses the size: the better of the two counts.
"""

import argparse
from collections.abc import Callable
from importlib import import_module

import numpy as np
import torch
from measure_watermark import PHOTOS, attacks, moving, photo, scaled
from torch import Tensor

BITS = np.random.default_rng(0).integers(0, 2, 32)
Picture = np.ndarray
Method = tuple[Callable[[Picture], Picture], Callable[[Picture], np.ndarray]]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--frames", type=int, default=12)
    parser.add_argument("--size", type=int, default=512)
    parser.add_argument("--only", default="", help="methods whose name contains this")
    args = parser.parse_args()
    torch.set_num_threads(1)
    clips = [moving(photo(name, args.size), args.frames) for name in PHOTOS]
    for name, (mark, read) in methods().items():
        if args.only not in name:
            continue
        marked = [each(clip, mark) for clip in clips]
        errors = [(a - b).square().mean() for a, b in zip(clips, marked, strict=True)]
        psnr = torch.stack([10 * torch.log10(1 / error) for error in errors])
        print(f"\n{name}: PSNR {psnr.min():.1f} to {psnr.max():.1f} dB", flush=True)
        for attack, change in attacks().items():
            right = [best_share(change(clip), args.size, read) for clip in marked]
            print(f"| {attack} | {100 * sum(right) / len(right):.0f} % | lowest {100 * min(right):.0f} % |", flush=True)


def methods() -> dict[str, Method]:
    """Name → how one picture [H, W, 3] of bytes, blue first, is marked and read."""
    blind, packaged = import_module("blind_watermark"), import_module("imwatermark")
    blind.bw_notes.close()
    packaged.WatermarkEncoder.loadModel()

    def invisible(method: str) -> Method:
        encoder, decoder = packaged.WatermarkEncoder(), packaged.WatermarkDecoder("bits", len(BITS))
        encoder.set_watermark("bits", BITS.tolist())
        return lambda x: encoder.encode(x, method), lambda x: np.array(decoder.decode(x, method))

    def blind_mark(picture: Picture) -> Picture:
        marker = blind.WaterMark()
        marker.read_img(img=picture)
        marker.read_wm(BITS.astype(bool), mode="bit")
        return marker.embed().clip(0, 255).round().astype(np.uint8)

    def blind_read(picture: Picture) -> np.ndarray:
        return blind.WaterMark().extract(embed_img=picture, wm_shape=len(BITS), mode="bit")

    known: dict[str, Method] = {name: invisible(name) for name in ("dwtDct", "dwtDctSvd", "rivaGan")}
    return {f"invisible-watermark {name}": pair for name, pair in known.items()} | {
        "blind-watermark": (blind_mark, blind_read)
    }


def each(clip: Tensor, change: Callable[[Picture], Picture]) -> Tensor:
    """A clip [F, H, W, 3] in 0..1 with every picture changed."""
    return torch.from_numpy(np.stack([change(picture) for picture in pictures_of(clip)])[..., ::-1].copy()) / 255


def pictures_of(clip: Tensor) -> list[Picture]:
    """Bytes, blue first, as the packages want them."""
    return [np.ascontiguousarray(p) for p in (clip * 255).round().byte().numpy()[..., ::-1]]


def best_share(clip: Tensor, size: int, read: Callable[[Picture], np.ndarray]) -> float:
    """Share of the bits that a majority of the frames gets right, as the clip is or scaled to `size`."""
    if clip.shape[1] == size:
        return share(clip, read)
    return max(share(clip, read), share(scaled(clip, size / clip.shape[1]), read))


def share(clip: Tensor, read: Callable[[Picture], np.ndarray]) -> float:
    """0.5, which is chance, where a method refuses the size."""
    try:
        votes = np.stack([read(picture) for picture in pictures_of(clip)])
    except (RuntimeError, IndexError, AssertionError):
        return 0.5
    return float(((votes.mean(0) > 0.5) == BITS).mean())


if __name__ == "__main__":
    main()
