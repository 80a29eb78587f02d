//! Every door to the world. `cli::run` fills it with the real ones, a simulation with its own; nothing else differs.

use std::sync::Arc;

use crate::aws::Transport;
use crate::clock::{Clock, Random};
use crate::partners::{Doors, Registry};
use crate::seal::Seal;

/// The doors.
#[derive(Clone)]
pub struct Outside {
    /// To the API server.
    pub cluster: kube::Client,
    /// To AWS.
    pub aws: Transport,
    /// To partners.
    pub partners: Doors,
    /// Which partners there are.
    pub registry: Registry,
    /// Time.
    pub clock: Arc<dyn Clock>,
    /// Randomness.
    pub random: Arc<dyn Random>,
    /// What claims are sealed with in AWS: by `cluster::seal`, before the controller begins.
    pub seal: Seal,
}
