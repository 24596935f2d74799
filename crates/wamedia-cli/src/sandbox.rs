//! `wamedia sandbox`

use std::io;
use std::sync::Arc;
use std::time::Duration;

use wamedia::{Clock as _, Config, Secret, SystemClock};
use wamedia_sandbox::{Fault, Options, ProviderInfo, RequestLog, Sandbox, WebhookDelivery, post_webhook};

use crate::args::SandboxArgs;
use crate::exit::{self, Failure};
use crate::output;

/// Runs until `stop` is done.
pub(crate) async fn run(args: SandboxArgs, stop: impl Future<Output = ()>) -> Result<(), Failure> {
    if args.fault.iter().any(|name| name == "list") {
        return list_faults();
    }
    let mut stop = std::pin::pin!(stop);
    let sandbox = tokio::select! {
        sandbox = start(args) => sandbox?,
        () = &mut stop => return Ok(()),
    };
    stop.await;
    sandbox.shutdown().await;
    Ok(())
}

/// `NAME` or `NAME:N`.
fn fault(text: &str) -> Result<(Fault, u64), Failure> {
    let (name, times) = match text.split_once(':') {
        None => (text, Ok(u64::MAX)),
        Some((name, times)) => (name, times.parse()),
    };
    let times = times.map_err(|_| Failure::usage("a fault is written as NAME or NAME:N"))?;
    let fault = Fault::from_name(name).ok_or_else(|| {
        let names: Vec<_> = Fault::ALL.iter().map(|fault| fault.name()).collect();
        let near = wamedia::nearest_name(name, &names)
            .map_or_else(String::new, |near| format!("; did you mean {near}?"));
        Failure::usage(format!("no fault is called {}{near}", output::typed(name)))
            .with_hint("`wamedia sandbox --fault list` prints all of them")
    })?;
    Ok((fault, times))
}

/// Every fault with its sentence.
fn list_faults() -> Result<(), Failure> {
    Fault::ALL
        .iter()
        .try_for_each(|fault| output::line(&format!("{:<20} {}", fault.name(), fault.sentence())))
}

async fn start(args: SandboxArgs) -> Result<Sandbox, Failure> {
    let faults = args.fault.iter().map(|text| fault(text)).collect::<Result<Vec<_>, _>>()?;
    let mut options = Options::new(Arc::new(|| SystemClock.now()));
    if let Some(port) = args.port {
        options = options.with_port(port);
    }
    if let Some(bind) = args.bind {
        if !bind.is_loopback() {
            output::warning_line(&format!(
                "the sandbox listens on {bind}: whoever reaches this machine can use it, and its credentials are public"
            ));
        }
        options = options.with_bind(bind);
    }
    if let Some(folder) = args.data {
        std::fs::create_dir_all(&folder).map_err(|error| {
            let folder = output::typed(&folder.to_string_lossy());
            Failure::new(exit::LOCAL, format!("cannot make the folder {folder}: {error}"))
                .with_hint("name a folder that can be made, with --data")
        })?;
        options = options.with_data_dir(folder);
    }
    if let Some(latency) = args.latency {
        options = options.with_latency(Duration::from_millis(latency));
    }
    let json = args.json;
    options = options.with_on_request(move |request: &RequestLog| {
        // A reader that went away is no reason to stop serving.
        let _ = if json { output::json(&request.to_json()) } else { output::line(&for_people(request)) };
    });
    let sandbox = Sandbox::start(options).await.map_err(|error| cannot_start(&error, args.port))?;
    for (fault, times) in faults {
        sandbox.set_fault(fault.name(), times).map_err(|error| Failure::usage(error.to_string()))?;
    }
    if json {
        output::json(&sandbox.ready_json())?;
    } else {
        output::block(&welcome(&sandbox))?;
    }
    if let Some(url) = &args.webhook {
        for provider in sandbox.providers() {
            let Some(media) = provider.media.first() else { continue };
            let delivery = sandbox.webhook(provider.name, &media.id).await?;
            tokio::spawn(post_until_answered(provider.name, url.clone(), delivery, json));
        }
    }
    Ok(sandbox)
}

/// Posts a delivery, again and again while nobody listens, as vendors do; they wait longer each time and go on for days.
async fn post_until_answered(provider: &'static str, url: String, delivery: WebhookDelivery, json: bool) {
    let mut wait = Duration::from_secs(1);
    loop {
        let said = match post_webhook(&url, &delivery).await {
            Ok(status) => format!("{provider}: posted a signed delivery, answered {status}"),
            Err(error) if error.kind() == io::ErrorKind::InvalidInput => {
                return output::error_line(&format!("{provider}: cannot post the webhook: {error}"));
            }
            Err(error) => {
                let seconds = wait.as_secs();
                output::detail_line(&format!(
                    "{provider}: nobody takes the webhook ({error}); again in {seconds} s"
                ));
                tokio::time::sleep(wait).await;
                wait = (wait * 2).min(Duration::from_secs(60));
                continue;
            }
        };
        // A reader that went away is no reason to stop.
        let _ = if json { Ok(()) } else { output::line(&said) };
        return;
    }
}

pub(crate) fn cannot_start(error: &io::Error, port: Option<u16>) -> Failure {
    let failure = Failure::new(exit::LOCAL, format!("the sandbox cannot start: {error}"));
    match port {
        Some(port) if error.kind() == io::ErrorKind::AddrInUse => failure.with_hint(format!(
            "it needs port {port} and those behind it, one for each API and each content host; choose another --port, or none"
        )),
        _ => failure,
    }
}

/// A configuration for one of the sandbox's providers.
pub(crate) fn config(provider: &ProviderInfo) -> Config {
    let prefix = format!("WAMEDIA_{}_", provider.name.to_uppercase());
    let mut config = Config::default().with_base_url(&provider.base_url);
    for origin in &provider.content_origins {
        config = config.with_content_origin(origin);
    }
    for (name, value) in &provider.env {
        let key = name.trim_start_matches(&prefix).to_lowercase();
        if !matches!(key.as_str(), "base_url" | "content_origins") {
            config = config.with(&key, Secret::new(value));
        }
    }
    config
}

fn for_people(request: &RequestLog) -> String {
    let status = request.status.map_or_else(|| "---".to_owned(), |status| status.to_string());
    let fault = request.fault.map_or_else(String::new, |fault| format!("  fault: {fault}"));
    format!("{:<8} {status} {} {}{fault}", request.provider, request.method, request.path)
}

/// Everything that a person needs to try it.
fn welcome(sandbox: &Sandbox) -> String {
    let mut text = String::from("Every provider's API, on this machine. Ctrl-C ends it.\n");
    for provider in sandbox.providers() {
        text.push_str(&format!("\n{}  {}\n", provider.name, provider.base_url));
        for origin in &provider.content_origins {
            text.push_str(&format!("  content  {origin}\n"));
        }
        for media in &provider.media {
            text.push_str(&format!("  media    {}  {}  {} bytes\n", media.id, media.mime, media.size_bytes));
        }
        for (label, command) in ["try ", "or  "].into_iter().zip(provider.commands()) {
            text.push_str(&format!("  {label}     {command}\n"));
        }
    }
    text.push_str(&format!(
        "\nAn id that begins with the name of a fault has it: flip-1, expired-1, stall-1, …\nThe page, with live requests, faults and webhooks to send: {}/\n",
        sandbox.providers().first().map_or("", |provider| provider.base_url.as_str())
    ));
    text
}
