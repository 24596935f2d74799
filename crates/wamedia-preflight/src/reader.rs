//! Small reads at any place, counted.

use std::io::{self, ErrorKind, Read, Seek, SeekFrom};

/// More reads than the headers of any sane file need; a hostile one ends here as if it were cut short.
const MAX_READS: u32 = 2048;

pub(crate) trait Content: Read + Seek {}
impl<T: Read + Seek> Content for T {}

/// The content, its length, and how many reads are left.
pub(crate) struct Source<'a> {
    content: &'a mut dyn Content,
    len: u64,
    reads_left: u32,
}

impl<'a> Source<'a> {
    pub(crate) fn open(content: &'a mut dyn Content) -> io::Result<Self> {
        let len = content.seek(SeekFrom::End(0))?;
        Ok(Self { content, len, reads_left: MAX_READS })
    }

    pub(crate) fn len(&self) -> u64 {
        self.len
    }

    /// Up to `N` bytes from a place; fewer at the end, none when all reads are spent.
    pub(crate) fn head<const N: usize>(&mut self, at: u64) -> io::Result<Vec<u8>> {
        let mut buffer = vec![0; N];
        let filled = self.fill(at, &mut buffer)?;
        buffer.truncate(filled);
        Ok(buffer)
    }

    /// Exactly `N` bytes from a place, or nothing.
    pub(crate) fn exact<const N: usize>(&mut self, at: u64) -> io::Result<Option<[u8; N]>> {
        let mut buffer = [0; N];
        Ok((self.fill(at, &mut buffer)? == N).then_some(buffer))
    }

    fn fill(&mut self, at: u64, buffer: &mut [u8]) -> io::Result<usize> {
        if at >= self.len || self.reads_left == 0 {
            return Ok(0);
        }
        self.reads_left -= 1;
        self.content.seek(SeekFrom::Start(at))?;
        let mut filled = 0;
        while let Some(rest) = buffer.get_mut(filled..).filter(|rest| !rest.is_empty()) {
            match self.content.read(rest) {
                Ok(0) => break,
                Ok(count) => filled += count,
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
        Ok(filled)
    }
}

/// Two bytes, most significant first; 0 when they are not there.
pub(crate) fn be16(bytes: &[u8], at: usize) -> u16 {
    bytes.get(at..).and_then(|rest| rest.first_chunk()).map_or(0, |two| u16::from_be_bytes(*two))
}

/// Four bytes, most significant first; 0 when they are not there.
pub(crate) fn be32(bytes: &[u8], at: usize) -> u32 {
    bytes.get(at..).and_then(|rest| rest.first_chunk()).map_or(0, |four| u32::from_be_bytes(*four))
}

/// Four bytes, least significant first; 0 when they are not there.
pub(crate) fn le32(bytes: &[u8], at: usize) -> u32 {
    bytes.get(at..).and_then(|rest| rest.first_chunk()).map_or(0, |four| u32::from_le_bytes(*four))
}

/// Three bytes, least significant first; 0 when they are not there.
pub(crate) fn le24(bytes: &[u8], at: usize) -> u32 {
    match bytes.get(at..) {
        Some([low, middle, high, ..]) => u32::from_le_bytes([*low, *middle, *high, 0]),
        _ => 0,
    }
}
