//! What must hold for any bytes that come as a server message.

use antiphon_core::downlink::split_server_message;
use serde_json::Value;

/// The places that audio can be taken from.
fn slots(message: &Value) -> impl Iterator<Item = &Value> {
    let parts = message.pointer("/serverContent/modelTurn/parts");
    let parts = parts.and_then(Value::as_array).into_iter().flatten();
    parts.filter_map(|part| part.pointer("/inlineData/data"))
}

/// Whatever is taken apart was valid JSON; what remains is the same but for the audio, which is
/// whole samples and was in a place for it.
pub fn check_split(json: &[u8]) {
    let Some(split) = split_server_message(json) else {
        return;
    };
    let value = |json| serde_json::from_slice::<Value>(json).expect("valid JSON");
    let (before, after) = (value(json), value(&split.remainder));
    let taken = |(before, after): &(&Value, &Value)| *after == "" && before.is_string();
    let places = slots(&before).zip(slots(&after)).filter(taken).count();
    assert!((1..=places).contains(&split.audio.len()), "{places} places");
    assert!(split.audio.iter().all(|part| part.pcm.len() % 2 == 0));
    let mut restored = after;
    restore(&mut restored, &before);
    assert_eq!(restored, before);
}

/// Puts back what was taken, and nothing else.
fn restore(after: &mut Value, before: &Value) {
    let parts = after.pointer_mut("/serverContent/modelTurn/parts");
    let parts = parts.and_then(Value::as_array_mut).into_iter().flatten();
    for (index, part) in parts.enumerate() {
        let place = format!("/serverContent/modelTurn/parts/{index}/inlineData/data");
        let data = part.pointer_mut("/inlineData/data");
        if let (Some(data), Some(was)) = (data.filter(|data| *data == ""), before.pointer(&place)) {
            *data = was.clone();
        }
    }
}
