//! `wamedia providers`

use std::collections::BTreeMap;

use serde_json::json;
use wamedia::{
    Capabilities, Config, DigestSource, ProviderInfo, UploadResult, WebhookCapabilities, Webhooks as _,
};

use crate::args::ProvidersArgs;
use crate::config_file::File;
use crate::configuration::{self, known};
use crate::exit::Failure;
use crate::output;
use crate::settings::{environment, registry, variable};

pub(crate) fn run(args: &ProvidersArgs) -> Result<(), Failure> {
    match &args.name {
        Some(name) => one(known(name)?, args),
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

fn one(info: ProviderInfo, args: &ProvidersArgs) -> Result<(), Failure> {
    let all = capabilities(info)?;
    if args.json {
        return output::json(&as_json(info, &all));
    }
    let can = &all.api;
    let mut text = format!("{}: {}\n\noperations\n", info.name, info.title);
    for (name, works) in operations(&all) {
        text.push_str(&format!("  {name:<16}{}\n", if works { "yes" } else { "-" }));
    }
    text.push_str("\nlifetimes and digests\n");
    let time =
        |lifetime: Option<std::time::Duration>| lifetime.map_or_else(|| "not stated".to_owned(), for_people);
    for (name, value) in [
        ("link", if can.expiring_links { time(can.link_lifetime) } else { "no links that die".to_owned() }),
        ("webhook id", time(all.webhooks.id_lifetime)),
        ("upload", if can.upload { time(can.upload_lifetime) } else { "no upload".to_owned() }),
        (
            "upload gives",
            match can.upload_result {
                UploadResult::Id => "an id",
                UploadResult::Link => "a public link",
                _ => "-",
            }
            .to_owned(),
        ),
        (
            "digest from",
            match can.digest {
                DigestSource::ResolveAndWebhook => "resolve and webhook",
                DigestSource::Webhook => "webhook only",
                _ => "nowhere",
            }
            .to_owned(),
        ),
    ] {
        text.push_str(&format!("  {name:<16}{value}\n"));
    }
    if !can.limits.is_empty() {
        text.push_str("\nlimits\n");
    }
    for limit in can.limits {
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
    let file = File::read(args.config.as_deref(), false)?;
    let extra = ["base_url", "content_origins"];
    let settings = info.settings.iter().map(|setting| (setting.key, setting.required));
    let account = file.account(info.name);
    let in_file = |key: &str| match key {
        "base_url" => account.is_some_and(|config| config.base_url.is_some()),
        "content_origins" => account.is_some_and(|config| !config.content_origins.is_empty()),
        _ => account.is_some_and(|config| config.secret(key).is_some()),
    };
    for (key, required) in settings.chain(extra.into_iter().map(|key| (key, false))) {
        let is_set = in_file(key) || environment(&variable(info.name, key)).is_some();
        let state = match (is_set, required) {
            (true, _) => "set",
            (false, true) => "MISSING, required",
            (false, false) => "not set",
        };
        text.push_str(&format!("  {:<34}{state}\n", variable(info.name, key)));
    }
    output::block(trimmed(&text).trim_end())
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
