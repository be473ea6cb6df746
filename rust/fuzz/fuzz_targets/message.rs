//! Any bytes as a server message, as its parts, and as its audio: what is taken apart was valid,
//! and leaves valid JSON.
#![no_main]

use antiphon_fuzz::support::messages::check_split;
use libfuzzer_sys::fuzz_target;

const PARTS: [&[u8]; 2] = [br#"{"serverContent":{"modelTurn":{"parts":["#, b"]}}}"];
const AUDIO: [&[u8]; 2] = [
    br#"{"inlineData":{"mimeType":"audio/pcm","data":""#,
    br#""}}"#,
];

fuzz_target!(|bytes: &[u8]| {
    check_split(bytes);
    check_split(&[PARTS[0], bytes, PARTS[1]].concat());
    check_split(&[PARTS[0], AUDIO[0], bytes, AUDIO[1], PARTS[1]].concat());
});
