"""
Checks hotcable.py against the shared vectors, and its requests against a server on this machine: python3 check.py
"""
import contextlib
import http.server
import json
import os
import pathlib
import re
import socket
import sys
import threading
import time
import unittest

import hotcable

VECTORS = pathlib.Path(__file__).parent.parent / "vectors"
for name in [name for name in os.environ if name.startswith("ANYCABLE_")]:
    del os.environ[name]
# The helper must not use a proxy of the environment: nothing listens there, so a request would fail.
os.environ.update(http_proxy="http://127.0.0.1:9", HTTP_PROXY="http://127.0.0.1:9", no_proxy="")


def vectors(name):
    return json.loads((VECTORS / name).read_text("utf-8"))


class Check(unittest.TestCase):
    maxDiff = None


def check(title, body, *arguments):
    """Adds one test, so that the closing line counts cases."""
    assert not hasattr(Check, "test " + title), title
    setattr(Check, "test " + title, lambda self: body(self, *arguments))


@contextlib.contextmanager
def environment(env):
    os.environ.update(env)
    try:
        yield
    finally:
        for key in env:
            del os.environ[key]


def without_id(body):
    return re.sub(r'"meta":\{"id":"[A-Za-z0-9_-]{22}"', '"meta":{"id":"ID"', body)


class Cable(http.server.BaseHTTPRequestHandler):
    """Answers as the test sets, and records the requests."""
    answer, asked = (201, ""), []

    def do_GET(self):
        body = self.rfile.read(int(self.headers["Content-Length"] or 0)).decode()
        # As in the vectors: ID stands for an id, which is random.
        body = without_id(body)
        headers = {name.lower(): value.encode("latin-1").decode() for name, value in self.headers.items()}
        Cable.asked.append((self.command, self.path, headers, body))
        status, text = Cable.answer
        if status == "silent":
            return time.sleep(60)
        self.send_response(status)
        self.send_header("Location", CABLE + "/elsewhere")
        self.send_header("Content-Length", str(len(text.encode())))
        self.end_headers()
        self.wfile.write(text.encode())

    do_POST = do_GET

    def log_message(self, *_):
        pass


def drip(client):
    """Sends a byte every 50 ms, for long: no single read of a client ever waits."""
    with client, contextlib.suppress(OSError):
        for byte in b"HTTP/1.1 200 OK\r\nX: " + b"x" * 200:
            client.send(bytes([byte]))
            time.sleep(0.05)


def accept(listener, serve):
    while True:
        threading.Thread(target=serve, args=listener.accept()[:1], daemon=True).start()


server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Cable)
server.daemon_threads = True
dripping = socket.create_server(("127.0.0.1", 0))
threading.Thread(target=server.serve_forever, daemon=True).start()
threading.Thread(target=accept, args=(dripping, drip), daemon=True).start()
with socket.create_server(("127.0.0.1", 0)) as closed:
    REFUSING = f"http://127.0.0.1:{closed.getsockname()[1]}/_broadcast"
CABLE = f"http://127.0.0.1:{server.server_port}/_broadcast"
DRIPPING = f"http://127.0.0.1:{dripping.getsockname()[1]}/_broadcast"


def is_token(self, case, secret):
    made = hotcable.issue_token(case["identity"], secret=secret, ttl=case["ttl"], now=case["now"])
    self.assertEqual(made, case["token"])


def is_signed(self, case, secret):
    made = hotcable.sign_stream(case["stream"], secret=secret, expires_in=case.get("expires_in"), now=case.get("now"))
    self.assertEqual(made, case["signed"])


