//! Any calls to the packet regime; and the same at another time of day.
#![no_main]

use antiphon_fuzz::support::packet_calls::{PacketCase, run_packets};
use antiphon_fuzz::support::way::Way;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|case: PacketCase| {
    let plain = run_packets(&case, &Way::default());
    let shifted = Way {
        start_us: 1 << 40,
        ..Way::default()
    };
    assert_eq!(plain.out, run_packets(&case, &shifted).out);
});
