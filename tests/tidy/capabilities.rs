//! Adapters take capabilities, not text: no function of `src/{aws,partners,cluster}` has a namespace, an ARN, a URL or a
//! secret's id as text (R3).

use std::path::Path;

/// Rooms that touch the outside.
const ADAPTERS: [&str; 3] = ["src/aws/", "src/partners/", "src/cluster/"];
/// What a text of this name would let reach.
const REACHING: [&str; 6] = ["account_id", "arn", "namespace", "secret_id", "uri", "url"];
/// Types that hold any text.
const TEXTS: [&str; 6] = ["&str", "String", "&String", "impl Into<String>", "impl AsRef<str>", "Cow<str>"];

/// Parameters of functions in `text` that are called as in [`REACHING`] and are text.
fn by_text(text: &str) -> Vec<String> {
    let mut found = Vec::new();
    for rest in text.split("fn ").skip(1) {
        let Some(open) = rest.find('(') else { continue };
        let Some(close) = closing(&rest[open..]) else { continue };
        for parameter in rest[open + 1..open + close].split(',') {
            let Some((name, type_)) = parameter.split_once(':') else { continue };
            let (name, type_) = (name.trim().trim_start_matches("mut "), type_.trim());
            let type_ = type_.strip_prefix("Option<").and_then(|inner| inner.strip_suffix('>')).unwrap_or(type_);
            let type_ = type_.replace("'static ", "").replace("'_ ", "");
            if REACHING.contains(&name) && TEXTS.contains(&type_.as_str()) {
                found.push(format!("{}({name}: {type_})", &rest[..open]));
            }
        }
    }
    found
}

/// Where the bracket that `text` begins with is closed.
fn closing(text: &str) -> Option<usize> {
    let mut depth = 0_usize;
    text.char_indices().find_map(|(at, letter)| {
        match letter {
            '(' => depth += 1,
            ')' => depth -= 1,
            _ => {}
        }
        (depth == 0).then_some(at)
    })
}

fn is_test(path: &Path) -> bool {
    path.components().any(|part| part.as_os_str() == "tests") || path.to_string_lossy().ends_with("tests.rs")
}

#[test]
fn no_adapter_takes_a_place_as_text() {
    let root = super::root();
    let mut faults = Vec::new();
    for path in super::files(&root) {
        let relative = path.strip_prefix(&root).unwrap();
        let adapter = ADAPTERS.iter().any(|room| relative.to_string_lossy().starts_with(room));
        if adapter && relative.extension().is_some_and(|end| end == "rs") && !is_test(relative) {
            let text = std::fs::read_to_string(&path).unwrap();
            let text = text.split("#[cfg(test)]").next().unwrap();
            faults.extend(by_text(text).into_iter().map(|found| format!("{}: {found}", relative.display())));
        }
    }
    super::none(&faults);
}

#[test]
fn a_place_given_as_text_is_found_however_it_is_written() {
    for bad in [
        "pub fn read(&self, arn: &str) -> X {",
        "async fn list(namespace: String, more: u8)",
        "fn f(check: impl Fn(u8) -> bool, url: Option<&'static str>)",
        "fn f(mut url: impl Into<String>,\n    x: u8)",
    ] {
        assert_eq!(by_text(bad).len(), 1, "{bad}");
    }
    for good in ["fn read(&self, arn: &Arn)", "fn list(namespace: &Namespace)", "fn name(name: &str)", "fn f()"] {
        assert!(by_text(good).is_empty(), "{good}");
    }
}
