//! Signed deliveries in each vendor's shape.

use std::fmt::Write as _;
use std::io;
use std::net::SocketAddr;

use bytes::Bytes;
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

use crate::digest;
use crate::faults::{Fault, FaultSelector};
use crate::media::Media;
use crate::nxcloud::Signed;
use crate::state::{Provider, State};
use crate::{twilio, whapi};

/// A delivery as it goes over the wire.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct WebhookDelivery {
    /// Headers, the signature among them.
    pub headers: Vec<(String, String)>,
    /// The exact bytes that are signed.
    pub body: Bytes,
    /// The header that proves where it comes from, where the vendor has one.
    pub signature_header: Option<String>,
}

/// What to do to the proof of a delivery.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Signature {
    /// As the vendor signs.
    Right,
    /// One character is another.
    Wrong,
    /// Left out.
    Missing,
}

impl WebhookDelivery {
    /// The same with this signature.
    #[must_use]
    pub fn with_signature(mut self, signature: Signature) -> Self {
        let name = self.signature_header.clone().unwrap_or_default();
        match signature {
            Signature::Right => {}
            Signature::Missing => self.headers.retain(|(header, _)| *header != name),
            Signature::Wrong => {
                for (_, value) in self.headers.iter_mut().filter(|(header, _)| *header == name) {
                    let Some(place) = value.rfind(|c: char| c.is_ascii_alphanumeric()) else { continue };
                    let other = if value[place..].starts_with('0') { "1" } else { "0" };
                    value.replace_range(place..=place, other);
                }
            }
        }
        self
    }
}

pub(crate) async fn delivery(
    state: &State,
    provider: &str,
    id: &str,
    enveloped: bool,
) -> io::Result<WebhookDelivery> {
    let not_found = || io::Error::new(io::ErrorKind::NotFound, "no such provider or media");
    let provider = Provider::named(provider).ok_or_else(not_found)?;
    let id = if provider == Provider::Twilio { &*twilio::name(id) } else { id };
    let media = state.find(provider, id).await.ok_or_else(not_found)?;
    let number = state.store(provider).next();
    let content_type = match provider {
        Provider::Twilio => "application/x-www-form-urlencoded; charset=UTF-8",
        _ => "application/json",
    };
    let mut headers = vec![("Content-Type".to_owned(), content_type.to_owned())];
    let c = &state.credentials;
    let body = match provider {
        Provider::Meta => {
            let body = escape_like_meta(&meta_shape(state, &media, number).to_string());
            let sign = digest::hex(&digest::hmac_sha256(c.meta_app_secret.as_bytes(), body.as_bytes()));
            headers.push(("X-Hub-Signature-256".to_owned(), format!("sha256={sign}")));
            body
        }
        Provider::Dialog360 => meta_shape(state, &media, number).to_string(),
        Provider::Twilio => {
            let (body, signature) = twilio::form(state, &media);
            headers.push(("X-Twilio-Signature".to_owned(), signature));
            body
        }
        Provider::Chakra => {
            let value = meta_shape(state, &media, number);
            let body = if enveloped { envelope(state, &value) } else { value }.to_string();
            let sign = digest::hex(&digest::hmac_sha256(c.chakra_webhook_secret.as_bytes(), body.as_bytes()));
            headers.push(("X-Chakra-Signature-256".to_owned(), sign));
            body
        }
        Provider::Whapi => {
            if let Some((name, value)) = c.whapi_webhook_header.split_once(':') {
                headers.push((name.trim().to_owned(), value.trim().to_owned()));
            }
            whapi_shape(state, &media, number).to_string()
        }
        Provider::Nxcloud => {
            let body = nxcloud_shape(state, &media, number).to_string();
            let ts = state.now_ms().to_string();
            let (key, secret) = (&c.nxcloud_access_key, &c.nxcloud_access_secret);
            let signed =
                Signed { key, action: "mo", biz_type: "2", ts: &ts, body: Some(body.as_bytes()), secret };
            let sign = signed.sign(true);
            for (name, value) in
                [("accesskey", key.as_str()), ("action", "mo"), ("biztype", "2"), ("ts", &ts)]
            {
                headers.push((name.to_owned(), value.to_owned()));
            }
            headers.push(("algorithm".to_owned(), "sha256".to_owned()));
            headers.push(("sign".to_owned(), sign));
            body
        }
    };
    let signature_header = signature_header(state, provider).map(ToOwned::to_owned);
    Ok(WebhookDelivery { headers, body: Bytes::from(body), signature_header })
}

