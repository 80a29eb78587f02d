//! A process of the operator: what `mes run` does, over the doors of the simulation.

use std::sync::Arc;
use std::time::Duration;

use managed_external_secrets::clock::Clock;
use managed_external_secrets::cluster::{Campaign, client, lease, seal};
use managed_external_secrets::controller::{self, Line, Outside, Settings, Tally};
use managed_external_secrets::partners::Registry;
use mes_core::facts::Bounds;
use mes_core::fault::{Fault, Place};
use mes_core::journal::{Outcome, Trigger};
use mes_core::names::{Namespace, ObjectName, PartnerTypeName, Uid};

use crate::plug::Process;
use crate::synthetic::DRIVERS;

/// The operator's own namespace.
pub(crate) const HOME: &str = "mes-system";

/// Runs until its Lease is lost or it is dead. `cluster`: UID of `kube-system`.
pub(crate) async fn operate(process: Process, cluster: Uid) {
    let home = Namespace::parse(HOME).expect("a name");
    let cluster_client = client::over(process.clone(), HOME);
    let clock: Arc<dyn Clock> = Arc::new(process.clone());
    let identity = lease::identity(&format!("mes-{}", process.number), &process);
    let named = lease::Settings { namespace: home.clone(), name: ObjectName::parse("mes").expect("a name"), identity };
    let mut campaign = Campaign::start(client::over(process.clone(), HOME), named, clock.clone());
    let mut lease = campaign.handle();
    if !lease.leads().await {
        return;
    }
    let Ok(seal) = seal::seal(&client::led(&cluster_client, &lease), &home, &process).await else {
        // As `mes run`: it ends, and is started again.
        process.world.kill(process.number);
        return;
    };
    let outside = Outside {
        cluster: cluster_client,
        aws: process.aws(),
        partners: process.doors(),
        registry: Registry::of(DRIVERS),
        clock,
        random: Arc::new(process.clone()),
        seal,
    };
    let stop = std::future::pending();
    tokio::select! {
        biased;
        _ = campaign.ended() => process.world.kill(process.number),
        () = controller::run(outside, settings(home, process.number), cluster, lease, Arc::new(Quiet), stop) => {}
    }
}

/// How often each resource is checked at its partner: often, so that an hour of silence has several.
pub(crate) const VERIFY: Duration = Duration::from_secs(900);

/// As `mes run` without a flag, but for [`VERIFY`].
fn settings(home: Namespace, number: u32) -> Settings {
    Settings {
        home,
        // People of a scenario ask for more rotations than a day allows; the bound has tests of its own.
        bounds: Bounds { mints_per_day: 1000, ..Bounds::default() },
        sweep: Duration::from_secs(300),
        verify: VERIFY,
        concurrency: 16,
        instance: format!("mes-{number}"),
        any_store_endpoint: false,
        authority_policy: true,
    }
}

/// Nobody listens.
struct Quiet;

impl Tally for Quiet {
    fn rotation_ended(&self, _: Option<&PartnerTypeName>, _: Trigger, _: Outcome) {}
    fn called(&self, _: Place, _: &'static str, _: &str) {}
    fn failed(&self, _: &Fault) {}
    fn observe(&self, _: &Uid, _: Line) {}
    fn forget(&self, _: &Uid) {}
    fn owing(&self, _: &ObjectName, _: usize) {}
    fn ready(&self) {}
}
