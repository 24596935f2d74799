//! Circles between the files of a crate: `config` uses `webhook`, which uses `config`.
//!
//! The analysis reads the text, as rustfmt leaves it: paths that begin with `crate`, `super`, `self` or a submodule.
//! It follows re-exports to the file that defines a name, and takes no notice of the crate's root, which names
//! everything, and of tests. Paths inside of an inline module count as paths of its file.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::fs;
use std::path::Path;

use crate::fixtures::files;

/// A module by its path from the root of the crate, which is empty.
type Module = Vec<String>;

/// One circle for each group of files that use each other, such as `config -> webhook -> config`.
pub(crate) fn find(source: &Path) -> Result<Vec<String>, String> {
    let mut modules = BTreeMap::new();
    for path in files(source).into_iter().filter(|path| path.extension().is_some_and(|end| end == "rs")) {
        let text = fs::read_to_string(&path).map_err(|error| format!("{}: {error}", path.display()))?;
        let name = path.strip_prefix(source).unwrap_or(&path).with_extension("");
        let mut name: Module = name.iter().map(|part| part.to_string_lossy().into_owned()).collect();
        // The file of a folder, and of the crate. A second program of a package is a root too.
        name.pop_if(|last| matches!(last.as_str(), "mod" | "lib" | "main"));
        modules.entry(name).or_insert_with(String::new).push_str(&text);
    }
    Ok(circles(&modules))
}

fn circles(texts: &BTreeMap<Module, String>) -> Vec<String> {
    let tree = Tree::new(texts);
    let mut edges: BTreeMap<&Module, BTreeSet<Module>> = BTreeMap::new();
    for (module, file) in tree.0.iter().filter(|(module, _)| !module.is_empty()) {
        let targets = file.uses.iter().filter_map(|path| tree.resolve(module, path));
        edges.insert(module, targets.filter(|target| target != module && !target.is_empty()).collect());
    }
    let mut seen = BTreeSet::new();
    let mut circles = Vec::new();
    for module in edges.keys() {
        if seen.contains(*module) {
            continue;
        }
        let Some(circle) = shortest(&edges, module) else { continue };
        // One circle stands for all files that can reach each other.
        let reached = reach(&edges, module);
        seen.extend(reached.into_iter().filter(|other| reach(&edges, other).contains(*module)));
        circles.push(circle.iter().map(|module| module.join("::")).collect::<Vec<_>>().join(" -> "));
    }
    circles
}

fn reach(edges: &BTreeMap<&Module, BTreeSet<Module>>, start: &Module) -> BTreeSet<Module> {
    let (mut seen, mut todo) = (BTreeSet::new(), vec![start.clone()]);
    while let Some(module) = todo.pop() {
        for next in edges.get(&module).into_iter().flatten() {
            if seen.insert(next.clone()) {
                todo.push(next.clone());
            }
        }
    }
    seen
}

/// The shortest way from a module back to itself.
fn shortest(edges: &BTreeMap<&Module, BTreeSet<Module>>, start: &Module) -> Option<Vec<Module>> {
    let mut seen = BTreeSet::new();
    let mut ways = VecDeque::from([vec![start.clone()]]);
    while let Some(way) = ways.pop_front() {
        for next in edges.get(way.last()?).into_iter().flatten() {
            let longer = [&way[..], std::slice::from_ref(next)].concat();
            if next == start {
                return Some(longer);
            }
            if seen.insert(next.clone()) {
                ways.push_back(longer);
            }
        }
    }
    None
}

/// What one file says about other files.
#[derive(Default)]
struct File {
    children: BTreeSet<String>,
    /// Names that it passes on, and where they come from.
    exports: BTreeMap<String, Vec<String>>,
    uses: Vec<Vec<String>>,
}

struct Tree(BTreeMap<Module, File>);

