"""Tokens by the stock `livekit-api`: argv[1] is a JSON list of {identity, role, room, name?, grants?, attributes?}."""

import datetime
import json
import sys

from livekit import api

from waiting import say


def token(key, secret, wanted):
    grants = api.VideoGrants(room_join=True, room=wanted["room"], **wanted.get("grants", {}))
    builder = api.AccessToken(key, secret).with_identity(wanted["identity"]).with_grants(grants)
    builder = builder.with_ttl(datetime.timedelta(hours=1)).with_name(wanted.get("name", wanted["identity"]))
    attributes = wanted.get("attributes", {}) | ({"role": wanted["role"]} if wanted.get("role") else {})
    if attributes:
        builder = builder.with_attributes(attributes)
    return builder.to_jwt()


if __name__ == "__main__":
    spec = json.loads(sys.argv[1])
    say({"tokens": [token(spec["key"], spec["secret"], wanted) for wanted in spec["wanted"]]})
