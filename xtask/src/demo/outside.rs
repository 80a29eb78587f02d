//! What lies outside of the cluster, asked directly and not by way of the operator: the sandbox's Secrets Manager and
//! its control API, and whatever else speaks plain HTTP on loopback.
//!
//! Invariant: values stay in memory and are only compared; no error of this module holds a body. Called by the stories
//! and by `bench`.

use serde_json::Value;

use crate::failure::{Failure, Result, Tried};

/// The sandbox, for whoever knows its address.
pub struct Outside {
    url: String,
    agent: ureq::Agent,
}

impl Outside {
    /// `url` as [`crate::Sandbox::url`] gives it.
    pub fn new(url: &str) -> Self {
        Self { url: url.to_owned(), agent: agent() }
    }

    /// A call to Secrets Manager in `region`, as an administrator of AWS would make it.
    pub fn aws(&self, region: &str, operation: &str, body: &Value) -> Result<Value> {
        let credential = format!("AKIADEMOADMIN0000001/20260101/{region}/secretsmanager/aws4_request");
        let request = self
            .agent
            .post(&self.url)
            .header("content-type", "application/x-amz-json-1.1")
            .header("x-amz-target", format!("secretsmanager.{operation}"))
            .header(
                "authorization",
                format!("AWS4-HMAC-SHA256 Credential={credential}, SignedHeaders=host, Signature=not-verified"),
            );
        answered(request.send(body.to_string()), &format!("{operation} in {region}"))
    }

    /// A POST to the control API, `path` being what follows `/_sandbox/`.
    pub fn post(&self, path: &str, body: &Value) -> Result<Value> {
        answered(self.agent.post(self.control(path)).send(body.to_string()), path)
    }

    /// A GET from the control API.
    pub fn fetch(&self, path: &str) -> Result<Value> {
        answered(self.agent.get(self.control(path)).call(), path)
    }

    fn control(&self, path: &str) -> String {
        format!("{}/_sandbox/{path}", self.url)
    }
}

/// Whether `url` answers 200 now.
pub fn is_up(url: &str) -> bool {
    agent().get(url).call().is_ok_and(|response| response.status() == 200)
}

/// What `url` answers.
pub fn text(url: &str) -> Result<String> {
    let mut response = agent().get(url).call().tried(|| format!("asking {url}"))?;
    response.body_mut().with_config().limit(1 << 30).read_to_string().tried(|| format!("reading {url}"))
}

/// A client that takes any status for an answer, and waits 10 s at the most.
pub(crate) fn agent() -> ureq::Agent {
    ureq::Agent::config_builder()
        .http_status_as_error(false)
        .timeout_global(Some(std::time::Duration::from_secs(10)))
        .build()
        .into()
}

fn answered(response: Result<ureq::http::Response<ureq::Body>, ureq::Error>, what: &str) -> Result<Value> {
    let mut response = response.tried(|| format!("asking the sandbox: {what}"))?;
    if !response.status().is_success() {
        return Err(Failure::new(format!("the sandbox answered {what} with {}", response.status())));
    }
    let text = response.body_mut().with_config().limit(1 << 30).read_to_string().tried(|| format!("reading {what}"))?;
    serde_json::from_str(&text).map_err(|_| Failure::new(format!("the sandbox's answer to {what} is no JSON")))
}
