//! The page of the sandbox in a real browser, which `chromedriver` drives.

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::TcpStream;
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::time::Duration;

use serde_json::{Value, json};
use wamedia_core::Clock as _;
use wamedia_provider::SystemClock;
use wamedia_sandbox::{Options, Sandbox};

use crate::Outcome;

/// What the page has to show by and by, in its own language.
const CHECKS: [(&str, &str); 6] = [
    (
        "the request without a credential, and why it was refused",
        "document.getElementById('requests').innerText.includes('no credential came along')",
    ),
    (
        "every thumbnail in sight",
        "[...document.images].slice(0, 2).length == 2 && [...document.images].slice(0, 2).every(image => image.naturalWidth > 0)",
    ),
    (
        "a button for every fault",
        "state.faults.length > 30 && document.querySelectorAll('#faults tr button').length == 2 * state.faults.length",
    ),
    (
        "webhooks of every kind",
        "['image', 'voice', 'document', 'video', 'sticker'].every(kind => document.forms[0].media.innerText.includes(kind + ':'))",
    ),
    (
        "commands to copy",
        "document.getElementById('providers').textContent.includes('wamedia get meta:1001')",
    ),
    ("no credential where it does not belong", "document.getElementById('problems').textContent == ''"),
];

/// Looks at the page, presses a button and sends a webhook. Without a browser it says so.
pub(crate) fn run() -> Outcome {
    let Ok(mut browser) = Browser::start() else {
        println!("skipped: chromedriver, or the browser that it drives, is not installed");
        return Ok(());
    };
    let runtime = tokio::runtime::Runtime::new().map_err(|error| error.to_string())?;
    let options = Options::new(Arc::new(|| SystemClock.now()));
    let sandbox = runtime.block_on(Sandbox::start(options)).map_err(|error| error.to_string())?;
    let origin = &sandbox.provider("meta").ok_or("the sandbox has no meta")?.base_url;
    send(origin, "GET", "/v25.0/1001", &Value::Null)?;
    browser.open(origin)?;
    for (what, condition) in CHECKS {
        browser.shows(what, condition)?;
    }
    browser.execute("document.querySelector('#providers details').open = true")?;
    browser.execute("[...document.querySelectorAll('#faults tr')].find(row => row.innerText.startsWith('flip')).querySelectorAll('button')[1].click()")?;
    browser.shows("the fault that was switched on", "state.faults.find(fault => fault.name == 'flip').left == 3 && [...document.querySelectorAll('#faults button')].some(button => button.innerText == 'off')")?;
    // Something changed, and what a person opened stays open.
    browser.shows("the opened provider", "document.querySelector('#providers details').open")?;
    // Nobody listens on this port, which the page has to say.
    browser
        .execute("document.forms[0].url.value = 'http://127.0.0.1:1/'; document.forms[0].requestSubmit()")?;
    browser.shows(
        "why a webhook was not taken",
        "/refused|connect/i.test(document.getElementById('sent').innerText)",
    )?;
    println!("browser: the page shows and does what it should");
    Ok(())
}

/// A browser without a window, ended on drop.
struct Browser {
    driver: Child,
    origin: String,
    session: String,
}

impl Browser {
    fn start() -> Result<Self, String> {
        let mut command = Command::new("chromedriver");
        command.arg("--port=0").stdout(Stdio::piped()).stderr(Stdio::null());
        let mut driver = command.spawn().map_err(|error| error.to_string())?;
        let mut lines =
            BufReader::new(driver.stdout.take().ok_or("no output")?).lines().map_while(Result::ok);
        let mut browser = Self { driver, origin: String::new(), session: String::new() };
        let line =
            lines.find(|line| line.contains("started successfully on port")).ok_or("it does not start")?;
        let port = line.rsplit(' ').next().unwrap_or_default().trim_end_matches('.').to_owned();
        browser.origin = format!("http://127.0.0.1:{port}");
        let arguments = ["--headless", "--no-sandbox", "--disable-dev-shm-usage", "--window-size=1200,2600"];
        let wanted =
            json!({ "capabilities": { "alwaysMatch": { "goog:chromeOptions": { "args": arguments } } } });
        let made = send(&browser.origin, "POST", "/session", &wanted)?;
        made["value"]["sessionId"].as_str().ok_or("no session")?.clone_into(&mut browser.session);
        Ok(browser)
    }

    fn call(&mut self, command: &str, body: &Value) -> Result<Value, String> {
        let reply = send(&self.origin, "POST", &format!("/session/{}/{command}", self.session), body)?;
        match reply["value"]["error"].as_str() {
            Some(error) => {
                Err(format!("{error}: {}", reply["value"]["message"].as_str().unwrap_or_default()))
            }
            None => Ok(reply["value"].clone()),
        }
    }

    fn open(&mut self, origin: &str) -> Outcome {
        self.call("url", &json!({ "url": format!("{origin}/") })).map(drop)
    }

    fn execute(&mut self, script: &str) -> Outcome {
        self.call("execute/sync", &json!({ "script": script, "args": [] })).map(drop)
    }

    /// Waits until a condition holds; the driver gives up after half a minute.
    fn shows(&mut self, what: &str, condition: &str) -> Outcome {
        let script = format!(
            "const done = arguments[0]; const look = () => ({condition}) ? done(true) : setTimeout(look, 50); look()"
        );
        let held = self.call("execute/async", &json!({ "script": script, "args": [] }));
        held.map(drop).map_err(|why| format!("the page does not show {what}: {why}"))
    }
}

impl Drop for Browser {
    fn drop(&mut self) {
        if !self.session.is_empty() {
            let _ = send(&self.origin, "DELETE", &format!("/session/{}", self.session), &Value::Null);
        }
        let _ = self.driver.kill();
        let _ = self.driver.wait();
    }
}

/// One exchange; an answer that is not JSON is null.
fn send(origin: &str, method: &str, path: &str, body: &Value) -> Result<Value, String> {
    let exchange = || -> std::io::Result<Vec<u8>> {
        let address = origin.trim_start_matches("http://");
        let mut stream = TcpStream::connect(address)?;
        stream.set_read_timeout(Some(Duration::from_secs(60)))?;
        let body = if body.is_null() { String::new() } else { body.to_string() };
        let length = body.len();
        write!(
            stream,
            "{method} {path} HTTP/1.1\r\nHost: {address}\r\nConnection: close\r\nContent-Length: {length}\r\n\r\n{body}"
        )?;
        let (mut reader, mut line, mut length) = (BufReader::new(stream), String::new(), 0);
        while reader.read_line(&mut line)? > 2 {
            let lower = line.to_ascii_lowercase();
            if let Some(value) = lower.strip_prefix("content-length:") {
                length = value.trim().parse().unwrap_or(0);
            }
            line.clear();
        }
        let mut reply = vec![0; length];
        reader.read_exact(&mut reply)?;
        Ok(reply)
    };
    let reply = exchange().map_err(|error| format!("no answer from {origin}: {error}"))?;
    Ok(serde_json::from_slice(&reply).unwrap_or_default())
}
