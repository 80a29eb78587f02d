//! `crds/` is what the code says.

use std::path::Path;
use std::{env, fs};

use managed_external_secrets::cli::crds::crds;

/// `REGENERATE=1 cargo test --test api crds` writes them.
#[test]
fn the_committed_definitions_are_the_ones_that_the_code_generates() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("crds");
    let generated = crds().expect("definitions are YAML");
    if env::var_os("REGENERATE").is_some() {
        for (name, yaml) in &generated {
            fs::write(folder.join(name), yaml).unwrap();
        }
    }
    let mut committed: Vec<String> =
        fs::read_dir(&folder).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
    committed.sort();
    let mut names: Vec<&String> = generated.iter().map(|(name, _)| name).collect();
    names.sort();
    assert_eq!(committed.iter().collect::<Vec<_>>(), names, "files in crds/");
    for (name, yaml) in &generated {
        let file = fs::read_to_string(folder.join(name)).unwrap();
        assert!(file == *yaml, "crds/{name} is not what the code generates: REGENERATE=1 cargo test --test api crds");
        assert!(yaml.len() < 100_000, "crds/{name} has {} bytes", yaml.len());
    }
}
