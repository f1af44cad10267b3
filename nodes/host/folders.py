"""Where ComfyUI keeps models, inputs and results."""

from __future__ import annotations

import logging
import os
import shutil
from pathlib import Path

import folder_paths

FOLDER = "emo"
SAMPLES = Path(__file__).resolve().parents[2] / "emo_core" / "assets" / "samples"


def register_model_folder() -> None:
    """Make `models/emo` a place for models; extra_model_paths.yaml may name more."""
    folder_paths.add_model_folder_path(FOLDER, str(Path(folder_paths.models_dir) / FOLDER), is_default=True)
    places, extensions = folder_paths.folder_names_and_paths[FOLDER]
    extensions = set(extensions) | folder_paths.supported_pt_extensions
    folder_paths.folder_names_and_paths[FOLDER] = (places, extensions)


def model_folders() -> list[Path]:
    """The folders that hold EMO models, the first is the default."""
    if FOLDER not in folder_paths.folder_names_and_paths:  # the nodes are used without the extension
        register_model_folder()
    return [Path(place) for place in folder_paths.get_folder_paths(FOLDER)]


def model_names() -> list[str]:
    """What lies in the model folders: files, and folders of published checkpoints, by name."""
    found = {
        entry.name
        for folder in model_folders()
        if folder.is_dir()
        for entry in folder.iterdir()
        if entry.is_dir() or entry.suffix in folder_paths.supported_pt_extensions
    }
    return sorted(found)


def find_model(name: str, folder: str | None = None) -> Path:
    """The file or folder called `name`, else `folder`; FileNotFoundError says where it was looked for."""
    for wanted in filter(None, (name, folder)):
        for place in model_folders():
            if Path(wanted).name == wanted and (place / wanted).exists():
                return place / wanted
    places = " or ".join(map(str, model_folders()))
    raise FileNotFoundError(f"there is no EMO model {name!r} in {places}: put it there or choose another")


def companion_folders(kind: str) -> list[Path]:
    """ComfyUI's own folders of a kind of model; none on hosts that do not know the kind."""
    if kind not in folder_paths.folder_names_and_paths:
        return []
    return [Path(place) for place in folder_paths.get_folder_paths(kind)]


def companion_names(kind: str) -> list[str]:
    """The files in ComfyUI's own folders of a kind."""
    return folder_paths.get_filename_list(kind) if companion_folders(kind) else []


def find_companion_file(kind: str, name: str) -> Path:
    """The file called `name` in ComfyUI's own folders of a kind."""
    path = folder_paths.get_full_path(kind, name)
    if path is None:
        places = " or ".join(map(str, companion_folders(kind)))
        raise FileNotFoundError(f"there is no {name!r} in {places}: put it there or choose another")
    return Path(path)


def input_sounds() -> list[str]:
    """Names of the audio and video files in the input folder."""
    files = [path.name for path in Path(folder_paths.get_input_directory()).glob("*") if path.is_file()]
    return sorted(folder_paths.filter_files_content_types(files, ["audio", "video"]))


def input_file(name: str) -> Path:
    """A file that a loading node's widget names, which may say [output] or [temp] behind it; ValueError if none."""
    path = Path(os.path.normpath(folder_paths.get_annotated_filepath(name)))
    folders = (
        folder_paths.get_input_directory(),
        folder_paths.get_output_directory(),
        folder_paths.get_temp_directory(),
    )
    if not any(path.is_relative_to(folder) for folder in folders) or not path.is_file():
        raise ValueError(f"there is no file {name} in the input folder: put it there or choose another")
    return path


def temporary_video(prefix: str) -> tuple[Path, str]:
    """A new path for an mp4 in the temp folder, and its subfolder there."""
    folder, name, counter, subfolder, _ = folder_paths.get_save_image_path(
        prefix, folder_paths.get_temp_directory()
    )
    return Path(folder) / f"{name}_{counter:05}_.mp4", subfolder


def offer_samples() -> None:
    """Put the sample portrait and speech into the input folder, where the example workflows look for them."""
    folder = Path(folder_paths.get_input_directory())
    for sample in sorted(SAMPLES.glob("emo_*")):
        try:
            if not (folder / sample.name).exists():
                shutil.copyfile(sample, folder / sample.name)
        except OSError as error:  # a read-only input folder is no reason to be without nodes
            logging.getLogger(__name__).warning("EMO samples are not offered: %s", error)
            return
