//! Confidentiality: where no value is.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;

use sha2::{Digest, Sha256};

use super::{Broken, Checkers, Scene};

/// Kinds of objects that hold no value. Secrets do.
const KINDS: [&str; 6] =
    ["managedexternalsecrets", "rotations", "partneraccounts", "secretsmanagerstores", "events", "leases"];

/// No value that a partner ever made or took (C1), and no hash of one that anybody could compute (C2), in any object but a
/// Secret.
pub(super) fn in_objects(scene: &Scene<'_>) -> Vec<Broken> {
    let mut found = Vec::new();
    let traces: Vec<(&'static str, String, String)> = values(scene)
        .flat_map(|(path, secret)| {
            let hash = Sha256::digest(secret);
            let hexadecimal: String = hash.iter().map(|byte| format!("{byte:02x}")).collect();
            let texts = [("C1", secret.to_owned()), ("C1", STANDARD.encode(secret))];
            let hashes = [("C2", hexadecimal), ("C2", STANDARD.encode(hash))];
            texts.into_iter().chain(hashes).map(move |(id, text)| (id, text, path.clone()))
        })
        .collect();
    for kind in KINDS {
        for object in scene.kube.objects(kind) {
            let text = object.to_string();
            for (id, _, path) in traces.iter().filter(|(_, trace, _)| text.contains(trace)) {
                let what = format!("a value of {path} shows in {kind} {}", object["metadata"]["name"]);
                found.push(Broken { id, what });
            }
        }
    }
    found
}

/// No value in an address.
pub(super) fn c4(checkers: &mut Checkers, scene: &Scene<'_>) -> Vec<Broken> {
    let mut found = Vec::new();
    for (named, call) in &checkers.calls {
        let address = call.request.uri().to_string();
        if values(scene).any(|(_, secret)| address.contains(secret)) {
            found.push(Broken { id: "C4", what: format!("the address of {} has a value in it", named.verb) });
        }
    }
    found
}

fn values<'a>(scene: &'a Scene<'a>) -> impl Iterator<Item = (String, &'a str)> {
    scene.subjects.iter().flat_map(|subject| {
        let credentials = subject.account.into_iter().flat_map(|account| &account.credentials);
        credentials.map(|each| (subject.path(), each.secret.as_str()))
    })
}
