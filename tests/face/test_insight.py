"""Faces out of the outputs of a detector, and brought into the place where they are recognised."""

from __future__ import annotations

from types import SimpleNamespace

import numpy as np
import pytest
import torch

from emo_core.face.insight import TEMPLATE, align, embed_face, find_faces, similarity


class Detector:
    """Answers as an SCRFD network does that sees two faces, one of them twice."""

    outputs = 9

    def get_inputs(self) -> list[SimpleNamespace]:
        return [SimpleNamespace(name="input.1")]

    def run(self, _names: None, inputs: dict[str, np.ndarray]) -> list[np.ndarray]:
        assert inputs["input.1"].shape == (1, 3, 640, 640)
        scores, boxes, points = [], [], []
        for stride in (8, 16, 32):
            count = 2 * (640 // stride) ** 2
            scores.append(np.zeros((count, 1), np.float32))
            boxes.append(np.ones((count, 4), np.float32))
            points.append(np.zeros((count, 10), np.float32))
        small, large = 2 * (10 * 80 + 20), 2 * (5 * 20 + 10)
        scores[0][small] = 0.9  # at (160, 80), 16 px wide
        scores[2][large], scores[2][large + 1] = 0.8, 0.7  # at (320, 160), 64 px wide
        points[2][large, :2] = (0.5, -0.25)
        return [*scores, *boxes, *points][: self.outputs]


def test_faces_are_found_once_the_largest_first() -> None:
    faces = find_faces(Detector(), torch.zeros(3, 320, 320))
    assert [round(face.score, 1) for face in faces] == [0.8, 0.9]
    assert faces[0].box.tolist() == [(320 - 32) / 2, (160 - 32) / 2, (320 + 32) / 2, (160 + 32) / 2]
    assert faces[0].points[0].tolist() == [(320 + 16) / 2, (160 - 8) / 2]


def test_a_detector_without_points_is_refused() -> None:
    detector = Detector()
    detector.outputs = 6
    with pytest.raises(ValueError, match="gives 6 outputs, want 9"):
        find_faces(detector, torch.zeros(3, 64, 64))


def test_points_are_turned_scaled_and_moved_onto_others() -> None:
    source = torch.tensor(TEMPLATE)
    turn = torch.tensor([[0.8, -0.6], [0.6, 0.8]]) * 2.5
    target = source @ turn.T + torch.tensor([7.0, -3.0])
    torch.testing.assert_close(similarity(source, target)[:, :2], turn, atol=1e-4, rtol=0)
    torch.testing.assert_close(similarity(source, target)[:, 2], torch.tensor([7.0, -3.0]), atol=1e-3, rtol=0)


def test_an_aligned_face_has_its_eyes_where_they_belong() -> None:
    picture = torch.zeros(3, 300, 200)
    points = torch.tensor(TEMPLATE) * 1.5 + torch.tensor([20.0, 60.0])
    x, y = points[0].round().int().tolist()
    picture[:, y - 3 : y + 4, x - 3 : x + 4] = 1
    aligned = align(picture, points)
    place = aligned[0].flatten().argmax().item()
    assert abs(place % 112 - TEMPLATE[0][0]) < 3
    assert abs(place // 112 - TEMPLATE[0][1]) < 3


def test_an_embedding_is_as_long_as_the_network_makes_it() -> None:
    recogniser = SimpleNamespace(
        get_inputs=lambda: [SimpleNamespace(name="data")],
        run=lambda _names, inputs: [np.full((1, 512), inputs["data"].mean(), np.float32)],
    )
    embedding = embed_face(recogniser, torch.full((3, 300, 300), 0.75), torch.tensor(TEMPLATE) + 50)
    assert embedding.shape == (512,)
    assert embedding[0].item() == pytest.approx(0.5, abs=0.01)
