//! The scan of server messages, against a slow oracle and against real messages.
#[allow(dead_code, unreachable_pub)]
mod support;

use std::path::PathBuf;

use antiphon_core::downlink::{AudioPart, SplitMessage, split_server_message};
use base64_simd::{STANDARD, STANDARD_NO_PAD, URL_SAFE, URL_SAFE_NO_PAD};
use proptest::prelude::*;
use serde_json::{Value, json};
use support::messages::check_split;

fn message(parts: &str) -> String {
    format!(r#"{{"serverContent":{{"modelTurn":{{"parts":[{parts}]}}}}}}"#)
}

fn audio(mime_type: &str, data: &str) -> String {
    format!(r#"{{"inlineData":{{"mimeType":"{mime_type}","data":"{data}"}}}}"#)
}

/// Rate and bytes of each part with audio.
type Audio = Vec<(u32, Vec<u8>)>;

fn split(json: &str) -> Option<(String, Audio)> {
    let SplitMessage { remainder, audio } = split_server_message(json.as_bytes())?;
    let audio = audio.into_iter();
    let audio = audio
        .map(|AudioPart { rate_hz, pcm }| (rate_hz, pcm))
        .collect();
    Some((String::from_utf8(remainder).expect("UTF-8"), audio))
}

#[test]
fn takes_the_audio_of_several_parts_and_leaves_the_rest() {
    let text = r#"{"text":"h\u00e9 \"inlineData\" {["}"#;
    let image = r#"{"inlineData":{"mimeType":"image/png","data":"AAEC"}}"#;
    let parts = |first: &str, second: &str| {
        [
            text,
            &audio("audio/pcm;rate=16000", first),
            image,
            &audio("audio/pcm", second),
        ]
        .join(",")
    };
    let (remainder, audio) = split(&message(&parts("AQACAA==", "-_8"))).expect("known");
    assert_eq!(remainder, message(&parts("", "")));
    assert_eq!(
        audio,
        [(16_000, vec![1, 0, 2, 0]), (24_000, vec![0xFB, 0xFF])]
    );
}

#[test]
fn an_odd_number_of_bytes_leaves_the_whole_message() {
    let parts = [audio("audio/pcm", "AQACAA=="), audio("audio/pcm", "////")].join(",");
    assert_eq!(split(&message(&parts)), None);
}

#[test]
fn knows_rates_and_what_it_does_not_know() {
    let rate = |mime_type: &str| {
        split(&message(&audio(mime_type, "AQACAA=="))).map(|(_, audio)| {
            assert_eq!(audio[0].1, [1, 0, 2, 0]);
            audio[0].0
        })
    };
    for (mime_type, expected) in [
        ("audio/pcm", Some(24_000)),
        ("audio/pcm;rate=24000", Some(24_000)),
        ("audio/pcm; rate=16000", Some(16_000)),
        ("Audio/PCM;Rate=8000;channels=1", Some(8_000)),
        ("audio/pcm;rate=0", None),
        ("audio/pcm;rate=-1", None),
        ("audio/pcm;rate=99999999999", None),
        ("audio/pcm;rate=24000;rate=16000", None),
        ("audio/pcm;channels=2", None),
        ("audio/pcm;rate", None),
        ("audio/pcmu", None),
        ("audio/L16;rate=24000", None),
        ("audio/ogg", None),
        ("image/png", None),
        ("", None),
    ] {
        assert_eq!(rate(mime_type), expected, "{mime_type}");
    }
}

#[test]
fn other_shapes_come_back_whole() {
    let part = audio("audio/pcm", "AQACAA==");
    let inner = part.trim_start_matches('{').trim_end_matches('}');
    assert!(split(&message(&part)).is_some());
    for json in [
        "{}".to_owned(),
        String::new(),
        "[]".to_owned(),
        r#""inlineData""#.to_owned(),
        // The right keys in the wrong place.
        part.clone(),
        format!(r#"{{"toolCall":{{"modelTurn":{{"parts":[{part}]}}}}}}"#),
        format!(r#"{{"serverContent":{{"modelTurn":[{{"parts":[{part}]}}]}}}}"#),
        format!(r#"{{"serverContent":{{"modelTurn":{{"parts":{part}}}}}}}"#),
        // Twice.
        format!(r#"{{"serverContent":{{}},{}"#, &message(&part)[1..]),
        message(&format!("{{{inner}}},{inner}}}}}")),
        message(r#"{"inlineData":{"mimeType":"audio/pcm","data":"AQA=","data":"AQA="}}"#),
        message(r#"{"inlineData":{"mimeType":"audio/pcm","mimeType":"audio/pcm","data":"AQA="}}"#),
        // In disguise.
        message(r#"{"inlineData":{"mimeType":"audio\/pcm","data":"AQA="}}"#),
        message(r#"{"inlineData":{"mime\u0054ype":"audio/pcm","data":"AQA="}}"#),
        message(r#"{"inlineData":{"mimeType":"audio/pcm","data":"AQ\u0041="}}"#),
        // Not what it should be.
        message(r#"{"inlineData":{"mimeType":"audio/pcm","data":null}}"#),
        message(r#"{"inlineData":{"mimeType":"audio/pcm","data":["AQA="]}}"#),
        message(r#"{"inlineData":{"mimeType":"audio/pcm"}}"#),
        message(r#"{"inlineData":{"data":"AQA="}}"#),
        message(&audio("audio/pcm", "A")),
        message(&audio("audio/pcm", "AQA")[..]).replace("AQA", "AQB"),
        message(&audio("audio/pcm", "AQ=A")),
        message(&audio("audio/pcm", "AQ A")),
        message(&audio("audio/pcm", "-_+/")),
        message(&audio("audio/pcm", "<audio>")),
        // Not JSON.
        format!("{}}}", message(&part)),
        format!("{} x", message(&part)),
        message(&part).replace("]}", "],}"),
        message(&format!("{part},")),
        message(&format!("{part} {part}")),
    ] {
        assert_eq!(split(&json), None, "{json}");
    }
}

#[test]
fn invalid_utf8_comes_back_whole() {
    let mut json = message(&format!(
        "{{\"text\":\"~\"}},{}",
        audio("audio/pcm", "AQA=")
    ))
    .into_bytes();
    let place = json.iter().position(|&byte| byte == b'~').expect("there");
    json[place] = 0xFF;
    assert_eq!(split_server_message(&json), None);
}

#[test]
fn every_truncation_comes_back_whole() {
    let json = message(&audio("audio/pcm;rate=24000", "AQACAA=="));
    for length in 0..json.len() {
        assert_eq!(split(&json[..length]), None, "{length}");
    }
}

#[test]
fn deep_nesting_neither_overflows_nor_is_followed() {
    let deep = "[".repeat(200_000);
    assert_eq!(
        split(&message(&format!(
            r#"{{"x":{deep}}},{}"#,
            audio("audio/pcm", "AQA=")
        ))),
        None
    );
    assert_eq!(split(&format!(r#"{{"inlineData":{deep}"#)), None);
}

#[test]
fn empty_audio_keeps_its_place() {
    let json = message(&audio("audio/pcm", ""));
    assert_eq!(split(&json), Some((json.clone(), vec![(24_000, vec![])])));
}

/// The same, slowly: parse, walk, replace.
fn oracle(json: &str) -> (Value, Audio) {
    let mut value: Value = serde_json::from_str(json).expect("valid");
    let mut audio = Vec::new();
    let parts = value.pointer_mut("/serverContent/modelTurn/parts");
    for part in parts.and_then(Value::as_array_mut).into_iter().flatten() {
        let Some(data) = part.pointer_mut("/inlineData") else {
            continue;
        };
        let Some((_, rate)) = data["mimeType"]
            .as_str()
            .and_then(|it| it.split_once("pcm"))
        else {
            continue;
        };
        let rate = rate
            .strip_prefix(";rate=")
            .map_or(24_000, |rate| rate.parse().expect("rate"));
        let text = data["data"]
            .as_str()
            .expect("string")
            .replace('-', "+")
            .replace('_', "/");
        let text = text.trim_end_matches('=');
        audio.push((rate, STANDARD_NO_PAD.decode_to_vec(text).expect("base64")));
        data["data"] = json!("");
    }
    (value, audio)
}

fn any_part() -> impl Strategy<Value = Value> {
    let pcm = (
        proptest::collection::vec(any::<u8>(), 0..400),
        0_usize..4,
        prop_oneof![
            Just("audio/pcm"),
            Just("audio/pcm;rate=24000"),
            Just("audio/pcm;rate=16000")
        ],
    );
    prop_oneof![
        3 => pcm.prop_map(|(mut pcm, alphabet, mime_type)| {
            pcm.truncate(pcm.len() / 2 * 2);
            let alphabet = &[STANDARD, STANDARD_NO_PAD, URL_SAFE, URL_SAFE_NO_PAD][alphabet];
            let data = alphabet.encode_to_string(pcm);
            json!({"inlineData": {"mimeType": mime_type, "data": data}, "thought": false})
        }),
        1 => any::<String>().prop_map(|text| json!({"text": text})),
        1 => any_value().prop_map(|extra| json!({"extra": extra})),
        1 => Just(json!({"inlineData": {"data": "AAEC", "mimeType": "image/jpeg"}})),
    ]
}

fn any_value() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        any::<f32>().prop_map(Value::from),
        any::<String>().prop_map(Value::from),
    ];
    leaf.prop_recursive(4, 24, 4, |inner| {
        prop_oneof![
            proptest::collection::vec(inner.clone(), 0..4).prop_map(Value::from),
            proptest::collection::hash_map("[a-z\"\\\\é]{0,6}", inner, 0..4)
                .prop_map(|map| Value::Object(map.into_iter().collect())),
        ]
    })
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn equals_the_oracle(
        parts in proptest::collection::vec(any_part(), 0..5),
        before in any_value(), after in any_value(), pretty in any::<bool>(),
    ) {
        let value = json!({
            "a": before,
            "serverContent": {"modelTurn": {"parts": parts, "role": "model"}, "turnComplete": true},
            "usageMetadata": after,
        });
        let json = if pretty { serde_json::to_string_pretty(&value) } else { serde_json::to_string(&value) };
        let json = json.expect("serializes");
        let (rest, audio) = oracle(&json);
        match split(&json) {
            Some((remainder, found)) => {
                prop_assert_eq!(found, audio);
                prop_assert_eq!(serde_json::from_str::<Value>(&remainder).expect("valid"), rest);
            }
            None => prop_assert!(audio.is_empty(), "not taken: {}", json),
        }
    }

    /// Damage anywhere: no panic, and what is still taken leaves valid JSON.
    #[test]
    fn damage_is_never_made_worse(
        parts in proptest::collection::vec(any_part(), 1..3),
        damage in proptest::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..4),
    ) {
        let value = json!({"serverContent": {"modelTurn": {"parts": parts}}});
        let mut json = value.to_string().into_bytes();
        for (place, byte) in damage {
            let place = place.index(json.len());
            json[place] = byte;
        }
        check_split(&json);
    }
}

/// Recordings of the real service, where they are at hand.
fn recordings() -> Option<PathBuf> {
    let beside = || PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../../shared");
    let shared = std::env::var_os("ANTIPHON_SHARED").map_or_else(beside, PathBuf::from);
    Some(shared.join("recordings")).filter(|folder| folder.is_dir())
}

/// The server's messages in a log of lines `>length payload` and `<length payload`.
fn server_messages(mut log: &str) -> Vec<&str> {
    let mut messages = Vec::new();
    while let Some((head, rest)) = log.trim_start().split_once(' ') {
        let (direction, length) = head.split_at(1);
        let length: usize = length.parse().expect("a length");
        if direction == "<" {
            messages.push(&rest[..length]);
        }
        log = &rest[length..];
    }
    messages
}

#[test]
fn real_messages_equal_the_oracle() {
    let Some(folder) = recordings() else { return };
    let (mut messages, mut frames) = (0, 0);
    for entry in folder.read_dir().expect("readable") {
        let path = entry.expect("readable").path();
        if path.extension().is_none_or(|extension| extension != "log") {
            continue;
        }
        let log = std::fs::read_to_string(path).expect("readable");
        for message in server_messages(&log) {
            messages += 1;
            let (rest, audio) = oracle(message);
            let Some((remainder, found)) = split(message) else {
                assert!(audio.is_empty());
                continue;
            };
            frames += found.iter().map(|(_, pcm)| pcm.len() / 2).sum::<usize>();
            assert_eq!(found, audio);
            assert_eq!(
                serde_json::from_str::<Value>(&remainder).expect("valid"),
                rest
            );
        }
    }
    assert!(
        messages > 20 && frames > 10_000,
        "{messages} messages, {frames} frames"
    );
}
