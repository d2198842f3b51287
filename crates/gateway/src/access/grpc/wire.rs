//! As much of protocol buffers as a check needs: fields read from a bounded message, fields written. Unknown fields are passed over.

/// What cannot be read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Malformed;

/// The value of a field, as far as checks have any.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Value<'m> {
    /// A number, or what is passed over.
    Other,
    /// A text, bytes or a message.
    Bytes(&'m [u8]),
}

/// Reads the fields of one message, one by one.
#[derive(Debug, Clone)]
pub(super) struct Fields<'m> {
    rest: &'m [u8],
}

impl<'m> Fields<'m> {
    /// Of this message.
    pub(super) const fn of(message: &'m [u8]) -> Self {
        Self { rest: message }
    }

    /// The next field; none at the end.
    ///
    /// # Errors
    /// The message ends within a field, a number is longer than 64 bits, or a wire type is not one of today's.
    pub(super) fn next(&mut self) -> Result<Option<(u64, Value<'m>)>, Malformed> {
        if self.rest.is_empty() {
            return Ok(None);
        }
        let tag = self.varint()?;
        let value = match tag & 7 {
            0 => {
                self.varint()?;
                Value::Other
            }
            1 => self.skip(8)?,
            2 => {
                let length = usize::try_from(self.varint()?).map_err(|_| Malformed)?;
                Value::Bytes(self.take(length)?)
            }
            5 => self.skip(4)?,
            _ => return Err(Malformed),
        };
        match tag >> 3 {
            0 => Err(Malformed),
            number => Ok(Some((number, value))),
        }
    }

    fn varint(&mut self) -> Result<u64, Malformed> {
        let mut number = 0_u64;
        for shift in (0..64).step_by(7) {
            let (byte, rest) = self.rest.split_first().ok_or(Malformed)?;
            self.rest = rest;
            let bits = u64::from(byte & 0x7F);
            if shift == 63 && bits > 1 {
                return Err(Malformed);
            }
            number |= bits << shift;
            if byte & 0x80 == 0 {
                return Ok(number);
            }
        }
        Err(Malformed)
    }

    fn take(&mut self, length: usize) -> Result<&'m [u8], Malformed> {
        let (taken, rest) = self.rest.split_at_checked(length).ok_or(Malformed)?;
        self.rest = rest;
        Ok(taken)
    }

    fn skip(&mut self, length: usize) -> Result<Value<'m>, Malformed> {
        self.take(length).map(|_| Value::Other)
    }
}

/// The last value of a field of a message that stands once; empty if it is not there.
///
/// # Errors
/// The message cannot be read, or the field is no text, bytes or message.
pub(super) fn field(message: &[u8], wanted: u64) -> Result<&[u8], Malformed> {
    let mut found: &[u8] = &[];
    let mut fields = Fields::of(message);
    while let Some((number, value)) = fields.next()? {
        match value {
            Value::Bytes(bytes) if number == wanted => found = bytes,
            Value::Other if number == wanted => return Err(Malformed),
            _ => {}
        }
    }
    Ok(found)
}

/// Writes the fields of one message.
#[derive(Debug, Default)]
pub(super) struct Message(Vec<u8>);

impl Message {
    /// A number; zero is left out, as the default is.
    pub(super) fn number(mut self, field: u64, number: u64) -> Self {
        if number != 0 {
            self.varint(field << 3);
            self.varint(number);
        }
        self
    }

    /// Bytes, a text or a message.
    pub(super) fn bytes(mut self, field: u64, bytes: &[u8]) -> Self {
        self.varint(field << 3 | 2);
        self.varint(u64::try_from(bytes.len()).unwrap_or(u64::MAX));
        self.0.extend_from_slice(bytes);
        self
    }

    /// What was written.
    pub(super) fn finish(self) -> Vec<u8> {
        self.0
    }

    fn varint(&mut self, mut number: u64) {
        loop {
            let low = u8::try_from(number & 0x7F).unwrap_or(0);
            number >>= 7;
            if number == 0 {
                self.0.push(low);
                return;
            }
            self.0.push(low | 0x80);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{Fields, Malformed, Message, Value, field};

    #[test]
    fn what_is_written_is_read() {
        let written = Message::default().number(1, 0).number(2, 300).bytes(3, b"abc").number(4, u64::MAX).finish();
        assert_eq!(written, b"\x10\xac\x02\x1a\x03abc\x20\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01");
        let mut fields = Fields::of(&written);
        let mut read = Vec::new();
        while let Some(found) = fields.next().unwrap() {
            read.push(found);
        }
        assert_eq!(read, [(2, Value::Other), (3, Value::Bytes(b"abc")), (4, Value::Other)]);
        assert_eq!(field(&written, 3), Ok(&b"abc"[..]));
        assert_eq!(field(&written, 9), Ok(&b""[..]));
        assert_eq!(field(&written, 2), Err(Malformed));
    }

    #[test]
    fn what_ends_too_soon_is_refused() {
        let facts: [&[u8]; 8] = [
            b"\x1a\x04abc",
            b"\x1a",
            b"\x80",
            b"\x10\x80\x80\x80\x80\x80\x80\x80\x80\x80\x02",
            b"\x10\x80\x80\x80\x80\x80\x80\x80\x80\x80\x80\x01",
            b"\x0b",
            b"\x02\x01a",
            b"\x09abc",
        ];
        for bytes in facts {
            assert_eq!(field(bytes, 3), Err(Malformed), "{bytes:?}");
        }
    }
}