/// The header that proves where a delivery comes from.
fn signature_header(state: &State, provider: Provider) -> Option<&str> {
    match provider {
        Provider::Meta => Some("X-Hub-Signature-256"),
        Provider::Chakra => Some("X-Chakra-Signature-256"),
        Provider::Whapi => state.credentials.whapi_webhook_header.split(':').next().map(str::trim),
        Provider::Nxcloud => Some("sign"),
        Provider::Twilio => Some("X-Twilio-Signature"),
        Provider::Dialog360 => None,
    }
}

/// The digest and size that a delivery declares, after the fault.
struct ContentMetadata {
    sha256: Option<Vec<u8>>,
    size: u64,
}

fn declared(media: &Media) -> ContentMetadata {
    let fault = FaultSelector::from_id(&media.id).map(|selector| selector.fault);
    let sha256 = match fault {
        Some(Fault::NoDigest) => None,
        Some(Fault::BadDigestText) => Some(media.sha256[..31].to_vec()),
        _ => Some(media.sha256.to_vec()),
    };
    let size = media.content.len() + if fault == Some(Fault::LieLength) { 7 } else { 0 };
    ContentMetadata { sha256, size }
}

fn meta_shape(state: &State, media: &Media, number: u64) -> Value {
    let mut object = json!({"id": media.id, "mime_type": media.mime});
    if let Some(sha256) = declared(media).sha256 {
        object["sha256"] = digest::base64(&sha256).into();
    }
    // Meta has one type for audio and marks voice messages with a flag.
    let kind = if media.kind() == "voice" { "audio" } else { media.kind() };
    match media.kind() {
        "voice" => object["voice"] = true.into(),
        "audio" => object["voice"] = false.into(),
        "sticker" => object["animated"] = false.into(),
        "document" => object["filename"] = media.name.as_str().into(),
        _ => object["caption"] = "Caf\u{e9} / sandbox".into(),
    }
    let mut message = json!({
        "from": "15557770102",
        "from_user_id": "US.13490000000000000001",
        "id": format!("wamid.TEST{number:020}"),
        "timestamp": state.now_s().to_string(),
        "type": kind,
    });
    message[kind] = object;
    json!({"object": "whatsapp_business_account", "entry": [{"id": "215589313241560", "changes": [{
        "field": "messages",
        "value": {
            "messaging_product": "whatsapp",
            "metadata": {"display_phone_number": "15557010001",
                "phone_number_id": state.credentials.phone_number_id},
            "contacts": [{"profile": {"name": "Zo\u{eb}"}, "wa_id": "15557770102",
                "user_id": "US.13490000000000000001"}],
            "messages": [message],
        },
    }]}]})
}

/// `ChakraHQ`'s own envelope around Meta's message.
fn envelope(state: &State, value: &Value) -> Value {
    let value = &value["entry"][0]["changes"][0]["value"];
    let message = &value["messages"][0];
    json!({"event": "message", "payload": {
        "wabaId": "215589313241560",
        "externalId": message["id"],
        "messageId": message["id"],
        "timestamp": state.now_ms(),
        "message": message,
        "contacts": value["contacts"],
    }})
}

/// Escapes what Meta escapes: `/` and everything that is not ASCII.
fn escape_like_meta(json: &str) -> String {
    let mut text = String::with_capacity(json.len() + 64);
    for character in json.chars() {
        match character {
            '/' => text.push_str("\\/"),
            ' '..='~' => text.push(character),
            _ => {
                let mut units = [0; 2];
                for unit in character.encode_utf16(&mut units) {
                    let _ = write!(text, "\\u{unit:04x}");
                }
            }
        }
    }
    text
}

