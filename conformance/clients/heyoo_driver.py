"""heyoo as its own documentation uses it; only the address of the API is changed."""
import base64
import json
import os

import heyoo
from driver import serve


def client(request):
    account = request["credentials"]
    wa = heyoo.WhatsApp(account["token"], phone_number_id=account["phone_number_id"])
    wa.base_url = wa.base_url.replace("https://graph.facebook.com", request["base_url"])
    return wa


def fetch(request):
    wa = client(request)
    url = wa.query_media_url(request["id"])
    if url is None:
        raise RuntimeError("no link")
    # It makes the extension from the type; the suite names its files .jpg.
    path = wa.download_media(url, "image/jpg", request["out"].removesuffix(".jpg"))
    if path is None:
        raise RuntimeError("not downloaded")


def upload(request):
    os.chdir(os.path.dirname(request["file"]))
    answer = client(request).upload_media(request["name"])
    if answer is None:
        raise RuntimeError("not uploaded")
    return {"id": answer["id"]}


def delete(request):
    if client(request).delete_media(request["id"]) is None:
        raise RuntimeError("not deleted")


def parse(request):
    wa, delivery = client(request), json.loads(base64.b64decode(request["body_base64"]))
    kind = wa.get_message_type(delivery)
    read = {"image": wa.get_image, "video": wa.get_video, "audio": wa.get_audio, "document": wa.get_document}.get(kind)
    media = read(delivery) if read else None
    return {"items": [{"id": media["id"], "sha256": media.get("sha256")}] if media else []}


serve(fetch=fetch, upload=upload, delete=delete, parse=parse)
