//! The partners, each told by the host that was asked for. Called by `world` for the partners' door.

use bytes::Bytes;
use http::Request;
use jiff::Timestamp;
use rand::rngs::StdRng;

use crate::body::Answer;
use crate::knobs::Knobs;

pub mod salesforce;

/// Every partner's state.
#[derive(Default)]
pub(crate) struct Partners {
    pub(crate) salesforce: salesforce::Salesforce,
}

impl Partners {
    /// The operation's name, for faults and counts.
    pub(crate) fn operation(&self, request: &Request<Bytes>) -> &'static str {
        salesforce::operation(request)
    }

    pub(crate) fn answer(
        &mut self,
        request: &Request<Bytes>,
        host: &str,
        now: Timestamp,
        knobs: &Knobs,
        random: &mut StdRng,
    ) -> Answer {
        self.salesforce.answer(request, host, now, knobs, random)
    }
}
