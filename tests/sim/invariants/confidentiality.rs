//! Confidentiality: where no value is.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;

use super::{Broken, Scene};

/// Kinds of objects that hold no value. Secrets do.
const KINDS: [&str; 6] =
    ["managedexternalsecrets", "rotations", "partneraccounts", "secretsmanagerstores", "events", "leases"];

/// No value that a partner ever made or took, in any object but a Secret.
pub(super) fn c1(scene: &Scene<'_>) -> Vec<Broken> {
    let mut found = Vec::new();
    for kind in KINDS {
        for object in scene.kube.objects(kind) {
            let text = object.to_string();
            for subject in &scene.subjects {
                for each in subject.account.iter().flat_map(|account| &account.credentials) {
                    if text.contains(&each.secret) || text.contains(&STANDARD.encode(&each.secret)) {
                        let what = format!("a value of {} is in {kind} {}", subject.path(), object["metadata"]["name"]);
                        found.push(Broken { id: "C1", what });
                    }
                }
            }
        }
    }
    found
}