impl Tree {
    fn new(texts: &BTreeMap<Module, String>) -> Self {
        let mut tree = BTreeMap::new();
        let mut left_out = Vec::new();
        for (module, text) in texts {
            let (code, of_tests) = without_tests(text);
            left_out.extend(of_tests.into_iter().map(|child| [&module[..], &[child]].concat()));
            tree.insert(module.clone(), File::read(&code));
        }
        tree.retain(|module, _| !left_out.iter().any(|test| module.starts_with(test)));
        Self(tree)
    }

    /// The file that defines what a path of this module means; nothing for paths of other crates.
    fn resolve(&self, module: &[String], path: &[String]) -> Option<Module> {
        let (first, mut rest) = path.split_first()?;
        let mut at = match first.as_str() {
            "crate" => Module::new(),
            "self" => module.to_vec(),
            "super" => {
                let mut parent = module.split_last()?.1;
                while let Some((_, after)) = rest.split_first().filter(|(next, _)| *next == "super") {
                    (parent, rest) = (parent.split_last()?.1, after);
                }
                parent.to_vec()
            }
            _ if self.0.get(module)?.children.contains(first) => {
                [module, std::slice::from_ref(first)].concat()
            }
            _ => return None,
        };
        while let Some((next, after)) = rest.split_first() {
            let file = self.0.get(&at)?;
            if file.children.contains(next) {
                at.push(next.clone());
                rest = after;
            } else if let Some(source) = file.exports.get(next) {
                return self.resolve(&at, source).or(Some(at));
            } else {
                break;
            }
        }
        Some(at)
    }
}

impl File {
    fn read(code: &str) -> Self {
        let mut file = Self::default();
        for line in code.lines().map(str::trim) {
            let module = line.strip_suffix(';').and_then(|line| line.rsplit_once("mod "));
            file.children.extend(module.map(|(_, name)| name.to_owned()));
        }
        let mut rest = code;
        while let Some(at) = rest.find(is_word) {
            let before = rest[..at].trim_end();
            let starts = !before.ends_with("::");
            let (paths, left) = paths(&rest[at..]);
            let first = paths.first().and_then(|path| path.first()).cloned().unwrap_or_default();
            let known =
                matches!(first.as_str(), "crate" | "super" | "self") || file.children.contains(&first);
            // `self.field`, `crate)` and the like are no paths.
            if starts && known && paths.iter().any(|path| path.len() > 1) {
                if is_export(&code[..code.len() - rest.len() + at]) {
                    let named = paths.into_iter().filter_map(|path| Some((path.last()?.clone(), path)));
                    file.exports.extend(named);
                } else {
                    file.uses.extend(paths);
                }
            }
            rest = left;
        }
        file
    }
}

/// Whether a path that begins here is passed on: `pub use`, `pub(crate) use`.
fn is_export(before: &str) -> bool {
    before.strip_suffix("use ").is_some_and(|before| {
        let line = before.rsplit('\n').next().unwrap_or_default().trim_start();
        line.starts_with("pub")
    })
}

fn is_word(c: char) -> bool {
    c.is_alphanumeric() || c == '_'
}

/// All paths of `a::{b, c::{self, d}}`, and the text behind them.
fn paths(text: &str) -> (Vec<Vec<String>>, &str) {
    let end = text.find(|c| !is_word(c)).unwrap_or(text.len());
    let (word, mut rest) = text.split_at(end);
    let Some(after) = rest.strip_prefix("::") else {
        // Only in a list: `{self, b as c}`.
        return (vec![vec![word.to_owned()]], rest);
    };
    let mut below = Vec::new();
    if let Some(list) = after.strip_prefix('{') {
        rest = list.trim_start();
        while rest.starts_with(is_word) {
            let (more, left) = paths(rest);
            below.extend(more);
            let left = left.find([',', '}']).map_or("", |at| &left[at..]);
            rest = left.strip_prefix(',').unwrap_or(left).trim_start();
        }
        rest = rest.strip_prefix('}').unwrap_or(rest);
    } else if after.starts_with(is_word) {
        (below, rest) = paths(after);
    } else {
        rest = after;
    }
    if below.is_empty() {
        below.push(Vec::new());
    }
    let whole = |mut path: Vec<String>| {
        if path.first().is_some_and(|first| first == "self") {
            path.remove(0);
        }
        path.insert(0, word.to_owned());
        path
    };
    (below.into_iter().map(whole).collect(), rest)
}

