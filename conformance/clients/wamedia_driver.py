"""The program `wamedia`, a command a request, with the account in its environment and short limits."""
import base64
import json
import os
import subprocess

from driver import serve

LIMITS = ["--connect-timeout", "2", "--first-byte-timeout", "1", "--idle-timeout", "1", "--max-wait", "5", "--deadline", "12"]


def run(request, command, *arguments, stdin=b""):
    ca = ["--ca-file", request["ca_file"]] if command in ("get", "put", "rm") else []
    words = ["wamedia", command, *arguments, *ca, *(LIMITS if ca else []), "--json", "--quiet"]
    account = {f"WAMEDIA_META_{name.upper()}": value for name, value in request["credentials"].items()}
    done = subprocess.run(words, input=stdin, capture_output=True, env=os.environ | account)
    lines = [json.loads(line) for line in done.stdout.splitlines()]
    if done.returncode != 0:
        raise RuntimeError(done.stderr.decode().strip() or lines)
    return lines


def fetch(request):
    declared = ["--sha256", request["sha256"], "--size", str(request["size_bytes"])]
    run(request, "get", f"meta:{request['id']}", "-o", request["out"], *declared, "--min-rate", "1000")


def upload(request):
    line = run(request, "put", request["file"], "--provider", "meta", "--type", request["mime"])[0]
    return {"id": line["id"]}


def delete(request):
    run(request, "rm", f"meta:{request['id']}")


def inbound(request):
    headers = [word for name, value in request["headers"].items() for word in ("--header", f"{name}: {value}")]
    body = base64.b64decode(request["body_base64"])
    return run(request, "inbound", "--provider", "meta", "--require-signature", *headers, stdin=body)


def parse(request):
    media = [line for line in inbound(request) if line["item"] == "media"]
    item = lambda line: {"id": line["ref"].removeprefix("meta:"), "sha256": line["sha256"], "mime": line["mime"]}
    return {"items": [item(line) | {"kind": line["kind"]} for line in media]}


def verify(request):
    inbound(request)
    return {"valid": True}


serve(fetch=fetch, upload=upload, delete=delete, parse=parse, verify=verify)
