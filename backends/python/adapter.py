"""Answers questions about hotcable.py, a JSON line each: npm run check:backend -- python3 backends/python/adapter.py"""
import json
import sys

import hotcable

NAMES = ("sign_stream", "issue_token", "stream_from", "source_tag", "script_tag", "turbo_stream", "wants_turbo_stream",
         "broadcast_key", "position", "publication", "broadcast", "publish", "disconnect",
         "answer_subscribe")
MANY = {"position": "streams", "publish": "publications"}

for line in sys.stdin.buffer:
    question = json.loads(line)
    try:
        seen = []
        if "allow" in question:
            allowed = question["allow"]
            question["allow"] = lambda *given: seen.append(list(given)) or allowed
        name = NAMES[NAMES.index(question.pop("do"))]
        result = getattr(hotcable, name)(*question.pop(MANY.get(name), ()), **question)
        if name == "wants_turbo_stream":
            result = hotcable.TURBO_STREAM if result else ""
        if name == "answer_subscribe":
            given = [json.dumps(each, ensure_ascii=False, separators=(",", ":")) for each in seen]
            result = " ".join([str(result[0]), result[1], *given])
        answer = {"result": result}
    except Exception as error:
        answer = {"error": str(error)}
    print(json.dumps(answer), flush=True)
