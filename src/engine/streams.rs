//! From one seed, an independent random stream for every named purpose.

use rand_pcg::Pcg64Mcg;

/// A stream of random numbers. The algorithm is fixed: a seed means the same draws for ever.
pub type Stream = Pcg64Mcg;

/// The root of all chance in a run.
///
/// Streams are derived from `(seed, replication, name)` by a fixed hash, never from each other, so
/// that adding a service or changing a policy leaves everyone else's draws where they were (common
/// random numbers).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Streams {
    seed: u64,
    replication: u64,
}

impl Streams {
    /// Streams of one replication of a seed; replication 0 is the plain run.
    #[must_use]
    pub const fn new(seed: u64, replication: u64) -> Self {
        Self { seed, replication }
    }

    /// The stream of a purpose, e.g. `arrivals/gateway`. Equal names give equal streams.
    #[must_use]
    pub fn of(&self, name: &str) -> Stream {
        let low = fnv1a(self.seed, self.replication, 0x9e37_79b9_7f4a_7c15, name);
        let high = fnv1a(self.seed, self.replication, 0xc2b2_ae3d_27d4_eb4f, name);
        Pcg64Mcg::new((u128::from(high) << 64) | u128::from(low))
    }
}

/// FNV-1a over seed, replication, salt and name, finished with a full avalanche so that names that
/// differ in one character give unrelated states.
fn fnv1a(seed: u64, replication: u64, salt: u64, name: &str) -> u64 {
    const PRIME: u64 = 0x0000_0100_0000_01b3;
    let mut hash = 0xcbf2_9ce4_8422_2325_u64;
    let words = [seed, replication, salt];
    let bytes = words.iter().flat_map(|word| word.to_le_bytes()).chain(name.bytes());
    for byte in bytes {
        hash = (hash ^ u64::from(byte)).wrapping_mul(PRIME);
    }
    avalanche(hash)
}

/// The finaliser of `SplitMix64` (Steele, Lea, Flood 2014).
const fn avalanche(mut z: u64) -> u64 {
    z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ (z >> 31)
}

#[cfg(test)]
mod tests {
    use rand::RngExt;

    use super::*;

    fn first(streams: Streams, name: &str) -> [u64; 4] {
        let mut stream = streams.of(name);
        std::array::from_fn(|_| stream.random())
    }

    #[test]
    fn equal_names_give_equal_draws_and_others_do_not() {
        let streams = Streams::new(42, 0);
        assert_eq!(first(streams, "arrivals/gateway"), first(streams, "arrivals/gateway"));
        assert_ne!(first(streams, "arrivals/gateway"), first(streams, "arrivals/gatewax"));
        assert_ne!(first(streams, "a"), first(Streams::new(43, 0), "a"));
        assert_ne!(first(streams, "a"), first(Streams::new(42, 1), "a"));
    }

    /// Golden draws: an upgrade of the generator that moved them would change every result.
    #[test]
    fn the_first_draws_are_pinned() {
        let mut stream = Streams::new(42, 0).of("arrivals/gateway");
        let draws: Vec<u32> = (0..4).map(|_| stream.random()).collect();
        expect_test::expect![[r#"
            [
                1574706117,
                1316768952,
                4028803106,
                2560848522,
            ]
        "#]]
        .assert_debug_eq(&draws);
    }

    /// Two streams of related names are uncorrelated: |r| stays under 4/sqrt(n).
    #[test]
    fn related_names_are_independent() {
        const DRAWS: u32 = 40_000;
        for other in ["boot/gpu-t4/4", "boot/gpu-t5/3", "boot/gpu-t4/33"] {
            let (mut a, mut b) =
                (Streams::new(1, 0).of("boot/gpu-t4/3"), Streams::new(1, 0).of(other));
            let sum: f64 =
                (0..DRAWS).map(|_| (a.random::<f64>() - 0.5) * (b.random::<f64>() - 0.5)).sum();
            let correlation = sum / f64::from(DRAWS) * 12.0;
            assert!(
                correlation.abs() < 4.0 / f64::from(DRAWS).sqrt(),
                "{other}: r = {correlation}"
            );
        }
    }
}
