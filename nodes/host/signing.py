"""Videos that sign themselves when they are saved, since every copy breaks a signature."""

from __future__ import annotations

import shutil
import tempfile
from pathlib import Path
from typing import Any

import folder_paths
from comfy_api.latest import InputImpl

from ...emo_core.provenance.credentials import TRIAL, Identity, sign, trial_identity
from ...emo_core.provenance.statement import Statement, read_tags, statement_in
from .folders import temporary_video

TRIAL_NAME = f"{TRIAL} (for trying)"
CERTIFICATE, KEY = ".crt.pem", ".key.pem"


def credentials_folder() -> Path:
    """Where users put their certificates and keys; the host serves nothing that begins with `__`."""
    return Path(folder_paths.get_user_directory()) / "__emo_credentials"


def identities() -> list[str]:
    """The names a user can sign with."""
    files = sorted(credentials_folder().glob(f"*{CERTIFICATE}"))
    names = (file.name.removesuffix(CERTIFICATE) for file in files)
    return [TRIAL_NAME, *(name for name in names if name != TRIAL)]


def identity_named(name: str) -> Identity:
    """The certificate and key called `name`; ValueError says where they are wanted."""
    folder = credentials_folder()
    if name == TRIAL_NAME:
        return trial_identity(folder)
    if name not in identities():
        raise ValueError(
            f"no certificate called {name!r}: put {name}{CERTIFICATE} and {name}{KEY} into {folder}"
        )
    return Identity(folder / f"{name}{CERTIFICATE}", folder / f"{name}{KEY}")


class SignedVideo(InputImpl.VideoFromFile):
    """A video file whose copies are signed, whoever saves them."""

    def __init__(self, file: Path, identity: Identity) -> None:
        super().__init__(str(file))
        self._statement = statement_in(read_tags(file)) or Statement()
        self._identity = identity

    def save_to(self, path: Any, *args: Any, **kwargs: Any) -> None:
        """Write the host's copy, with the workflow in it, and sign that."""
        with tempfile.TemporaryDirectory(dir=folder_paths.get_temp_directory()) as folder:
            plain, signed = Path(folder) / "plain.mp4", Path(folder) / "signed.mp4"
            super().save_to(str(plain), *args, **kwargs)
            sign(plain, signed, self._statement, self._identity)
            if isinstance(path, (str, Path)):
                shutil.move(signed, path)
            else:
                path.write(signed.read_bytes())


def signed_video(video: Any, name: str) -> SignedVideo:
    """A VIDEO that is signed as `name` when it is saved; one of other nodes gets our tags first."""
    identity = identity_named(name)
    file, _ = temporary_video("emo_unsigned")
    video.save_to(str(file))
    if statement_in(read_tags(file)) is None:
        plain, _ = temporary_video("emo_untagged")
        file.replace(plain)
        InputImpl.VideoFromFile(str(plain)).save_to(str(file), metadata=Statement().tags())
        plain.unlink()
    return SignedVideo(file, identity)


def video_path(video: Any) -> Path:
    """A file with a VIDEO's frames."""
    source = video.get_stream_source()
    if isinstance(source, str):
        return Path(source)
    file, _ = temporary_video("emo_examined")
    video.save_to(str(file))
    return file
