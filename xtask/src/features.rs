//! Every feature compiles alone and without warnings, and so does the facade with all vendors and each other feature.

use serde_json::Value;

use crate::{Outcome, PROVIDERS, cargo, step};

pub(crate) fn run() -> Outcome {
    for package in crate::package::packages()? {
        let name = package["name"].as_str().unwrap_or_default();
        for features in combinations(name, &package["features"]) {
            let shown = if features.is_empty() { "no feature" } else { &features };
            let mut command = cargo(&["clippy", "--locked", "-p", name, "--no-default-features"]);
            command.args(["--features", &features, "--", "-D", "warnings"]);
            step(&format!("{name} with {shown}"), &mut command)?;
        }
    }
    Ok(())
}

/// None, each one, and for the facade the vendors together with each of the others.
fn combinations(name: &str, features: &Value) -> Vec<String> {
    let names: Vec<&str> =
        features.as_object().into_iter().flatten().map(|(name, _)| name.as_str()).collect();
    let names = names.into_iter().filter(|name| *name != "default");
    let mut all = vec![String::new()];
    all.extend(names.clone().map(ToOwned::to_owned));
    if name == "wamedia" {
        let vendors = PROVIDERS.join(",");
        let others = names.filter(|name| !PROVIDERS.contains(name));
        all.extend(others.map(|other| format!("{vendors},{other}")));
        all.push(vendors);
    }
    all
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn vendors_stand_alone_and_together() {
        let features = serde_json::json!({"default": ["tls"], "meta": [], "tls": []});
        assert_eq!(combinations("wamedia-meta", &features), ["", "meta", "tls"]);
        let vendors = PROVIDERS.join(",");
        let facade = combinations("wamedia", &features);
        assert_eq!(facade, ["", "meta", "tls", &format!("{vendors},tls"), &vendors]);
    }
}
