"""Which published networks the paper's metrics need: where they come from, under what terms, how they are known.

None of them is in this repository and nothing is downloaded: a person puts the files into one folder. Where a file
is missing or is another one, its metric is reported as unavailable, never as a number.
"""

from __future__ import annotations

from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path

from ..media.digest import sha256_of


class UnavailableError(Exception):
    """A metric cannot be measured; the message says why and what to do."""


@dataclass(frozen=True)
class Network:
    """One published network file."""

    metric: str
    what: str
    file: str
    """Its name in the folder of networks."""
    source: str
    licence: str
    sha256: str | None
    """Of the published file; None where its publisher names none: then the report holds what was found."""
    packages: tuple[str, ...] = ()
    """Import names of optional packages it needs."""


NETWORKS = (
    Network(
        "FID",
        "Inception v3, TensorFlow's weights of 2015-12-05, 2048 features",
        "weights-inception-2015-12-05-6726825d.pth",
        "https://github.com/toshas/torch-fidelity/releases/download/v0.2.0/weights-inception-2015-12-05-6726825d.pth",
        "Apache-2.0",
        "6726825d0af5f729cebd5821db510b11b1cfad8faad88a03f1befd49fb9129b2",
        ("torch_fidelity",),
    ),
    Network(
        "FVD",
        "I3D trained on Kinetics-400, StyleGAN-V's TorchScript, 400 logits",
        "i3d_torchscript.pt",
        "https://www.dropbox.com/s/ge9e5ujwgetktms/i3d_torchscript.pt?dl=1 (of github.com/universome/fvd-comparison)",
        "not stated by its publisher; I3D itself Apache-2.0",
        "bec6519f66ea534e953026b4ae2c65553c17bf105611c746d904657e5860a5e2",
    ),
    Network(
        "SyncNet",
        "SyncNet v2 (Chung and Zisserman 2016)",
        "syncnet_v2.model",
        "http://www.robots.ox.ac.uk/~vgg/software/lipsync/data/syncnet_v2.model",
        "code MIT; weights: not stated, research",
        "961e8696f888fce4f3f3a6c3d5b3267cf5b343100b238e79b2659bff2c605442",
        ("python_speech_features",),
    ),
    Network(
        "F-SIM",
        "FaceNet, Inception-ResNet v1 trained on VGGFace2, 512 features",
        "20180402-114759-vggface2.pt",
        "https://github.com/timesler/facenet-pytorch/releases/download/v2.2.9/20180402-114759-vggface2.pt",
        "MIT; VGGFace2 itself is for research",
        None,
        ("facenet_pytorch",),
    ),
    Network(
        "E-FID",
        "Deep3DFaceRecon's ResNet-50 (Deng et al. 2019), 64 expression coefficients",
        "epoch_20.pth",
        "https://github.com/sicxu/Deep3DFaceRecon_pytorch (its Google Drive, model face_recon_feat0.2_augment)",
        "MIT; the Basel face model behind it is for research",
        None,
        ("torchvision",),
    ),
)


def network(metric: str) -> Network:
    """The network of a metric."""
    return next(found for found in NETWORKS if found.metric == metric)


@dataclass(frozen=True)
class NetworkFile:
    """A network file that is there and may be used."""

    network: Network
    path: Path
    sha256: str


def locate(wanted: Network, folder: Path | None) -> NetworkFile:
    """The file of a network in the folder of networks; UnavailableError says what is missing."""
    advice = f"get it from {wanted.source} (licence: {wanted.licence})"
    if folder is None:
        raise UnavailableError(f"needs {wanted.file}: {advice} and name its folder with --networks")
    path = folder / wanted.file
    if not path.is_file():
        raise UnavailableError(f"there is no {path}: {advice}")
    missing = [package for package in wanted.packages if find_spec(package) is None]
    if missing:
        raise UnavailableError(f"needs the package {missing[0]}: pip install {missing[0].replace('_', '-')}")
    found = sha256_of(path)
    if wanted.sha256 is not None and found != wanted.sha256:
        raise UnavailableError(
            f"{path} is not the published file: its SHA-256 is {found}, wanted is {wanted.sha256}; {advice}"
        )
    return NetworkFile(wanted, path, found)
