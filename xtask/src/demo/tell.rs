//! How a story is told: what happens and why, a command that shows it, and what was checked. And how a story waits.
//!
//! Invariant: nothing here prints a value; credentials are of type [`Held`], which can only be compared and used.
//! Called by the stories.

use std::collections::BTreeMap;
use std::fmt;
use std::time::{Duration, Instant};

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde_json::Value;

use super::stage::Stage;
use crate::failure::{Failure, Result, Tried};
use crate::progress::short;

/// How long a step may take before the demo calls it failed.
const PATIENCE: Duration = Duration::from_secs(90);

/// A credential's fields, held to be compared and tried.
#[derive(Clone, PartialEq, Eq)]
pub(super) struct Held(BTreeMap<String, String>);

impl Held {
    /// Of the JSON object that a store or a partner keeps.
    pub(super) fn of_json(object: &Value) -> Self {
        let text = |value: &Value| value.as_str().map_or_else(|| value.to_string(), str::to_owned);
        Self(object.as_object().into_iter().flatten().map(|(key, value)| (key.clone(), text(value))).collect())
    }

    /// One field; empty if it is not there.
    pub(super) fn field(&self, key: &str) -> &str {
        self.0.get(key).map_or("", String::as_str)
    }
}

impl fmt::Debug for Held {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("Held(…)")
    }
}

/// Tells, and keeps the time.
pub(super) struct Teller<'a> {
    /// What it tells of.
    pub(super) stage: &'a Stage,
    began: Instant,
}

impl<'a> Teller<'a> {
    /// Begins now.
    pub(super) fn new(stage: &'a Stage) -> Self {
        Self { stage, began: Instant::now() }
    }

    /// The heading of a story.
    pub(super) fn title(&self, text: &str) {
        println!("\n━━ {text}\n");
    }

    /// What happens and why.
    pub(super) fn say(&self, text: &str) {
        println!("[{:>6}] {text}", short(self.began.elapsed()));
    }

    /// A manifest, as it is applied.
    pub(super) fn apply(&self, manifest: &str) -> Result<()> {
        println!("         $ kubectl apply -f - <<EOF");
        manifest.lines().for_each(|line| println!("           {line}"));
        println!("         EOF");
        self.stage.plane.kubectl_apply(manifest)
    }

    /// Runs `kubectl` and shows command and output.
    pub(super) fn show(&self, arguments: &str) -> Result<()> {
        let output = self.stage.plane.kubectl_ok(arguments.split_whitespace())?;
        println!("         $ kubectl {arguments}");
        output.lines().for_each(|line| println!("           {line}"));
        Ok(())
    }

    /// What was checked, if it holds.
    pub(super) fn check(&self, what: &str, holds: bool) -> Result<()> {
        if !holds {
            return Err(Failure::new(format!("checked, and it is not so: {what}")));
        }
        println!("         ✓ {what}");
        Ok(())
    }

    /// Waits for a condition of an object, as a person would.
    pub(super) fn wait(&self, condition: &str, object: &str, namespace: &str) -> Result<()> {
        let (condition, patience) =
            (format!("--for=condition={condition}"), format!("--timeout={}s", PATIENCE.as_secs()));
        let waited = self.stage.plane.kubectl_ok(["wait", &condition, object, "-n", namespace, &patience]);
        waited.map(|_| ()).map_err(|_| {
            let described = self.stage.plane.kubectl_ok(["describe", object, "-n", namespace]).unwrap_or_default();
            Failure::new(format!("{object} in {namespace} did not become {condition} in time:\n{described}"))
        })
    }

    /// Waits until `found` gives something.
    pub(super) fn until<T>(&self, what: &str, mut found: impl FnMut() -> Result<Option<T>>) -> Result<T> {
        let start = Instant::now();
        loop {
            if let Some(it) = found()? {
                return Ok(it);
            }
            if start.elapsed() > PATIENCE {
                return Err(Failure::new(format!("{what}: not within {}", short(PATIENCE))));
            }
            std::thread::sleep(Duration::from_millis(300));
        }
    }

    /// An object as JSON.
    pub(super) fn object(&self, object: &str, namespace: &str) -> Result<Value> {
        let text = self.stage.plane.kubectl_ok(["get", object, "-n", namespace, "-o", "json"])?;
        serde_json::from_str(&text).tried(|| format!("reading {object}"))
    }

