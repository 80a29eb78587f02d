//! The partners, each told by the host that was asked for. Called by `world` for the partners' door.

use bytes::Bytes;
use http::{Request, Response};
use jiff::Timestamp;
use rand::rngs::StdRng;

use crate::body::{Answer, Content};
use crate::knobs::Knobs;
use crate::secrets_manager::Failure;

pub mod salesforce;
pub mod synthetic;

const SYNTHETIC: &str = "synthetic";

/// Every partner's state.
#[derive(Default)]
pub(crate) struct Partners {
    pub(crate) salesforce: salesforce::Salesforce,
    pub(crate) synthetic: synthetic::Synthetic,
}

impl Partners {
    /// Whose host it is, for faults and counts.
    pub(crate) fn name(host: &str) -> &'static str {
        if host.ends_with(synthetic::DOMAIN) { SYNTHETIC } else { "salesforce" }
    }

    /// The operation's name, for faults and counts.
    pub(crate) fn operation(request: &Request<Bytes>, host: &str) -> &'static str {
        match Self::name(host) {
            SYNTHETIC => synthetic::operation(request),
            _ => salesforce::operation(request),
        }
    }

    /// A planted error, as the partner of this name tells errors.
    pub(crate) fn told_failure(name: &str, failure: &Failure) -> Response<Content> {
        match name {
            SYNTHETIC => synthetic::told_failure(failure),
            _ => salesforce::told_failure(failure),
        }
    }

    pub(crate) fn answer(
        &mut self,
        request: &Request<Bytes>,
        host: &str,
        now: Timestamp,
        knobs: &Knobs,
        random: &mut StdRng,
    ) -> Answer {
        match Self::name(host) {
            SYNTHETIC => self.synthetic.answer(request, host, now, random),
            _ => self.salesforce.answer(request, host, now, knobs, random),
        }
    }
}
