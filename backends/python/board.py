"""
The Board in Python: a WSGI application that renders HTML and broadcasts each change. It holds no sockets.

    ANYCABLE_SECRET=… python3 backends/python/board.py      http://127.0.0.1:3001

The order is that of board.php and board.rb: routes, broadcasts, the page, the store, the request, the server.
Any WSGI server runs `application`; the one below needs nothing but Python ≥ 3.9. The contract: backends/README.md.
"""
import contextlib
import http
import json
import os
import platform
import re
import secrets
import signal
import sqlite3
import sys
import threading
import traceback
from html import escape
from socketserver import ThreadingMixIn
from urllib.parse import parse_qsl
from wsgiref.simple_server import WSGIRequestHandler, WSGIServer

import hotcable

try:
    with open(os.path.join(os.path.dirname(os.path.abspath(__file__)), "../languages.json"), encoding="utf-8") as file:
        NAMES = {name: row["title"] for name, row in json.load(file).items() if "board" in row}
except FileNotFoundError:  # copied alone
    NAMES = {"python": "Python"}
DATABASE = os.environ.get("HOTCABLE_DB") or "data/board.sqlite3"
# With HOTCABLE_OUTBOX the cable reads broadcasts from this database; else the Board POSTs them.
OUTBOX = bool(os.environ.get("HOTCABLE_OUTBOX"))
# Unicode's White_Space, and U+FEFF: languages define a space differently.
BLANK = "\t\n\v\f\r \x85\xa0\u1680\u2000\u2001\u2002\u2003\u2004\u2005\u2006\u2007\u2008\u2009\u200a\u2028\u2029\u202f\u205f\u3000\ufeff"
HTML, TEXT = ("Content-Type", "text/html; charset=utf-8"), ("Content-Type", "text/plain; charset=utf-8")


def show(request):
    # The position first, then the data: a card written in between is on the page and replayed, which shows it once.
    # In the other order it would be in neither, and the page would stay wrong.
    position = hotcable.position("board/1")
    with database() as db:
        cards = db.execute("SELECT * FROM cards ORDER BY id").fetchall()
    # Only the first value that this server may have written counts; it reads nothing else in these headers.
    query, cookies = request.get("QUERY_STRING", ""), request.get("HTTP_COOKIE", "")
    known = re.search("(?:^|;) *visitor=([0-9a-f]{16}) *(?:;|$)", cookies)
    asked = re.search("(?:^|&)client=(anycable|rails)(?:&|$)", query)
    chosen = asked or re.search("(?:^|;) *client=(anycable|rails) *(?:;|$)", cookies)
    visitor, client = known[1] if known else secrets.token_hex(8), chosen[1] if chosen else "anycable"
    kept = ([] if known else [f"visitor={visitor}"]) + ([f"client={client}"] if asked else [])
    headers = [("Set-Cookie", f"{pair}; Path=/; HttpOnly; SameSite=Lax; Max-Age=31536000") for pair in kept]
    return 200, [HTML, ("Cache-Control", "no-store"), *headers], page(request, cards, position, visitor, client)


# Route: method, and handler, which makes a change, broadcasts each changed row, and answers Turbo with the same.
ROUTES = {
    "/": ("GET", show),
    "/cards": ("POST", lambda request: announce(request, card_added, change(
        "INSERT INTO cards (body, author, backend) VALUES (?, ?, 'python') RETURNING *", *read_form(request)))),
    "/cards/([0-9]+)/vote": ("POST", lambda request, card_id: announce(request, card_voted, change(
        "UPDATE cards SET votes = votes + 1 WHERE id = ? RETURNING *", card_id))),
    "/cards/([0-9]+)/delete": ("POST", lambda request, card_id: announce(request, card_deleted, change(
        "DELETE FROM cards WHERE id = ? RETURNING *", card_id))),
    "/clear": ("POST", lambda request: announce(request, board_cleared, lambda db: [db.execute("DELETE FROM cards")])),  # all: once
    "/health": ("GET", lambda request: (200, [TEXT], "ok")),
}

# One line per kind of change; no other place names a target.
def card_added(c): return hotcable.turbo_stream("append", "cards", card(c))
def card_voted(c): return hotcable.turbo_stream("replace", f"card_{c['id']}", card(c), {"method": "morph"})
def card_deleted(c): return hotcable.turbo_stream("remove", f"card_{c['id']}")
def board_cleared(_): return hotcable.turbo_stream("refresh")


