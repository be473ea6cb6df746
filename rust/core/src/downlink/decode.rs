//! Taking the audio out of a server message.
//!
//! Nearly every byte of a message with audio is base64. One scan finds it, decodes it and leaves
//! it out, so that the parser of the rest reads a few hundred bytes instead of many thousand.
//! The scan knows one shape, the one that the service sends, and checks all of the JSON around
//! it; whatever looks different in any way is left to the parser as it is.

use std::ops::Range;

use base64_simd::{Base64, STANDARD, STANDARD_NO_PAD, URL_SAFE, URL_SAFE_NO_PAD};
use memchr::{memchr2, memmem};

use super::json_scan::{Scanner, Text};

/// The rate of `audio/pcm` that names none.
const DEFAULT_RATE_HZ: u32 = 24_000;
const MAX_RATE_HZ: u32 = 384_000;

/// A server message and its audio.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SplitMessage {
    /// The message with `""` in the place of the audio. Valid JSON, and else byte for byte
    /// what it was.
    pub remainder: Vec<u8>,
    /// The audio, in the order of the parts that it was taken from; at least one.
    pub audio: Vec<AudioPart>,
}

/// The audio of one part.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AudioPart {
    /// Sample rate.
    pub rate_hz: u32,
    /// Little-endian int16, so an even number of bytes.
    pub pcm: Vec<u8>,
}

/// Takes the audio out of `serverContent.modelTurn.parts[].inlineData.data`.
///
/// `None` means that there is nothing to take, or something that this scan does not know:
/// invalid JSON, another audio encoding, bad base64, an odd number of bytes, a key written with
/// escapes or twice. Then the message is to be parsed as it is. The result takes no more memory
/// than a small multiple of the message.
pub fn split_server_message(json: &[u8]) -> Option<SplitMessage> {
    // Most messages without audio are told apart by this alone.
    memmem::find(json, b"\"inlineData\"")?;
    let mut finder = Finder::default();
    let mut scanner = Scanner::new(json);
    finder.message(&mut scanner)?;
    if !scanner.is_at_end() || finder.found.is_empty() {
        return None;
    }

    let mut audio = Vec::with_capacity(finder.found.len());
    let mut remainder = Vec::with_capacity(finder.remainder_len(json));
    let mut kept_to = 0;
    for Found { rate_hz, data } in finder.found {
        let pcm = decode_base64(&json[data.clone()])?;
        if pcm.len() % 2 != 0 {
            return None;
        }
        audio.push(AudioPart { rate_hz, pcm });
        remainder.extend_from_slice(&json[kept_to..data.start]);
        kept_to = data.end;
    }
    remainder.extend_from_slice(&json[kept_to..]);
    std::str::from_utf8(&remainder).ok()?;
    Some(SplitMessage { remainder, audio })
}

/// Follows the path to the audio and notes where it lies.
#[derive(Debug, Default)]
struct Finder {
    found: Vec<Found>,
}

#[derive(Debug)]
struct Found {
    rate_hz: u32,
    data: Range<usize>,
}

impl Finder {
    fn message(&mut self, scanner: &mut Scanner<'_>) -> Option<()> {
        let mut content = Once::default();
        scanner.object(|scanner, key| match (key, scanner.peek()?) {
            (b"serverContent", b'{') => content.take().and_then(|()| self.content(scanner)),
            (b"serverContent", _) => content.take().and_then(|()| scanner.skip_value()),
            _ => scanner.skip_value(),
        })
    }

    fn content(&mut self, scanner: &mut Scanner<'_>) -> Option<()> {
        let mut turn = Once::default();
        scanner.object(|scanner, key| match (key, scanner.peek()?) {
            (b"modelTurn", b'{') => turn.take().and_then(|()| self.turn(scanner)),
            (b"modelTurn", _) => turn.take().and_then(|()| scanner.skip_value()),
            _ => scanner.skip_value(),
        })
    }

