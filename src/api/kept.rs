//! Records that were kept, read again as if the API had just sent them.
//!
//! Not here: where they are kept (`state`), answers that arrive (`client`).

use bytes::Bytes;

use super::answer::Record;
use super::product::Product;
use super::wire;
use crate::batch::Batch;

/// Reads a record of a listing; `None` where it has no id that could be asked for.
pub fn read(record: Box<str>, product: Product) -> Option<Batch> {
    let whole = Bytes::from(String::from(record).into_bytes());
    let text = str::from_utf8(&whole).ok()?;
    match wire::read_record(text, &whole, product.family()).ok()? {
        Record::Batch(batch) => Some(*batch),
        Record::HostileId { .. } | Record::NoId => None,
    }
}
