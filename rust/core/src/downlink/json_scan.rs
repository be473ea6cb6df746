//! A validating scan over JSON bytes that keeps nothing.
//!
//! Every method returns `None` for what is not valid JSON, and for the little that is valid but
//! not worth knowing here: lone surrogates, and nesting beyond [`MAX_DEPTH`].

use std::ops::Range;

use memchr::memchr2;

/// Containers within each other that [`Scanner::skip_value`] follows.
const MAX_DEPTH: u32 = 64;

/// A place in a JSON text.
#[derive(Debug)]
pub(super) struct Scanner<'a> {
    json: &'a [u8],
    at: usize,
}

/// A string's place between its quotes.
#[derive(Debug, Clone)]
pub(super) struct Text {
    pub(super) range: Range<usize>,
    /// Whether the bytes are not the characters themselves.
    pub(super) escaped: bool,
}

impl<'a> Scanner<'a> {
    pub(super) fn new(json: &'a [u8]) -> Self {
        Self { json, at: 0 }
    }

    /// The text in a range.
    pub(super) fn bytes(&self, range: Range<usize>) -> &'a [u8] {
        &self.json[range]
    }

    /// The next byte that is not white space, without taking it.
    pub(super) fn peek(&mut self) -> Option<u8> {
        while let Some(b' ' | b'\n' | b'\r' | b'\t') = self.json.get(self.at) {
            self.at += 1;
        }
        self.json.get(self.at).copied()
    }

    /// Whether nothing but white space is left.
    pub(super) fn is_at_end(&mut self) -> bool {
        self.peek().is_none()
    }

    /// Takes an object; `member` is called behind each colon and must take the value.
    pub(super) fn object(
        &mut self,
        mut member: impl FnMut(&mut Self, &[u8]) -> Option<()>,
    ) -> Option<()> {
        self.expect(b'{')?;
        if self.take(b'}') {
            return Some(());
        }
        loop {
            let key = self.string()?;
            // A key in disguise could be any key.
            if key.escaped {
                return None;
            }
            self.expect(b':')?;
            let json = self.json;
            member(self, &json[key.range])?;
            if self.take(b'}') {
                return Some(());
            }
            self.expect(b',')?;
        }
    }

    /// Takes an array; `element` must take each value.
    pub(super) fn array(&mut self, mut element: impl FnMut(&mut Self) -> Option<()>) -> Option<()> {
        self.expect(b'[')?;
        if self.take(b']') {
            return Some(());
        }
        loop {
            element(self)?;
            if self.take(b']') {
                return Some(());
            }
            self.expect(b',')?;
        }
    }

    /// Takes a string.
    pub(super) fn string(&mut self) -> Option<Text> {
        self.expect(b'"')?;
        let start = self.at;
        let mut escaped = false;
        loop {
            let rest = &self.json[self.at..];
            let stop = memchr2(b'"', b'\\', rest)?;
            if has_control(&rest[..stop]) {
                return None;
            }
            self.at += stop + 1;
            if rest[stop] == b'"' {
                let range = start..self.at - 1;
                return Some(Text { range, escaped });
            }
            escaped = true;
            self.escape()?;
        }
    }

    /// Takes a value of any kind, in memory of fixed size.
    pub(super) fn skip_value(&mut self) -> Option<()> {
        // One bit per open container, the innermost lowest: whether it is an object.
        let mut objects: u64 = 0;
        let mut depth = 0;
        loop {
            let open = self.peek()?;
            let mut first = matches!(open, b'{' | b'[');
            if !first {
                self.scalar()?;
            } else if depth < MAX_DEPTH {
                self.at += 1;
                depth += 1;
                objects = objects << 1 | u64::from(open == b'{');
            } else {
                return None;
            }
            // Behind a value: close what ends here, then go on to the next value.
            loop {
                if depth == 0 {
                    return Some(());
                }
                let in_object = objects & 1 == 1;
                if self.take(if in_object { b'}' } else { b']' }) {
                    objects >>= 1;
                    depth -= 1;
                    first = false;
                    continue;
                }
                // The first value in a container has no comma before it.
                if !first {
                    self.expect(b',')?;
                }
                if in_object {
                    self.string()?;
                    self.expect(b':')?;
                }
                break;
            }
        }
    }

    fn scalar(&mut self) -> Option<()> {
        match self.peek()? {
            b'"' => self.string().map(|_| ()),
            b't' => self.literal(b"true"),
            b'f' => self.literal(b"false"),
            b'n' => self.literal(b"null"),
            _ => self.number(),
        }
    }

    fn literal(&mut self, literal: &[u8]) -> Option<()> {
        let found = self.json[self.at..].starts_with(literal);
        self.at += literal.len();
        found.then_some(())
    }

    fn number(&mut self) -> Option<()> {
        self.accept(b'-');
        if !self.accept(b'0') {
            self.digits()?;
        }
        if self.accept(b'.') {
            self.digits()?;
        }
        if self.accept(b'e') || self.accept(b'E') {
            let _ = self.accept(b'+') || self.accept(b'-');
            self.digits()?;
        }
        Some(())
    }

    fn digits(&mut self) -> Option<()> {
        let rest = &self.json[self.at..];
        let count = rest.iter().take_while(|byte| byte.is_ascii_digit()).count();
        self.at += count;
        (count > 0).then_some(())
    }

    /// Takes what follows a backslash.
    fn escape(&mut self) -> Option<()> {
        let kind = *self.json.get(self.at)?;
        self.at += 1;
        match kind {
            b'"' | b'\\' | b'/' | b'b' | b'f' | b'n' | b'r' | b't' => Some(()),
            b'u' => match self.hex4()? {
                0xD800..=0xDBFF => {
                    let low = self.accept(b'\\') && self.accept(b'u');
                    (low && matches!(self.hex4()?, 0xDC00..=0xDFFF)).then_some(())
                }
                0xDC00..=0xDFFF => None,
                _ => Some(()),
            },
            _ => None,
        }
    }

    fn hex4(&mut self) -> Option<u32> {
        let digits = self.json.get(self.at..self.at + 4)?;
        self.at += 4;
        digits.iter().try_fold(0, |value, &digit| {
            char::from(digit)
                .to_digit(16)
                .map(|digit| value << 4 | digit)
        })
    }

    fn expect(&mut self, byte: u8) -> Option<()> {
        self.take(byte).then_some(())
    }

    /// Takes `byte` if it comes next, white space aside.
    fn take(&mut self, byte: u8) -> bool {
        self.peek();
        self.accept(byte)
    }

    /// Takes `byte` if it comes right here.
    fn accept(&mut self, byte: u8) -> bool {
        let found = self.json.get(self.at) == Some(&byte);
        self.at += usize::from(found);
        found
    }
}

