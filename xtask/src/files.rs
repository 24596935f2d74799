//! What several tasks do with files.

use std::fs;
use std::path::{Path, PathBuf};

use serde_json::Value;

/// A JSON file, or its name and what is wrong.
pub(crate) fn read_json(path: &Path) -> Result<Value, String> {
    let place = |why: String| format!("{}: {why}", path.display());
    let text = fs::read_to_string(path).map_err(|error| place(error.to_string()))?;
    serde_json::from_str(&text).map_err(|error| place(format!("{error}; it must be JSON")))
}

/// All files below a folder.
pub(crate) fn files(folder: &Path) -> Vec<PathBuf> {
    let mut out = Vec::new();
    for entry in fs::read_dir(folder).into_iter().flatten().flatten() {
        let path = entry.path();
        if path.is_dir() { out.extend(files(&path)) } else { out.push(path) }
    }
    out.sort();
    out
}
