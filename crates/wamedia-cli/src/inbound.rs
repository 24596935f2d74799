//! `wamedia inbound`

use serde::Serialize;
use wamedia::{
    Authenticity, Delivery, Error, ErrorKind, Inbound, InboundItem, MediaRef, ReceiveOptions, Webhooks,
};

use crate::args::{GetArgs, InboundArgs};
use crate::configuration::Providers;
use crate::exit::Failure;
use crate::reference::{Account, Reference, short};
use crate::settings::variable;
use crate::{input, output};

/// More than any provider sends; what a provider takes is checked by its parser.
const MAX_BODY_BYTES: u64 = 256 * 1024 * 1024;

/// An item, with what this program knows of it.
#[derive(Serialize)]
struct ItemJson<'a> {
    #[serde(flatten)]
    item: &'a InboundItem,
    #[serde(skip_serializing_if = "Option::is_none")]
    r#ref: Option<String>,
    authenticity: &'static str,
}

pub(crate) async fn run(args: InboundArgs) -> Result<(), Failure> {
    let providers = Providers::new(&args.common).await?;
    let account = providers.chosen()?;
    let webhooks = providers.webhooks(&account, args.max_bytes)?;
    let body = input::read(&args.file, MAX_BODY_BYTES).await?;
    let headers = headers(&args.header)?;
    let delivery = Delivery::new(&body).with_headers(&headers);
    // Whoever hands headers over wants them checked; without any, nothing can be.
    let (state, authenticity, inbound) = if headers.is_empty() {
        if args.require_signature {
            return Err(Failure::new(4, NO_HEADER)
                .with_hint("hand over the headers that came with it, --header 'Name: value'"));
        }
        ("not checked", "not_checked", webhooks.parse(&delivery).map_err(|error| in_file(&args.file, error))?)
    } else {
        ("signature verified", "verified", received(&account, &*webhooks, &delivery, &args.file, false)?)
    };
    if args.refs {
        return inbound.media().try_for_each(|item| output::line(&item.media.to_string()));
    }
    if args.common.json {
        return inbound.items.iter().try_for_each(|item| {
            let r#ref = match item {
                InboundItem::Media(item) => Some(short(&item.media)),
                _ => None,
            };
            output::json(&ItemJson { item, r#ref, authenticity })
        });
    }
    for item in &inbound.items {
        output::line(&for_people(item))?;
    }
    let others: usize = inbound.others().values().sum();
    output::line(&format!(
        "{} media, {} failed, {others} other; {state}",
        inbound.media().count(),
        inbound.failed().count()
    ))
}

/// The media of a delivery that is verified, or may be taken without that.
pub(crate) async fn media(
    args: &GetArgs,
    file: &str,
    providers: &Providers<'_>,
) -> Result<Vec<Reference>, Failure> {
    let account = providers.chosen()?;
    let webhooks = providers.webhooks(&account, None)?;
    let headers = headers(&args.header)?;
    if headers.is_empty() && !args.allow_unverified {
        return Err(Failure::new(4, NO_HEADER).with_hint(
            "hand over the headers that came with it, --header 'Name: value'; or take it as it is with --allow-unverified",
        ));
    }
    let body = input::read(file, MAX_BODY_BYTES).await?;
    let delivery = Delivery::new(&body).with_headers(&headers);
    let inbound = received(&account, &*webhooks, &delivery, file, args.allow_unverified)?;
    for failed in inbound.failed() {
        let why = failed.message.as_deref().unwrap_or("no reason given");
        output::warning_line(&format!("{account}: the media of one message cannot be had: {why}"));
    }
    let reference = |media: &MediaRef| Reference { media: media.clone(), account: account.clone() };
    Ok(inbound.media().map(|item| reference(&item.media)).collect())
}

const NO_HEADER: &str = "the delivery is not verified: no header was handed over";

/// What is wrong with a delivery, and in which file it is.
fn in_file(file: &str, error: Error) -> Failure {
    let is_unreadable = error.kind() == ErrorKind::Decode;
    let mut failure = Failure::from(error);
    failure.message = failure.message.map(|message| format!("{}: {message}", output::typed(file)));
    if is_unreadable {
        failure.with_hint("hand over the body of the request as it came in, byte for byte")
    } else {
        failure
    }
}

fn received(
    account: &Account,
    webhooks: &dyn Webhooks,
    delivery: &Delivery<'_>,
    file: &str,
    allow_unverified: bool,
) -> Result<Inbound, Failure> {
    if !allow_unverified && webhooks.verify(delivery) == Authenticity::NotConfigured {
        // A header came along to be checked: nothing to check it with is no reason to believe it.
        let key = webhook_setting(&account.provider);
        let setting = match account.profile {
            None => variable(&account.provider, key),
            Some(_) => format!("{key} of the profile"),
        };
        return Err(Failure::new(4, "the delivery is not verified: no webhook secret is configured")
            .with_hint(format!("set {setting}")));
    }
    let options = ReceiveOptions::default().with_allow_unverified(allow_unverified);
    Ok(webhooks.receive(delivery, options).map_err(|error| in_file(file, error))?.inbound)
}

/// The setting that deliveries are verified with.
fn webhook_setting(provider: &str) -> &'static str {
    match provider {
        "meta" => "app_secret",
        "whapi" => "webhook_header",
        "nxcloud" => "access_secret",
        "twilio" => "auth_token",
        _ => "webhook_secret",
    }
}

fn headers(lines: &[String]) -> Result<Vec<(String, String)>, Failure> {
    let parse = |line: &String| {
        let (name, value) = line.split_once(':')?;
        Some((name.trim().to_owned(), value.trim().to_owned()))
    };
    lines
        .iter()
        .map(|line| {
            parse(line).ok_or_else(|| {
                Failure::usage("a --header has no colon").with_hint("it is written as `Name: value`")
            })
        })
        .collect()
}

fn for_people(item: &InboundItem) -> String {
    match item {
        InboundItem::Media(media) => {
            let declared = &media.media.declared;
            let mut text = format!("media   {:<9} {}", media.kind.name(), short(&media.media));
            if let Some(mime) = &declared.mime {
                text.push_str(&format!("  {mime}"));
            }
            if let Some(size) = declared.size_bytes {
                text.push_str(&format!("  {}", output::human(size)));
            }
            text.push_str(if declared.sha256.is_some() { "  with digest" } else { "  no digest" });
            text
        }
        InboundItem::Failed(failed) => format!(
            "failed  {:<9} {} {}",
            failed.kind,
            failed.provider_code.as_deref().unwrap_or("-"),
            failed.message.as_deref().unwrap_or("no reason given")
        ),
        InboundItem::Other(other) => format!("other   {:<9} {}", other.kind, other.path),
        _ => "other".to_owned(),
    }
}
