//! `cargo xtask demo`: the product on real parts, told to a person.
//!
//! Invariant: what is told was checked, at the server, at the partner or at AWS, and never by asking the operator; the
//! first check that does not hold ends the demo. Called by `main`.

pub mod operator;
pub mod outside;
pub mod stage;

mod bigid;
mod postgresql;
mod salesforce;
mod tell;

use std::time::{Duration, Instant};

use self::operator::Operator;
use self::stage::{SHORT, Stage};
use self::tell::Teller;
use crate::failure::{Failure, Result};
use crate::progress::short;

/// Tells the stories. With `once` it ends then; otherwise everything stays up until the process is interrupted.
pub fn run(once: bool) -> Result<()> {
    let began = Instant::now();
    println!(
        "Managed External Secrets: three stories on real parts. Nothing leaves this machine; all goes at the end."
    );
    let stage = Stage::set(false, false)?;
    let plan = stage.operator(None, &SHORT)?;
    println!(
        "\nRunning here: etcd, kube-apiserver and kube-controller-manager; PostgreSQL; the sandbox, which stands in for\n\
         AWS (Secrets Manager in three regions, STS) and for Salesforce. The chart is applied as rendered in\n{}.\n\
         There is no node, so its pod stays Pending; the operator runs as a process with the Deployment's arguments and\n\
         a token of its ServiceAccount, but for:",
        operator::RENDERED
    );
    plan.differences().iter().for_each(|flag| println!("  {flag}"));
    let mut operator = plan.start()?;
    println!("Everything is up after {}.", short(began.elapsed()));
    tell(&stage).map_err(|failure| {
        let words = operator.last_words(40);
        Failure::new(format!("{failure}\n--- the operator's last lines\n{words}"))
    })?;
    println!("\nAll steps were checked and held, in {} from the start.", short(began.elapsed()));
    if once { Ok(()) } else { stay(&stage, &mut operator) }
}

fn tell(stage: &Stage) -> Result<()> {
    let teller = Teller::new(stage);
    postgresql::tell(&teller)?;
    salesforce::tell(&teller)?;
    bigid::tell(&teller)?;
    teller.title("What is there now");
    teller.show("get mes,rot -A")?;
    teller.show("get pacct,smstore")
}

/// Until the process is interrupted: the watchdogs of the servers then end them (see [`crate::scratch`]).
fn stay(stage: &Stage, operator: &mut Operator) -> Result<()> {
    let cluster = stage.plane.kubectl_program().display().to_string();
    println!(
        "\nIt stays up until Ctrl-C. In another terminal:\n\n\
         export KUBECONFIG={}\n\
         alias kubectl={cluster}\n\
         kubectl get mes,rot,pacct,smstore -A                      # how everything is\n\
         kubectl describe mes orders-db -n payments                # conditions and events of one\n\
         kubectl get mes -A -w                                     # and as it changes\n\
         kubectl delete secret orders-db -n payments               # a target that is lost is made again\n\
         kubectl patch mes crm -n payments --type=merge -p '{{\"spec\":{{\"suspend\":true}}}}'\n\
         tail -f {}\n\
         curl -s http://127.0.0.1:{}/metrics | grep ^mes_\n\
         curl -s {}/_sandbox/log                                   # every call to AWS and Salesforce, never a value\n",
        stage.plane.kubeconfig().display(),
        operator.log().display(),
        operator.port(),
        stage.sandbox.url(),
    );
    loop {
        if let Some(failure) = operator.ended() {
            return Err(failure);
        }
        std::thread::sleep(Duration::from_millis(500));
    }
}
