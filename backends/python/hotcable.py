"""Hotcable for Python (3.9 or later): sign a stream name, issue a token, send HTML. Copy this one file.

ANYCABLE_SECRET is the one setting needed; arguments win; backends/README.md has the rest. In this order nothing is
lost between query and subscription. Commit first: a page that hears of a change too early reads the old data.

    position = hotcable.position("board/1")                            how far its streams are
    cards = query()                                                    the data
    head = hotcable.meta_tags({"visitor": "7"})                        the client's identity
    body = hotcable.stream_from("board/1", position) + render(cards)   the stream it listens to

    hotcable.broadcast("board/1", hotcable.turbo_stream("append", "cards", "<li>Hello</li>"))
"""
from __future__ import annotations

import base64
import hmac
import json
import os
import re
import secrets
import socket
import threading
import time
from contextlib import closing, suppress
from http.client import HTTPConnection, HTTPSConnection, InvalidURL
from typing import Callable, Sequence
from urllib.parse import quote, urlencode, urlsplit

TURBO_STREAM = "text/vnd.turbo-stream.html; charset=utf-8"  # the type of an answer that holds turbo_stream tags
_CABLE = "ws://localhost:8080/cable"


class BroadcastFailed(Exception):
    """The cable did not take a broadcast. The message has its status and reason, or why it did not answer."""


def issue_token(identity: dict, *, secret: str | None = None, ttl: int = 3600, now: int | None = None) -> str:
    """A JWT with the identity, for `ttl` seconds from `now`. ValueError without a secret, or if text is not UTF-8."""
    key = _secret(secret, "ANYCABLE_JWT_SECRET", "ANYCABLE_SECRET")
    claims = {"ext": _json(identity), "exp": int(time.time() if now is None else now) + ttl}
    unsigned = _base64url(b'{"alg":"HS256","typ":"JWT"}') + "." + _base64url(_json(claims).encode())
    return unsigned + "." + _base64url(hmac.digest(key, unsigned.encode(), "sha256"))


def sign_stream(stream: str, *, secret: str | None = None, expires_in: int | None = None,
                now: int | None = None) -> str:
    """A stream's name with the proof that a client may listen to it; with `expires_in`, for so many seconds from `now`,
    in Rails' envelope, which anycable-go refuses. ValueError without a secret, or if the name is not UTF-8."""
    key = _secret(secret, "ANYCABLE_TURBO_STREAMS_SECRET", "ANYCABLE_STREAMS_SECRET", "ANYCABLE_SECRET")
    exp = None if expires_in is None else time.gmtime(int(time.time() if now is None else now) + expires_in)
    name = {"_rails": {"data": stream, "exp": time.strftime("%Y-%m-%dT%H:%M:%S.000Z", exp)}} if exp else stream
    encoded = base64.b64encode(_json(name).encode())
    return encoded.decode() + "--" + hmac.digest(key, encoded, "sha256").hex()


def position(*streams: str, url: str | None = None, key: str | None = None) -> str:
    """How far the cable is, "<offset>/<epoch>"; ask once for a page, before its queries: one position is valid for all
    streams, and their names may be left out. "-", unknown, on any failure or after 250 ms."""
    try:
        query = "&".join("stream=" + quote(stream, safe="") for stream in streams)
        query = query if len(query) <= 4000 else ""  # a longer request may be refused, and the names are optional
        status, body, _ = _request("GET", "/position", query, None, url, key, 0.25)
        return re.fullmatch("[0-9]+/[A-Za-z0-9_-]+", json.loads(body)["position"])[0] if status == 200 else "-"
    except Exception:  # a page without a position still works; a page that fails does not
        return "-"


def stream_from(stream: str, position: str, *, secret: str | None = None, expires_in: int | None = None,
                now: int | None = None) -> str:
    """The tag that subscribes a page to a stream, from the position it was made at. ValueError without a secret."""
    signed = sign_stream(stream, secret=secret, expires_in=expires_in, now=now)
    # The id changes with the position: a morph then replaces the element, and the new one subscribes.
    tag = {"id": f"cable-{signed[-64:-56]}-{position.replace('/', '-')}", "data-position": position}
    tag.update({"channel": "Turbo::StreamsChannel", "signed-stream-name": signed})
    return _tag("turbo-cable-stream-source", tag) + "</turbo-cable-stream-source>"


