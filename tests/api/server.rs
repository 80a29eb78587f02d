//! One API server for all tests of this program, with the committed definitions. It ends with the process.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Output;
use std::sync::LazyLock;

use xtask::ControlPlane;
use xtask::control_plane::Options;

static SERVER: LazyLock<ControlPlane> = LazyLock::new(|| {
    let server = ControlPlane::start(&Options::default()).expect("a control plane starts");
    for file in yaml_files("crds") {
        server.kubectl_apply(&fs::read_to_string(file).unwrap()).expect("the server takes the definitions");
    }
    // A kind of somebody else's, so that the example of Argo CD has a place to go.
    server.kubectl_apply(include_str!("argo_application.yaml")).unwrap();
    for namespace in ["payments", "privacy", "argocd", "server-side", "client-side"] {
        server.kubectl_ok(["create", "namespace", namespace]).unwrap();
    }
    server
});

/// The server; the first caller waits until it serves our kinds.
pub(crate) fn server() -> &'static ControlPlane {
    &SERVER
}

/// The YAML files of a folder of the repository, by name.
pub(crate) fn yaml_files(folder: &str) -> Vec<PathBuf> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join(folder);
    let entries = fs::read_dir(&folder).unwrap_or_else(|error| panic!("{}: {error}", folder.display()));
    let mut files: Vec<PathBuf> = entries.map(|entry| entry.unwrap().path()).collect();
    files.sort();
    assert!(
        !files.is_empty() && files.iter().all(|file| file.extension().is_some_and(|extension| extension == "yaml"))
    );
    files
}

/// What kubectl said, wherever it said it.
pub(crate) fn said(output: &Output) -> String {
    let (out, err) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    format!("{out}{err}").trim().to_owned()
}
