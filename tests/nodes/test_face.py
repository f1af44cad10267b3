"""Crop, animate, paste: the nodes for whole pictures."""

from functools import partial

import pytest
import torch


def wide(frames: int = 1) -> torch.Tensor:
    """A picture or video [F, 90, 160, 3]."""
    return torch.rand(frames, 90, 160, 3, generator=torch.Generator().manual_seed(0))


def mask_of(*boxes: tuple[int, int, int, int]) -> torch.Tensor:
    """A mask [1, 90, 160] with the boxes painted."""
    mask = torch.zeros(1, 90, 160)
    for x0, y0, x1, y1 in boxes:
        mask[0, y0:y1, x0:x1] = 1
    return mask


def cropped(ours, image: torch.Tensor, **inputs) -> tuple:
    """IMAGE, MASK and EMO_CROP of the crop node."""
    defaults = {
        "box": "",
        "box_layout": "x0, y0, x1, y1",
        "index": 0,
        "order": "left to right",
        "margin": 0.3,
        "size": 64,
    }
    return ours["nodes.face"].CropFace.execute(image, **(defaults | inputs)).result


def pasted(ours, crop, frames, image=None, **layers) -> torch.Tensor:
    """IMAGE of the paste, outside a run."""
    crops = ours["nodes.crops"]
    second = [crops.Layer(layers["crop_2"], layers["frames_2"])] if layers else []
    canvas = crop.picture if image is None else image
    return crops.pasted(canvas, [crops.Layer(crop, frames), *second], crops.Blend(0.1, 0.0), None)


@pytest.mark.parametrize(
    "inputs",
    [{"mask": mask_of((60, 20, 90, 60))}, {"detected": [[60, 20, 90, 60]]}, {"box": "60, 20, 90, 60"}],
    ids=["mask", "detected", "box"],
)
def test_mask_detector_and_typed_box_give_the_same_crop(ours, inputs: dict) -> None:
    image, mask, crop = cropped(ours, wide(), **inputs)
    assert image.shape == (1, 64, 64, 3)
    assert crop.squares.tolist() == [[43, 8, 64]]
    assert torch.equal(image[0], wide()[0, 8:72, 43:107])
    assert mask[0, 12:52, 17:47].all()
    assert mask.sum() == 40 * 30


def test_several_faces_are_chosen_by_index(ours) -> None:
    mask = mask_of((100, 20, 130, 60), (20, 30, 50, 60))
    first, second = (cropped(ours, wide(), mask=mask, index=index)[2] for index in (0, 1))
    assert first.squares[0, 0] < second.squares[0, 0]
    other = cropped(ours, wide(), mask=mask, index=0, order="largest first")[2]
    assert torch.equal(other.squares, second.squares)


def test_the_crop_has_the_models_size(ours, networks) -> None:
    assert cropped(ours, wide(), box="60 20 90 60", size=0, encoders=networks[1])[0].shape == (1, 64, 64, 3)
    assert cropped(ours, wide(), box="60 20 90 60", size=0, margin=0.0)[0].shape == (1, 40, 40, 3)


def test_nothing_to_go_by_and_an_empty_mask_are_named(ours) -> None:
    with pytest.raises(ValueError, match="connect a mask or a detector, or type a box"):
        cropped(ours, wide())
    with pytest.raises(ValueError, match="the mask is empty"):
        cropped(ours, wide(), mask=torch.zeros(1, 64, 64))
    with pytest.raises(ValueError, match="the mask is 64 x 64 and the picture 160 x 90"):
        cropped(ours, wide(), mask=torch.ones(1, 64, 64))


def test_frames_come_back_at_full_size_where_the_crop_was(ours) -> None:
    crop = cropped(ours, wide(), box="60 20 90 60")[2]
    result = pasted(ours, crop, torch.ones(5, 128, 128, 3))
    assert result.shape == (5, 90, 160, 3)
    assert result.dtype == torch.float32
    assert result.is_contiguous()
    assert result[:, 20:60, 55:95].min() > 0.9999
    assert torch.equal(result[:, :, :43], wide()[:, :, :43].expand(5, -1, -1, -1))


