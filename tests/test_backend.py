"""When bfloat16 is worth it."""

from pathlib import Path

import pytest

from emo_core.backend import fast_bfloat16

CPUINFO = Path("/proc/cpuinfo")


@pytest.mark.skipif(not CPUINFO.is_file(), reason="only Linux lists a processor's instructions there")
def test_a_processor_computes_in_bfloat16_if_it_has_instructions_for_it() -> None:
    """PyTorch's own answer is yes on every processor with AVX-512, most of which imitate it slowly."""
    words = set(CPUINFO.read_text().split())
    assert fast_bfloat16("cpu") == bool(words & {"avx512_bf16", "amx_bf16", "bf16"})


def test_graphics_cards_always_do() -> None:
    assert fast_bfloat16("cuda")