def is_tag(self, case, secret):
    if case["make"] == "stream_from":
        expiry = {"expires_in": case.get("expires_in"), "now": case.get("now")}
        html = hotcable.stream_from(case["stream"], case["position"], secret=secret, **expiry)
    elif case["make"] == "source_tag":
        given = {key: case.get(key) for key in ("url", "ttl", "expires_in", "now")}
        html = hotcable.source_tag(case["streams"], case["position"], case["identity"], secret=secret, **given)
    elif case["make"] == "meta_tags":
        html = hotcable.meta_tags(case["identity"], url=case["url"], secret=secret, ttl=case["ttl"], now=case["now"])
    elif case["make"] == "script_tag":
        html = hotcable.script_tag(**{name: case[name] for name in ("url", "nonce", "drive") if name in case})
    else:
        html = hotcable.turbo_stream(case["action"], case["target"], case["content"], case["attributes"])
    self.assertEqual(html, case["html"])


PRODUCED = (("tokens", "produce", is_token), ("signed-streams", "sign", is_signed), ("tags", "produce", is_tag))
for file, cases, body in PRODUCED:
    shared = vectors(file + ".json")
    for case in shared[cases] + [case for case in shared.get("refuse", []) if "expires_in" in case]:
        check(f"{file}: {case['id']}", body, case, case.get("secret", shared["secret"]))


def is_body(self, case):
    Cable.answer = (201, "")
    given = {key: case[key] for key in ("exclude", "transient", "latest") if key in case}
    made = [hotcable.publication(case["stream"], case["html"], **given) for _ in range(2)]
    self.assertEqual([without_id(text) for text in made], [case["body"]] * 2)
    self.assertNotEqual(*made)
    hotcable.broadcast(case["stream"], case["html"], **given, url=CABLE)
    method, path, headers, body = Cable.asked.pop()
    self.assertEqual((method, path, headers["content-type"], body),
                     ("POST", "/_broadcast", "application/json", case["body"]))


def is_mended(self, case, text):
    self.assertEqual(hotcable.turbo_stream("append", text, text), case["html"])
    is_body(self, {"stream": "board/1", "html": text, "body": case["body"]})
    Cable.asked.clear()
    with self.assertRaises(hotcable.BroadcastFailed):
        hotcable.broadcast(text, "x", url=CABLE)
    with self.assertRaises(hotcable.BroadcastFailed):
        hotcable.broadcast("x", "x", latest=text, url=CABLE)
    with self.assertRaises(ValueError):
        hotcable.sign_stream(text, secret="s")
    with self.assertRaises(ValueError):
        hotcable.issue_token({"name": text}, secret="s")
    self.assertEqual(Cable.asked, [])


def is_sent(self, case, send, *given, **options):
    Cable.answer = (201, "")
    send(*given, **options, url=CABLE, key="s3cret")
    self.assertEqual(Cable.asked.pop()[3], case["body"])


def is_wanted(self, case):
    self.assertEqual(hotcable.TURBO_STREAM if hotcable.wants_turbo_stream(case["accept"]) else "", case["type"])


def is_never_in_the_way(self):
    Cable.answer = (201, "")
    for exclude in ("", None, "\udcff\ud83e"):
        hotcable.broadcast("x", "y", exclude=exclude, url=CABLE)
    excluded = ',"exclude_socket":"\ufffd\ufffd"'
    bodies = [Cable.asked.pop()[3].replace(excluded, "") for _ in range(3)]
    self.assertEqual(bodies, ['{"stream":"x","data":"\\"y\\"","meta":{"id":"ID"}}'] * 3)


def is_target(self, case):
    Cable.answer = (201, "")
    Cable.asked.clear()
    url = CABLE.replace("/_broadcast", case["url"])
    hotcable.broadcast("x", "y", url=url)
    self.assertEqual(hotcable.position(*case["streams"], url=url), "-")
    self.assertEqual([path for _, path, _, _ in Cable.asked], [case["post"], case["get"]])


def is_key(self, secret, key):
    Cable.answer = (201, "")
    with environment({"ANYCABLE_SECRET": secret}):
        hotcable.broadcast("x", "y", url=CABLE)
    self.assertEqual(Cable.asked.pop()[2]["authorization"], f"Bearer {key}")


