"""Looks at finished media files that show the pattern of `pattern.js`: argv[1] is a JSON spec, each line of
stdout the JSON report of one file.

Spec: {"files": [PATH…], "tones_hz": [N…]}. Everything is decoded by ffmpeg with its own times. Seconds are
those of the file (`-copyts`): a session's files share one timeline.
"""

import json
import re
import subprocess
import sys

import numpy

from waiting import say

# What pictures are brought to: a cell of the pattern's clock is then 4 wide and 9 high.
WIDTH, HEIGHT, CLOCK_BITS, CLOCK_TOP = 64, 36, 16, 27
# One tick of the pattern's clock, and when it starts anew.
TICK_S, CLOCK_S = 0.05, 0.05 * 2**CLOCK_BITS
# The dark of a flash's ground, and what a picture must differ by to count as another one.
WHITE, DIFFERENT = 190, 24
RATE = 48_000
# A tone's level is the mean over so long: tones whole hundreds of Hz away add nothing to it.
SMOOTH_S = 0.010
# A beep is at least this loud (of 1), and a fresh one comes this long after the one before.
LOUD, APART_S = 0.02, 0.3
# Packets of sound this far apart leave a gap.
GAP_S = 0.1
# Frames that follow each other this closely are one sound.
SEAM_S = 0.003
NUMBER = rb"(-?\d+(?:\.\d+)?)"
SHOWN = {
    "video": re.compile(rb"pts_time:\s*" + NUMBER + rb".*? s:(\d+)x(\d+) "),
    "audio": re.compile(rb"pts_time:\s*" + NUMBER + rb".*? nb_samples:(\d+) "),
}
COMPLAINT = re.compile(rb"\[(?:error|fatal|panic)\]")


def run(*words):
    return subprocess.run(words, stdin=subprocess.DEVNULL, capture_output=True, check=False)


def probe(path):
    shown = "format=duration,format_name:format_tags:stream=index,codec_type,codec_name,nb_read_packets:stream_tags"
    done = run("ffprobe", "-v", "error", "-count_packets", "-show_entries", shown, "-of", "json", path)
    problems = done.stderr.decode("utf-8", "replace").splitlines()
    if done.returncode != 0:
        problems.append(f"ffprobe ends with {done.returncode}")
    return json.loads(done.stdout or b"{}"), problems


def decode(path, index, kind):
    """Raw bytes of all frames, and what the filter showed of each frame."""
    picture = ["-vf", f"showinfo=checksum=0,scale={WIDTH}:{HEIGHT}:flags=area,format=rgb24"]
    sound = ["-af", f"ashowinfo,aformat=sample_fmts=flt:sample_rates={RATE}:channel_layouts=mono"]
    form = ["-fps_mode", "passthrough", "-enc_time_base", "-1", "-f", "rawvideo"] if kind == "video" else ["-f", "f32le"]
    words = ["ffmpeg", "-nostdin", "-hide_banner", "-loglevel", "level+info", "-copyts", "-i", path, "-map", f"0:{index}"]
    done = run(*words, *(picture if kind == "video" else sound), *form, "-")
    lines = done.stderr.splitlines()
    problems = [line.decode("utf-8", "replace") for line in lines if COMPLAINT.search(line)]
    if done.returncode != 0:
        problems.append(f"ffmpeg ends with {done.returncode}")
    return done.stdout, [found for line in lines if (found := SHOWN[kind].search(line))], problems


def stretches(times, longest):
    """Where neighbours are further apart than `longest`."""
    pairs = zip(times[:-1], times[1:])
    return [[round(a, 3), round(b, 3)] for a, b in pairs if b - a > longest]


def clock_of(picture):
    """The pattern's clock in seconds within its period; none if a cell is neither black nor white."""
    cells = picture[CLOCK_TOP + 2 : HEIGHT - 2].reshape(-1, CLOCK_BITS, 4, 3)[:, :, 1:3].mean(axis=(0, 2, 3))
    if ((cells > 90) & (cells < 165)).any():
        return None
    return sum(1 << bit for bit in range(CLOCK_BITS) if cells[bit] > 127) * TICK_S


