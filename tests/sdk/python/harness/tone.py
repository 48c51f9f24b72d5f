"""Tones as PCM16, little-endian, mono: made, and looked for."""

import math
from array import array

_LOUDNESS = 12_000


def tone(hz: float, rate: int, seconds: float, start: float = 0.0) -> bytes:
    """A sine that goes on where one of `start` seconds has ended."""
    first = round(start * rate)
    turn = 2 * math.pi * hz / rate
    return array("h", (round(_LOUDNESS * math.sin(turn * (first + n))) for n in range(round(seconds * rate)))).tobytes()


def share(pcm: bytes, hz: float, rate: int) -> float:
    """How much of the sound's energy is this tone: 1 for a pure one, near 0 for silence and for others."""
    samples = array("h", pcm)
    energy = sum(sample * sample for sample in samples)
    if energy < len(samples):  # Not even one step up and down.
        return 0.0
    turn = 2 * math.pi * hz / rate
    real = sum(sample * math.cos(turn * n) for n, sample in enumerate(samples))
    imaginary = sum(sample * math.sin(turn * n) for n, sample in enumerate(samples))
    return 2 * (real * real + imaginary * imaginary) / (len(samples) * energy)