def is_position(self, case):
    Cable.answer = (case["status"], case["answer"])
    expected = case.get("position", "-")
    for _ in range(6):  # a busy machine may take longer than the 250 ms of a page
        found = hotcable.position("a/é&b+", url=CABLE, key="s3cret")
        if found == expected:
            break
    self.assertEqual(found, expected)
    method, path, headers, _ = Cable.asked.pop()
    self.assertEqual((method, path), ("GET", "/_broadcast/position?stream=a%2F%C3%A9%26b%2B"))
    self.assertEqual(headers["authorization"], "Bearer s3cret")


def is_failure(self, case):
    Cable.answer = (case["status"], case["answer"])
    Cable.asked.clear()
    with self.assertRaises(hotcable.BroadcastFailed) as raised:
        hotcable.broadcast("x", "y", url=CABLE, key="s3cret")
    self.assertIn(str(case["status"]), str(raised.exception))
    self.assertNotIn("s3cret", str(raised.exception))
    if case["status"] != 204:
        self.assertIn(case["answer"], str(raised.exception))
    self.assertEqual(len(Cable.asked), 1)


broadcasts = vectors("broadcasts.json")
for case in broadcasts["produce"]:
    check(f"broadcasts: {case['id']}", is_body, case)
for case in broadcasts["lists"]:
    check(f"lists: {case['id']}", is_sent, case, hotcable.publish, *case["publications"])
for case in broadcasts["disconnects"]:
    check(f"disconnects: {case['id']}", lambda self, case: is_sent(
        self, case, hotcable.disconnect, case["identity"], reconnect=case["reconnect"]), case)
for case in vectors("tags.json")["answers"]:
    check(case["id"], is_wanted, case)
check("the socket ID of a client never keeps a broadcast back", is_never_in_the_way)
for case in broadcasts["not_utf8"]:
    check(f"not UTF-8: {case['id']}", is_mended, case, bytes.fromhex(case["hex"]).decode("utf-8", "surrogateescape"))
    check(f"not UTF-8: {case['id']}, as lone surrogates", is_mended, case, case["text"].replace("\ufffd", "\ud83e"))
for case in broadcasts["targets"]:
    check(f"target: {case['id']}", is_target, case)
for case in broadcasts["keys"]:
    check(f"key {case['id']}", is_key, case["secret"], case["key"])
for case in broadcasts["accept"] + broadcasts["refuse"]:
    check(f"answers: {case['id']}", is_failure if case["flag"] == "not_201" else is_position, case)


def is_setting(self, case):
    with environment(case["env"]):
        if case["call"] == "sign_stream":
            self.assertEqual(hotcable.sign_stream("board/1"), case["result"])
        elif case["call"] == "issue_token":
            self.assertEqual(hotcable.issue_token({"visitor": "7"}, now=1700000000), case["result"])
        elif case["call"] == "meta_tags":
            self.assertIn(case["result"], hotcable.meta_tags({}).split("\n"))
        elif case["call"] == "script_tag":
            self.assertEqual(hotcable.script_tag(), case["result"])
        elif case["call"] == "answer_subscribe":
            body = '{"identity":"","stream":""}'
            self.assertEqual(hotcable.answer_subscribe("Bearer " + case["result"], body, lambda *_: True)[0], 200)
        else:
            Cable.answer = (201, "")
            hotcable.broadcast("x", "y", url=CABLE)
            self.assertEqual(Cable.asked.pop()[2].get("authorization"), case["result"])


def is_answer(self, case, secret):
    seen = []
    given = {name: case[name] for name in ("key", "now") if name in case}
    status, answer = hotcable.answer_subscribe(
        case["authorization"], case["body"], lambda *asked: seen.append(asked) or case["allow"], secret=secret, **given)
    texts = [json.dumps(asked, ensure_ascii=False, separators=(",", ":")) for asked in seen]
    self.assertEqual(" ".join([str(status), answer, *texts]), case["answer"])


