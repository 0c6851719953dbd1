"""The one place where the Python drivers wait, and the one clock that they read."""

import asyncio
import inspect
import json
import sys
import time

# Wall time once, then monotonic: a step of the clock must not look like a bill.
_ANCHOR = time.time_ns() - time.monotonic_ns()
INTERVAL_S = 0.02
# How long anything is waited for, on a machine that has little time for it. It is never a bound of the product.
PATIENCE_S = 120.0


def now_ms():
    """Milliseconds since 1970, never going back."""
    return (_ANCHOR + time.monotonic_ns()) / 1e6


def say(value):
    """One line of JSON for the test."""
    sys.stdout.write(json.dumps(value) + "\n")
    sys.stdout.flush()


async def until(what, condition, timeout_s=PATIENCE_S, interval_s=INTERVAL_S):
    """Waits for a true answer of `condition` (which may be async), and returns it."""
    deadline = time.monotonic() + timeout_s
    while True:
        answer = condition()
        if inspect.isawaitable(answer):
            answer = await answer
        if answer:
            return answer
        if time.monotonic() > deadline:
            raise TimeoutError(f"not within {timeout_s:g} s: {what() if callable(what) else what}")
        await asyncio.sleep(interval_s)
