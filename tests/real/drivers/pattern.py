"""The pattern of `pattern.js`, smaller and cheaper, for participants of the Python SDK."""

import asyncio

import numpy
from livekit import rtc

from waiting import now_ms

TICK_MS, CLOCK_BITS, FLASH_MS = 50, 16, 100
RATE, BLOCK_MS, LEVEL = 48_000, 10, 12_000
BAR = (48, 48, 48)


class Picture:
    """A ground of the participant's colour that flashes, a bar that wanders, and a clock below."""

    size = (192, 112)

    def __init__(self, colour):
        self.colour = colour

    def paint(self, tick):
        width, height = self.size
        bottom = height * 3 // 4
        picture = numpy.full((height, width, 4), 255, numpy.uint8)
        if tick * TICK_MS % 1000 >= FLASH_MS:
            picture[:bottom, :, :3] = self.colour
            left = tick * width // 24 % width
            picture[:bottom, left : left + width // 12, :3] = BAR
        cell = width // CLOCK_BITS
        for bit in range(CLOCK_BITS):
            picture[bottom:, bit * cell : (bit + 1) * cell, :3] = 255 * (tick >> bit & 1)
        return picture.tobytes()

    async def feed(self, source, held):
        """`held()` says how the camera is held: which turn the picture is marked with."""
        while True:
            tick = int(now_ms() // TICK_MS)
            frame = rtc.VideoFrame(*self.size, rtc.VideoBufferType.RGBA, self.paint(tick))
            source.capture_frame(frame, rotation=held())
            await asyncio.sleep(((tick + 1) * TICK_MS - now_ms()) / 1000)


class Sound:
    """A tone of the participant's own, as long as the flash."""

    def __init__(self, hz):
        count = RATE * BLOCK_MS // 1000
        wave = LEVEL * numpy.sin(2 * numpy.pi * hz * numpy.arange(RATE * FLASH_MS // 1000) / RATE)
        self.tone = wave.astype(numpy.int16).reshape(-1, count)
        self.silence = numpy.zeros(count, numpy.int16)

    async def feed(self, source):
        # The source holds some blocks, and gives them out at their pace.
        at_ms = int(now_ms() // BLOCK_MS) * BLOCK_MS
        while True:
            block = at_ms % 1000 // BLOCK_MS
            data = self.tone[block] if block < len(self.tone) else self.silence
            await source.capture_frame(rtc.AudioFrame(data.tobytes(), RATE, 1, len(data)))
            at_ms += BLOCK_MS
