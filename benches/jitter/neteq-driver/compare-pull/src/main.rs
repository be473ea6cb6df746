//! `compare-pull RATE_HZ PACKET_MS ROUNDS PCM ARRIVALS`: how long a pull of 10 ms takes inside Rust,
//! of our jitter buffer and of the `neteq` crate's.
//!
//! PCM is the sender's audio, int16 in little endian; ARRIVALS has a line for each packet, in the
//! order of arrival: when, in microseconds, and its number. In every round both buffers get the
//! same packets and are pulled one after the other, changing turns. Prints one JSON object, unless
//! one of them does not play: then there is nothing to compare.
#![expect(clippy::print_stdout, reason = "a program that prints its result")]

mod case;
mod contestants;
mod times;

use std::error::Error;

use case::Case;
use contestants::{Contestant, new_crate, new_ours};
use times::Times;

/// Of the pulls that come while packets do; what is silent at both ends is no less than this.
const LEAST_AUDIBLE_SHARE: f64 = 0.9;

fn main() -> Result<(), Box<dyn Error>> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [rate_hz, packet_ms, rounds, pcm, arrivals] = arguments.as_slice() else {
        return Err("usage: compare-pull RATE_HZ PACKET_MS ROUNDS PCM ARRIVALS".into());
    };
    let case = Case::read(rate_hz.parse()?, packet_ms.parse()?, pcm, arrivals)?;
    let rounds: u32 = rounds.parse()?;
    let (mut ours, mut theirs) = (Times::default(), Times::default());
    for round in 0..rounds {
        let (ours_audible, theirs_audible) = run(&case, round, &mut ours, &mut theirs)?;
        for (name, share) in [("ours", ours_audible), ("neteq", theirs_audible)] {
            if share < LEAST_AUDIBLE_SHARE {
                return Err(format!("{name} plays in {share:.2} of the pulls only").into());
            }
        }
    }
    println!(
        r#"{{"rounds": {rounds}, "ours": {}, "neteq": {}}}"#,
        ours.json(),
        theirs.json()
    );
    Ok(())
}

/// One round. Returns the shares of pulls in which the two were heard.
fn run(
    case: &Case,
    round: u32,
    ours_times: &mut Times,
    theirs_times: &mut Times,
) -> Result<(f64, f64), Box<dyn Error>> {
    let mut ours = new_ours(case)?;
    let mut theirs = new_crate(case)?;
    ours_times.begin_round();
    theirs_times.begin_round();
    let mut out = vec![0_i16; case.frames_per_pull()];
    let mut arrivals = case.arrivals.iter().peekable();
    let (mut ours_audible, mut theirs_audible) = (0_u32, 0_u32);
    for tick in 0..case.pulls() {
        let now_us = u64::from(tick) * 10_000;
        while let Some(arrival) = arrivals.next_if(|arrival| arrival.at_us <= now_us) {
            let pcm = case.packet(arrival.seq);
            ours.push(arrival.seq, pcm, arrival.at_us);
            theirs.push(arrival.seq, pcm, arrival.at_us);
        }
        let mut pull_ours = |out: &mut [i16]| {
            ours_times.add(ours.pull(out, now_us));
            ours_audible += u32::from(is_audible(out));
        };
        let mut pull_theirs = |out: &mut [i16]| {
            theirs_times.add(theirs.pull(out, now_us));
            theirs_audible += u32::from(is_audible(out));
        };
        if (tick + round).is_multiple_of(2) {
            pull_ours(&mut out);
            pull_theirs(&mut out);
        } else {
            pull_theirs(&mut out);
            pull_ours(&mut out);
        }
    }
    let share = |audible: u32| f64::from(audible) / f64::from(case.pulls());
    Ok((share(ours_audible), share(theirs_audible)))
}

/// Above what the judge takes for silence.
#[expect(clippy::cast_precision_loss)]
fn is_audible(pcm: &[i16]) -> bool {
    let energy: f64 = pcm.iter().map(|&sample| f64::from(sample).powi(2)).sum();
    energy > 144.0 * pcm.len() as f64
}
