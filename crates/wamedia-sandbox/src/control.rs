//! The page on `/`: stored media, requests, and problems.

use std::fmt::Write as _;

use crate::faults::Fault;
use crate::http1::Response;
use crate::state::{Provider, State};

const SHOWN: usize = 100;

/// Renders the page from the current state.
pub(crate) fn page(state: &State) -> Response {
    let mut html = String::from(
        "<!DOCTYPE html><html lang=\"en\"><meta charset=\"utf-8\"><title>wamedia sandbox</title>\
         <style>body{font:15px/1.5 system-ui,sans-serif;margin:2em auto;max-width:70em;padding:0 1em}\
         table{border-collapse:collapse;margin:1em 0}td,th{border:1px solid #ccc;padding:.2em .6em;\
         text-align:left}code{font-size:.9em}.bad{color:#b00020;font-weight:600}</style>\
         <h1>wamedia sandbox</h1>",
    );
    problems(state, &mut html);
    requests(state, &mut html);
    stored(state, &mut html);
    html.push_str("<h2>Faults</h2><p>An id that starts with one of these names has the fault.</p><table>");
    for fault in Fault::ALL {
        let _ = write!(html, "<tr><td><code>{}</code><td>{}", fault.name(), escape(fault.sentence()));
    }
    html.push_str("</table></html>");
    Response::with_body(200, "text/html; charset=utf-8", html).header("Cache-Control", "no-store")
}

fn problems(state: &State, html: &mut String) {
    html.push_str("<h2>Problems</h2>");
    let leaks = state.leaks();
    let refused: Vec<_> = state
        .requests()
        .into_iter()
        .filter(|log| log.fault.is_none() && matches!(log.status, Some(400..)))
        .collect();
    if leaks.is_empty() && refused.is_empty() {
        html.push_str("<p>None so far.</p>");
        return;
    }
    html.push_str("<ul>");
    for leak in leaks.iter().rev().take(SHOWN) {
        let _ = write!(
            html,
            "<li class=\"bad\">{}: a credential ({}) was sent to the {} host, at <code>{}</code>",
            leak.provider,
            escape(&leak.names.join(", ")),
            leak.origin,
            escape(&leak.path)
        );
    }
    for log in refused.iter().rev().take(SHOWN) {
        let _ = write!(
            html,
            "<li>{}: {} <code>{}</code> was answered {}",
            log.provider,
            escape(&log.method),
            escape(&log.path),
            log.status.unwrap_or_default()
        );
    }
    html.push_str("</ul>");
}

fn requests(state: &State, html: &mut String) {
    html.push_str("<h2>Last requests</h2><table><tr><th>provider<th>host<th>request<th>status<th>fault");
    for log in state.requests().iter().rev().take(SHOWN) {
        let status = log.status.map_or_else(|| "none".to_owned(), |status| status.to_string());
        let _ = write!(
            html,
            "<tr><td>{}<td>{}<td><code>{} {}</code><td>{status}<td>{}",
            log.provider,
            log.origin,
            escape(&log.method),
            escape(&log.path),
            log.fault.map_or("", Fault::name)
        );
    }
    html.push_str("</table>");
    let switched = state.switched();
    if !switched.is_empty() {
        html.push_str("<p>Switched on:");
        for (fault, left) in switched {
            let _ = write!(html, " <code>{fault}</code> for {left} more;");
        }
        html.push_str("</p>");
    }
}

fn stored(state: &State, html: &mut String) {
    html.push_str("<h2>Stored media</h2><table><tr><th>reference<th>type<th>bytes<th>name");
    for provider in Provider::ALL {
        let store = state.store(provider);
        for media in store.order.iter().filter_map(|id| store.media.get(id)) {
            let _ = write!(
                html,
                "<tr><td><code>{}:{}</code><td>{}<td>{}<td>{}",
                provider.name(),
                escape(&media.id),
                escape(&media.mime),
                media.content.len(),
                escape(&media.name)
            );
        }
    }
    html.push_str("</table>");
}

fn escape(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('"', "&quot;")
}
