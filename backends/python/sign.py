"""Signs on demand, for e2e/languages.test.ts: a JSON line with a question in, a JSON line with the result out."""
import json
import sys

import hotcable

ANSWERS = {
    "sign_stream": lambda stream, secret: hotcable.sign_stream(stream, secret=secret),
    "issue_token": lambda identity, secret, ttl: hotcable.issue_token(identity, secret=secret, ttl=ttl),
    "stream_from": lambda stream, position, secret: hotcable.stream_from(stream, position, secret=secret),
    "turbo_stream": lambda action, target, html, attributes: hotcable.turbo_stream(action, target, html, attributes),
}

for line in sys.stdin.buffer:
    question = json.loads(line)
    try:
        answer = {"result": ANSWERS[question.pop("do")](**question)}
    except Exception as error:
        answer = {"error": repr(error)}
    print(json.dumps(answer), flush=True)