def source_tag(streams: str | Sequence[str], position: str, identity: dict, *, url: str | None = None,
               secret: str | None = None, ttl: int = 3600, expires_in: int | None = None, now: int | None = None) -> str:
    """The tag that subscribes a page to one stream or several by server-sent events, for which Turbo needs no other
    script. `url` is by default /events on the cable's host; `secret` is for names and token. ValueError without."""
    streams = [streams] if isinstance(streams, str) else streams
    names = [sign_stream(stream, secret=secret, expires_in=expires_in, now=now) for stream in streams]
    query = {"turbo_signed_stream_name": names, "position": position}
    query["jid"] = issue_token(identity, secret=secret, ttl=ttl, now=now)
    url = url or re.sub("(?is)^ws(s?://[^/?#]*).*", r"http\1/events", _setting("ANYCABLE_WEBSOCKET_URL") or _CABLE)
    src = url + ("&" if "?" in url else "?") + urlencode(query, True, "", quote_via=quote)
    tag = {"id": f"source-{names[0][-64:-56]}-{position.replace('/', '-')}", "src": src}
    return _tag("turbo-stream-source", tag) + "</turbo-stream-source>"


def meta_tags(identity: dict, *, url: str | None = None, secret: str | None = None, ttl: int = 3600,
              now: int | None = None) -> str:
    """Three <meta> tags for a page's head: where the cable is, and issue_token's token. ValueError without a secret."""
    url = url or _setting("ANYCABLE_WEBSOCKET_URL") or _CABLE
    token = issue_token(identity, secret=secret, ttl=ttl, now=now)  # @hotwired/turbo-rails reads only the first tag
    tags = {"action-cable-url": f"{url}{'&' if '?' in url else '?'}jid={token}", "cable-url": url, "cable-token": token}
    return "\n".join(_tag("meta", {"name": name, "content": content}) for name, content in tags.items())


def script_tag(*, url: str | None = None, nonce: str | None = None, drive: bool = True) -> str:
    """The <script> tag that loads hotcable.js from the cable. A `url` that ends in .js is the script's, any other the
    cable's. `nonce` is the page's, for its Content-Security-Policy; with drive=False Turbo has no Drive."""
    url = url or _setting("ANYCABLE_WEBSOCKET_URL") or _CABLE
    path, query = re.match("([^?#]*)([^#]*)", url).groups()
    cable = re.sub("^ws(?=s?://)", "http", path.rstrip("/"), flags=re.I) + "/hotcable.js"
    src = path + query if path.endswith(".js") else cable
    src += "" if drive else ("&" if "?" in src else "?") + "drive=off"
    return _tag("script", {"type": "module", "src": src, "nonce": nonce or None}) + "</script>"


def turbo_stream(action: str, target: str | None = None, html: str = "", attributes: dict | None = None) -> str:
    """A <turbo-stream> tag, as ("append", "cards", "<li>Hi</li>"). `html` goes in as it is: escape typed text."""
    tag = {**(attributes or {}), "action": action, "target": None if action == "refresh" else target}
    template = "" if action in ("remove", "refresh") else f"<template>{_text(str(html))}</template>"
    return _tag("turbo-stream", tag) + template + "</turbo-stream>"


def wants_turbo_stream(accept: str | None) -> bool:
    """Whether the Accept header of a request says that Turbo sent it: a form may be answered by turbo_stream tags."""
    return bool(re.search(r"(^|,)\s*text/vnd\.turbo-stream\.html\s*(;|,|$)", accept or "", re.I))


def broadcast_key(*, secret: str | None = None) -> str:
    """The key for broadcasts that the cable derives from its secret. ValueError without a secret."""
    return _derived(b"broadcast-cable", secret)


def publication(stream: str, html: str, *, exclude: str | None = None, transient: bool = False,
                latest: str | None = None) -> str:
    """The JSON text of a broadcast, with a new id: for publish, or an outbox. ValueError if the name is not UTF-8."""
    meta = {"exclude_socket": _text(exclude or ""), "transient": bool(transient), "key": latest}
    meta = {"id": secrets.token_urlsafe(16), **{name: value for name, value in meta.items() if value}}
    return _json({"stream": stream, "data": _json(_text(html)), "meta": meta}).encode().decode()


