//! Lines of bounded length.

use std::io;

use tokio::io::{AsyncBufRead, AsyncBufReadExt};

/// The next line without its end; `None` at the end. What stands behind the last line break is no line.
///
/// # Errors
/// A line of more than `most` bytes, and what reading says.
pub(crate) async fn next(from: &mut (impl AsyncBufRead + Unpin), most: usize) -> io::Result<Option<Vec<u8>>> {
    let mut line = Vec::new();
    loop {
        let available = from.fill_buf().await?;
        if available.is_empty() {
            return Ok(None);
        }
        let end = available.iter().position(|byte| *byte == b'\n');
        let taken = available.get(..end.unwrap_or(available.len())).unwrap_or_default();
        if line.len().saturating_add(taken.len()) > most {
            return Err(io::Error::new(io::ErrorKind::InvalidData, format!("a line of more than {most} bytes")));
        }
        line.extend_from_slice(taken);
        let used = end.map_or(available.len(), |end| end.saturating_add(1));
        from.consume(used);
        if end.is_some() {
            if line.last() == Some(&b'\r') {
                line.pop();
            }
            return Ok(Some(line));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::next;

    #[tokio::test]
    async fn lines_end_and_are_bounded() {
        let mut from: &[u8] = b"one\r\ntwo\n\nlast without end";
        let mut lines = Vec::new();
        while let Some(line) = next(&mut from, 20).await.unwrap() {
            lines.push(String::from_utf8(line).unwrap());
        }
        assert_eq!(lines, ["one", "two", ""]);
        let long = vec![b'x'; 21];
        assert!(next(&mut long.as_slice(), 20).await.is_err());
        assert!(next(&mut b"x".repeat(20).as_slice(), 20).await.unwrap().is_none());
    }
}
