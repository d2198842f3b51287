//! Protocol Buffers, as far as OTLP needs them: a message is bytes that are appended to.
//!
//! Fields that hold their default may be left out; nothing here leaves them out by itself.

/// A message under construction.
//= https://protobuf.dev/programming-guides/encoding/
//# The "tag" of a record is encoded as a varint formed from the field number and the wire type
#[derive(Debug, Default, Clone, PartialEq, Eq)]
pub(super) struct Message(Vec<u8>);

impl Message {
    /// The bytes.
    pub(super) fn into_bytes(self) -> Vec<u8> {
        self.0
    }

    fn raw(&mut self, mut value: u64) {
        while value >= 0x80 {
            self.0.push(u8::try_from(value & 0x7f).unwrap_or_default() | 0x80);
            value >>= 7;
        }
        self.0.push(u8::try_from(value).unwrap_or_default());
    }

    fn tag(&mut self, field: u32, wire_type: u64) {
        self.raw((u64::from(field) << 3) | wire_type);
    }

    /// An unsigned number, a boolean or a name of an enumeration.
    pub(super) fn number(&mut self, field: u32, value: u64) {
        self.tag(field, 0);
        self.raw(value);
    }

    /// A `fixed64`, which is also how `sfixed64` looks for what is not negative.
    pub(super) fn fixed(&mut self, field: u32, value: u64) {
        self.tag(field, 1);
        self.0.extend_from_slice(&value.to_le_bytes());
    }

    /// A `double`.
    pub(super) fn double(&mut self, field: u32, value: f64) {
        self.tag(field, 1);
        self.0.extend_from_slice(&value.to_le_bytes());
    }

    /// A `fixed32`.
    pub(super) fn fixed32(&mut self, field: u32, value: u32) {
        self.tag(field, 5);
        self.0.extend_from_slice(&value.to_le_bytes());
    }

    /// Bytes, a text, or numbers that are packed.
    pub(super) fn bytes(&mut self, field: u32, value: &[u8]) {
        self.tag(field, 2);
        self.raw(u64::try_from(value.len()).unwrap_or_default());
        self.0.extend_from_slice(value);
    }

    /// A text.
    pub(super) fn text(&mut self, field: u32, value: &str) {
        self.bytes(field, value.as_bytes());
    }

    /// A message within this one.
    pub(super) fn message(&mut self, field: u32, value: &Self) {
        self.bytes(field, &value.0);
    }
}

#[cfg(test)]
mod tests {
    use super::Message;

    #[test]
    fn the_examples_of_the_encoding() {
        let mut message = Message::default();
        message.number(1, 150);
        message.text(2, "testing");
        assert_eq!(message.clone().into_bytes(), b"\x08\x96\x01\x12\x07testing");
        let mut outer = Message::default();
        outer.message(3, &message);
        outer.fixed(16, 1);
        outer.fixed32(2, 1);
        outer.double(4, 1.0);
        outer.number(1, u64::MAX);
        let expected = [
            &b"\x1a\x0c\x08\x96\x01\x12\x07testing"[..],
            b"\x81\x01\x01\0\0\0\0\0\0\0",
            b"\x15\x01\0\0\0",
            b"\x21\0\0\0\0\0\0\xf0\x3f",
            b"\x08\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01",
        ];
        assert_eq!(outer.into_bytes(), expected.concat());
    }
}