def is_no_answer(self, case, secret, allow, error):
    with self.assertRaises(error):
        hotcable.answer_subscribe(case["authorization"], case["body"], allow, secret=secret)


def is_refused(self, case):
    call = hotcable.sign_stream if case["call"] == "sign_stream" else hotcable.issue_token
    with environment(case["env"]), self.assertRaises(ValueError) as raised:
        call("board/1" if case["call"] == "sign_stream" else {}, secret=case.get("secret"))
    for name in case["names"]:
        self.assertRegex(str(raised.exception), rf"\b{name}\b")


subscribes = vectors("subscribes.json")
for case in subscribes["questions"]:
    check(f"asked: {case['id']}", is_answer, case, case.get("secret", subscribes["secret"]))
for wrong, error in ((lambda *_: 1 / 0, ZeroDivisionError), (lambda *_: None, TypeError)):
    check(f"asked: no answer after {error.__name__}", is_no_answer, subscribes["questions"][0], subscribes["secret"], wrong, error)
for case in vectors("settings.json")["produce"]:
    check(f"settings: {case['id']}", is_setting, case)
for case in vectors("settings.json")["refuse"]:
    check(f"settings: {case['id']}", is_refused, case)


def is_late(self, url, answer):
    Cable.answer = answer
    start = time.monotonic()
    self.assertEqual(hotcable.position("board/1", url=url), "-")
    self.assertLess(time.monotonic() - start, 4)

    with self.assertRaises(hotcable.BroadcastFailed):
        hotcable.broadcast("board/1", "x" * 100_000, url=url, timeout=0.3)
    self.assertLess(time.monotonic() - start, 8)


def is_broken_key(self):
    Cable.asked.clear()
    with self.assertRaises(hotcable.BroadcastFailed) as raised:
        hotcable.broadcast("x", "y", url=CABLE, key="s3cret\nX-Injected: 1")
    self.assertNotIn("s3cret", str(raised.exception))
    self.assertEqual(Cable.asked, [])


def is_url_of_the_environment(self):
    Cable.answer = (201, "")
    with environment({"ANYCABLE_HTTP_BROADCAST_URL": CABLE + "/mine"}):
        hotcable.broadcast("x", "y")
    self.assertEqual(Cable.asked.pop()[1], "/_broadcast/mine")


def is_wrong(self, stream="x", html="y", **options):
    Cable.asked.clear()
    with self.assertRaises(hotcable.BroadcastFailed):
        hotcable.broadcast(stream, html, **{"url": CABLE, **options})
    self.assertEqual(Cable.asked, [])


WRONG = (("html", None), ("html", 5), ("html", b"<b>"), ("stream", {1}), ("url", 5), ("url", "http://["),
         ("url", "http://127.0.0.1:99999/"), ("url", "http://a b/"), ("url", "\0"), ("key", b"s3cret"),
         ("timeout", "soon"))
for name, value in WRONG:
    check(f"requests: {name} is {value!r}", lambda self, wrong: is_wrong(self, **wrong), {name: value})
check("requests: a cable that is down", is_late, REFUSING, None)
check("requests: a cable that never answers", is_late, CABLE, ("silent", ""))
check("requests: a cable that drips bytes", is_late, DRIPPING, None)
check("requests: a host that does not exist", is_late, "http://cable.invalid/_broadcast", None)
check("requests: an invalid URL", is_late, "cable:8080", None)
check("requests: a key with a line break", is_broken_key)
check("requests: the URL of the environment", is_url_of_the_environment)

if __name__ == "__main__":
    result = unittest.TextTestRunner(verbosity=0).run(unittest.defaultTestLoader.loadTestsFromTestCase(Check))
    failed = len(result.failures) + len(result.errors)
    sys.stderr.flush()
    print(f"{result.testsRun - failed} passed, {failed} failed", flush=True)
    sys.exit(1 if failed else 0)