def broadcast(stream: str, html: str, *, exclude: str | None = None, transient: bool = False, latest: str | None = None,
              url: str | None = None, key: str | None = None, timeout: float = 5, retries: int = 0) -> None:
    """Sends HTML to all subscribers but the client whose X-Socket-ID is `exclude`, in `timeout` seconds. Commit first.
    The cable replays none that is `transient`, and only the newest of those with one name in `latest`. Raises
    BroadcastFailed, and no other error, if the cable did not take it. Without an answer, or after a 5xx, tries again
    `retries` times, after 0.1, 0.3, 0.9 and then every 2 s, not before the answer's Retry-After, with the same id."""
    _post(lambda: publication(stream, html, exclude=exclude, transient=transient, latest=latest), url, key, timeout,
          retries)


def publish(*publications: str, url: str | None = None, key: str | None = None, timeout: float = 5,
            retries: int = 0) -> None:
    """Sends publications in one request: all of them or none. Fails and tries again as broadcast does."""
    _post(lambda: f"[{','.join(publications)}]", url, key, timeout, retries)


def disconnect(identity: dict, *, reconnect: bool = True, url: str | None = None, key: str | None = None,
               timeout: float = 5, retries: int = 0) -> None:
    """Ends all connections of an identity; without `reconnect` its clients stay away until their page is loaded again.
    A token stays valid until it expires. Fails and tries again as broadcast does."""
    _post(lambda: _json({"command": "disconnect", "payload": {"identifier": _json(identity), "reconnect": reconnect}}),
          url, key, timeout, retries)


def answer_subscribe(authorization: str | None, body: str | bytes, allow: Callable, *, key: str | None = None,
                     secret: str | None = None, now: int | None = None) -> tuple[int, str]:
    """The answer to a cable that asks whether a client may listen to a stream (--subscribe_url): status and JSON. `allow`
    gets identity, stream and headers, and returns True, False, or the Unix time until which it may. An error of
    `allow` is your answer 500: the cable asks again. ValueError without a key or a secret."""
    right = "Bearer " + (key or _setting("HOTCABLE_SUBSCRIBE_KEY") or _derived(b"subscribe-cable", secret))
    if not hmac.compare_digest((authorization or "").encode(errors="replace"), right.encode(errors="replace")):
        return 401, '{"error":"unauthorized"}'
    asked = _object(body) or {}
    identity, stream = asked.get("identity"), asked.get("stream")
    if not isinstance(identity, str) or not isinstance(stream, str):
        return 422, '{"error":"malformed"}'
    found = _object(identity)
    allowed = allow(identity if found is None else found, stream, asked.get("headers", {}))
    if isinstance(allowed, bool):
        return 200, _json({"allowed": allowed})
    until = int(allowed)
    return 200, _json({"allowed": True, "until": until} if until > (time.time() if now is None else now) else
                      {"allowed": False})


def _post(make: Callable[[], str], url: str | None, key: str | None, timeout: float, retries: int) -> None:
    try:
        body = make().encode()
        for tried in range(max(retries, 0) + 1):
            status, reason, after = _request("POST", "", "", body, url, key, timeout)
            if status == 201:
                return
            busy = status == "nothing" or status >= 500 or (status == 429 and after >= 0)
            if not busy or tried >= retries or after > (retries - tried) * timeout:
                break
            time.sleep(max(min(0.1 * 3 ** tried, 2), after))
    except Exception as error:  # for example, a name that is not UTF-8
        raise BroadcastFailed(f"the cable was not asked: {error!r}") from error
    raise BroadcastFailed(f"the cable answered {status}: {reason[:200]}")


def _secret(secret: str | None, *names: str) -> bytes:
    secret = _setting(*names) if secret is None else secret
    if not secret:  # an empty key protects nothing
        raise ValueError(f"no secret: set {' or '.join(names)}")
    return secret.encode("utf-8", "surrogateescape")


