//! Begins a provider: a crate in which nothing works yet, and whose suite is green.

use std::fs;
use std::path::Path;

use crate::files::files;
use crate::{Outcome, PROVIDERS, cargo, root, step};

/// The crate that is copied. It is a member of the workspace, so that every change of the kit keeps it green.
const TEMPLATE: &str = "xtask/template";

/// What the command line asks for.
#[derive(Debug, clap::Args)]
pub(crate) struct Options {
    /// The provider's name: a lower-case letter, then lower-case letters and digits
    name: String,
}

pub(crate) fn run(options: &Options) -> Outcome {
    let name = &options.name;
    check(name)?;
    let folder = root().join(format!("crates/wamedia-{name}"));
    if folder.exists() || root().join("fixtures").join(name).exists() {
        return Err(format!("there is a provider {name} already"));
    }
    write(name, &folder)?;
    step("the lock file", &mut cargo(&["update", "--quiet", "--workspace"]))?;
    step("its suite", &mut cargo(&["test", "--quiet", "-p", &format!("wamedia-{name}")]))?;
    println!("{}", next_steps(name));
    Ok(())
}

/// Names become parts of package, folder and type names.
fn check(name: &str) -> Outcome {
    let is_plain = name.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit());
    if !is_plain || !name.starts_with(|first: char| first.is_ascii_lowercase()) {
        return Err(format!(
            "{name:?} is not a name: a lower-case letter, then lower-case letters and digits"
        ));
    }
    if PROVIDERS.contains(&name) {
        return Err(format!("there is a provider {name} already"));
    }
    Ok(())
}

/// The template with this name in place of its own.
fn write(name: &str, folder: &Path) -> Outcome {
    let template = root().join(TEMPLATE);
    let capitalized = format!("{}{}", name[..1].to_uppercase(), &name[1..]);
    let place = |path: &Path, error: std::io::Error| format!("{}: {error}", path.display());
    for path in files(&template) {
        let target = folder.join(path.strip_prefix(&template).unwrap_or(&path));
        let text = fs::read_to_string(&path).map_err(|error| place(&path, error))?;
        // The copy is published as the others are.
        let text = text.replace("publish = false\n", "");
        let text = text.replace("template", name).replace("Template", &capitalized);
        let parent = target.parent().unwrap_or(folder);
        fs::create_dir_all(parent).map_err(|error| place(parent, error))?;
        fs::write(&target, text).map_err(|error| place(&target, error))?;
    }
    Ok(())
}

fn next_steps(name: &str) -> String {
    format!(
        "crates/wamedia-{name} is there, and its suite is green. Next, with crates/wamedia-360dialog as the example:
  1. README.md: the vendor's quirks, each with a link.
  2. fixtures/{name}: fetch/ok first, then the failures of each operation, and errors.json.
  3. src/requests.rs and src/responses.rs: pure functions, tested without a socket; src/webhook.rs.
  4. src/client.rs: one operation after the other, each with its entry in CAPABILITIES;
     `cargo xtask conformance --provider {name}` says what is missing.
  5. PROVIDERS in xtask/src/main.rs, the feature in crates/wamedia, the tables of the sandbox and of README.md;
     `cargo xtask ci` names what is left."
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_that_cannot_be_a_package_are_refused() {
        for name in ["", "Acme", "7up", "a-b", "a/b", "meta", "acme corp", "ümlaut"] {
            check(name).expect_err(name);
        }
        check("acme2").expect("a plain name");
    }

    #[test]
    fn nothing_of_the_template_is_left_in_the_copy() {
        let folder = tempfile::tempdir().expect("a folder");
        write("acme", folder.path()).expect("written");
        let written = files(folder.path());
        assert_eq!(written.len(), files(&root().join(TEMPLATE)).len());
        for path in written {
            let text = fs::read_to_string(&path).expect("it is there");
            assert!(!text.to_lowercase().contains("template"), "{}", path.display());
        }
        let client = fs::read_to_string(folder.path().join("src/client.rs")).expect("it is there");
        assert!(client.contains("pub struct Acme {"), "{client}");
    }
}
