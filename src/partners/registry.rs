//! Every partner that we rotate ourselves, one line each, and all types that we know.
//!
//! Read by the controller (a driver by its type's name), the resolver and `mes partners` (types).

use std::sync::Arc;

use mes_core::partner::{PartnerType, aws_types};

use super::{Doors, Partner};

/// A driver: what it says of itself, and how it is opened.
#[derive(Clone, Copy)]
pub struct Driver {
    /// Its type.
    pub describe: fn() -> &'static PartnerType,
    /// The driver over these doors. No I/O.
    pub open: fn(Doors) -> Arc<dyn Partner>,
}

const DRIVERS: &[Driver] = &[];

/// The drivers of this build.
pub fn registry() -> Registry {
    Registry(DRIVERS)
}

/// Which types there are and which of them have a driver.
#[derive(Clone, Copy)]
pub struct Registry(&'static [Driver]);

impl Registry {
    /// The driver of the type with this name (exactly), over these doors; `None`: the operator does not rotate it.
    pub fn find(&self, name: &str, doors: &Doors) -> Option<Arc<dyn Partner>> {
        self.0.iter().find(|driver| (driver.describe)().name == name).map(|driver| (driver.open)(doors.clone()))
    }

    /// The type with this name (exactly), a driver's or AWS's.
    pub fn partner_type(&self, name: &str) -> Option<&'static PartnerType> {
        self.types().into_iter().find(|known| known.name == name)
    }

    /// All types by name: the drivers', and AWS's that no driver has.
    pub fn types(&self) -> Vec<&'static PartnerType> {
        let ours = || self.0.iter().map(|driver| (driver.describe)());
        let aws = aws_types::all().iter().filter(|row| ours().all(|own| own.name != row.name));
        let mut types: Vec<_> = ours().chain(aws).collect();
        types.sort_by_key(|known| known.name);
        types
    }

    /// The drivers, for the conformance suite.
    pub fn drivers(&self) -> &'static [Driver] {
        self.0
    }
}
