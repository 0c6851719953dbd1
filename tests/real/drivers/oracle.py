"""How long an expert and a customer were together, computed from what the clients saw alone.

argv[1]: a JSON list of {role, here: [earliest, latest], media: [earliest, latest] | null,
gone: [earliest, latest]}, all in milliseconds of one clock. stdout: {"least": ms, "most": ms}.
An observation is a bracket: the moment itself lies somewhere in it.
"""

import json
import sys


def union(spans):
    merged = []
    for start, end in sorted(span for span in spans if span[1] > span[0]):
        if merged and start <= merged[-1][1]:
            merged[-1][1] = max(merged[-1][1], end)
        else:
            merged.append([start, end])
    return merged


def together(stays, begin, end):
    """`begin` and `end` choose a side of each bracket."""
    sides = {
        role: union([(s["here"][begin], s["gone"][end]) for s in stays if s["role"] == role])
        for role in ("expert", "customer")
    }
    first_media = [s["media"][begin] for s in stays if s["role"] == "expert" and s.get("media")]
    if not first_media:
        return 0.0
    live = min(first_media)
    overlaps = (
        min(a[1], b[1]) - max(a[0], b[0], live) for a in sides["expert"] for b in sides["customer"]
    )
    return sum(max(0.0, overlap) for overlap in overlaps)


if __name__ == "__main__":
    observed = json.loads(sys.argv[1])
    print(json.dumps({"least": together(observed, 1, 0), "most": together(observed, 0, 1)}))
