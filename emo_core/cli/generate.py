"""Make a talking video from one portrait and one sound."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from torch import Tensor


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Inputs, output and the wishes of `animate.Wish`."""
    parser.add_argument("portrait", type=Path, help="picture of one face; its middle square is used")
    parser.add_argument("sound", type=Path, help="speech or song; video files work too")
    parser.add_argument("-o", "--output", type=Path, default=Path("out.mp4"))
    parser.add_argument(
        "--model",
        type=Path,
        help="a checkpoint file, or the folder of a published checkpoint; default: the built-in emo-tiny",
    )
    parser.add_argument("--release", help="what the folder's files are taken for, such as echomimic_acc")
    parser.add_argument(
        "--models",
        type=Path,
        nargs="*",
        help="folders with the VAE and audio encoder of published checkpoints; default: those of "
        "`models download` and ComfyUI's own beside them",
    )
    parser.add_argument("--size", type=int, help="side of the square video in pixels, a multiple of 8")
    parser.add_argument("--mask", type=Path, help="picture that is white where the face may be")
    parser.add_argument("--lips", type=Path, help="picture that is white on the lips (Hallo)")
    parser.add_argument(
        "--key-points",
        default="",
        help="left eye, right eye, nose as 'x y, x y, x y' in shares of the square picture (V-Express)",
    )
    parser.add_argument(
        "--embedding", type=Path, help="a .npy file of the face's 512 insightface values (Hallo)"
    )
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--fps", type=float, help="frames per second")
    parser.add_argument("--steps", type=int, help="denoising steps per clip")
    parser.add_argument("--cfg", type=float, help="how strictly the portrait is kept, from 1")
    parser.add_argument("--audio-cfg", type=float, help="how strongly the sound moves the face, from 0")
    parser.add_argument("--speed", type=float, default=0.5, help="degrees per frame that the head turns")
    parser.add_argument(
        "--deep-every", type=int, default=1, help="faster, less exact: deep layers run at every n-th step only"
    )
    parser.add_argument(
        "--guided-share", type=float, default=1.0, help="faster, less exact: share of the steps with guidance"
    )
    parser.add_argument("--watermark", action="store_true", help="an invisible mark that `detect` finds")
    parser.add_argument("--badge", default="", help="a short text in the corner of every frame, such as AI")
    parser.add_argument(
        "--margin", type=float, default=0.05, help="room around the face region, share of its size"
    )


def run(args: argparse.Namespace) -> int:
    """Write the video, a clip at a time."""
    import numpy as np
    import torch

    from ..animate import BUILT_IN, Animator, Face, Wish
    from ..face.landmarks import parse_points
    from ..media.video import VideoWriter, read_sound
    from ..provenance.marks import marked, marks_of
    from ..provenance.statement import Statement, digest

    marks = marks_of(args.badge, watermark=args.watermark)
    sound = read_sound(args.sound)
    folders = shared_folders() if args.models is None else args.models
    animator = Animator.open(args.model or BUILT_IN, folders, args.release)
    size = args.size or animator.config.preset.size
    points = parse_points(args.key_points)
    face = Face(
        mask=None if args.mask is None else read_square(args.mask, size).mean(-1),
        lips=None if args.lips is None else read_square(args.lips, size).mean(-1),
        points=None if points is None else points * size,
        embedding=None
        if args.embedding is None
        else torch.from_numpy(np.load(args.embedding, allow_pickle=False)).float(),
    )
    wish = Wish(
        seed=args.seed,
        fps=args.fps,
        steps=args.steps,
        guidance=args.cfg,
        audio_guidance=args.audio_cfg,
        speed=args.speed,
        margin=args.margin,
        deep_every=args.deep_every,
        guided_share=args.guided_share,
    )
    frames, fps = animator.length(sound, wish)
    portrait = read_square(args.portrait, size)
    made = Statement(animator.title, digest(portrait), digest(sound.samples))
    with VideoWriter(args.output, fps, sound.cut(frames, fps), made.tags()) as writer:
        for pictures in animator.animate(portrait, sound, wish, face=face):
            writer.write(marked(pictures, marks))
            print(f"\r{writer.frames} of {frames} frames", end="", file=sys.stderr, flush=True)
    print(f"\n{args.output}", file=sys.stderr)
    return 0


def shared_folders() -> list[Path]:
    """Where published VAEs and audio encoders are looked for."""
    from .models import default_folder, host_folders

    root = default_folder()
    return [folder for folder in (root, *host_folders(root)) if folder.is_dir()]


def read_square(path: Path, size: int) -> Tensor:
    """The middle square of a picture file, RGB in 0..1 [size, size, 3]; transparency lies on white."""
    import numpy as np
    import torch
    from PIL import Image, ImageOps

    from ..media.fit import fit_square

    with Image.open(path) as file:
        picture = ImageOps.exif_transpose(file).convert("RGBA")
    ground = Image.new("RGBA", picture.size, "white")
    pixels = torch.from_numpy(np.array(Image.alpha_composite(ground, picture).convert("RGB")))
    return fit_square(pixels.movedim(-1, 0)[None].float() / 255, size)[0].movedim(0, -1)
