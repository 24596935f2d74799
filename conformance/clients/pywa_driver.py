"""pywa as its own documentation uses it; only the address of the API is changed."""
import base64
import json

import httpx
from driver import serve
from pywa import WhatsApp, utils
from pywa.types import Message


clients = {}


def client(request):
    account = request["credentials"]
    key = (request["base_url"], account["token"])
    if key not in clients:
        session = httpx.Client()
        wa = WhatsApp(account["phone_number_id"], account["token"], session=session)
        session.base_url = str(session.base_url).replace("https://graph.facebook.com", request["base_url"])
        clients[key] = wa
    return clients[key]


def fetch(request):
    wa = client(request)
    folder, _, name = request["out"].rpartition("/")
    wa.download_media(url=wa.get_media_url(request["id"]).url, path=folder, filename=name)


def upload(request):
    media = client(request).upload_media(request["file"], mime_type=request["mime"], filename=request["name"])
    return {"id": media.id}


def delete(request):
    if not client(request).delete_media(request["id"]):
        raise RuntimeError("not deleted")


def parse(request):
    wa, delivery = client(request), json.loads(base64.b64decode(request["body_base64"]))
    # It reads the first change of a delivery, and tells messages from other updates by this key.
    if "messages" not in delivery["entry"][0]["changes"][0]["value"]:
        return {"items": []}
    media = Message.from_update(client=wa, update=delivery).media
    return {"items": [{"id": media.id, "mime": media.mime_type, "sha256": media.sha256}] if media else []}


def verify(request):
    signature = {name.lower(): value for name, value in request["headers"].items()}.get("x-hub-signature-256")
    right = signature and utils.webhook_updates_validator(
        app_secret=request["credentials"]["app_secret"],
        request_body=base64.b64decode(request["body_base64"]),
        x_hub_signature=signature,
    )
    return {"valid": bool(right)}


serve(fetch=fetch, upload=upload, delete=delete, parse=parse, verify=verify)
