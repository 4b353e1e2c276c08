"""Answers questions about hotcable.py, a JSON line each: npm run check:backend -- python3 backends/python/adapter.py"""
import json
import sys

import hotcable

NAMES = ("sign_stream", "issue_token", "stream_from", "script_tag", "turbo_stream", "broadcast_key", "position",
         "broadcast")

for line in sys.stdin.buffer:
    question = json.loads(line)
    try:
        name = NAMES[NAMES.index(question.pop("do"))]
        answer = {"result": getattr(hotcable, name)(*question.pop("streams", ()), **question)}
    except Exception as error:
        answer = {"error": str(error)}
    print(json.dumps(answer), flush=True)
