"""From a video to what each metric compares: one function per metric, each around one published network."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn

from ..media.video import Sound, frame_rate, read_frames, read_sound
from ..optional import need
from .faces import SIDECAR, FaceTrack, cut_out, longer_sides, middles, turning_speed
from .networks import NetworkFile, UnavailableError
from .syncnet import RATE, SyncNet, measure_sync

FVD_FRAMES = 16
"""Frames of one clip of FVD; a video is cut into clips that do not overlap."""
TEMPLATE = np.array(
    [
        [-0.31148657, 0.29036078, 0.13377953],
        [0.30979887, 0.28972036, 0.13179526],
        [0.0032535, -0.04617932, 0.55244243],
        [-0.25216928, -0.38133916, 0.22405732],
        [0.2484662, -0.38128236, 0.22235769],
    ]
)
"""Five landmarks of Deep3DFaceRecon's standard face; y is up."""
TEMPLATE_SCALE, TEMPLATE_SIZE = 102.0, 224
COEFFICIENTS = (80, 64, 80, 3, 27, 2, 1)
"""Identity, expression, texture, angle, light, place, depth."""
EXPRESSION = slice(80, 144)


@dataclass(frozen=True)
class Portrait:
    """The picture that a video is to look like."""

    picture: np.ndarray
    """uint8 [H, W, 3]."""
    box: np.ndarray
    """Its face [4], px."""


@dataclass(frozen=True)
class Video:
    """One video in memory."""

    frames: np.ndarray
    """uint8 [F, H, W, 3]."""
    fps: float
    sound: Sound | None
    track: FaceTrack | None
    portrait: Portrait | None = None

    def face(self) -> FaceTrack:
        """Its face; UnavailableError if nobody has said where it is."""
        if self.track is None:
            raise UnavailableError(f"no face tracks: put <video>{SIDECAR} beside every video, or see --faces")
        return self.track

    def part(self, name: str) -> np.ndarray:
        """`landmarks` or `rotations` of its face; UnavailableError if the track lacks them."""
        found = getattr(self.face(), name)
        if found is None:
            raise UnavailableError(f"the face tracks hold no {name}")
        return found


Describe = Callable[[Video], np.ndarray]
"""A video to rows [N, D] of one metric."""


def read_video(path: Path, find_face: Callable[[Path, np.ndarray], FaceTrack | None]) -> Video:
    """Read a whole video; its sound if it has any."""
    frames = np.stack(list(read_frames(path)))
    try:
        sound = read_sound(path)
    except ValueError:  # silent
        sound = None
    return Video(frames, frame_rate(path), sound, find_face(path, frames))


def inception(file: NetworkFile) -> Describe:
    """FID: 2048 features of every frame, resized as TensorFlow did (torch-fidelity)."""
    from torch_fidelity.feature_extractor_inceptionv3 import FeatureExtractorInceptionV3

    net = FeatureExtractorInceptionV3("inception", ["2048"], feature_extractor_weights_path=str(file.path))
    net.eval()

    @torch.inference_mode()
    def describe(video: Video) -> np.ndarray:
        pictures = torch.from_numpy(video.frames).permute(0, 3, 1, 2)
        return torch.cat([net(part)[0] for part in pictures.split(16)]).numpy()

    return describe


def i3d(file: NetworkFile) -> Describe:
    """FVD: 400 logits of every 16 frames (StyleGAN-V's protocol)."""
    net = torch.jit.load(file.path, map_location="cpu").eval()

    @torch.inference_mode()
    def describe(video: Video) -> np.ndarray:
        count = len(video.frames) // FVD_FRAMES
        if count == 0:
            raise UnavailableError(f"a video has {len(video.frames)} frames, FVD wants {FVD_FRAMES} or more")
        clips = torch.from_numpy(video.frames[: count * FVD_FRAMES]).unflatten(0, (count, FVD_FRAMES))
        made = [
            net(clip[None].permute(0, 4, 1, 2, 3).float(), rescale=True, resize=True, return_features=True)
            for clip in clips
        ]
        return torch.cat(made).numpy()

    return describe


