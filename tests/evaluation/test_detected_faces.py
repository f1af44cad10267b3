"""The detector of `prepare` as a source of face tracks for judging, on a real photograph that turns."""

from pathlib import Path

import numpy as np
import pytest

data = pytest.importorskip("skimage.data")
transform = pytest.importorskip("skimage.transform")
pytest.importorskip("ai_edge_litert")
pytest.importorskip("cv2")

from emo_core.cli.detected_faces import DetectedFaces  # noqa: E402
from emo_core.evaluation.faces import turning_speed  # noqa: E402
from emo_core.media.video import VideoWriter  # noqa: E402

CENTRE, FPS, SPEED = (224, 110), 25.0, 1.0


def test_a_photograph_that_rolls_has_its_speed_and_its_face(tmp_path: Path) -> None:
    import torch

    photo = data.astronaut()
    turned = [
        transform.rotate(photo, SPEED * i, center=CENTRE, mode="edge", preserve_range=True) for i in range(16)
    ]
    frames = np.stack(turned).astype(np.uint8)
    with VideoWriter(tmp_path / "a.mp4", FPS) as writer:
        writer.write(torch.from_numpy(frames) / 255)
    track = DetectedFaces()(tmp_path / "a.mp4", frames)
    assert track is not None
    speed = turning_speed(track.rotations, FPS, unit_fps=FPS)
    assert speed[4:-4].mean() == pytest.approx(SPEED, abs=0.2)
    first = track.landmarks[0]
    assert first[0, 0] < first[2, 0] < first[1, 0]  # left eye, nose, right eye
    assert first[3, 0] < first[4, 0]
    assert first[:2, 1].max() < first[2, 1] < first[3:, 1].min()  # eyes above nose above mouth
    x0, y0, x1, y1 = track.boxes[0]
    assert x0 < CENTRE[0] < x1
    assert y0 < CENTRE[1] < y1


def test_a_video_without_a_face_has_no_track(tmp_path: Path) -> None:
    assert DetectedFaces()(tmp_path / "none.mp4", np.zeros((3, 64, 64, 3), np.uint8)) is None
