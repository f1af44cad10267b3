"""Each metric of the paper's tables on cases with a known answer; what is missing never becomes a number."""

import dataclasses
import hashlib
import json
from pathlib import Path

import numpy as np
import pytest
import torch
from scipy.spatial.transform import Rotation
from torch import Tensor, nn

from emo_core.__main__ import main
from emo_core.evaluation.descriptors import TEMPLATE, TEMPLATE_SCALE, Deep3D, Video, deep3d, standard_square
from emo_core.evaluation.faces import FaceTrack, cut_out, sidecar, turning_speed
from emo_core.evaluation.judge import Judge, Pair, namesakes, videos
from emo_core.evaluation.networks import NETWORKS, NetworkFile, UnavailableError, locate, network
from emo_core.evaluation.syncnet import SyncNet, measure_sync, synchrony
from emo_core.media.video import Sound, VideoWriter

RNG = np.random.default_rng(0)


# --- head velocity ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize("axis", ["x", "y", "z"])
@pytest.mark.parametrize("speed", [1e-4, 0.7, 20.0])
def test_a_head_that_turns_steadily_has_that_speed(axis: str, speed: float) -> None:
    start = Rotation.random(random_state=0)
    turned = (Rotation.from_euler(axis, np.arange(9)[:, None] * speed, degrees=True) * start).as_matrix()
    np.testing.assert_allclose(turning_speed(turned, fps=30), speed, rtol=1e-6)
    np.testing.assert_allclose(turning_speed(turned, fps=25), speed * 25 / 30, rtol=1e-6)  # per 1/30 s


def test_the_velocity_table_of_two_heads() -> None:
    slow, fast = np.array([[0.2], [0.4]]), np.array([[1.0], [1.4]])
    pairs = [Pair({"velocity": rows}, {"velocity": rows}) for rows in (slow, fast)]
    scores = Judge(None).scores(pairs, draws=20)
    assert scores["Mean velocity"].value == pytest.approx(0.75)
    assert scores["Velocity variance"].value == pytest.approx((0.01 + 0.04) / 2)
    assert scores["VMV"].value == pytest.approx(0.45**2)


# --- SyncNet ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("shift", [-7, 0, 4])
def test_features_that_are_shifted_find_their_shift(shift: int) -> None:
    signal = torch.randn(100, 32, generator=torch.Generator().manual_seed(0))
    sync = synchrony(signal[20:80], signal[20 - shift : 80 - shift])
    assert sync.offset == shift
    assert sync.distance < 1  # only at the ends, where the sound is zero
    assert sync.confidence > 3


def test_a_mouth_that_says_something_else_fits_nowhere() -> None:
    ours, theirs = torch.randn(2, 400, 32, generator=torch.Generator().manual_seed(0))
    assert synchrony(ours, theirs).confidence < 0.3


