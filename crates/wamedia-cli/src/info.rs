//! `wamedia info`

use serde::Serialize;
use wamedia::{Budget, ContentMetadata, MediaDescriptor, ResolveOptions, Source, format_rfc3339};

use crate::args::InfoArgs;
use crate::configuration::{Providers, limits};
use crate::deadline::Deadline;
use crate::exit::{self, Failure};
use crate::output;
use crate::reference::Reference;

#[derive(Serialize)]
struct InfoJson {
    r#ref: String,
    source: &'static str,
    link: Option<String>,
    needs_credential: Option<bool>,
    #[serde(flatten)]
    declared: ContentMetadata,
    expires_at: Option<String>,
}

#[derive(Serialize)]
struct FailedJson {
    r#ref: String,
    outcome: &'static str,
    error: serde_json::Value,
}

pub(crate) async fn run(args: InfoArgs) -> Result<(), Failure> {
    let mut providers = Providers::new(&args.common).await?;
    let reference = providers.reference(&args.media)?;
    let provider = providers.get(&reference.account)?;
    let options = ResolveOptions::default().with_budget(Budget::new(limits(&args.common)));
    let deadline = Deadline::of(&args.common);
    let descriptor = match deadline.bound("resolve", provider.resolve(&reference.media, options)).await {
        Ok(descriptor) => descriptor,
        Err(error) => {
            if args.common.json {
                let (r#ref, error) = (reference.to_string(), exit::error_json(&error));
                output::json(&FailedJson { r#ref, outcome: "failed", error })?;
            }
            return Err(Failure::from(error).told());
        }
    };
    let info = describe(&reference, &descriptor, args.show_link);
    if args.common.json {
        return output::json(&info);
    }
    let unknown = || "not stated".to_owned();
    output::line(&info.r#ref)?;
    let declared = info.declared;
    for (name, value) in [
        (
            "bytes are",
            Some(match info.source {
                "link" => "behind a link".to_owned(),
                "inline" => "in the reference itself".to_owned(),
                _ => "given by id, without a link".to_owned(),
            }),
        ),
        ("link", info.link),
        ("type", Some(declared.mime.map_or_else(unknown, |mime| mime.to_string()))),
        (
            "size",
            Some(
                declared
                    .size_bytes
                    .map_or_else(unknown, |size| format!("{size} bytes ({})", output::human(size))),
            ),
        ),
        ("sha256", Some(declared.sha256.map_or_else(unknown, |digest| digest.to_hex()))),
        ("name", declared.name),
        ("link until", info.expires_at),
    ] {
        if let Some(value) = value {
            output::line(&format!("  {name:<11}{value}"))?;
        }
    }
    Ok(())
}

fn describe(reference: &Reference, descriptor: &MediaDescriptor, show_link: bool) -> InfoJson {
    let declared = descriptor.declared.clone().or(&descriptor.media.declared);
    InfoJson {
        r#ref: reference.to_string(),
        source: match &descriptor.source {
            Source::Link(_) => "link",
            Source::Inline(_) => "inline",
            _ => "direct",
        },
        link: descriptor.link().map(|link| if show_link { link.url.to_string() } else { link.redacted() }),
        needs_credential: descriptor.link().map(|link| link.needs_credential),
        declared,
        expires_at: descriptor.expires_at().map(format_rfc3339),
    }
}