def test_the_paste_follows_a_crop_that_moves(ours) -> None:
    masks = torch.cat([mask_of((30 + 2 * i, 20, 60 + 2 * i, 60)) for i in range(20)])
    image, _, crop = cropped(ours, wide(20), mask=masks)
    assert len(crop.squares) == 20
    assert crop.squares[-1, 0] > crop.squares[0, 0] + 20
    torch.testing.assert_close(pasted(ours, crop, image), wide(20), atol=1e-5, rtol=0)


def test_two_speakers_are_one_paste_or_two_in_a_row(ours) -> None:
    mask = mask_of((10, 30, 30, 55), (110, 30, 130, 55))
    left, right = (cropped(ours, wide(), mask=mask, index=index)[2] for index in (0, 1))
    black, white = torch.zeros(3, 64, 64, 3), torch.ones(5, 64, 64, 3)
    at_once = pasted(ours, left, black, crop_2=right, frames_2=white)
    in_a_row = pasted(ours, right, white, pasted(ours, left, black))
    assert torch.equal(at_once, in_a_row)
    assert at_once.shape[0] == 5
    assert not at_once[4, 40:45, 18:22].any()  # the one who has ended holds his last frame
    assert at_once[4, 40:45, 118:122].min() > 0.9999


def test_a_picture_of_another_size_is_refused(ours) -> None:
    crop = cropped(ours, wide(), box="60 20 90 60")[2]
    with pytest.raises(ValueError, match="a picture of 160 x 90 and is put into one of 64 x 64"):
        pasted(ours, crop, torch.ones(1, 8, 8, 3), torch.zeros(1, 64, 64, 3))


def test_long_results_lie_on_disk_and_are_the_same(ours, comfy, tmp_path) -> None:
    import folder_paths

    before = folder_paths.get_temp_directory()
    folder_paths.set_temp_directory(str(tmp_path))
    try:
        rows = torch.randn(7, 3, 4)
        gathered = ours["nodes.host.spill"].gathered
        mapped = gathered(iter(rows.split(2)), 7, memory=0)
        assert not list(tmp_path.iterdir())  # it goes with the tensor
        named = gathered(iter(rows.split(2)), 7, memory=0, named=True)
        assert torch.equal(named, rows)
        assert [str(path) for path in tmp_path.iterdir()] == [named.untyped_storage().filename]
    finally:
        folder_paths.set_temp_directory(before)
    assert mapped.untyped_storage().filename is not None
    assert torch.equal(mapped, rows)
    assert torch.equal(gathered(iter(rows.split(2)), 7), rows)
    assert gathered(iter(rows.split(2)), 7).untyped_storage().filename is None


@pytest.mark.parametrize("median", [False, True], ids=["plain", "with the median filter of V-Express"])
def test_a_part_of_the_video_is_decoded(ours, networks, median: bool) -> None:
    decode = partial(ours["nodes.host.video"].decode_frames, median=median)
    latents, vae = torch.randn(6, 4, 8, 8, generator=torch.Generator().manual_seed(0)), networks[2]
    whole = decode(latents, vae, 0, 0, None)
    assert whole.shape == (6, 64, 64, 3)
    assert whole.device.type == "cpu"
    assert 0 <= whole.min() <= whole.max() <= 1
    for start, count in ((2, 3), (0, 1), (5, 1), (1, 0)):
        stop = start + count if count else 6
        part = decode(latents, vae, start, count, None)
        torch.testing.assert_close(part, whole[start:stop], atol=1e-5, rtol=0)
    with pytest.raises(ValueError, match="start is frame 6 and the video has 6"):
        decode(latents, vae, 6, 0, None)
