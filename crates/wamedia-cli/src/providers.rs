//! `wamedia providers`

use std::collections::BTreeMap;

use serde_json::json;
use wamedia::{
    Capabilities, Config, DigestSource, ProviderInfo, UploadResult, WebhookCapabilities, Webhooks as _,
};

use crate::args::{Common, ProvidersArgs};
use crate::configuration::{self, Providers, known};
use crate::exit::Failure;
use crate::output;
use crate::reference::Account;
use crate::settings::{registry, variable};

pub(crate) async fn run(args: &ProvidersArgs) -> Result<(), Failure> {
    match &args.name {
        Some(name) => one(known(name)?, args).await,
        None => all(args.json),
    }
}

/// What the provider can do when it is configured.
struct Can {
    api: Capabilities,
    webhooks: WebhookCapabilities,
}

fn capabilities(info: ProviderInfo) -> Result<Can, Failure> {
    let mut config = Config::default();
    for setting in info.settings {
        config = config.with(setting.key, configuration::placeholder(setting.key));
    }
    let webhooks = *wamedia::webhooks(info.name, &config)?.capabilities();
    Ok(Can { api: configuration::capabilities(info, config)?, webhooks })
}

fn operations(can: &Can) -> [(&'static str, bool); 9] {
    let Can { api, webhooks } = can;
    [
        ("resolve", api.resolve),
        ("open", api.open),
        ("range", api.open_range),
        ("upload", api.upload),
        ("delete", api.delete),
        ("list", api.list),
        ("parse_webhook", true),
        ("verify_webhook", webhooks.signed),
        ("handshake", webhooks.handshake),
    ]
}

fn all(json: bool) -> Result<(), Failure> {
    let mut rows = Vec::new();
    for info in registry().infos() {
        rows.push((info, capabilities(info)?));
    }
    if json {
        return rows.iter().try_for_each(|(info, can)| output::json(&as_json(*info, can)));
    }
    let mut text = format!("{:<16}", "");
    for (info, _) in &rows {
        text.push_str(&format!("{:<10}", info.name));
    }
    let names = rows.first().map(|(_, can)| operations(can).map(|(name, _)| name)).unwrap_or_default();
    for (index, name) in names.into_iter().enumerate() {
        text.push_str(&format!("\n{name:<16}"));
        for (_, can) in &rows {
            text.push_str(&format!("{:<10}", if operations(can)[index].1 { "yes" } else { "-" }));
        }
    }
    output::block(&format!("{}\n\n`wamedia providers NAME` shows one in full.", trimmed(&text)))
}

async fn one(info: ProviderInfo, args: &ProvidersArgs) -> Result<(), Failure> {
    let can = capabilities(info)?;
    if args.json {
        return output::json(&as_json(info, &can));
    }
    let mut text = format!("{}: {}\n\noperations\n", info.name, info.title);
    for (name, works) in operations(&can) {
        text.push_str(&format!("  {name:<16}{}\n", if works { "yes" } else { "-" }));
    }
    text.push_str("\nlifetimes and digests\n");
    for (name, value) in lifetimes(&can) {
        text.push_str(&format!("  {name:<16}{value}\n"));
    }
    if !can.api.limits.is_empty() {
        text.push_str("\nlimits\n");
    }
    for limit in can.api.limits {
        text.push_str(&format!(
            "  {:<16}at most {:<10} {}\n  {:<16}{}\n",
            limit.kind.name(),
            output::human(limit.max_bytes),
            limit.mimes.join(", "),
            "",
            limit.source
        ));
    }
    text.push_str("\nsettings\n");
    text.push_str(&settings(info, args).await?);
    output::block(trimmed(&text).trim_end())
}

fn lifetimes(can: &Can) -> [(&'static str, String); 5] {
    let Can { api, webhooks } = can;
    let time =
        |lifetime: Option<std::time::Duration>| lifetime.map_or_else(|| "not stated".to_owned(), for_people);
    let upload_gives = match api.upload_result {
        UploadResult::Id => "an id",
        UploadResult::Link => "a public link",
        _ => "-",
    };
    let digest_from = match api.digest {
        DigestSource::ResolveAndWebhook => "resolve and webhook",
        DigestSource::Webhook => "webhook only",
        _ => "nowhere",
    };
    let link = if api.expiring_links { time(api.link_lifetime) } else { "no links that die".to_owned() };
    let upload = if api.upload { time(api.upload_lifetime) } else { "no upload".to_owned() };
    [
        ("link", link),
        ("webhook id", time(webhooks.id_lifetime)),
        ("upload", upload),
        ("upload gives", upload_gives.to_owned()),
        ("digest from", digest_from.to_owned()),
    ]
}

/// Which settings are set, without their values.
async fn settings(info: ProviderInfo, args: &ProvidersArgs) -> Result<String, Failure> {
    let common = Common { config: args.config.clone(), ..Common::default() };
    let set = Providers::new(&common).await?.settings(&Account::new(info.name))?;
    let own = info.settings.iter().map(|setting| (setting.key, setting.required));
    let mut text = String::new();
    for (key, required) in own.chain(["base_url", "content_origins"].map(|key| (key, false))) {
        let state = match (set.iter().any(|setting| setting.key == key), required) {
            (true, _) => "set",
            (false, true) => "MISSING, required",
            (false, false) => "not set",
        };
        text.push_str(&format!("  {:<34}{state}\n", variable(info.name, key)));
    }
    Ok(text)
}

/// The capabilities with the settings, and the operations under the names of the capability tables.
fn as_json(info: ProviderInfo, all: &Can) -> serde_json::Value {
    let settings = info
        .settings
        .iter()
        .map(|setting| json!({ "name": variable(info.name, setting.key), "required": setting.required }));
    json!({
        "provider": info.name, "title": info.title, "operations": BTreeMap::from(operations(all)),
        "capabilities": all.api, "webhooks": all.webhooks, "environment": settings.collect::<Vec<_>>(),
    })
}

fn for_people(lifetime: std::time::Duration) -> String {
    match lifetime.as_secs() {
        seconds if seconds >= 86_400 => format!("{} days", seconds / 86_400),
        seconds if seconds >= 3_600 => format!("{} hours", seconds / 3_600),
        seconds => format!("{} minutes", seconds / 60),
    }
}

fn trimmed(text: &str) -> String {
    text.lines().map(str::trim_end).collect::<Vec<_>>().join("\n")
}
