"""The table of bad tokens, forged by hand, each tried at /rtc/validate and at the upgrade of /rtc.

argv[1]: JSON {base, key, secret}. stdout: one line for each row, {what, want, validate, upgrade, cors…}.
"""

import base64
import hashlib
import hmac
import json
import sys
import time

from doors import ask, with_token
from waiting import say

NOW = int(time.time())
HASHES = {"HS256": hashlib.sha256, "HS384": hashlib.sha384, "HS512": hashlib.sha512}
SPEC = json.loads(sys.argv[1])
KEY, SECRET = SPEC["key"], SPEC["secret"]
DROP = object()


def b64(data):
    data = data if isinstance(data, bytes) else data.encode("utf-8")
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def forge(header, payload, secret=SECRET, digest="HS256"):
    header = header if isinstance(header, (str, bytes)) else json.dumps(header)
    payload = payload if isinstance(payload, (str, bytes)) else json.dumps(payload)
    message = f"{b64(header)}.{b64(payload)}"
    return f"{message}.{b64(hmac.new(secret.encode(), message.encode(), HASHES[digest]).digest())}"


def claims(video=None, **changes):
    good = {"iss": KEY, "sub": "mallory", "nbf": NOW - 10, "exp": NOW + 3600}
    good["video"] = {"roomJoin": True, "room": "bad-tokens", **(video or {})}
    good.update(changes)
    good["video"] = {k: v for k, v in good["video"].items() if v is not DROP} if isinstance(good["video"], dict) else good["video"]
    return {name: value for name, value in good.items() if value is not DROP}


HS256 = {"alg": "HS256", "typ": "JWT"}


def signed(**changes):
    return forge(HS256, claims(**changes))


def granted(**grants):
    return forge(HS256, claims(video=grants))


def shapes():
    fine = signed()
    header, payload, signature = fine.split(".")
    return [
        ("an empty token", "", 401),
        ("a word", "token", 401),
        ("two parts", f"{header}.{payload}", 401),
        ("only dots", "..", 401),
        ("no header", f".{payload}.{signature}", 401),
        ("no payload", f"{header}..{signature}", 401),
        ("no signature", f"{header}.{payload}.", 401),
        ("four parts", f"{fine}.{signature}", 401),
        ("a leading blank", f" {fine}", 401),
        ("a line end", f"{fine}\n", 401),
        ("a zero byte", f"{fine}\0", 401),
        ("a payload that is no base64", f"{header}.!!!.{signature}", 401),
        ("a payload of invalid UTF-8", forge(HS256, b'{"iss":"\xff\xfe"}'), 401),
        ("a payload that is no JSON", forge(HS256, "hello"), 401),
        ("a payload that is a list", forge(HS256, "[]"), 401),
        ("a payload nested 5,000 deep", forge(HS256, "[" * 5000), 401),
        ("more than 16 KiB", signed(metadata="m" * 17_000), 401),
    ]


def signatures():
    fine = signed()
    header, payload, signature = fine.split(".")
    flipped = ("B" if signature[0] == "A" else "A") + signature[1:]
    other = b64(json.dumps(claims(sub="eve")))
    return [
        ("alg none, unsigned", f"{b64(json.dumps({'alg': 'none'}))}.{payload}.", 401),
        ("alg None, signed", forge({"alg": "None"}, claims()), 401),
        ("alg hs256", forge({"alg": "hs256"}, claims()), 401),
        ("alg null", forge({"alg": None}, claims()), 401),
        ("no alg", forge({"typ": "JWT"}, claims()), 401),
        ("alg twice", forge('{"alg":"none","alg":"HS256"}', claims()), 401),
        ("a header that is no object", forge("[]", claims()), 401),
        ("HS384", forge({"alg": "HS384"}, claims(), digest="HS384"), 401),
        ("HS512", forge({"alg": "HS512"}, claims(), digest="HS512"), 401),
        ("HS384 that says HS256", forge(HS256, claims(), digest="HS384"), 401),
        ("RS256 signed by HMAC", forge({"alg": "RS256"}, claims()), 401),
        ("a critical extension", forge({"alg": "HS256", "crit": ["b64"], "b64": False}, claims()), 401),
        ("a key of its own", forge({"alg": "HS256", "jwk": {"kty": "oct", "k": "AAAA"}}, claims(), "\0\0\0"), 401),
        ("the wrong secret", forge(HS256, claims(), "another secret of more than 32 bytes!"), 401),
        ("an empty secret", forge(HS256, claims(), ""), 401),
        ("the secret in base64", forge(HS256, claims(), base64.b64encode(SECRET.encode()).decode()), 401),
        ("a flipped signature", f"{header}.{payload}.{flipped}", 401),
        ("a signature cut short", fine[:-3], 401),
        ("another payload", f"{header}.{other}.{signature}", 401),
    ]


