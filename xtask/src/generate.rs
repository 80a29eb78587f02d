//! `cargo xtask generate`: files that are made from the code, committed, and held to it by `lint`.
//!
//! Adding one is a row of [`FILES`]. Called by `main`, and by `lint` with `check`.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use crate::binaries::{Tool, find_or_build};
use crate::cargo;
use crate::failure::{Failure, Result, Tried};
use crate::rights;

/// A generated file.
pub struct Generated {
    /// Where it lies, from the root of the workspace.
    pub path: &'static str,
    /// The program whose standard output it is.
    pub by: Program,
}

/// A program that prints a generated file; it runs at the root of the workspace.
pub enum Program {
    /// `mes ARGUMENTS`.
    Mes(&'static [&'static str]),
    /// `helm ARGUMENTS`.
    Helm(&'static [&'static str]),
    /// `helm`, once for each install: the page of [`rights`].
    Rights,
}

/// Every generated file, such as
/// `Generated { path: "crds/rotations.yaml", by: Program::Mes(&["crds", "rotations"]) }`.
/// What `helm` reads must stand before what it renders.
#[rustfmt::skip] // A file a line.
pub const FILES: &[Generated] = &[
    Generated { path: "crds/managed-secrets.io_managedexternalsecrets.yaml", by: Program::Mes(&["crds", "managedexternalsecrets"]) },
    Generated { path: "crds/managed-secrets.io_partneraccounts.yaml", by: Program::Mes(&["crds", "partneraccounts"]) },
    Generated { path: "crds/managed-secrets.io_rotations.yaml", by: Program::Mes(&["crds", "rotations"]) },
    Generated { path: "crds/managed-secrets.io_secretsmanagerstores.yaml", by: Program::Mes(&["crds", "secretsmanagerstores"]) },
    // Helm reads nothing outside of a chart, and a chart's own folder `crds` is never upgraded: hence these copies.
    Generated { path: "charts/managed-external-secrets/files/crds/managedexternalsecrets.yaml", by: Program::Mes(&["crds", "managedexternalsecrets"]) },
    Generated { path: "charts/managed-external-secrets/files/crds/partneraccounts.yaml", by: Program::Mes(&["crds", "partneraccounts"]) },
    Generated { path: "charts/managed-external-secrets/files/crds/rotations.yaml", by: Program::Mes(&["crds", "rotations"]) },
    Generated { path: "charts/managed-external-secrets/files/crds/secretsmanagerstores.yaml", by: Program::Mes(&["crds", "secretsmanagerstores"]) },
    // What the demo and the end-to-end tests apply.
    Generated { path: "charts/rendered/demo.yaml", by: Program::Helm(CHART) },
    Generated { path: "docs/rights.md", by: Program::Rights },
    Generated { path: "docs/cli.md", by: Program::Mes(&["docs", "cli"]) },
    Generated { path: "docs/metrics.md", by: Program::Mes(&["docs", "metrics"]) },
    Generated { path: "docs/reasons.md", by: Program::Mes(&["docs", "reasons"]) },
    Generated { path: "docs/partners/README.md", by: Program::Mes(&["docs", "partners"]) },
    Generated { path: "docs/kinds/managedexternalsecret.md", by: Program::Mes(&["docs", "kinds", "managedexternalsecrets"]) },
    Generated { path: "docs/kinds/partneraccount.md", by: Program::Mes(&["docs", "kinds", "partneraccounts"]) },
    Generated { path: "docs/kinds/rotation.md", by: Program::Mes(&["docs", "kinds", "rotations"]) },
    Generated { path: "docs/kinds/secretsmanagerstore.md", by: Program::Mes(&["docs", "kinds", "secretsmanagerstores"]) },
];

/// The chart as the demo renders it.
const CHART: &[&str] = &[
    "template",
    "mes",
    "charts/managed-external-secrets",
    "--namespace",
    "mes-system",
    "--values",
    "charts/rendered/demo-values.yaml",
];

