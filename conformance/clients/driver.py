"""Reads requests of the conformance suite, one JSON object a line, and answers each with what a function returns."""
import json
import sys


def serve(**operations):
    for line in sys.stdin:
        request = json.loads(line)
        operation = operations.get(request["op"])
        if operation is None or request["provider"] != "meta":
            answer = {"offered": False}
        else:
            try:
                answer = {"ok": True, **(operation(request) or {})}
            except Exception as error:  # Whatever a client raises is its way to say no.
                answer = {"ok": False, "error": f"{type(error).__name__}: {error}"[:300]}
        print(json.dumps(answer), flush=True)