def _derived(phrase: bytes, secret: str | None) -> str:
    return hmac.digest(_secret(secret, "ANYCABLE_SECRET"), phrase, "sha256").hex()


def _object(text: str | bytes) -> dict | None:
    with suppress(ValueError):
        value = json.loads(text)
        return value if isinstance(value, dict) else None
    return None


def _setting(*names: str) -> str | None:
    return next((os.environ[name] for name in names if os.environ.get(name)), None)


def _json(value: object) -> str:
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"))  # as JSON.stringify prints it


def _text(text: str) -> str:
    """Replaces with U+FFFD each lone surrogate, and bytes other than UTF-8 that surrogateescape keeps."""
    lone = re.sub("[\ud800-\udc7f\udd00-\udfff]", "\ufffd", text)
    return lone.encode("utf-8", "surrogateescape").decode("utf-8", "replace")


def _base64url(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).decode().rstrip("=")


def _tag(name: str, attributes: dict) -> str:
    escapes = str.maketrans({"&": "&amp;", "<": "&lt;", ">": "&gt;", '"': "&quot;"})
    texts = {key: _text(str(value)) for key, value in attributes.items() if value is not None}
    pairs = (f' {key}="{text.translate(escapes)}"' for key, text in texts.items())
    return f"<{name}{''.join(pairs)}>"


def _request(method: str, path: str, query: str, body: bytes | None, url: str | None, key: str | None,
             timeout: float) -> tuple:
    """Status, text, and the seconds of Retry-After, -1 without."""
    key = key or _setting("ANYCABLE_BROADCAST_KEY") or (broadcast_key() if _setting("ANYCABLE_SECRET") else "none")
    if not key.isprintable():  # http.client would print it
        return "nothing", "the broadcast key has a line break in it", -1
    port = 8090 if key == "none" else 8080
    given = url or _setting("ANYCABLE_HTTP_BROADCAST_URL")
    url = given or f"http://localhost:{port}/_broadcast"
    if not re.match("https?://", url, re.I):
        return "nothing", "the URL must begin with http:// or https://", -1
    shown = re.sub("(?<=//)[^/]*@|[?#].*", "", url, flags=re.S)  # both may be secret
    if not given and port == 8090 and not _setting("ANYCABLE_SECRET"):
        shown += " (ANYCABLE_SECRET is missing; with it the port is 8080)"
    deadline, links = time.monotonic() + timeout, []
    answers = [("nothing", f"{shown}: took more than {timeout} s", -1)]

    def ask() -> None:
        status, after = "nothing", -1
        try:
            at = urlsplit(url)
            headers = {"Authorization": b"Bearer " + key.encode()} if key != "none" else {}
            target = (at.path.rstrip("/") + path if path else at.path) or "/"
            target += "?" * bool(at.query or query) + "&".join(filter(None, (at.query, query)))
            link = (HTTPSConnection if at.scheme == "https" else HTTPConnection)(at.hostname, at.port, timeout=timeout)
            with closing(link):
                link.connect()
                links.append(link.sock)
                link.sock.settimeout(deadline - time.monotonic())  # ValueError when nothing is left
                with suppress(OSError):  # a cable may answer and hang up before it has read a long body
                    link.request(method, target, body, {"Content-Type": "application/json", **headers})
                with link.getresponse() as response:
                    while response.status < 200:  # for example, 103: the answer follows
                        response.headers = None
                        response.begin()
                    status, wait = response.status, re.fullmatch("[0-9]+", response.getheader("Retry-After", ""))
                    after = int(wait[0]) if wait else -1
                    answers.append((status, answers[0][1], after))
                    text = response.read(65536).decode(errors="replace")  # a reason is shorter
                    answers.append((status, text, after))
        except Exception as error:  # InvalidURL would show the query
            why = "not a URL" if isinstance(error, InvalidURL) else repr(error)
            answers.append((status, f"{shown}: {why}", after))

    # In a thread, because nothing interrupts the wait for a silent name server.
    (thread := threading.Thread(target=ask, daemon=True)).start()
    thread.join(timeout)
    answer = answers[-1]
    for link in links:
        with suppress(OSError):  # it is closed already, unless the answer is late
            link.shutdown(socket.SHUT_RDWR)
    return answer