def page(request, cards, position, visitor, client):
    assets = escape(os.environ.get("HOTCABLE_ASSETS") or "/assets")
    script = "rails" if client == "rails" else "hotcable"
    items, count = "\n".join(map(card, cards)), "1 card" if len(cards) == 1 else f"{len(cards)} cards"
    return f"""<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>Board · Python</title>
<link rel="icon" href="{assets}/icon.svg" type="image/svg+xml">
<link rel="stylesheet" href="{assets}/board.css">
<meta name="turbo-refresh-method" content="morph">
<meta name="turbo-refresh-scroll" content="preserve">
{hotcable.meta_tags({"visitor": visitor}, url=cable_url(request))}
<script type="module" src="{assets}/{script}.js" data-turbo-track="reload"></script>
<script type="module" src="{assets}/board.js" data-turbo-track="reload"></script>
</head>
<body data-backend="python">
<header>
<h1><a href="/">Hotcable</a></h1>
<hotcable-status id="cable-status" role="status" data-turbo-permanent><span>offline</span></hotcable-status>
<nav class="demo" aria-label="Demo">
<a href="/" aria-current="true">Board</a>
<a href="/people">People</a>
<a href="/answer">Answer</a>
<a href="/compare">Compare</a>
</nav>
<p class="rendered">Rendered by <span class="badge" data-backend="python">Python</span> <small>{platform.python_version()}</small></p>
<nav class="languages" aria-label="The same Board in other languages">
{links()}
</nav>
</header>
<main>
{hotcable.stream_from("board/1", position)}
<form class="add" action="cards" method="post">
<label for="card-body">Card</label>
<input id="card-body" name="body" dir="auto" required maxlength="500" autocomplete="off" placeholder="What should everyone see?" data-turbo-permanent>
<label for="card-author">Name</label>
<input id="card-author" name="author" dir="auto" maxlength="40" autocomplete="nickname" placeholder="Your name" data-turbo-permanent>
<button>Add</button>
</form>
<p id="board-note" role="status" data-turbo-permanent></p>
<ol id="cards">
{items}
</ol>
<p id="board-news" role="status" data-turbo-permanent></p>
<p class="empty">No cards yet. <a href="" target="_blank">Open this page in a second window</a>, then write a card above: both show it at once.</p>
<footer>
<p><span id="card-count">{count}</span> on the board</p>
<details class="clear"><summary>Clear the board</summary><form action="clear" method="post"><button>Delete all cards</button></form></details>
</footer>
</main>
</body>
</html>
"""


def links():
    paths = {name: "/" if name == "typescript" else f"/{name}/" for name in NAMES}
    current = {"python": ' aria-current="page"'}
    return "\n".join(f'<a href="{paths[name]}" data-backend="{name}"{current.get(name, "")}>{title}</a>' for name, title in NAMES.items())


def card(c):
    """The one partial for a card: the page renders it, and so does every stream."""
    i, votes, at, backend = c["id"], c["votes"], escape(c["created_at"]), escape(c["backend"])
    return f"""<li id="card_{i}" class="card" data-backend="{backend}"><p class="body" dir="auto">{escape(c["body"])}</p>\
<p class="by"><span class="author" dir="auto">{escape(c["author"])}</span> <span class="badge" data-backend="{backend}">\
{NAMES.get(backend, backend)}</span> <time datetime="{at}">{at[:10]} {at[11:16]} UTC</time></p><form action="cards/{i}/vote" \
method="post"><button class="vote" aria-label="Vote, {votes} so far">▲ <b class="votes">{votes}</b></button></form><details \
class="delete"><summary aria-label="Delete this card">✕</summary><form action="cards/{i}/delete" method="post"><button>Delete</button></form></details></li>"""


@contextlib.contextmanager
def database():
    with contextlib.suppress(OSError):  # opening the database reports the problem
        os.makedirs(os.path.dirname(DATABASE) or ".", exist_ok=True)
    with contextlib.closing(sqlite3.connect(DATABASE, timeout=5, isolation_level=None)) as db:
        db.row_factory = sqlite3.Row
        with contextlib.suppress(sqlite3.OperationalError):  # busy: another language is switching it just now
            db.execute("PRAGMA journal_mode=WAL")
        db.execute("""CREATE TABLE IF NOT EXISTS cards (
          id INTEGER PRIMARY KEY AUTOINCREMENT, body TEXT NOT NULL, author TEXT NOT NULL, backend TEXT NOT NULL,
          votes INTEGER NOT NULL DEFAULT 0, created_at TEXT NOT NULL DEFAULT (strftime('%Y-%m-%dT%H:%M:%SZ', 'now')))""")
        yield db


