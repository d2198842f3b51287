//! A chunked body, followed byte by byte: sizes in plain hexadecimal, no extension, no trailer.

use model::ReasonCode;

/// Most digits of a chunk's size.
const MAX_DIGITS: u8 = 8;

/// Where in the body we are.
#[derive(Debug, Default)]
pub(super) struct Chunked {
    at: At,
    size: u64,
    n_digits: u8,
}

#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
enum At {
    #[default]
    Size,
    SizeLf,
    Data,
    DataCr,
    DataLf,
    LastCr,
    LastLf,
    Complete,
}

impl Chunked {
    /// Whether the last chunk and its end were seen.
    pub(super) fn is_complete(&self) -> bool {
        self.at == At::Complete
    }

    /// How many of `bytes` belong to this body.
    pub(super) fn follow(&mut self, bytes: &[u8]) -> Result<usize, ReasonCode> {
        let mut done = 0_usize;
        while let Some(byte) = bytes.get(done).copied() {
            match self.at {
                At::Complete => return Ok(done),
                At::Data => {
                    let left = bytes.len().saturating_sub(done);
                    let count = usize::try_from(self.size).unwrap_or(usize::MAX).min(left);
                    self.size = self.size.saturating_sub(u64::try_from(count).unwrap_or(u64::MAX));
                    done = done.saturating_add(count);
                    if self.size == 0 {
                        self.at = At::DataCr;
                    }
                    continue;
                }
                _ => self.at = self.step(byte)?,
            }
            done = done.saturating_add(1);
        }
        Ok(done)
    }

    //= https://www.rfc-editor.org/rfc/rfc9112#section-7.1.1
    //# A recipient MUST ignore unrecognized chunk extensions.
    // Nobody who calls a model sends them, and readers differ in how far they ignore; so they are refused, and trailers too.
    fn step(&mut self, byte: u8) -> Result<At, ReasonCode> {
        match (self.at, byte) {
            (At::Size, b'\r') if self.n_digits > 0 => Ok(At::SizeLf),
            (At::Size, digit) if self.n_digits < MAX_DIGITS => {
                let value = char::from(digit).to_digit(16).ok_or(ReasonCode::FramingAmbiguous)?;
                self.size = self.size.saturating_mul(16).saturating_add(u64::from(value));
                self.n_digits = self.n_digits.saturating_add(1);
                Ok(At::Size)
            }
            (At::SizeLf, b'\n') => {
                self.n_digits = 0;
                Ok(if self.size == 0 { At::LastCr } else { At::Data })
            }
            (At::DataCr, b'\r') => Ok(At::DataLf),
            (At::DataLf, b'\n') => Ok(At::Size),
            (At::LastCr, b'\r') => Ok(At::LastLf),
            (At::LastLf, b'\n') => Ok(At::Complete),
            _ => Err(ReasonCode::FramingAmbiguous),
        }
    }
}
