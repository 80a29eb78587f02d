//! The same seed, the same run: what else would differ from run to run is given a seed of its own here.
//!
//! Invariant: within a run's own thread every source of chance is a stream of its seed: libc's `getrandom` (keys of the
//! standard hash maps, `rand`), `ahash` (kube-runtime's caches) and `fastrand` (the jitter of retries). Called by `run`
//! before anything else of its thread.

#![expect(unsafe_code, reason = "libc's getrandom is put in place of libc's own, in this test program alone")]

use std::cell::Cell;
use std::ffi::{c_int, c_uint, c_void};
use std::sync::Once;

thread_local! {
    static STREAM: Cell<u64> = const { Cell::new(0x9e37_79b9_7f4a_7c15) };
}

/// Seeds all of this thread.
pub(crate) fn seed(seed: u64) {
    static HASHERS: Once = Once::new();
    HASHERS.call_once(|| {
        // Refused only where a map was made before us: then the comparison of two runs tells.
        let _ = ahash::random_state::set_random_source(Fixed);
    });
    STREAM.set(seed ^ 0x9e37_79b9_7f4a_7c15);
    fastrand::seed(seed);
}

/// Every map of `ahash` has the same keys.
struct Fixed;

impl ahash::random_state::RandomSource for Fixed {
    fn gen_hasher_seed(&self) -> usize {
        0x5eed
    }
}

/// splitmix64.
fn next() -> u64 {
    let state = STREAM.get().wrapping_add(0x9e37_79b9_7f4a_7c15);
    STREAM.set(state);
    let mixed = (state ^ (state >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    mixed ^ (mixed >> 31)
}

fn fill(buffer: *mut c_void, length: usize) {
    for at in 0..length {
        let byte = next().to_le_bytes()[0];
        // SAFETY: the caller of getrandom gives a buffer of this length.
        unsafe { buffer.cast::<u8>().add(at).write(byte) };
    }
}

#[unsafe(no_mangle)]
extern "C" fn getrandom(buffer: *mut c_void, length: usize, _flags: c_uint) -> isize {
    fill(buffer, length);
    isize::try_from(length).unwrap_or(-1)
}

#[unsafe(no_mangle)]
extern "C" fn getentropy(buffer: *mut c_void, length: usize) -> c_int {
    fill(buffer, length);
    0
}