def change(statement, *values):
    """What one statement does; the rows it changes. An id stays text: SQLite compares it as a number of any size."""
    return lambda db: db.execute(statement, values).fetchall()


def announce(request, happened, change):
    """Broadcasts the change of each row, but not to the page that made it: that page gets the same as its answer."""
    exclude = request.get("HTTP_X_SOCKET_ID")
    with database() as db:
        db.execute("BEGIN IMMEDIATE")  # after a plain BEGIN, SQLite does not wait for another writer
        streams = [happened(row) for row in change(db)]
        # In the transaction of its change a broadcast is not lost, and arrives in the order of the commits.
        for stream in streams if OUTBOX else ():
            row = hotcable.publication("board/1", stream, exclude=exclude)
            db.execute("INSERT INTO hotcable_outbox (publication) VALUES (?)", (row,))
        db.execute("COMMIT")
    # Without an outbox: commit first, broadcast after. In the other order a page can lose a card: it asks for its
    # position after the broadcast, and reads its cards before the commit. A cable that is down fails no form: the card
    # is stored, and when the cable is back, it begins a new epoch, and the pages that missed something heal.
    for stream in () if OUTBOX else streams:
        try:
            hotcable.broadcast("board/1", stream, exclude=exclude, timeout=0.5, retries=2)
        except Exception as failed:
            log(f"not broadcast: {failed}")
    if streams and hotcable.wants_turbo_stream(request.get("HTTP_ACCEPT")):
        return 200, [("Content-Type", hotcable.TURBO_STREAM)], "".join(streams)
    return 303, [("Location", prefix(request) + "/")], ""


def is_locked(error): return "locked" in str(error)  # the code is there from Python 3.11 on


def log(line): print("board.py:", line, file=sys.stderr, flush=True)


class Refused(Exception):
    """Refused(status, reason, *headers): an answer, not an error."""


def application(request, start_response):
    try:
        status, headers, body = route(request)
    except Refused as refused:
        status, body, headers = refused.args[0], refused.args[1], [TEXT, *refused.args[2:]]
    except sqlite3.Error as error:
        status, headers, body = 503, [TEXT, ("Retry-After", "1")], "the database is locked: try again in a moment"
        if not is_locked(error):
            log(f"{DATABASE}: {error}")
            status, headers, body = 500, [TEXT], "the database cannot be used; the log says why"
    except Exception:
        traceback.print_exc()
        status, headers, body = 500, [TEXT], "something broke here; the log says what"
    content = body.encode("utf-8", "replace")
    start_response(f"{status} {http.HTTPStatus(status).phrase}", [*headers, ("Content-Length", str(len(content)))])
    return [] if request["REQUEST_METHOD"] == "HEAD" else [content]


def route(request):
    method, request["board.body"] = request["REQUEST_METHOD"].replace("HEAD", "GET"), read_body(request)
    for pattern, (verb, handler) in ROUTES.items():
        match = re.fullmatch(pattern, request.get("PATH_INFO") or "/")
        if match and method != verb:
            raise Refused(405, f"{verb} only", ("Allow", verb.replace("GET", "GET, HEAD")))
        if match and method == "POST":
            check_site(request)
        if match:
            return handler(request, *match.groups())
    raise Refused(404, "not found")


def check_site(request):
    """A form of another site is refused. Over plain HTTP, as on a phone in the same network, a browser sends only Origin."""
    site, origin = request.get("HTTP_SEC_FETCH_SITE"), request.get("HTTP_ORIGIN")
    if site == "cross-site":
        raise Refused(403, "another site may not change the board")
    if site in ("same-origin", "same-site", "none") or origin is None:
        return
    if origin == "null":
        raise Refused(403, "Origin: null hides which site this form is from")
    name_and_port = r"(\[[0-9a-f:.]+\]|[a-z0-9_.-]+?)\.?(?::([0-9]{1,5}))?"  # some proxies drop a dot at the end
    sent = re.fullmatch("https?://" + name_and_port, origin.lower())
    asked = re.fullmatch(name_and_port, asked_host(request).lower())
    if not sent or not asked or sent[1] != asked[1] or (sent[2] and asked[2] and sent[2] != asked[2]):
        raise Refused(403, "Origin is not the host that was asked: another site may not change the board, and a proxy has to pass Host")


