//! A packet as a complete `realtimeInput` message of the Live API.

use base64_simd::{Out, STANDARD};

const HEAD: &[u8] = br#"{"realtimeInput":{"audio":{"mimeType":"audio/pcm;rate="#;
const MIDDLE: &[u8] = br#"","data":""#;
const TAIL: &[u8] = br#""}}}"#;

/// Samples that are converted to bytes at a time: whole groups of base64, so that only the last
/// piece is padded.
const PIECE_SAMPLES: usize = 768;

/// The message for mono PCM at `rate_hz`, as compact JSON. One allocation.
pub fn realtime_audio(pcm: &[i16], rate_hz: u32) -> Vec<u8> {
    let mut message = begin(rate_hz, pcm.len() * 2);
    let mut bytes = [0_u8; PIECE_SAMPLES * 2];
    for piece in pcm.chunks(PIECE_SAMPLES) {
        for (bytes, sample) in bytes.as_chunks_mut::<2>().0.iter_mut().zip(piece) {
            *bytes = sample.to_le_bytes();
        }
        append_base64(&mut message, &bytes[..piece.len() * 2]);
    }
    message.extend_from_slice(TAIL);
    message
}

/// The same for PCM that is little-endian bytes already.
pub fn realtime_audio_bytes(pcm: &[u8], rate_hz: u32) -> Vec<u8> {
    let mut message = begin(rate_hz, pcm.len());
    append_base64(&mut message, pcm);
    message.extend_from_slice(TAIL);
    message
}

/// The message up to the data, with room for the rest.
fn begin(rate_hz: u32, pcm_bytes: usize) -> Vec<u8> {
    let mut digits = [0; 10];
    let rate = decimal(rate_hz, &mut digits);
    let fixed = HEAD.len() + rate.len() + MIDDLE.len() + TAIL.len();
    let mut message = Vec::with_capacity(fixed + STANDARD.encoded_length(pcm_bytes));
    message.extend_from_slice(HEAD);
    message.extend_from_slice(rate);
    message.extend_from_slice(MIDDLE);
    message
}

fn append_base64(message: &mut Vec<u8>, bytes: &[u8]) {
    let start = message.len();
    message.resize(start + STANDARD.encoded_length(bytes.len()), 0);
    let _ = STANDARD.encode(bytes, Out::from_slice(&mut message[start..]));
}

/// The decimal digits of `number`.
fn decimal(number: u32, digits: &mut [u8; 10]) -> &[u8] {
    let (mut rest, mut first) = (number, digits.len());
    loop {
        first -= 1;
        digits[first] = b'0' + (rest % 10) as u8;
        rest /= 10;
        if rest == 0 {
            return &digits[first..];
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_message_is_what_the_service_reads() {
        assert_eq!(
            realtime_audio(&[1, -1, 0x1234], 16_000),
            br#"{"realtimeInput":{"audio":{"mimeType":"audio/pcm;rate=16000","data":"AQD//zQS"}}}"#
        );
        assert_eq!(
            realtime_audio(&[], u32::MAX),
            br#"{"realtimeInput":{"audio":{"mimeType":"audio/pcm;rate=4294967295","data":""}}}"#
        );
    }

    #[test]
    fn pieces_join_without_a_seam_and_without_a_second_allocation() {
        for samples in [1, 2, 3, 767, 768, 769, 1_536, 5_000] {
            let pcm: Vec<i16> = (0..samples).map(|i: i16| i.wrapping_mul(7_919)).collect();
            let bytes: Vec<u8> = pcm.iter().flat_map(|x| x.to_le_bytes()).collect();
            let message = realtime_audio(&pcm, 8_000);
            assert_eq!(message, realtime_audio_bytes(&bytes, 8_000));
            assert_eq!(message.capacity(), message.len());
            let data = &message[HEAD.len() + 4 + MIDDLE.len()..message.len() - TAIL.len()];
            assert_eq!(STANDARD.decode_to_vec(data).ok(), Some(bytes));
        }
    }
}
