//! Packing of what is large: texts, compressed, in parts of bounded size.
//!
//! A part is a zlib stream of texts, each after its length. Not here: where the parts are kept.

use std::io::{Read, Write};

use flate2::Compression;
use flate2::read::ZlibDecoder;
use flate2::write::ZlibEncoder;

/// How much text one part holds, about: so much memory is needed beside what is packed.
const PART: usize = 256 * 1024;

/// The most that one part may unpack to: a larger one is damage.
const MOST: u64 = 256 * 1024 * 1024;

/// Packs bytes.
pub(super) fn pack(bytes: &[u8]) -> Vec<u8> {
    // The fastest level: a run waits for it, and records repeat so much that it is enough.
    let mut encoder = ZlibEncoder::new(Vec::new(), Compression::fast());
    // Writing to memory cannot fail.
    let _infallible = encoder.write_all(bytes);
    encoder.finish().unwrap_or_default()
}

/// Unpacks bytes; `None` where they are damaged.
pub(super) fn unpack(packed: &[u8]) -> Option<Vec<u8>> {
    let mut bytes = Vec::new();
    let read = ZlibDecoder::new(packed).take(MOST + 1).read_to_end(&mut bytes).ok()?;
    (read as u64 <= MOST).then_some(bytes)
}

/// Gathers texts and hands out packed parts.
#[derive(Debug, Default)]
pub(super) struct Packer {
    open: Vec<u8>,
}

impl Packer {
    /// Adds a text; gives a part when one is full.
    pub(super) fn add(&mut self, text: &str) -> Option<Vec<u8>> {
        let length = u32::try_from(text.len()).unwrap_or(u32::MAX);
        self.open.extend_from_slice(&length.to_le_bytes());
        self.open.extend(text.bytes().take(length as usize));
        (self.open.len() >= PART).then(|| self.take())
    }

    /// The last part, if anything is left.
    pub(super) fn finish(mut self) -> Option<Vec<u8>> {
        (!self.open.is_empty()).then(|| self.take())
    }

    fn take(&mut self) -> Vec<u8> {
        let part = pack(&self.open);
        self.open.clear();
        part
    }
}

/// The texts of a part; `None` where it is damaged.
pub(super) fn texts(part: &[u8]) -> Option<Vec<Box<str>>> {
    let bytes = unpack(part)?;
    let mut rest = bytes.as_slice();
    let mut texts = Vec::new();
    while !rest.is_empty() {
        let (length, after) = rest.split_first_chunk::<4>()?;
        let length = usize::try_from(u32::from_le_bytes(*length)).ok()?;
        let (text, after) = after.split_at_checked(length)?;
        texts.push(std::str::from_utf8(text).ok()?.into());
        rest = after;
    }
    Some(texts)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts_come_back_as_they_were_in_parts_of_bounded_size() {
        let long = "x".repeat(PART + 7);
        let all = ["", "a\nb", "ü", long.as_str(), "{\"id\":\"A1\"}"];
        let mut packer = Packer::default();
        let mut parts: Vec<_> = all.iter().filter_map(|text| packer.add(text)).collect();
        parts.extend(packer.finish());
        assert_eq!(parts.len(), 2);
        let back: Vec<_> = parts.iter().flat_map(|part| texts(part).unwrap()).collect();
        assert_eq!(back.iter().map(|text| &**text).collect::<Vec<_>>(), all);
    }

    // fault: D5
    #[test]
    fn a_part_that_is_cut_or_changed_is_not_read() {
        let mut packer = Packer::default();
        assert_eq!(packer.add("hello hello hello"), None);
        let part = packer.finish().unwrap();
        assert!(texts(&part[..part.len() - 1]).is_none());
        assert!(texts(&[]).is_none());
        for at in 0..part.len() {
            let mut changed = part.clone();
            changed[at] ^= 0x55;
            assert_ne!(texts(&changed), texts(&part), "byte {at}");
        }
        assert!(texts(&pack(&[5, 0, 0, 0, b'a'])).is_none(), "a text that is shorter than it says");
        assert!(texts(&pack(&[1, 0, 0, 0, 0xff])).is_none(), "not UTF-8");
    }
}
