//! Any calls to the stream regime; and the same in small pieces at another time of day.
#![no_main]

use antiphon_fuzz::support::stream_calls::{StreamCase, run_stream};
use antiphon_fuzz::support::way::Way;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|case: StreamCase| {
    let whole = run_stream(&case, &Way::default());
    let pieces = Way {
        start_us: 1 << 40,
        pull_cut: 97,
        ..Way::default()
    };
    assert_eq!(whole.out, run_stream(&case, &pieces).out);
});