/// The code without comments and what is for tests alone, and the names of the modules among that.
fn without_tests(text: &str) -> (String, Vec<String>) {
    let mut code = String::new();
    let mut tests = Vec::new();
    let mut lines = text.lines().filter(|line| !line.trim_start().starts_with("//"));
    while let Some(line) = lines.next() {
        let trimmed = line.trim_start();
        if !trimmed.starts_with("#[cfg(test)]") && !trimmed.starts_with("#[cfg(all(test,") {
            code.push_str(line);
            code.push('\n');
            continue;
        }
        let depth = line.len() - trimmed.len();
        for line in lines.by_ref() {
            let trimmed = line.trim_start();
            if let Some((_, name)) = trimmed.strip_suffix(';').and_then(|line| line.rsplit_once("mod ")) {
                tests.push(name.to_owned());
            }
            if line.len() - trimmed.len() == depth && line.ends_with([';', '}']) {
                break;
            }
        }
    }
    (code, tests)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(files: &[(&str, &str)]) -> Vec<String> {
        let module =
            |name: &str| name.split("::").filter(|part| !part.is_empty()).map(str::to_owned).collect();
        circles(&files.iter().map(|(name, text)| (module(name), (*text).to_owned())).collect())
    }

    const ROOT: (&str, &str) =
        ("", "mod a;\nmod b;\nmod c;\n\npub use a::{A, Other as B};\n\nconst NAME: u8 = 1;\n");

    #[test]
    fn a_circle_is_found_through_lists_and_re_exports() {
        let two = of(&[ROOT, ("a", "use crate::{NAME, b};\n"), ("b", "use crate::A;\n"), ("c", "")]);
        assert_eq!(two, ["a -> b -> a"]);
        let three = of(&[
            ROOT,
            ("a", "use crate::{\n    NAME,\n    b::{self, X},\n};\n"),
            ("b", "fn f() -> crate::c::C {}\n"),
            ("c", "use super::a::A;\n"),
        ]);
        assert_eq!(three, ["a -> b -> c -> a"]);
    }

    #[test]
    fn a_file_and_its_submodule_are_two_files() {
        let inner = ("a::inner", "use super::Outer;\n");
        let circle = ["a -> a::inner -> a"];
        assert_eq!(of(&[ROOT, ("a", "mod inner;\n\nfn f() {\n    inner::g();\n}\n"), inner]), circle);
        assert_eq!(of(&[ROOT, ("a", "mod inner;\n\nuse inner::g;\n"), inner]), circle);
        let none: [&str; 0] = [];
        assert_eq!(of(&[ROOT, ("a", "mod inner;\n\npub(crate) use inner::g;\n"), inner]), none);
    }

    #[test]
    fn tests_comments_and_other_crates_make_no_circle() {
        let none: [&str; 0] = [];
        let a = "use std::b::X;\n\n/// [`crate::b`]\nfn f() {\n    self.b.run();\n}\n\n#[cfg(test)]\nmod tests {\n    use crate::b;\n}\n";
        assert_eq!(of(&[ROOT, ("a", a), ("b", "use crate::a::A;\n")]), none);
        let b = "use crate::a::A;\n\n#[cfg(test)]\nmod tests;\n";
        let tests = ("b::tests", "use crate::c;\nuse super::*;\n");
        assert_eq!(of(&[ROOT, ("a", ""), ("b", b), tests, ("c", "use crate::b::X;\n")]), none);
    }
}
