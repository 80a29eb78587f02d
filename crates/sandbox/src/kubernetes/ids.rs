//! UIDs and the ends of generated names: of a seed and a counter, so that a run can be had again.

/// Draws in the order of calls.
#[derive(Debug)]
pub(super) struct Ids {
    state: u64,
}

impl Ids {
    pub(super) fn new(seed: u64) -> Self {
        Self { state: seed }
    }

    /// A UUID in the form of version 4.
    pub(super) fn uid(&mut self) -> String {
        let (high, low) = (self.draw(), self.draw());
        let low = (low & 0x3fff_ffff_ffff_ffff) | 0x8000_0000_0000_0000;
        format!(
            "{:08x}-{:04x}-4{:03x}-{:04x}-{:012x}",
            high >> 32,
            (high >> 16) & 0xffff,
            high & 0xfff,
            low >> 48,
            low & 0xffff_ffff_ffff
        )
    }

    /// What `generateName` is followed by: five letters of those that spell no word.
    pub(super) fn suffix(&mut self) -> String {
        const LETTERS: &[u8] = b"bcdfghjklmnpqrstvwxz2456789";
        let mut drawn = self.draw();
        let mut letter = || {
            let at = drawn % LETTERS.len() as u64;
            drawn /= LETTERS.len() as u64;
            char::from(LETTERS[at as usize])
        };
        (0..5).map(|_| letter()).collect()
    }

    /// SplitMix64.
    fn draw(&mut self) -> u64 {
        self.state = self.state.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.state;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }
}
