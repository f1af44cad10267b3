"""When bfloat16 is worth it."""

from pathlib import Path

import pytest
import torch
from torch import nn

from emo_core.backend import NARROW, fast_bfloat16, lay_out

CPUINFO = Path("/proc/cpuinfo")


@pytest.mark.skipif(not CPUINFO.is_file(), reason="only Linux lists a processor's instructions there")
def test_a_processor_computes_in_bfloat16_if_it_has_instructions_for_it() -> None:
    """PyTorch's own answer is yes on every processor with AVX-512, most of which imitate it slowly."""
    words = set(CPUINFO.read_text().split())
    assert fast_bfloat16("cpu") == bool(words & {"avx512_bf16", "amx_bf16", "bf16"})


def test_graphics_cards_always_do() -> None:
    assert fast_bfloat16("cuda")


@pytest.mark.parametrize(("channels", "last"), [(NARROW, True), (2 * NARROW, False)])
def test_convolutions_of_narrow_networks_lie_channels_last(channels: int, last: bool) -> None:
    torch.manual_seed(0)
    network, x = nn.Conv2d(channels, channels, 3), torch.rand(1, channels, 8, 8)
    before = network(x)
    lay_out(network, channels)
    assert network.weight.is_contiguous(memory_format=torch.channels_last) == last
    torch.testing.assert_close(network(x), before)