    /// The Rotations of a resource, oldest first: name, and reason of `Complete` once it is.
    pub(super) fn rotations(&self, resource: &str, namespace: &str) -> Result<Vec<(String, String)>> {
        let name_and_reason = |each: Value| {
            let conditions = each["status"]["conditions"].as_array().into_iter().flatten();
            let complete = conditions.clone().find(|one| one["type"] == "Complete" && one["status"] == "True");
            let reason = complete.map_or("", |one| one["reason"].as_str().unwrap_or_default());
            (each["metadata"]["name"].as_str().unwrap_or_default().to_owned(), reason.to_owned())
        };
        Ok(self.all_rotations(resource, namespace)?.into_iter().map(name_and_reason).collect())
    }

    fn all_rotations(&self, resource: &str, namespace: &str) -> Result<Vec<Value>> {
        let sorted = "--sort-by=.metadata.creationTimestamp";
        let text = self.stage.plane.kubectl_ok(["get", "rot", "-n", namespace, "-o", "json", sorted])?;
        let list: Value = serde_json::from_str(&text).tried(|| "reading Rotations".to_owned())?;
        let all = list["items"].as_array().cloned().unwrap_or_default();
        Ok(all.into_iter().filter(|each| each["spec"]["resourceRef"]["name"] == resource).collect())
    }

    /// Why a Rotation of a resource failed, if one did.
    pub(super) fn failed_rotation(&self, resource: &str, namespace: &str) -> Result<Option<String>> {
        let failed = self.all_rotations(resource, namespace)?.into_iter().find_map(|each| {
            let conditions = each["status"]["conditions"].as_array()?;
            let failed = conditions.iter().find(|one| one["type"] == "Failed" && one["status"] == "True")?;
            Some(format!("{}: {}", failed["reason"], failed["message"]))
        });
        Ok(failed)
    }

    /// Makes a seed of a JSON object, a key a field. What is shown of it are its keys.
    pub(super) fn create_seed(&self, name: &str, namespace: &str, fields: &Value) -> Result<()> {
        let keys: Vec<&str> = fields.as_object().into_iter().flatten().map(|(key, _)| key.as_str()).collect();
        let flags = format!("-n {namespace} --type=managed-secrets.io/seed --from-env-file=seed.env");
        println!("         $ kubectl create secret generic {name} {flags}");
        println!("           # keys in seed.env: {}", keys.join(", "));
        let seed = serde_json::json!({"apiVersion": "v1", "kind": "Secret", "type": "managed-secrets.io/seed",
            "metadata": {"name": name, "namespace": namespace}, "stringData": fields});
        // By a pipe: arguments of a process can be read by others.
        self.stage.plane.kubectl_apply(&seed.to_string())
    }

    /// What a native Secret holds.
    pub(super) fn secret(&self, name: &str, namespace: &str) -> Result<Held> {
        let secret = self.object(&format!("secret/{name}"), namespace)?;
        let mut fields = BTreeMap::new();
        for (key, value) in secret["data"].as_object().into_iter().flatten() {
            let bytes = STANDARD.decode(value.as_str().unwrap_or_default()).ok();
            let text = bytes.and_then(|bytes| String::from_utf8(bytes).ok());
            let text = text.ok_or_else(|| Failure::new(format!("key {key} of Secret {name} is no text")))?;
            fields.insert(key.clone(), text);
        }
        Ok(Held(fields))
    }

    /// What AWS serves as AWSCURRENT in a region, and the id of that version.
    pub(super) fn at_aws(&self, secret: &str, region: &str) -> Result<(Held, String)> {
        let answer = self.stage.outside.aws(region, "GetSecretValue", &serde_json::json!({"SecretId": secret}))?;
        let value = answer["SecretString"].as_str().unwrap_or_default();
        let value: Value = serde_json::from_str(value).map_err(|_| Failure::new(format!("{secret} holds no JSON")))?;
        Ok((Held::of_json(&value), answer["VersionId"].as_str().unwrap_or_default().to_owned()))
    }

    /// The staging labels of each version at AWS, in the store's own region, sorted.
    pub(super) fn labels_at_aws(&self, secret: &str) -> Result<Vec<String>> {
        let answer = self.stage.outside.aws("us-west-2", "DescribeSecret", &serde_json::json!({"SecretId": secret}))?;
        let versions = answer["VersionIdsToStages"].as_object().cloned().unwrap_or_default();
        let mut labels: Vec<String> = versions
            .values()
            .flat_map(|labels| labels.as_array().cloned().unwrap_or_default())
            .filter_map(|label| label.as_str().map(str::to_owned))
            .collect();
        labels.sort();
        Ok(labels)
    }
}