    fn turn(&mut self, scanner: &mut Scanner<'_>) -> Option<()> {
        let mut parts = Once::default();
        scanner.object(|scanner, key| match (key, scanner.peek()?) {
            (b"parts", b'[') => parts
                .take()
                .and_then(|()| scanner.array(|scanner| self.part(scanner))),
            (b"parts", _) => parts.take().and_then(|()| scanner.skip_value()),
            _ => scanner.skip_value(),
        })
    }

    fn part(&mut self, scanner: &mut Scanner<'_>) -> Option<()> {
        if scanner.peek()? != b'{' {
            return scanner.skip_value();
        }
        let mut inline_data = Once::default();
        scanner.object(|scanner, key| match (key, scanner.peek()?) {
            (b"inlineData", b'{') => inline_data.take().and_then(|()| self.inline_data(scanner)),
            (b"inlineData", _) => inline_data.take().and_then(|()| scanner.skip_value()),
            _ => scanner.skip_value(),
        })
    }

    fn inline_data(&mut self, scanner: &mut Scanner<'_>) -> Option<()> {
        let (mut mime_type, mut data) = (None, None);
        scanner.object(|scanner, key| match key {
            b"mimeType" => set_once(&mut mime_type, scanner.plain_string()?),
            b"data" => set_once(&mut data, scanner.plain_string()?),
            _ => scanner.skip_value(),
        })?;
        let (mime_type, data) = (mime_type?, data?);
        match kind_of(scanner.bytes(mime_type))? {
            Kind::Pcm { rate_hz } => self.found.push(Found { rate_hz, data }),
            Kind::NotAudio => {}
        }
        Some(())
    }

    fn remainder_len(&self, json: &[u8]) -> usize {
        let audio: usize = self.found.iter().map(|found| found.data.len()).sum();
        json.len() - audio
    }
}

/// A key that may be there once.
#[derive(Debug, Default)]
struct Once(bool);

impl Once {
    fn take(&mut self) -> Option<()> {
        (!std::mem::replace(&mut self.0, true)).then_some(())
    }
}

fn set_once<T>(slot: &mut Option<T>, value: T) -> Option<()> {
    slot.replace(value).is_none().then_some(())
}

enum Kind {
    Pcm { rate_hz: u32 },
    NotAudio,
}

/// What a media type means; `None` for audio that is not known to be plain PCM.
fn kind_of(mime_type: &[u8]) -> Option<Kind> {
    let mime_type = std::str::from_utf8(mime_type).ok()?;
    let mut fields = mime_type.split(';').map(str::trim);
    let essence = fields.next()?.to_ascii_lowercase();
    if !essence.starts_with("audio/") {
        return Some(Kind::NotAudio);
    }
    if essence != "audio/pcm" {
        return None;
    }
    let mut rate_hz = None;
    for field in fields {
        let (name, value) = field.split_once('=')?;
        let value: u32 = value.trim().parse().ok()?;
        match name.trim().to_ascii_lowercase().as_str() {
            "rate" if (1..=MAX_RATE_HZ).contains(&value) => set_once(&mut rate_hz, value)?,
            "channels" if value == 1 => {}
            _ => return None,
        }
    }
    let rate_hz = rate_hz.unwrap_or(DEFAULT_RATE_HZ);
    Some(Kind::Pcm { rate_hz })
}

/// Decodes either alphabet, padded or not.
fn decode_base64(data: &[u8]) -> Option<Vec<u8>> {
    let url_safe = memchr2(b'-', b'_', data).is_some();
    let padded = data.ends_with(b"=");
    let alphabet: &Base64 = match (url_safe, padded) {
        (false, true) => &STANDARD,
        (false, false) => &STANDARD_NO_PAD,
        (true, true) => &URL_SAFE,
        (true, false) => &URL_SAFE_NO_PAD,
    };
    alphabet.decode_to_vec(data).ok()
}

impl Scanner<'_> {
    /// Takes a string whose bytes are its characters.
    fn plain_string(&mut self) -> Option<Range<usize>> {
        let Text { range, escaped } = self.string()?;
        (!escaped).then_some(range)
    }
}
