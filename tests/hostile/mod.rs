//! How many cases of hostile input are tried, and from which seeds.

use rand::SeedableRng;
use rand_pcg::Pcg64Mcg;

/// How many cases are tried: as usual, or as `HOSTILE_CASES` says.
pub(crate) fn cases(usual: u64) -> u64 {
    let stated = std::env::var_os("HOSTILE_CASES");
    stated.and_then(|text| text.to_str()?.parse().ok()).unwrap_or(usual)
}

/// A seed of the run: printed, and stated with `HOSTILE_SEED` to run one case again.
fn first_seed() -> u64 {
    let stated = std::env::var_os("HOSTILE_SEED");
    let seed = stated.and_then(|text| text.to_str()?.parse().ok()).unwrap_or(1);
    eprintln!("HOSTILE_SEED={seed}");
    seed
}

/// Runs one case after the other; the seed of one that panics is printed, and so is each
/// thousandth, so that a long run tells how far it came.
pub(crate) fn each_seed(count: u64, mut case: impl FnMut(u64, &mut Pcg64Mcg)) {
    struct Named(u64);
    impl Drop for Named {
        fn drop(&mut self) {
            if std::thread::panicking() {
                eprintln!("it was HOSTILE_SEED={}", self.0);
            }
        }
    }
    let first = first_seed();
    for seed in first..first.saturating_add(count) {
        let _named = Named(seed);
        case(seed, &mut Pcg64Mcg::seed_from_u64(seed));
        if seed % 1_000 == 0 {
            eprintln!("{seed} cases");
        }
    }
}
