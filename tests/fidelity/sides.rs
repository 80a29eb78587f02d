//! The two sides: the stand-in as a value, the real one behind HTTP.

use std::collections::VecDeque;
use std::sync::mpsc::{Receiver, channel};
use std::sync::{LazyLock, Mutex};
use std::time::Duration;

use bytes::Bytes;
use http::Request;
use http_body_util::BodyExt;
use jiff::Timestamp;
use kube::config::{KubeConfigOptions, Kubeconfig};
use kube::{Client, Config};
use sandbox::kubernetes::{ApiServer, Reply, Watch};
use serde_json::Value;
use tokio::runtime::Runtime;
use xtask::ControlPlane;
use xtask::control_plane::Options;

/// How long the real one may take for what it does by itself.
const PATIENCE: Duration = Duration::from_secs(20);

/// An API server.
pub(crate) trait Side {
    /// Status and body. What is no JSON is a string.
    fn ask(&self, request: Request<Bytes>) -> (u16, Value);
    /// The events of a watch.
    fn watch<'a>(&'a self, request: Request<Bytes>) -> Box<dyn Told + 'a>;
    /// Lets the controllers work for a moment. Gives whether it may be worth while to wait on.
    fn step(&self) -> bool;
    /// Forgets the past. A real one has forgotten its first revisions since it served the kind.
    fn forget(&self);
}

/// What a watch is told.
pub(crate) trait Told {
    /// The next event; none if nothing comes.
    fn next(&mut self) -> Option<Value>;
}

/// The stand-in.
pub(crate) struct StandIn(Mutex<ApiServer>);

impl StandIn {
    pub(crate) fn new() -> Self {
        let mut server = ApiServer::new(1);
        for definition in definitions() {
            server.define(&serde_yaml::from_str(&definition).unwrap()).unwrap();
        }
        Self(Mutex::new(server))
    }
}

impl Side for StandIn {
    fn ask(&self, request: Request<Bytes>) -> (u16, Value) {
        match self.0.lock().unwrap().answer(&request, Timestamp::now()) {
            Reply::Whole(response) => (response.status().as_u16(), json(response.body())),
            Reply::Watch(_) => panic!("{} is a watch", request.uri()),
        }
    }

    fn watch<'a>(&'a self, request: Request<Bytes>) -> Box<dyn Told + 'a> {
        match self.0.lock().unwrap().answer(&request, Timestamp::now()) {
            Reply::Whole(response) => panic!("{}: {:?}", request.uri(), response.body()),
            Reply::Watch(watch) => Box::new(OfStandIn { server: &self.0, watch, events: VecDeque::new() }),
        }
    }

    fn step(&self) -> bool {
        let mut server = self.0.lock().unwrap();
        let before = server.revision();
        server.collect(Timestamp::now());
        server.revision() > before
    }

    fn forget(&self) {
        let mut server = self.0.lock().unwrap();
        let now = server.revision();
        server.compact(now);
    }
}

struct OfStandIn<'a> {
    server: &'a Mutex<ApiServer>,
    watch: Watch,
    events: VecDeque<Value>,
}

impl Told for OfStandIn<'_> {
    fn next(&mut self) -> Option<Value> {
        let lines = self.server.lock().unwrap().read(&mut self.watch, Timestamp::now());
        self.events.extend(lines.iter().map(|line| json(line)));
        self.events.pop_front()
    }
}

/// The real one: one for all tests of this program, with its controllers. It ends with the process.
static REAL: LazyLock<Real> = LazyLock::new(|| {
    let plane = ControlPlane::start(&Options { controller_manager: true, ..Options::default() })
        .expect("a control plane starts");
    plane.kubectl_apply(&definitions().join("\n---\n")).expect("the server takes the definitions");
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
    let kubeconfig = Kubeconfig::read_from(plane.kubeconfig()).unwrap();
    let client = runtime.block_on(async {
        let config = Config::from_custom_kubeconfig(kubeconfig, &KubeConfigOptions::default()).await.unwrap();
        Client::try_from(config).unwrap()
    });
    Real { runtime, client, _plane: plane }
});

pub(crate) struct Real {
    runtime: Runtime,
    client: Client,
    _plane: ControlPlane,
}

/// The real side; the first caller waits until it serves.
pub(crate) fn real() -> &'static Real {
    &REAL
}

impl Side for Real {
    fn ask(&self, request: Request<Bytes>) -> (u16, Value) {
        self.runtime.block_on(async {
            let response = self.client.send(request.map(|body| body.to_vec().into())).await.unwrap();
            let status = response.status().as_u16();
            (status, json(&response.into_body().collect().await.unwrap().to_bytes()))
        })
    }

    fn watch<'a>(&'a self, request: Request<Bytes>) -> Box<dyn Told + 'a> {
        let (sender, receiver) = channel();
        let client = self.client.clone();
        let response = self.runtime.block_on(client.send(request.map(|body| body.to_vec().into()))).unwrap();
        self.runtime.spawn(async move {
            let mut body = response.into_body();
            let mut buffer = Vec::new();
            while let Some(Ok(frame)) = body.frame().await {
                buffer.extend_from_slice(frame.data_ref().map_or(&[][..], |data| data));
                while let Some(end) = buffer.iter().position(|byte| *byte == b'\n') {
                    let line: Vec<u8> = buffer.drain(..=end).collect();
                    if sender.send(json(&line)).is_err() {
                        return;
                    }
                }
            }
        });
        Box::new(OfReal(receiver))
    }

    fn step(&self) -> bool {
        std::thread::sleep(PATIENCE / 100);
        true
    }

    fn forget(&self) {}
}

struct OfReal(Receiver<Value>);

impl Told for OfReal {
    fn next(&mut self) -> Option<Value> {
        self.0.recv_timeout(PATIENCE).ok()
    }
}

fn definitions() -> Vec<String> {
    let rotations = concat!(env!("CARGO_MANIFEST_DIR"), "/crds/managed-secrets.io_rotations.yaml");
    vec![include_str!("widget.yaml").to_owned(), std::fs::read_to_string(rotations).unwrap()]
}

fn json(bytes: &[u8]) -> Value {
    serde_json::from_slice(bytes).unwrap_or_else(|_| Value::String(String::from_utf8_lossy(bytes).trim().to_owned()))
}