def watch(raw, shown):
    count = min(len(shown), len(raw) // (WIDTH * HEIGHT * 3))
    pictures = numpy.frombuffer(raw, numpy.uint8)[: count * WIDTH * HEIGHT * 3].reshape(count, HEIGHT, WIDTH, 3).astype(numpy.int16)
    times = [float(one[1]) for one in shown[:count]]
    sizes = []
    for time, one in zip(times, shown):
        size = [int(one[2]), int(one[3])]
        if not sizes or sizes[-1][1:] != size:
            sizes.append([round(time, 3), *size])
    ground = pictures[:, : CLOCK_TOP - 1]
    white = ground.min(axis=3).mean(axis=(1, 2)) > WHITE
    flashes = [times[i] for i in range(1, count) if white[i] and not white[i - 1]]
    moved = [i for i in range(count) if i == 0 or abs(pictures[i] - pictures[i - 1]).max() > DIFFERENT]
    clocks = [clock_of(picture) for picture in pictures]
    colours = [[int(numpy.median(ground[i, :, :, c])) for c in range(3)] for i in range(count) if not white[i]]
    return {
        "frames": count, "first_s": times[0] if times else None, "last_s": times[-1] if times else None,
        "sizes": sizes, "colours": tally(colours), "flashes_s": flashes,
        "frozen_s": stretches([times[i] for i in moved] + times[-1:], 0.999), "holes_s": stretches(times, 0.5),
        "clock": clock_story(times, clocks), "unread": sum(clock is None for clock in clocks),
        "backwards": sum(b <= a for a, b in zip(times[:-1], times[1:])),
    }


def tally(colours):
    """How many pictures are of which ground, the colours rounded to thirds of full."""
    counts = {}
    for colour in colours:
        name = "".join(str(round(part / 85)) for part in colour)
        counts[name] = counts.get(name, 0) + 1
    return counts


def clock_story(times, clocks):
    """The file's time minus the pattern's clock, second by second, and the newest clock seen."""
    known = [(time, clock) for time, clock in zip(times, clocks) if clock is not None]
    if not known:
        return None
    base = known[0][0] - known[0][1]
    by_second = {}
    for time, clock in known:
        # The clock starts anew within an hour, and the first difference tells where it stood.
        error = (time - clock - base + CLOCK_S / 2) % CLOCK_S - CLOCK_S / 2
        by_second.setdefault(int(time), []).append(error)
    return {
        "base_s": round(base, 4), "first_s": known[0][1], "last_s": known[-1][1],
        "drift_s": {second: round(float(numpy.median(errors)), 4) for second, errors in by_second.items()},
    }


def listen(raw, shown, tones_hz):
    samples = numpy.frombuffer(raw, numpy.float32)
    times = [float(one[1]) for one in shown]
    counts = [int(one[2]) for one in shown]
    if not times or sum(counts) > len(samples) + RATE:
        return {"frames": 0, "first_s": None, "last_s": None, "beeps_s": {}, "gaps_s": []}
    origin = times[0]
    # Each frame at its own time: a gap in the file must not shift what comes after it.
    line = numpy.zeros(int((max(times) - origin) * RATE) + max(counts) + RATE, numpy.float32)
    at = start = 0
    for time, count in zip(times, counts):
        due = round((time - origin) * RATE)
        # Times are whole milliseconds: what follows without a gap follows without a seam.
        start = due if abs(due - start) > SEAM_S * RATE else start
        part = samples[at : at + count]
        line[start : start + len(part)] = part
        at += count
        start += count
    return {
        "frames": len(times), "first_s": origin, "last_s": times[-1],
        "beeps_s": {str(hz): beeps(line, hz, origin) for hz in tones_hz},
        "gaps_s": stretches(times, GAP_S), "loudest": round(float(abs(line).max()), 3),
        "backwards": sum(b <= a for a, b in zip(times[:-1], times[1:])),
    }


def beeps(line, hz, origin):
    """When tones of this frequency begin."""
    turn = numpy.exp(-2j * numpy.pi * hz * numpy.arange(len(line)) / RATE)
    width = int(SMOOTH_S * RATE)
    added = numpy.cumsum(numpy.concatenate(([0], line * turn)))
    level = 2 * abs(added[width:] - added[:-width]) / width
    found, last = [], -RATE
    # Half of its own peak is where the mean's window lies with its middle on the onset.
    for start in numpy.flatnonzero((level[1:] > LOUD) & (level[:-1] <= LOUD)):
        after = level[start : start + int(0.08 * RATE)]
        rise = numpy.flatnonzero(after >= after.max() / 2)
        onset = start + rise[0] + width / 2
        # A click has all frequencies for a moment, a beep has its own for long.
        lasting = after[int(0.02 * RATE) : int(0.06 * RATE)]
        if onset - last > APART_S * RATE and lasting.size and lasting.min() > 2 * LOUD:
            found.append(round(origin + float(onset) / RATE, 4))
            last = onset
    return found


def report(path, tones_hz):
    shape, problems = probe(path)
    tracks = []
    for stream in shape.get("streams", []):
        kind = stream["codec_type"]
        track = {"kind": kind, "codec": stream["codec_name"], "packets": int(stream.get("nb_read_packets", 0)), "tags": stream.get("tags", {})}
        if kind in SHOWN:
            raw, shown, wrong = decode(path, stream["index"], kind)
            problems += wrong
            track |= watch(raw, shown) if kind == "video" else listen(raw, shown, tones_hz)
        tracks.append(track)
    form = shape.get("format", {})
    duration = form.get("duration")
    return {
        "path": path, "problems": problems, "tracks": tracks, "format": form.get("format_name"), "tags": form.get("tags", {}),
        "duration_s": float(duration) if duration else None,
    }


if __name__ == "__main__":
    spec = json.loads(sys.argv[1])
    for path in spec["files"]:
        say(report(path, spec["tones_hz"]))
