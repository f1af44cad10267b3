"""MediaPipe's networks on a photograph and on rendered heads whose movement is known."""

import numpy as np
import pytest
from footage.films import faceless, roll_film
from skimage import data

from emo_core.face.detector import overlap
from emo_core.face.face_mesh import MESH, FaceMesh
from emo_core.face.head_pose import angles, rotation_speed, rotations


@pytest.fixture(scope="module")
def finder() -> FaceMesh:
    return FaceMesh()


def test_the_astronauts_face_is_where_it_is(finder: FaceMesh) -> None:
    (face,) = finder.find(data.astronaut())
    assert face.score > 0.8
    assert overlap(face.box, np.array([173, 62, 274, 181])) > 0.8
    left, right = face.points[list(MESH.eyes), :2]
    np.testing.assert_allclose([left, right], [[194, 101], [255, 103]], atol=4)


def test_each_of_two_faces_is_found_once(finder: FaceMesh) -> None:
    picture = np.hstack([data.astronaut(), data.astronaut()])
    first, second = sorted(finder.find(picture), key=lambda face: face.box[0])
    np.testing.assert_allclose(second.box - first.box, [512, 0, 512, 0], atol=6)


def test_a_cup_is_no_face(finder: FaceMesh) -> None:
    assert finder.find(next(iter(faceless(1)))) == []


def test_a_face_that_has_gone_is_not_followed(finder: FaceMesh) -> None:
    photo = data.astronaut()
    (face,) = finder.find(photo)
    assert finder.follow(photo, face) is not None
    assert finder.follow(np.full_like(photo, 90), face) is None


@pytest.mark.parametrize("degrees", [0.0, 0.7, -1.5])
def test_a_photograph_that_rolls_is_measured(finder: FaceMesh, degrees: float) -> None:
    points = []
    face = None
    for picture in roll_film(24, degrees, -12 * degrees):
        face = finder.find(picture)[0] if face is None else finder.follow(picture, face)
        assert face is not None
        points.append(face.points)
    turns = rotations(np.stack(points), MESH, 30)
    assert rotation_speed(turns)[4:-4].mean() == pytest.approx(abs(degrees), abs=0.12)
    rolled = angles(turns)[:, 2]
    assert rolled[-1] - rolled[0] == pytest.approx(23 * degrees, abs=3.0)