def typed():
    return [
        ("an unknown key", signed(iss="nobody"), 401),
        ("a key in other letters", signed(iss=KEY.upper()), 401),
        ("an empty key", signed(iss=""), 401),
        ("no key", signed(iss=DROP), 401),
        ("exp a text", signed(exp=str(NOW + 3600)), 401),
        ("exp negative", signed(exp=-1), 401),
        ("exp null", signed(exp=None), 401),
        ("no exp", signed(exp=DROP), 401),
        ("exp zero", signed(exp=0), 401),
        ("expired beyond the leeway", signed(exp=NOW - 75), 401),
        ("nbf beyond the leeway", signed(nbf=NOW + 300), 401),
        ("nbf a text", signed(nbf="0"), 401),
        ("exp twice", forge(HS256, json.dumps(claims())[:-1] + f', "exp": {NOW + 60}}}'), 401),
        ("sub a number", signed(sub=7), 401),
        ("metadata an object", signed(metadata={"a": 1}), 401),
        ("attributes of numbers", signed(attributes={"a": 1}), 401),
        ("attributes a text", signed(attributes="role=expert"), 401),
        ("video a text", forge(HS256, {**claims(), "video": "all"}), 401),
        ("roomJoin a text", granted(roomJoin="true"), 401),
        ("roomJoin a number", granted(roomJoin=1), 401),
        ("room a list", granted(room=["lesson"]), 401),
    ]


def grants():
    return [
        ("no video", forge(HS256, {k: v for k, v in claims().items() if k != "video"}), 401),
        ("an empty video", forge(HS256, {**claims(), "video": {}}), 401),
        ("roomJoin false", granted(roomJoin=False), 401),
        ("only roomAdmin", granted(roomJoin=DROP, roomAdmin=True), 401),
        ("grants in snake case", granted(roomJoin=DROP, room_join=True), 401),
        ("an empty room", granted(room=""), 403),
        ("no room", granted(room=DROP), 403),
        ("an empty identity", signed(sub=""), 403),
        ("no identity", signed(sub=DROP), 403),
        ("an identity with a byte order mark", signed(sub="\ufeffkarl"), 403),
        ("an identity of 257 bytes", signed(sub="i" * 257), 403),
        ("a room of 257 bytes", granted(room="r" * 257), 403),
        ("a room of 129 two-byte letters", granted(room="ü" * 129), 403),
        ("an unknown role", signed(attributes={"role": "boss"}), 403),
        ("a role in other letters", signed(attributes={"role": "Expert"}), 403),
        ("a policy that is not configured", signed(attributes={"policy": "nope"}), 403),
        ("an unknown source", granted(canPublishSources=["camera", "mind"]), 403),
    ]


def headers():
    """How a token is presented: (what, header, token in the query, status)."""
    fine = signed()
    return [
        ("no token at all", [], None, 401),
        ("a header that is Basic", ["Authorization: Basic dXNlcjpwYXNz"], None, 401),
        ("a header without Bearer", [f"Authorization: {fine}"], None, 401),
        ("an empty Bearer", ["Authorization: Bearer "], None, 401),
        ("a bad header wins over a good query", ["Authorization: Bearer bad"], fine, 401),
    ]


def row(what, want, header, token):
    found = {"what": what, "want": want}
    for name, path, upgrade in [("validate", "/rtc/validate", False), ("upgrade", "/rtc", True)]:
        target = path if token is None else with_token(path, token)
        status, answer, body = ask(SPEC["base"], target, header, upgrade=upgrade)
        found[name] = status
        found[f"{name}_cors"] = answer.get("access-control-allow-origin")
        found[f"{name}_body"] = body[:200]
        # A refusal never repeats a token.
        found[f"{name}_leaks"] = any(len(part) > 12 and part in body for part in (token or "").split("."))
    return found


if __name__ == "__main__":
    for what, token, want in [*shapes(), *signatures(), *typed(), *grants()]:
        say(row(what, want, [], token))
    for what, header, token, want in headers():
        say(row(what, want, header, token))
    say(row("a good token", 200, [], signed()))