def syncnet(file: NetworkFile) -> Describe:
    """SyncNet: one row of confidence, distance and offset."""
    net = SyncNet.open(file.path)

    def describe(video: Video) -> np.ndarray:
        if video.sound is None:
            raise UnavailableError("a video has no sound")
        sound = video.sound.mono(RATE).numpy()
        sync = measure_sync(net, video.frames, video.face().boxes, video.fps, sound)
        return np.array([[sync.confidence, sync.distance, sync.offset]])

    return describe


def facenet(file: NetworkFile) -> Describe:
    """F-SIM: cosine of each frame's face and the portrait's, times 100 as the paper prints it."""
    facenet_pytorch = need("facenet_pytorch", "--no-deps facenet-pytorch")
    net = facenet_pytorch.InceptionResnetV1(pretrained=None, classify=False)
    state = torch.load(file.path, map_location="cpu", weights_only=True)
    net.load_state_dict({key: value for key, value in state.items() if not key.startswith("logits.")})
    net.eval()

    @torch.inference_mode()
    def embed(frames: np.ndarray, boxes: np.ndarray) -> Tensor:
        faces = cut_out(frames, middles(boxes), 1.1 * longer_sides(boxes), 160)
        return torch.cat([net((part - 127.5) / 128) for part in faces.split(16)])

    def describe(video: Video) -> np.ndarray:
        if video.portrait is None:
            raise UnavailableError("no portrait: the video has no namesake in --truth")
        portrait = embed(video.portrait.picture[None], video.portrait.box[None])
        faces = embed(video.frames, video.face().boxes)
        return 100 * torch.cosine_similarity(faces, portrait)[:, None].numpy()

    return describe


def deep3d(file: NetworkFile) -> Describe:
    """E-FID: 64 expression coefficients of every frame."""
    net = Deep3D()
    state = torch.load(file.path, map_location="cpu", weights_only=True)
    net.load_state_dict(state["net_recon"])
    net.eval()

    @torch.inference_mode()
    def describe(video: Video) -> np.ndarray:
        centres, sides = zip(*map(standard_square, video.part("landmarks")), strict=True)
        faces = cut_out(video.frames, np.stack(centres), np.array(sides), TEMPLATE_SIZE) / 255
        return torch.cat([net(part)[:, EXPRESSION] for part in faces.split(16)]).numpy()

    return describe


class Deep3D(nn.Module):
    """ResNet-50 with one 1x1 convolution per kind of coefficient; the names are those of the published file."""

    def __init__(self) -> None:
        from torchvision.models import resnet50

        super().__init__()
        self.backbone = resnet50(weights=None)
        self.backbone.add_module("fc", nn.Identity())
        self.final_layers = nn.ModuleList([nn.Conv2d(2048, width, 1) for width in COEFFICIENTS])

    def forward(self, x: Tensor) -> Tensor:
        """Map faces [N, 3, 224, 224] in 0..1 to coefficients [N, 257]."""
        features = self.backbone(x)[:, :, None, None]
        return torch.cat([layer(features) for layer in self.final_layers], dim=1).flatten(1)


def standard_square(landmarks: np.ndarray) -> tuple[np.ndarray, float]:
    """Centre [2] and side, px, of the square that Deep3DFaceRecon cuts around landmarks [5, 2]: size and place of
    the standard face under the best affine camera; the head is not turned upright."""
    known = np.hstack([TEMPLATE * (1, -1, 1), np.ones((5, 1))])  # pictures count y downwards
    camera = np.linalg.lstsq(known, landmarks, rcond=None)[0]  # [4, 2]
    scale = np.linalg.norm(camera[:3], axis=0).mean()
    return camera[3], float(TEMPLATE_SIZE * scale / TEMPLATE_SCALE)


def head_speed(video: Video) -> np.ndarray:
    """Head velocity: degrees per frame at 30 fps, [F - 1, 1]."""
    return turning_speed(video.part("rotations"), video.fps)[:, None]


DESCRIBERS: dict[str, Callable[[NetworkFile], Describe]] = {
    "FID": inception,
    "FVD": i3d,
    "SyncNet": syncnet,
    "F-SIM": facenet,
    "E-FID": deep3d,
}
"""How the networks of `networks.NETWORKS` are used."""