/// Writes every generated file, and gives the paths of those that changed. With `check`, writes none of them.
pub fn run(check: bool) -> Result<Vec<&'static str>> {
    let programs = Programs::of(FILES)?;
    write(crate::workspace_root(), FILES, check, |program| programs.output(program))
}

fn write<'a>(
    root: &Path,
    files: &'a [Generated],
    check: bool,
    output: impl Fn(&Program) -> Result<Vec<u8>>,
) -> Result<Vec<&'a str>> {
    let mut changed = Vec::new();
    for file in files {
        let path = root.join(file.path);
        let fresh = output(&file.by)?;
        if fs::read(&path).is_ok_and(|committed| committed == fresh) {
            continue;
        }
        changed.push(file.path);
        if !check {
            if let Some(folder) = path.parent() {
                fs::create_dir_all(folder).tried(|| format!("making {}", folder.display()))?;
            }
            fs::write(&path, fresh).tried(|| format!("writing {}", path.display()))?;
        }
    }
    Ok(changed)
}

struct Programs {
    mes: Option<PathBuf>,
    helm: Option<PathBuf>,
}

impl Programs {
    /// Builds only what the files need.
    fn of(files: &[Generated]) -> Result<Self> {
        let needs = |wanted: fn(&Program) -> bool| files.iter().any(|file| wanted(&file.by));
        let mes = if needs(|by| matches!(by, Program::Mes(_))) { cargo::binaries(false)? } else { BTreeMap::new() };
        let helm = if needs(|by| matches!(by, Program::Helm(_) | Program::Rights)) {
            find_or_build(&[Tool::Helm])?
        } else {
            BTreeMap::new()
        };
        Ok(Self { mes: mes.get("mes").cloned(), helm: helm.get(&Tool::Helm).cloned() })
    }

    fn output(&self, program: &Program) -> Result<Vec<u8>> {
        let (path, name, arguments) = match program {
            Program::Mes(arguments) => (&self.mes, "mes", arguments),
            Program::Helm(arguments) => (&self.helm, "helm", arguments),
            Program::Rights => {
                let render = |values: &str| {
                    let said = self.said(&self.helm, "helm", &[CHART, &["--set", values]].concat())?;
                    String::from_utf8(said).tried(|| "reading what helm renders".into())
                };
                return rights::page(render).map(String::into_bytes);
            }
        };
        self.said(path, name, arguments)
    }

    fn said(&self, path: &Option<PathBuf>, name: &str, arguments: &[&str]) -> Result<Vec<u8>> {
        let path = path.as_ref().ok_or_else(|| Failure::new(format!("{name} was not built")))?;
        let said = Command::new(path)
            .args(arguments)
            .current_dir(crate::workspace_root())
            .stdin(Stdio::null())
            .output()
            .tried(|| format!("starting {name}"))?;
        if said.status.success() {
            return Ok(said.stdout);
        }
        let why = String::from_utf8_lossy(&said.stderr);
        Err(Failure::new(format!("{name} {} failed ({}): {}", arguments.join(" "), said.status, why.trim())))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::scratch::Scratch;

    const FILES: &[Generated] = &[Generated { path: "docs/list.md", by: Program::Mes(&["list"]) }];

    #[test]
    fn a_file_that_differs_from_the_code_is_told_and_written_once() {
        let scratch = Scratch::new("generate").unwrap();
        let root = scratch.path();
        let written = |check, content: &'static str| write(root, FILES, check, |_| Ok(content.into())).unwrap();
        assert_eq!(written(true, "one"), ["docs/list.md"]);
        assert!(!root.join("docs/list.md").exists(), "a check writes nothing");
        assert_eq!(written(false, "one"), ["docs/list.md"]);
        assert!(written(false, "one").is_empty());
        assert_eq!(written(true, "two"), ["docs/list.md"]);
        assert_eq!(fs::read_to_string(root.join("docs/list.md")).unwrap(), "one");
    }
}
