"""The median filter over finished videos."""

import pytest
import torch
from torch.nn.functional import pad

from emo_core.diffusion.median import median_filtered


def plainly(video: torch.Tensor) -> torch.Tensor:
    """The middle of the 27 values, of a padded video."""
    padded = pad(video.movedim(-1, 0)[None], (1, 1, 1, 1, 1, 1), mode="reflect")[0]
    views = [
        padded[:, t : t + video.shape[0], y : y + video.shape[1], x : x + video.shape[2]]
        for t in range(3)
        for y in range(3)
        for x in range(3)
    ]
    return torch.stack(views).median(0).values.movedim(0, -1)


@pytest.mark.parametrize("sizes", [(7,), (1, 1, 1, 4), (3, 4), (1, 6), (6, 1)])
def test_however_a_video_is_cut_every_value_is_the_median_of_its_neighbours(sizes: tuple[int, ...]) -> None:
    video = torch.rand(7, 6, 5, 3, generator=torch.Generator().manual_seed(0))
    made = torch.cat(list(median_filtered(iter(video.split(list(sizes))))))
    assert torch.equal(made, plainly(video))


def test_one_frame_is_filtered_in_space_and_none_gives_none() -> None:
    video = torch.rand(1, 5, 5, 3)
    (made,) = median_filtered(iter([video]))
    assert made.shape == video.shape
    assert not torch.equal(made, video)
    assert list(median_filtered(iter([]))) == []