fn whapi_shape(state: &State, media: &Media, number: u64) -> Value {
    let declared = declared(media);
    let mut object = json!({
        "id": media.id,
        "mime_type": media.mime,
        "file_size": declared.size,
        "link": whapi::link(state, media),
    });
    if let Some(sha256) = declared.sha256 {
        object["sha256"] = digest::base64(&sha256).into();
    }
    let kind = media.kind();
    match kind {
        "document" => {
            object["file_name"] = media.name.as_str().into();
            object["filename"] = media.name.as_str().into();
        }
        "voice" | "audio" => object["seconds"] = 2.into(),
        _ => {}
    }
    let mut message = json!({
        "id": format!("TEST{number:018}-gHoDntuymw"),
        "from_me": false,
        "type": kind,
        "chat_id": "15550100123@s.whatsapp.net",
        "timestamp": state.now_s(),
        "source": "mobile",
        "from": "15550100123",
        "from_name": "Ada",
    });
    message[kind] = object;
    json!({"messages": [message], "event": {"type": "messages", "event": "post"},
        "channel_id": "MANTIS-M72HC"})
}

fn nxcloud_shape(state: &State, media: &Media, number: u64) -> Value {
    let mut object = json!({"id": media.id, "mime_type": media.mime});
    if let Some(sha256) = declared(media).sha256 {
        object["sha256"] = digest::hex(&sha256).into();
    }
    let kind = media.kind();
    if kind == "document" {
        object["filename"] = media.name.as_str().into();
        object["caption"] = media.name.as_str().into();
    }
    let id = format!("ABGHTEST{number:020}");
    let mut message = json!({
        "from": "8617600000819",
        "id": id,
        "timestamp": state.now_s().to_string(),
        "type": kind,
        "cost": {"currency": "USD", "price": 0, "foreign_price": 0, "cdr_type": 4,
            "message_id": id, "direction": 1},
    });
    message[kind] = object;
    json!({
        "contacts": [{"profile": {"name": "Jay"}, "wa_id": "8617600000819"}],
        "messages": [message],
        "merchant_phone": state.credentials.nxcloud_business_phone,
        "business_phone": state.credentials.nxcloud_business_phone,
        "messaging_product": "whatsapp",
    })
}

/// Posts a delivery over plain http to a loopback address and returns the status.
///
/// # Errors
///
/// [`io::ErrorKind::InvalidInput`] for any other URL, and what the network says.
pub async fn post_webhook(url: &str, delivery: &WebhookDelivery) -> io::Result<u16> {
    let refused = |why: &str| io::Error::new(io::ErrorKind::InvalidInput, why.to_owned());
    let rest = url.strip_prefix("http://").ok_or_else(|| refused("webhooks go over plain http only"))?;
    let (authority, path) = rest.split_at(rest.find('/').unwrap_or(rest.len()));
    let path = if path.is_empty() { "/" } else { path };
    let authority = if authority.contains(':') { authority.to_owned() } else { format!("{authority}:80") };
    let address: SocketAddr = authority
        .replacen("localhost:", "127.0.0.1:", 1)
        .parse()
        .map_err(|_| refused("webhooks go to a loopback address"))?;
    if !address.ip().is_loopback() || url.contains(['\r', '\n', ' ']) {
        return Err(refused("webhooks go to a loopback address"));
    }
    let mut head = format!(
        "POST {path} HTTP/1.1\r\nHost: {authority}\r\nUser-Agent: wamedia-sandbox\r\nContent-Length: {}\r\n\
         Connection: close\r\n",
        delivery.body.len()
    );
    for (name, value) in &delivery.headers {
        let _ = write!(head, "{name}: {value}\r\n");
    }
    head.push_str("\r\n");
    let mut stream = TcpStream::connect(address).await?;
    stream.write_all(head.as_bytes()).await?;
    stream.write_all(&delivery.body).await?;
    let mut reply = Vec::new();
    while !reply.contains(&b'\n') && reply.len() < 4096 {
        if stream.read_buf(&mut reply).await? == 0 {
            break;
        }
    }
    let line = String::from_utf8_lossy(&reply).into_owned();
    let status = line.split(' ').nth(1).and_then(|word| word.get(..3)?.parse().ok());
    status.ok_or_else(|| io::Error::new(io::ErrorKind::InvalidData, "the reply is not HTTP"))
}
