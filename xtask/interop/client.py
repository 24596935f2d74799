"""One Python client, unchanged: uploads a file and downloads it again. `client.py NAME FILE FOLDER`; it prints its version."""
import importlib.metadata
import os
import sys

name, file, folder = sys.argv[1:]
base_url, token = os.environ["WAMEDIA_META_BASE_URL"], os.environ["WAMEDIA_META_TOKEN"]
phone_number_id = os.environ["WAMEDIA_META_PHONE_NUMBER_ID"]


def pywa():
    import httpx
    from pywa import WhatsApp

    session = httpx.Client()
    wa = WhatsApp(phone_number_id, token, session=session)
    session.base_url = str(session.base_url).replace("https://graph.facebook.com", base_url)
    media = wa.upload_media(file, mime_type="image/jpeg", filename="photo.jpg")
    wa.download_media(url=wa.get_media_url(media.id).url, path=folder, filename="photo.jpg")


def heyoo():
    import heyoo

    wa = heyoo.WhatsApp(token, phone_number_id=phone_number_id)
    wa.base_url = wa.base_url.replace("https://graph.facebook.com", base_url)
    # It takes the name of a file in the current folder.
    os.chdir(os.path.dirname(file))
    media = wa.upload_media(os.path.basename(file))
    wa.download_media(wa.query_media_url(media["id"]), "image/jpg", os.path.join(folder, "photo"))


{"pywa": pywa, "heyoo": heyoo}[name]()
print(importlib.metadata.version(name))
