//! `wamedia config`

use serde::Serialize;
use serde_json::json;

use crate::args::ConfigArgs;
use crate::configuration::{Providers, how_to_set, missing};
use crate::exit::Failure;
use crate::output;
use crate::reference::Account;
use crate::settings::Effective;

#[derive(Serialize)]
struct SettingJson {
    key: &'static str,
    /// Null where it is a secret.
    value: Option<String>,
    set_by: String,
}

/// Says which file is read, which values are in effect, and where each came from. No secret is shown.
pub(crate) async fn run(args: &ConfigArgs) -> Result<(), Failure> {
    let providers = Providers::new(&args.common).await?;
    let accounts = match args.common.provider {
        Some(_) => vec![providers.chosen()?],
        None => providers.accounts(),
    };
    if args.common.json {
        return accounts.iter().try_for_each(|account| output::json(&as_json(&providers, account)?));
    }
    output::line(&match providers.file().place() {
        Some((path, true)) => format!("file: {}", path.display()),
        Some((path, false)) => format!("file: {} (there is none)", path.display()),
        None => "file: none, since there is no folder for configuration".to_owned(),
    })?;
    match providers.network() {
        (None, _) => output::line("proxy: none")?,
        (Some(proxy), _) => output::line(&format!("proxy: {}", proxy.origin()))?,
    }
    if let (_, count @ 1..) = providers.network() {
        output::line(&format!("certificates trusted besides the system's: {count}"))?;
    }
    if accounts.is_empty() {
        output::line("no provider is configured; `wamedia providers NAME` lists the settings of one")?;
    }
    accounts.iter().try_for_each(|account| for_people(&providers, account))
}

fn for_people(providers: &Providers<'_>, account: &Account) -> Result<(), Failure> {
    output::line("")?;
    output::line(&account.to_string())?;
    for setting in providers.settings(account)? {
        let value = shown(&setting).unwrap_or_else(|| "(secret)".to_owned());
        output::line(&format!("  {:<18}{value}  from {}", setting.key, setting.set_by))?;
    }
    let missing = missing(account, &providers.config(account)?)?;
    if missing.is_empty() {
        Ok(())
    } else {
        output::line(&format!("  {account} is not configured: {}", how_to_set(account, &missing)))
    }
}

fn as_json(providers: &Providers<'_>, account: &Account) -> Result<serde_json::Value, Failure> {
    let settings = providers.settings(account)?;
    let settings = settings.iter().map(|setting| SettingJson {
        key: setting.key,
        value: shown(setting),
        set_by: setting.set_by.to_string(),
    });
    let file = providers.file().place().filter(|(_, is_there)| *is_there).map(|(path, _)| path);
    Ok(json!({
        "provider": account.provider,
        "profile": account.profile,
        "file": file,
        "proxy": providers.network().0.map(wamedia::Proxy::origin),
        "settings": settings.collect::<Vec<_>>(),
        "missing": missing(account, &providers.config(account)?)?,
    }))
}

/// The value, unless it is a secret or may hold one.
fn shown(setting: &Effective) -> Option<String> {
    let value = setting.value.expose();
    (!setting.is_secret && !value.contains(['@', '?'])).then(|| value.to_owned())
}