def loudness_net() -> SyncNet:
    """SyncNet whose both towers hand on one number: mean brightness, and log energy of the sound."""
    net = SyncNet().eval()
    for module in net.modules():
        if isinstance(module, nn.Conv2d | nn.Conv3d | nn.Linear):
            nn.init.zeros_(module.weight)
            nn.init.zeros_(module.bias)
            middle = tuple(n // 2 for n in module.weight.shape[2:])
            module.weight.data[(0, 0, *middle)] = 1.0
    first = net.netcnnlip[0].weight.data
    first[0] = 2 / 40 / first[0].numel()  # of 5 frames; log energy grows by 2 where brightness grows by 40
    net.netfclip[3].bias.data[0], net.netfcaud[3].bias.data[0] = -6.4, -11.6  # both about zero
    net.netcnnaud[0].bias.data[0] = -8.0  # only log energy (12 to 22) is left by the ReLU
    net.netcnnaud[0].weight.data[0, 0] = 0
    net.netcnnaud[0].weight.data[0, 0, 1] = 1 / 3
    net.netcnnaud[18].weight.data[:] = 0
    net.netcnnaud[18].weight.data[0, 0, 0] = 1 / 4  # the first of 13 rows is the energy
    return net


@pytest.mark.slow
@pytest.mark.parametrize("shift", [-4, 3])
def test_a_video_whose_sound_is_late_is_found_to_be_late(shift: int) -> None:
    frames = 60
    level = np.interp(np.arange(100), np.arange(0, 100, 6), np.random.default_rng(0).uniform(0, 4, 17))
    loud = np.repeat(np.exp(level[20 - shift : 20 - shift + frames]), 640) / 200
    sound = (loud * RNG.standard_normal(len(loud)) * 0.3).clip(-1, 1)
    bright = (level[20 : 20 + frames] * 40 + 20).astype(np.uint8)  # in step with the log of the amplitude
    pictures = np.broadcast_to(bright[:, None, None, None], (frames, 32, 32, 3)).copy()
    boxes = np.tile([8.0, 8.0, 24.0, 24.0], (frames, 1))
    sync = measure_sync(loudness_net(), pictures, boxes, 25.0, sound)
    assert sync.offset == shift
    assert sync.confidence > 0.2


def test_syncnet_has_the_published_file_s_names(tmp_path: Path) -> None:
    torch.manual_seed(0)
    net = SyncNet()
    torch.save(net.state_dict(), tmp_path / "syncnet_v2.model")
    opened = SyncNet.open(tmp_path / "syncnet_v2.model")
    assert opened.mouths(torch.zeros(7, 3, 224, 224)).shape == (3, 1024)
    assert opened.sounds(torch.zeros(13, 40), 5).shape == (5, 1024)
    assert {key.split(".")[0] for key in net.state_dict()} == {
        "netcnnaud",
        "netfcaud",
        "netcnnlip",
        "netfclip",
    }


# --- pictures of faces -----------------------------------------------------------------------------------------


def test_a_cut_shows_what_is_at_its_place() -> None:
    frame = np.zeros((1, 40, 60, 3), np.uint8)
    frame[:, 10:20, 30:40] = 200
    cut = cut_out(frame, np.array([[35.0, 15.0]]), np.array([20.0]), 20)[0, 0]
    assert cut[5:15, 5:15].min() == 200
    assert cut.sum() == 200 * 100
    small = cut_out(frame, np.array([[35.0, 15.0]]), np.array([20.0]), 4)[0, 0]
    np.testing.assert_allclose(small[1:3, 1:3], 200, rtol=1e-4)
    assert small.mean() == pytest.approx(50)


def test_the_standard_square_puts_a_known_face_where_it_belongs() -> None:
    middle, scale = np.array([300.0, 200.0]), 50.0
    landmarks = middle + scale * TEMPLATE[:, :2] * (1, -1)
    centre, side = standard_square(landmarks)
    np.testing.assert_allclose(centre, middle, atol=1e-6)
    assert 224 / side == pytest.approx(TEMPLATE_SCALE / scale)


def test_expression_coefficients_are_the_64_behind_identity(tmp_path: Path) -> None:
    pytest.importorskip("torchvision")
    torch.manual_seed(0)
    net = Deep3D().eval()
    for index, layer in enumerate(net.final_layers):
        nn.init.zeros_(layer.weight)
        nn.init.constant_(layer.bias, index)
    torch.save({"net_recon": net.state_dict()}, tmp_path / "epoch_20.pth")
    describe = deep3d(NetworkFile(network("E-FID"), tmp_path / "epoch_20.pth", ""))
    landmarks = (np.array([32.0, 32.0]) + 12 * TEMPLATE[:, :2] * (1, -1))[None]
    track = FaceTrack(np.array([[16.0, 16, 48, 48]]), landmarks)
    rows = describe(Video(np.zeros((1, 64, 64, 3), np.uint8), 30.0, None, track))
    np.testing.assert_array_equal(rows, np.ones((1, 64)))


# --- the whole command -----------------------------------------------------------------------------------------


class MeanColour(nn.Module):
    """Stands where I3D's TorchScript stands: its features are the video's mean colour over time."""

    def forward(self, x: Tensor, rescale: bool, resize: bool, return_features: bool) -> Tensor:
        return torch.cat([x.mean([2, 3, 4]), x.std([2, 3, 4])], 1)


def write_video(path: Path, shade: float, *, speed: float, seconds: float = 1.4) -> None:
    """A grey video with noise, and a head that turns at `speed` degrees per frame."""
    count = int(30 * seconds)
    rng = np.random.default_rng(int(shade * 1000))
    pictures = torch.from_numpy(rng.normal(shade, 0.05, (count, 32, 32, 3))).float().clamp(0, 1)
    sound = Sound(torch.from_numpy(rng.normal(0, 0.1, (1, int(16000 * seconds)))).float(), 16000)
    with VideoWriter(path, 30.0, sound) as writer:
        writer.write(pictures)
    angles = np.arange(count)[:, None] * speed
    rotations = Rotation.from_euler("y", angles, degrees=True).as_matrix()
    boxes = np.tile([8.0, 8.0, 24.0, 24.0], (count, 1))
    FaceTrack(boxes, rotations=rotations).save(sidecar(path))


@pytest.fixture
def folders(tmp_path: Path) -> tuple[Path, Path]:
    made, true = tmp_path / "made", tmp_path / "true"
    for index in range(3):
        write_video(made / f"{index}.mp4", 0.3 + 0.1 * index, speed=0.5)
        write_video(true / f"{index}.mp4", 0.3 + 0.1 * index, speed=1.5)
    return made, true


def test_without_networks_there_are_reasons_and_no_numbers(
    folders: tuple[Path, Path],
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    caplog: pytest.LogCaptureFixture,
) -> None:
    pytest.importorskip("matplotlib")
    made, true = folders
    out = tmp_path / "out"
    assert main(["evaluate", "--generated", f"ours={made}", "--truth", str(true), "--out", str(out)]) == 0
    assert f"reading {made}" in caplog.text  # it may take long: it says what it does
    results = json.loads((out / "tables.json").read_text())["runs"]
    for name in ("FID", "FVD", "SyncNet", "F-SIM", "E-FID"):
        assert results["ours"][name]["value"] is None
        assert "--networks" in results["ours"][name]["reason"]
    assert results["ours"]["Mean velocity"]["value"] == pytest.approx(0.5, rel=1e-4)
    assert results["GT"]["Mean velocity"]["value"] == pytest.approx(1.5, rel=1e-4)
    assert results["ours"]["VMV"]["value"] == pytest.approx(0, abs=1e-9)
    table = capsys.readouterr().out
    assert "| **ours** | unavailable | unavailable |" in table
    assert "| EMO (published) | 8.76 / 17.33 |" in table
    assert "weights-inception-2015-12-05-6726825d.pth" in table
    assert (out / "tables.png").stat().st_size > 10_000


def test_equal_sets_have_no_distance_and_shades_have_theirs(
    folders: tuple[Path, Path], tmp_path: Path
) -> None:
    made, true = folders
    torch.jit.script(MeanColour()).save(tmp_path / "i3d_torchscript.pt")
    digest = hashlib.sha256((tmp_path / "i3d_torchscript.pt").read_bytes()).hexdigest()
    judge = Judge(tmp_path, networks=[dataclasses.replace(network("FVD"), sha256=digest)])
    same = judge.scores(judge.describe([(path, path) for path in videos(true)]), draws=10)["FVD"]
    assert same.value == pytest.approx(0, abs=1e-3)
    assert (same.low, same.high) == pytest.approx((0, 0), abs=1e-3)
    for path in videos(made):  # every frame lighter by 51 of 255
        write_video(path, 0.3 + 0.1 * int(path.stem) + 0.2, speed=0.5)
    scores = judge.scores(judge.describe(namesakes(made, true)), draws=10)
    assert scores["FVD"].value == pytest.approx(3 * 51**2, rel=0.1)
    assert scores["FVD"].videos == 3
    assert scores["FID"].value is None


def test_another_file_than_the_published_one_is_refused(tmp_path: Path) -> None:
    (tmp_path / "i3d_torchscript.pt").write_bytes(b"something else")
    with pytest.raises(UnavailableError, match="wanted is bec6519f"):
        locate(network("FVD"), tmp_path)


@pytest.mark.parametrize("wanted", NETWORKS, ids=lambda n: n.metric)
def test_every_missing_network_says_where_it_is_from(wanted, tmp_path: Path) -> None:
    with pytest.raises(UnavailableError, match=wanted.file) as error:
        locate(wanted, tmp_path)
    assert wanted.source in str(error.value)


def test_a_track_of_another_length_is_refused(folders: tuple[Path, Path]) -> None:
    made, true = folders
    FaceTrack(np.zeros((3, 4))).save(sidecar(made / "0.mp4"))
    with pytest.raises(ValueError, match="is of 3 frames"):
        Judge(None).describe(namesakes(made, true))


def test_folders_without_namesakes_are_refused(folders: tuple[Path, Path], tmp_path: Path) -> None:
    made, _ = folders
    (tmp_path / "empty").mkdir()
    with pytest.raises(ValueError, match="namesake"):
        namesakes(made, tmp_path / "empty")
