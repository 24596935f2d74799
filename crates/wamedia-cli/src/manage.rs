//! `wamedia rm` and `wamedia ls`

use std::collections::HashSet;

use serde::Serialize;
use wamedia::{
    Budget, ContentMetadata, DeleteOptions, DeleteOutcome, ListOptions, ListedMedia, MediaId, Mime,
    format_rfc3339,
};

use crate::args::{LsArgs, RmArgs};
use crate::configuration::{Providers, limits};
use crate::deadline::Deadline;
use crate::exit::{self, Failure};
use crate::output;
use crate::reference::{Account, Reference};

#[derive(Serialize)]
struct DeletedJson {
    r#ref: String,
    outcome: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    error: Option<serde_json::Value>,
}

#[derive(Serialize)]
struct ListedJson<'a> {
    r#ref: String,
    id: Option<&'a MediaId>,
    #[serde(flatten)]
    declared: &'a ContentMetadata,
    #[serde(flatten)]
    listed: &'a ListedMedia,
}

pub(crate) async fn rm(args: RmArgs) -> Result<(), Failure> {
    let mut providers = Providers::new(&args.common).await?;
    let refs = args.refs.iter().map(|text| providers.reference(text)).collect::<Result<Vec<_>, _>>()?;
    let mut codes = Vec::new();
    let deadline = Deadline::of(&args.common);
    for reference in refs {
        let provider = providers.get(&reference.account)?;
        let mut options = DeleteOptions::default();
        options.budget = Budget::new(limits(&args.common));
        let outcome = deadline.bound("delete", provider.delete(&reference.media, options)).await;
        let (name, error) = match &outcome {
            Ok(DeleteOutcome::AlreadyGone) => ("already_gone", None),
            Ok(_) => ("deleted", None),
            Err(error) => ("failed", Some(error)),
        };
        if args.common.json {
            let error = error.map(exit::error_json);
            output::json(&DeletedJson { r#ref: reference.to_string(), outcome: name, error })?;
        } else if error.is_none() && !args.common.quiet {
            output::line(&format!("{reference} {}", name.replace('_', " ")))?;
        }
        if let Some(error) = error {
            exit::error_of(&reference.to_string(), error);
            codes.push(exit::code(error));
        }
    }
    Failure::reported(&codes)
}

pub(crate) async fn ls(args: LsArgs) -> Result<(), Failure> {
    let mut providers = Providers::new(&args.common).await?;
    let account = providers.chosen()?;
    let provider = providers.get(&account)?;
    let mut options = ListOptions::default();
    options.budget = Budget::new(limits(&args.common));
    let mut left = args.limit.unwrap_or(usize::MAX);
    // Paging by offset may repeat what moved meanwhile; nobody wants to see it twice.
    let mut seen = HashSet::new();
    let deadline = Deadline::of(&args.common);
    loop {
        let page = deadline.bound("list", provider.list(options.clone())).await?;
        for item in page.items {
            if left == 0 {
                return Ok(());
            }
            if seen.insert(item.media.short()) {
                left -= 1;
                print(&account, &item, args.common.json)?;
            }
        }
        match page.next {
            Some(next) if options.cursor.as_ref() != Some(&next) => options.cursor = Some(next),
            _ => return Ok(()),
        }
    }
}

fn print(account: &Account, item: &ListedMedia, json: bool) -> Result<(), Failure> {
    let media = &item.media;
    let reference = Reference { media: media.clone(), account: account.clone() };
    let declared = &media.declared;
    if json {
        return output::json(&ListedJson {
            r#ref: reference.to_string(),
            id: media.id.as_ref(),
            declared,
            listed: item,
        });
    }
    let size = declared.size_bytes.map_or_else(|| "-".to_owned(), output::human);
    let created_at = item.created_at.map_or_else(|| "-".to_owned(), format_rfc3339);
    let mime = declared.mime.as_ref().map_or("-", Mime::as_str);
    output::line(&format!("{reference}  {mime}  {size}  {created_at}"))
}
