//! Stand-ins for everything outside. Imports nothing of ours; never shipped.
