"""Drawings for inspection."""

from pathlib import Path

import numpy as np
import torch

from emo_core.media.fit import fit_square
from emo_core.media.pictures import REGION, contact_sheet, curve_panel, region_panel, stack, waveform_panel
from emo_core.media.video import Sound, VideoWriter


def test_a_contact_sheet_has_rows_of_frames_under_the_waveform(tmp_path: Path) -> None:
    with VideoWriter(tmp_path / "a.mp4", 25.0, Sound(torch.randn(1, 16000) * 0.1, 16000)) as writer:
        writer.write(torch.rand(25, 32, 32, 3))
    sheet = contact_sheet(tmp_path / "a.mp4", columns=4, rows=2, cell=40)
    assert sheet.size == (160, 120 + 2 * (40 + 18))


def test_joins_are_marked_on_the_waveform() -> None:
    plain = np.array(waveform_panel(np.zeros(100), 2.0, (100, 40)))
    marked = np.array(waveform_panel(np.zeros(100), 2.0, (100, 40), joins=[1.0]))
    assert np.flatnonzero((plain != marked).any((0, 2))).tolist() == [50]


def test_the_region_is_framed_on_the_portrait() -> None:
    mask = np.zeros((32, 32))
    mask[8:16, 4:12] = 1
    panel = np.array(region_panel(np.full((32, 32, 3), 0.5), mask))
    assert tuple(panel[8, 6]) == REGION
    assert (panel[0] == panel[0, 0]).all()


def test_panels_are_stacked_without_overlap() -> None:
    panels = [curve_panel(np.arange(5.0), "degrees", (60, 30)), waveform_panel(np.zeros(9), 1.0, (60, 20))]
    assert stack(panels, 60).size == (60, 50)


def test_the_middle_square_is_taken() -> None:
    picture = torch.zeros(1, 3, 16, 32)
    picture[..., 8:24] = 1
    assert fit_square(picture, 16).min() == 1
