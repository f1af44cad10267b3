"""What may be done to a sound before the model hears it: true silence in pauses, an even loudness, an end."""

from __future__ import annotations

import math

import torch
from torch import Tensor
from torch.nn.functional import interpolate, max_pool1d, pad

from ..media.video import Sound

STEP = 0.02
"""Seconds over which loudness is measured for the gate."""
HOLD = 5
"""Steps before and after something audible that stay open: consonants are quiet."""
LOUD = 0.95
"""The quantile of all steps that counts as the sound's own loudness."""
BLOCK, HOP = 0.4, 0.1
"""Seconds of a block of ITU-R BS.1770 and between blocks."""
PIECE = 60
"""Seconds that are filtered at once."""


def with_silence_behind(sound: Sound, seconds: float) -> Sound:
    """The sound with so much silence after it."""
    extra = round(seconds * sound.rate)
    return Sound(pad(sound.samples, (0, extra)), sound.rate) if extra else sound


def gated(sound: Sound, depth: float) -> Sound:
    """The sound with digital silence wherever it is more than `depth` dB below its loud parts."""
    step = max(1, round(STEP * sound.rate))
    levels = torch.cat([_level(part, step) for part in sound.samples.split(step * 4096, dim=1)])
    threshold = levels.quantile(LOUD) * 10 ** (-depth / 20)
    heard = (levels >= threshold).float()[None, None]
    heard = max_pool1d(heard, 2 * HOLD + 1, stride=1, padding=HOLD)
    share = interpolate(heard, scale_factor=float(step), mode="linear")[0, 0]
    return Sound(sound.samples * share[: sound.samples.shape[1]], sound.rate)


def _level(samples: Tensor, step: int) -> Tensor:
    """Root mean square [N] of each step of samples [C, S], the last one perhaps in part."""
    power = samples.float().square().mean(0)
    return pad(power, (0, -len(power) % step)).reshape(-1, step).mean(1).sqrt()


def at_loudness(sound: Sound, target: float) -> Sound:
    """The sound at `target` LUFS; silence stays silence."""
    measured = loudness(sound)
    return (
        sound
        if measured == -math.inf
        else Sound(sound.samples * 10 ** ((target - measured) / 20), sound.rate)
    )


def loudness(sound: Sound) -> float:
    """Integrated loudness in LUFS (ITU-R BS.1770-4: K-weighting, gates at -70 LUFS and 10 LU below the mean)."""
    power = _weighted_power(sound)  # [n] per hop
    blocks = max(1, round(BLOCK / HOP))
    if len(power) < blocks:
        power = power.mean().expand(blocks)
    power = power.unfold(0, blocks, 1).mean(-1)
    loud = power[_lufs(power) > -70]
    if not len(loud):
        return -math.inf
    loud = loud[_lufs(loud) > float(_lufs(loud.mean())) - 10]
    return float(_lufs(loud.mean()))


def _lufs(power: Tensor) -> Tensor:
    return -0.691 + 10 * power.clamp(min=1e-12).log10()


def _weighted_power(sound: Sound) -> Tensor:
    """K-weighted power of each hop, summed over channels."""
    from scipy.signal import lfilter, lfilter_zi  # ComfyUI brings it

    hop = max(1, round(HOP * sound.rate))
    filters = [_shelf(sound.rate), _high_pass(sound.rate)]
    states = [0 * lfilter_zi(b, a)[None].repeat(sound.samples.shape[0], 0) for b, a in filters]
    parts = []
    for piece in sound.samples.split(hop * round(PIECE / HOP), dim=1):
        heard = piece.double().numpy()
        for index, (b, a) in enumerate(filters):
            heard, states[index] = lfilter(b, a, heard, axis=1, zi=states[index])
        power = torch.from_numpy(heard).square().sum(0)
        whole = len(power) // hop * hop or len(power)
        parts.append(power[:whole].reshape(-1, min(hop, whole)).mean(1))
    return torch.cat(parts)


def _shelf(rate: int) -> tuple[list[float], list[float]]:
    """The head's effect, +4 dB of treble, as b and a of a biquad (values of BS.1770 for any rate)."""
    gain, q, hertz = 10 ** (3.999843853973347 / 20), 0.7071752369554196, 1681.974450955533
    k, band = math.tan(math.pi * hertz / rate), gain**0.4996667741545416
    scale = 1 + k / q + k * k
    b = [gain + band * k / q + k * k, 2 * (k * k - gain), gain - band * k / q + k * k]
    return [value / scale for value in b], [1.0, 2 * (k * k - 1) / scale, (1 - k / q + k * k) / scale]


def _high_pass(rate: int) -> tuple[list[float], list[float]]:
    """Less bass below 38 Hz, as b and a of a biquad."""
    q, k = 0.5003270373238773, math.tan(math.pi * 38.13547087602444 / rate)
    scale = 1 + k / q + k * k
    return [1.0, -2.0, 1.0], [1.0, 2 * (k * k - 1) / scale, (1 - k / q + k * k) / scale]
