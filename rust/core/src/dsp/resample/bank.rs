//! The prototype cut into phases, laid out for the kernels.

use super::design::Prototype;
use crate::dsp::kernels::fir::{Bank, Coefs, Group, LANES};

/// The bank of a prototype at the ratio `up / down`.
pub(super) fn bank(prototype: &Prototype, up: usize, down: usize) -> Bank {
    let Prototype { taps, look_ahead } = prototype;
    let period_outs = period_outs(up);
    let first_phase = look_ahead % up;
    // The newest input of the output at `position`, counted from that of the first.
    let newest = |position: usize| (first_phase + position * down) / up;

    let sizes = group_sizes(period_outs);
    let starts = sizes.iter().scan(0, |next, outs| {
        let start = *next;
        *next += outs;
        Some(start)
    });
    let spans: Vec<_> = starts.zip(sizes.iter().copied()).collect();
    let last_newest = |(first, outs): (usize, usize)| newest(first + outs - 1);
    let spread = |span: (usize, usize)| last_newest(span) - newest(span.0);
    let widest = spans.iter().copied().map(spread).max().unwrap_or_default();
    let row_taps = (taps.len().div_ceil(up) + widest).next_multiple_of(LANES);

    let gains: Vec<f64> = (0..up)
        .map(|phase| taps.iter().skip(phase).step_by(up).sum())
        .collect();
    let mut coefs = vec![Coefs::default(); period_outs * row_taps / LANES];
    let mut groups = Vec::with_capacity(spans.len());
    for span in spans {
        let (first, outs) = span;
        let group = Group {
            outs,
            first_out: first,
            window: last_newest(span) - last_newest((0, sizes[0])),
            coefs: first * row_taps / LANES,
        };
        for out in 0..outs {
            let phase = (first_phase + (first + out) * down) % up;
            // A row is reversed, to be multiplied with input in memory order, newest last, and
            // moved back by the input that only later outputs of its group have.
            let newest_slot = row_taps - 1 - (last_newest(span) - newest(first + out));
            for (back, tap) in taps.iter().skip(phase).step_by(up).enumerate() {
                let slot = newest_slot - back;
                let step = group.coefs + slot / LANES * outs + out;
                // Each phase passes DC with the same gain, so a constant stays one.
                coefs[step].0[slot % LANES] = to_f32(tap / gains[phase]);
            }
        }
        groups.push(group);
    }
    Bank {
        coefs,
        groups,
        taps: row_taps,
        period_outs,
        period_ins: period_outs * down / up,
    }
}

/// Outputs of a period: a multiple of `up` that is a sum of threes and fours.
fn period_outs(up: usize) -> usize {
    match up {
        1 | 2 => 4,
        5 => 10,
        _ => up,
    }
}

/// `outs` as a sum of as many fours as there can be, and threes.
fn group_sizes(outs: usize) -> Vec<usize> {
    let threes = (4 - outs % 4) % 4;
    let fours = (outs - 3 * threes) / 4;
    let mut sizes = vec![4; fours];
    sizes.extend(vec![3; threes]);
    sizes
}

#[expect(
    clippy::cast_possible_truncation,
    reason = "coefficients are rounded once, here"
)]
pub(in crate::dsp) fn to_f32(x: f64) -> f32 {
    x as f32
}

#[cfg(test)]
mod tests {
    use super::super::design::design;
    use super::super::profile::Profile;
    use super::*;

    #[test]
    fn every_output_has_a_row_of_unit_gain() {
        for (up, down) in [
            (1, 3),
            (2, 1),
            (3, 2),
            (4, 3),
            (5, 7),
            (6, 1),
            (7, 5),
            (11, 4),
            (160, 441),
            (441, 320),
        ] {
            let prototype = design(Profile::Voice, up, down);
            let bank = bank(&prototype, up as usize, down as usize);
            assert_eq!(bank.period_outs % up as usize, 0);
            assert_eq!(
                bank.period_ins * up as usize,
                bank.period_outs * down as usize
            );
            let mut outs = 0;
            for group in &bank.groups {
                assert!((3..=4).contains(&group.outs));
                assert_eq!(group.first_out, outs);
                for out in 0..group.outs {
                    let steps = &bank.coefs[group.coefs..][..group.outs * bank.taps / LANES];
                    let gain: f64 = steps
                        .iter()
                        .skip(out)
                        .step_by(group.outs)
                        .flat_map(|coefs| coefs.0)
                        .map(f64::from)
                        .sum();
                    assert!(
                        (gain - 1.0).abs() < 1e-6,
                        "{up}/{down} output {outs}: {gain}"
                    );
                }
                outs += group.outs;
            }
            assert_eq!(outs, bank.period_outs);
        }
    }
}