def read_body(request):
    length = request.get("CONTENT_LENGTH") or "0"
    if not re.fullmatch("[0-9]{1,18}", length) or "HTTP_TRANSFER_ENCODING" in request:
        raise Refused(411, "a Content-Length is needed")
    try:
        body = request["wsgi.input"].read(min(int(length), 2**20))  # all of it: a client reads no answer while it sends
    except OSError:
        raise Refused(408, "the body did not arrive") from None
    if int(length) > 2**16:
        raise Refused(413, "64 KiB at most")
    if len(body) < int(length):
        raise Refused(400, "the body was cut off")
    return body


def read_form(request):
    """body and author, trimmed. A field that is missing is empty; of one that is repeated the first counts."""
    if request.get("CONTENT_TYPE", "").split(";")[0].strip().lower() != "application/x-www-form-urlencoded":
        raise Refused(415, "a form is application/x-www-form-urlencoded")
    try:
        pairs = parse_qsl(request["board.body"].decode(), keep_blank_values=True, errors="strict")
    except UnicodeDecodeError:
        raise Refused(422, "a form is UTF-8") from None
    form = dict(reversed(pairs))
    body, author = form.get("body", "").strip(BLANK), form.get("author", "").strip(BLANK)
    if not 1 <= len(body) <= 500 or len(author) > 40:
        raise Refused(422, "body: 1 to 500 characters; author: 40 at most")
    return body, author or "anonymous"


def prefix(request):
    given = request.get("HTTP_X_FORWARDED_PREFIX", "")
    return given if re.fullmatch("(/[A-Za-z0-9_-]+)*", given) else ""  # //evil.example would lead to another site


def asked_host(request):
    return (request.get("HTTP_X_FORWARDED_HOST") or request.get("HTTP_HOST", "")).split(",")[0].strip()


def cable_url(request):
    proto, port = (request.get(f"HTTP_X_FORWARDED_{name}", "").split(",")[0].strip() for name in ("PROTO", "PORT"))
    host = asked_host(request)
    # The port that a proxy left out of Host. 80 and 443 are defaults, or of a proxy behind the one that ends TLS.
    if re.fullmatch("[1-9][0-9]{0,4}", port) and int(port) < 65536 and port not in ("80", "443"):
        host = host if re.search(":[0-9]+$", host) else f"{host}:{port}"
    return os.environ.get("ANYCABLE_WEBSOCKET_URL") or f"{'wss' if proto == 'https' else 'ws'}://{host}/cable"


class Server(ThreadingMixIn, WSGIServer):
    request_queue_size = 128
    handle_error = lambda *_: None  # the application logs its own errors; other errors are clients that left


class Handler(WSGIRequestHandler):
    timeout = 5  # a client that stops sending does not keep its thread
    log_message = lambda *_: None

    def get_environ(self):
        self.path = self.requestline.split()[1]  # as sent: http.server turns //x into /x
        return super().get_environ()


if __name__ == "__main__":
    try:
        host, port = os.environ.get("HOST") or "127.0.0.1", os.environ.get("PORT") or "3001"
        if not re.fullmatch("[0-9]{1,5}", port) or int(port) > 65535:
            raise ValueError("PORT is from 0 to 65535")
        hotcable.meta_tags({}), hotcable.sign_stream("board/1")  # reports a missing secret now, not on the first page
        with database():
            pass
    except (ValueError, sqlite3.Error) as error:
        if not is_locked(error):
            log(f"{DATABASE}: {error}" if isinstance(error, sqlite3.Error) else error)
            sys.exit(78)  # EX_CONFIG: a restart would not help
    try:
        server = Server((host, int(port)), Handler)
    except OSError as error:
        sys.exit(f"board.py: {host}:{port}: {error}")
    server.set_app(application)
    for number in (signal.SIGTERM, signal.SIGINT):  # finishes open requests: a committed change is also broadcast
        signal.signal(number, lambda *_: threading.Thread(target=server.shutdown).start())
    with server:
        server.serve_forever(poll_interval=0.1)
