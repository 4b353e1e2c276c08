"""
A page that is live: a note that one visitor adds appears on the open pages of all others. It runs under `npm start`.

Any WSGI server can run `application`. README.md says why the steps are in this order.
"""
import contextlib
import os
import re
import secrets
import sqlite3
import sys
from html import escape
from socketserver import ThreadingMixIn
from urllib.parse import parse_qs
from wsgiref.simple_server import WSGIRequestHandler, WSGIServer

import hotcable

STYLE = """:root { color-scheme: light dark; font: 1rem/1.5 system-ui }
body { max-width: 40rem; margin: 2rem auto; padding: 0 1rem }
header { display: flex; gap: 1rem; align-items: center }
h1 { margin: 0 }
form { display: flex; flex-wrap: wrap; gap: .5rem }
label { flex: 1; display: flex; gap: .5rem; align-items: center }
input { flex: 1; min-width: 8rem }
input, button { font: inherit; padding: .4rem .8rem; border: 1px solid GrayText; border-radius: .4rem }
hotcable-status { padding: .1rem .6rem; border: 1px solid GrayText; border-radius: 1rem; font-size: .85rem }
li { margin: .25rem 0; overflow-wrap: anywhere }"""
DATABASE = os.environ.get("DATABASE_FILE") or "data/app.sqlite3"


def show(request):
    known = re.search("(?:^|; )visitor=([0-9a-f]{16})(?:;|$)", request.get("HTTP_COOKIE", ""))
    visitor = known[1] if known else secrets.token_hex(8)
    position = hotcable.position("notes")                                             # 1. the position
    with database() as db:
        notes = db.execute("SELECT id, body FROM notes ORDER BY id").fetchall()       # 2. the query
    cookie = f"visitor={visitor}; Path=/; HttpOnly; SameSite=Lax; Max-Age=31536000"
    headers = [("Content-Type", "text/html; charset=utf-8"), ("Cache-Control", "no-store"), ("Set-Cookie", cookie)]
    return "200 OK", headers, page(notes, position, visitor)                          # 3. the page


def add(request):
    if request.get("HTTP_SEC_FETCH_SITE") == "cross-site":
        return "403 Forbidden", [], "A form of another site changes nothing here.\n"
    stated = request.get("CONTENT_LENGTH", "")
    length = int(stated) if re.fullmatch("[0-9]{1,9}", stated) else 0
    try:
        form = request["wsgi.input"].read(min(length, 64 * 1024))
    except OSError:  # the client sent nothing for a while
        form = b""
    if len(form) < length:
        return "400 Bad Request", [], "A form has at most 64 KiB, and arrives whole.\n"
    body = parse_qs(form.decode("utf-8", "replace")).get("body", [""])[0].strip()
    if not 1 <= len(body) <= 500:
        return "422 Unprocessable Entity", [], "A note has 1 to 500 characters.\n"
    with database() as db:
        added = db.execute("INSERT INTO notes (body) VALUES (?) RETURNING id, body", (body,)).fetchone()
        db.commit()                                                                   # 1. the commit
    try:
        hotcable.broadcast("notes", hotcable.turbo_stream("append", "notes", note(added)))  # 2. the broadcast
    except hotcable.BroadcastFailed as error:  # the note is saved: log it, and go on
        print(f"app: {error}", file=sys.stderr)
    return "303 See Other", [("Location", "/")], ""


def note(row):
    """The one partial of a note: the page has it, and the broadcast."""
    return f'<li id="note_{row[0]}">{escape(row[1])}</li>'


def page(notes, position, visitor):
    return f"""<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>Notes</title>
<link rel="icon" href="data:,">
<style>
{STYLE}
</style>
{hotcable.meta_tags({"visitor": visitor})}
{hotcable.script_tag()}
</head>
<body>
<main>
<header><h1>Notes</h1> <hotcable-status role="status"></hotcable-status></header>
<p>Open this page in two windows: a note that you add in one appears in both.</p>
{hotcable.stream_from("notes", position)}
<form action="/notes" method="post"><label>Note <input name="body" required pattern=".*[^ ].*" title="1 to 500 characters" maxlength="500" autocomplete="off"></label> <button>Add</button></form>
<ul id="notes">{"".join(map(note, notes))}</ul>
</main>
</body>
</html>
"""


@contextlib.contextmanager
def database():
    os.makedirs(os.path.dirname(DATABASE) or ".", exist_ok=True)
    with contextlib.closing(sqlite3.connect(DATABASE)) as db:
        db.execute("CREATE TABLE IF NOT EXISTS notes (id INTEGER PRIMARY KEY, body TEXT NOT NULL)")
        yield db


ROUTES = {
    ("GET", "/"): show,
    ("POST", "/notes"): add,
    ("GET", "/health"): lambda request: ("200 OK", [], "ok"),
}


def application(request, start_response):
    handler = ROUTES.get((request["REQUEST_METHOD"], request.get("PATH_INFO") or "/"))
    status, headers, body = handler(request) if handler else ("404 Not Found", [], "There is no such page.\n")
    content = body.encode()
    plain = [] if any(name == "Content-Type" for name, _ in headers) else [("Content-Type", "text/plain; charset=utf-8")]
    start_response(status, [*headers, *plain, ("Content-Length", str(len(content)))])
    return [content]


class Server(ThreadingMixIn, WSGIServer):
    daemon_threads = True


class Handler(WSGIRequestHandler):
    timeout = 10
    log_message = lambda *_: None  # errors are printed; requests are not


if __name__ == "__main__":
    hotcable.meta_tags({})  # says now that ANYCABLE_SECRET is missing, and not on the first page
    server = Server((os.environ.get("HOST") or "127.0.0.1", int(os.environ.get("PORT") or 3000)), Handler)
    server.set_app(application)
    server.serve_forever()
