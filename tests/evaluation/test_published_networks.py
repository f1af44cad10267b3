"""The published networks' own classes with random weights in the published layout, through the judge's functions."""

from pathlib import Path

import numpy as np
import pytest
import torch

from emo_core.evaluation.descriptors import Portrait, Video, facenet, inception
from emo_core.evaluation.faces import FaceTrack
from emo_core.evaluation.networks import NetworkFile, network

RNG = np.random.default_rng(0)
FRAMES = RNG.integers(0, 255, (2, 96, 96, 3), dtype=np.uint8)
BOXES = np.array([[20.0, 20, 70, 80], [20.0, 20, 70, 80]])


@pytest.mark.slow
def test_inception_describes_every_frame(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    module = pytest.importorskip("torch_fidelity.feature_extractor_inceptionv3")
    # the class reads a file when it is made: it gets its own untrained weights
    monkeypatch.setattr(module.FeatureExtractorInceptionV3, "load_state_dict", lambda self, state: None)
    torch.save({}, tmp_path / "empty.pth")
    torch.manual_seed(0)
    net = module.FeatureExtractorInceptionV3(
        "x", ["2048"], feature_extractor_weights_path=tmp_path / "empty.pth"
    )
    monkeypatch.undo()
    path = tmp_path / "weights.pth"
    torch.save(net.state_dict(), path)
    rows = inception(NetworkFile(network("FID"), path, ""))(Video(FRAMES, 30.0, None, None))
    assert rows.shape == (2, 2048)
    picture = torch.from_numpy(FRAMES).permute(0, 3, 1, 2)
    np.testing.assert_array_equal(rows, net.eval()(picture)[0].numpy())


@pytest.mark.slow
def test_a_face_is_fully_like_itself(tmp_path: Path) -> None:
    facenet_pytorch = pytest.importorskip("facenet_pytorch")
    torch.manual_seed(0)
    net = facenet_pytorch.InceptionResnetV1(pretrained=None, classify=True, num_classes=8631)
    torch.save(net.state_dict(), tmp_path / "face.pt")  # the published file holds the classes' layer too
    describe = facenet(NetworkFile(network("F-SIM"), tmp_path / "face.pt", ""))
    frames = FRAMES.copy()
    frames[1] = 255 - frames[1]
    rows = describe(Video(frames, 30.0, None, FaceTrack(BOXES), Portrait(frames[0], BOXES[0])))
    assert rows.shape == (2, 1)
    assert rows[0, 0] == pytest.approx(100, abs=1e-3)
    assert rows[1, 0] < rows[0, 0]
