"""Face boxes from masks, text and what detectors of other packs give."""

from collections import namedtuple

import numpy as np
import pytest
import torch

from emo_core.face.detections import boxes_of, boxes_of_mask, parse_box, pick

Seg = namedtuple(
    "Seg", ["cropped_image", "cropped_mask", "confidence", "crop_region", "bbox", "label", "control"]
)
TWO = [[10, 20, 50, 60], [100, 30, 180, 130]]


@pytest.mark.parametrize(
    "found",
    [
        TWO,
        [tuple(box) for box in TWO],
        torch.tensor(TWO),
        np.array(TWO),
        [np.array([*box, 0.9]) for box in TWO],  # a score behind the box
        [[TWO[0]], [TWO[1]]],  # one list per picture
        [{"bbox": box, "score": 1.0} for box in TWO],
        {"points": [], "box": TWO, "width": 200, "height": 150},
        [{"x": x, "y": y, "width": a - x, "height": b - y} for x, y, a, b in TWO],
        ((200, 300), [Seg(None, None, 0.9, (0, 0, 1, 1), box, "face", None) for box in TWO]),
    ],
    ids=["lists", "tuples", "tensor", "array", "scores", "nested", "bbox", "landmarks", "core", "SEGS"],
)
def test_detectors_outputs_are_understood(found: object) -> None:
    assert boxes_of(found, "corners").tolist() == TWO


def test_boxes_may_come_with_their_size() -> None:
    assert boxes_of([[10, 20, 40, 40]], "size").tolist() == [TWO[0]]


def test_a_box_may_be_typed() -> None:
    assert parse_box("10, 20, 50, 60\n100 30 180 130").tolist() == TWO


@pytest.mark.parametrize(
    ("found", "words"),
    [
        ([], "found no face"),
        ("face", "is no face box"),
        ([[5, 5, 5, 9]], "without area"),
        ([None], "NoneType"),
    ],
)
def test_what_is_no_box_is_named(found: object, words: str) -> None:
    with pytest.raises(ValueError, match=words):
        boxes_of(found, "corners")


def test_faces_in_a_mask_are_told_apart_and_strokes_of_one_are_joined() -> None:
    mask = torch.zeros(100, 200)
    mask[20:40, 20:30] = 1  # two strokes on one face
    mask[20:40, 34:44] = 1
    mask[30:60, 150:180] = 1  # another face
    mask[90, 90] = 1  # a speck
    boxes = boxes_of_mask(mask)
    assert sorted(boxes.tolist()) == [[20, 20, 44, 40], [150, 30, 180, 60]]


@pytest.mark.parametrize(
    ("order", "first"),
    [("left to right", 0), ("right to left", 1), ("top to bottom", 0), ("largest first", 1), ("as given", 0)],
)
def test_faces_are_counted_in_the_order_asked_for(order: str, first: int) -> None:
    boxes = torch.tensor(TWO).float()
    assert torch.equal(pick(boxes, order, 0), boxes[first])
    assert torch.equal(pick(boxes, order, 1), boxes[1 - first])


def test_a_face_that_is_not_there_is_named() -> None:
    with pytest.raises(ValueError, match="there is no face 2: 2 found, counted from 0"):
        pick(torch.tensor(TWO).float(), "as given", 2)
