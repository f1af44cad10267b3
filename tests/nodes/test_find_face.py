"""What the optional helpers say where they cannot run."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch


def test_a_missing_file_is_named_with_its_folder(ours, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import folder_paths

    monkeypatch.setattr(folder_paths, "models_dir", str(tmp_path))
    monkeypatch.delitem(folder_paths.folder_names_and_paths, "insightface", raising=False)
    with pytest.raises(FileNotFoundError, match="non-commercial") as found:
        ours["nodes.find_face"].DetectFace.execute(torch.zeros(1, 64, 64, 3), 0)
    assert "scrfd_10g_bnkps.onnx" in str(found.value)
    assert str(tmp_path / "insightface" / "models" / "antelopev2") in str(found.value)


def test_a_missing_package_is_named(ours, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import sys

    monkeypatch.setitem(sys.modules, "onnxruntime", None)  # as if it were not installed
    with pytest.raises(ValueError, match="pip install onnxruntime"):
        ours["emo_core.face.insight"].open_session(tmp_path / "x.onnx")


def test_licences_are_told_where_models_are_chosen(ours) -> None:
    schema = ours["nodes.loaders"].LoadModel.define_schema()
    assert "V-Express: non-commercial research, NON-COMMERCIAL USE ONLY" in schema.description
    assert "insightface models, which are non-commercial" in schema.description
    for node in ("DetectFace", "FaceEmbedding"):
        assert "NON-COMMERCIAL" in getattr(ours["nodes.find_face"], node).define_schema().description
