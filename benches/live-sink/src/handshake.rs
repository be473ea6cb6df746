//! The upgrade of a connection to WebSocket (RFC 6455, section 4.2).

use live_load::Fault;

const GUID: &str = "258EAFA5-E914-47DA-95CA-C5AB0DC85B11";
const END: &[u8] = b"\r\n\r\n";

/// The answer to a request, and how long the request is; None while it is not complete.
pub(crate) fn answer(data: &[u8]) -> Result<Option<(String, usize)>, Fault> {
    let Some(end) = data.windows(END.len()).position(|four| four == END) else {
        return Ok(None);
    };
    let head = std::str::from_utf8(&data[..end])?;
    let key = head
        .lines()
        .filter_map(|line| line.split_once(':'))
        .find(|(name, _)| name.eq_ignore_ascii_case("sec-websocket-key"))
        .map(|(_, value)| value.trim())
        .ok_or("a request without Sec-WebSocket-Key")?;
    let answer = format!(
        "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
         Sec-WebSocket-Accept: {}\r\n\r\n",
        accept(key)
    );
    Ok(Some((answer, end + END.len())))
}

fn accept(key: &str) -> String {
    let digest = sha1_smol::Sha1::from(format!("{key}{GUID}")).digest();
    base64_simd::STANDARD.encode_to_string(digest.bytes())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_key_of_the_standard_is_accepted_as_in_the_standard() {
        let request = b"GET / HTTP/1.1\r\nsec-websocket-key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n";
        let (text, length) = answer(request).expect("it is right").expect("it is whole");
        assert!(text.contains("Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n"));
        assert_eq!(length, request.len());
        let part = &request[..request.len() - 1];
        assert!(answer(part).expect("it is right so far").is_none());
    }
}
