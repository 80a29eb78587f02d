//! What the documentation names is there: files that pages link to, and the calls that the IAM documents allow.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use serde_json::Value;

fn root() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
}

/// Every file below `folder` with this ending.
fn files(folder: &Path, ending: &str) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            found.extend(files(&path, ending));
        } else if path.extension().is_some_and(|end| end == ending) {
            found.push(path);
        }
    }
    found
}

#[test]
fn every_link_to_a_file_of_ours_leads_somewhere() {
    let top = fs::read_dir(root()).unwrap().map(|entry| entry.unwrap().path());
    let mut pages: Vec<PathBuf> = top.filter(|path| path.extension().is_some_and(|end| end == "md")).collect();
    pages.extend(files(&root().join("docs"), "md"));
    pages.extend(files(&root().join("charts"), "md"));
    assert!(pages.len() > 12, "{pages:?}");
    let mut dead = Vec::new();
    for page in &pages {
        let text = fs::read_to_string(page).unwrap();
        for link in text.split("](").skip(1).filter_map(|rest| rest.split(')').next()) {
            let file = link.split('#').next().unwrap_or_default();
            if !file.is_empty() && !file.contains("://") && !page.parent().unwrap().join(file).exists() {
                dead.push(format!("{}: {link}", page.display()));
            }
        }
    }
    assert!(dead.is_empty(), "{dead:#?}");
}

/// The actions of Secrets Manager that a document allows.
fn allowed(document: &str) -> BTreeSet<String> {
    let path = root().join("docs/iam").join(document);
    let policy: Value = serde_json::from_str(&fs::read_to_string(path).unwrap()).unwrap();
    let mut actions = BTreeSet::new();
    for statement in policy["Statement"].as_array().unwrap().iter().filter(|each| each["Effect"] == "Allow") {
        let one_or_more = &statement["Action"];
        let list = one_or_more.as_array().cloned().unwrap_or_else(|| vec![one_or_more.clone()]);
        let names =
            list.iter().filter_map(|action| action.as_str()?.strip_prefix("secretsmanager:").map(str::to_owned));
        actions.extend(names);
    }
    actions
}

#[test]
fn the_iam_documents_allow_the_calls_that_the_adapter_makes_and_no_other() {
    let mut made = BTreeSet::new();
    for path in files(&root().join("src/aws"), "rs") {
        if path.to_string_lossy().contains("tests") {
            continue;
        }
        let text = fs::read_to_string(path).unwrap();
        let calls = text.split(".call(\"").skip(1).filter_map(|rest| rest.split('"').next());
        made.extend(calls.map(str::to_owned));
    }
    assert!(made.contains("UpdateSecretVersionStage") && made.len() > 8, "{made:?}");
    let documents = ["mes-base.json", "mes-store.json", "mes-store-optional.json"];
    let all: BTreeSet<String> = documents.iter().flat_map(|document| allowed(document)).collect();
    assert_eq!(all, made);
    let page = fs::read_to_string(root().join("docs/iam.md")).unwrap();
    for call in made {
        assert!(page.contains(&format!("| `{call}`")), "docs/iam.md does not explain {call}");
    }
}

#[test]
fn every_iam_document_is_on_the_page_and_none_may_pass_a_policy_or_delete_at_once() {
    let page = fs::read_to_string(root().join("docs/iam.md")).unwrap();
    for path in files(&root().join("docs/iam"), "json") {
        let name = path.file_name().unwrap().to_string_lossy().into_owned();
        assert!(page.contains(&format!("(iam/{name})")), "{name}");
        let policy: Value = serde_json::from_str(&fs::read_to_string(&path).unwrap()).unwrap();
        assert_eq!(policy["Version"], "2012-10-17", "{name}");
    }
    let store = fs::read_to_string(root().join("docs/iam/mes-store.json")).unwrap();
    for denied in ["ForceOverwriteReplicaSecret", "ForceDeleteWithoutRecovery", "PutResourcePolicy"] {
        assert!(store.contains(denied), "{denied}");
    }
}
