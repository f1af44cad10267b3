"""Tensors on disk: whole, mapped, and read without filling memory."""

from pathlib import Path

import pytest
import torch

from emo_core.media.disk import RowWriter, map_rows, read_rows


def written(path: Path, rows: torch.Tensor) -> torch.Tensor:
    """The rows in a file, mapped."""
    with RowWriter(path, rows.shape[1:]) as writer:
        for piece in rows.split(3):
            writer.append(piece)
    return map_rows(path, rows.shape[1:])


def test_what_was_written_is_mapped(tmp_path: Path) -> None:
    rows = torch.randn(10, 2, 3)
    assert torch.equal(written(tmp_path / "rows", rows), rows)


def test_rows_are_read_from_the_file_and_not_through_the_mapping(tmp_path: Path) -> None:
    mapped = written(tmp_path / "rows", torch.randn(10, 2))
    part = read_rows(mapped, 4, 7)
    assert torch.equal(part, mapped[4:7])
    assert part.data_ptr() != mapped[4:7].data_ptr()
    assert torch.equal(read_rows(mapped[2:], 4, 20), mapped[6:])


def test_a_mapping_outlives_its_file(tmp_path: Path) -> None:
    rows = torch.randn(10, 2)
    mapped = written(tmp_path / "rows", rows)
    (tmp_path / "rows").unlink()
    assert torch.equal(read_rows(mapped, 0, 10), rows)


def test_ordinary_tensors_are_sliced(tmp_path: Path) -> None:
    rows = torch.randn(10, 2)
    assert read_rows(rows, 1, 3).data_ptr() == rows[1:3].data_ptr()


def test_rows_of_another_shape_are_refused_and_leave_no_file(tmp_path: Path) -> None:
    with (
        pytest.raises(ValueError, match=r"\(3,\) do not fit a file of \(2,\)"),
        RowWriter(tmp_path / "a", (2,)) as writer,
    ):
        writer.append(torch.zeros(1, 3))
    assert not list(tmp_path.iterdir())