/// Whether there is a control character, which a JSON string must escape.
fn has_control(text: &[u8]) -> bool {
    // Without an early exit inside a chunk, the compiler compares many bytes at once.
    let lowest = |chunk: &[u8]| chunk.iter().fold(u8::MAX, |lowest, &byte| lowest.min(byte));
    text.chunks(64).any(|chunk| lowest(chunk) < b' ')
}

#[cfg(test)]
mod tests {
    use super::*;

    fn is_value(json: &str) -> bool {
        let mut scanner = Scanner::new(json.as_bytes());
        scanner.skip_value().is_some() && scanner.is_at_end()
    }

    #[test]
    fn accepts_json() {
        for json in [
            "0",
            "-0",
            "12.5e-3",
            "1E+2",
            "true",
            "false",
            "null",
            "\"\"",
            "[]",
            "{}",
            " [ 1 , [ ] , { } ] ",
            "{\"a\":{\"b\":[{}]},\"c\":\"\\u00e9\\n\\ud83d\\ude00\"}",
            "[[],[[]],{\"\":[]}]",
        ] {
            assert!(is_value(json), "{json}");
        }
    }

    #[test]
    fn rejects_what_is_not_json() {
        for json in [
            "",
            " ",
            "01",
            "-",
            "1.",
            ".5",
            "1e",
            "+1",
            "tru",
            "nul",
            "truefalse",
            "\"",
            "\"\\x\"",
            "\"\\u12\"",
            "\"\\ud800\"",
            "\"\\udc00\"",
            "\"\\ud800\\u0041\"",
            "\"\n\"",
            "[",
            "]",
            "[1",
            "[1,",
            "[1,]",
            "[,1]",
            "[1 2]",
            "{",
            "{\"a\"",
            "{\"a\":",
            "{\"a\":1",
            "{\"a\":1,",
            "{\"a\":1,}",
            "{a:1}",
            "{1:1}",
            "{\"a\" 1}",
            "{\"a\":1]",
            "[1}",
            "1 2",
            "{}{}",
            "NaN",
        ] {
            assert!(!is_value(json), "{json}");
        }
    }

    #[test]
    fn gives_up_on_deep_nesting() {
        let nested = |depth| "[".repeat(depth) + &"]".repeat(depth);
        assert!(is_value(&nested(64)));
        assert!(!is_value(&nested(65)));
        assert!(!is_value(&"[".repeat(1_000_000)));
    }
}
