//! List: one page of the account's batches (contract §2.1), or what a lie makes of it.

use std::sync::Arc;

use super::super::answer::Answer;
use super::super::call::Call;
use super::super::fault::Lie;
use super::super::listing::Query;
use super::super::world::World;
use super::invalid;

/// Bytes of a usual record.
const RECORD: usize = 640;

pub(super) fn list(world: &mut World, call: &Call, lies: &[Lie]) -> Answer {
    let parameter = |name: &str| call.parameter(name).map(str::to_owned);
    let query = match Query::read(parameter, &world.knobs) {
        Ok(query) => query,
        Err(name) => return invalid(&format!("the parameter {name} is not valid")),
    };
    let ids = world.select(&query.selection);
    let total = u64::try_from(ids.len()).unwrap_or(u64::MAX);
    let mut page = Page {
        total,
        pages: total.div_ceil(query.page_size),
        from: (query.page - 1).saturating_mul(query.page_size),
        size: query.page_size,
        number: query.page,
        lies,
    };
    if total == 0 {
        page.pages = world.knobs.empty_total_pages;
    }
    page.write(world, &ids)
}

struct Page<'a> {
    total: u64,
    pages: u64,
    from: u64,
    size: u64,
    number: u64,
    lies: &'a [Lie],
}

impl Page<'_> {
    fn write(mut self, world: &mut World, ids: &Arc<[Arc<str>]>) -> Answer {
        let mut noun = world.product.family().batches();
        let mut order: Vec<&Arc<str>> = ids.iter().collect();
        let mut without = None;
        let mut count_off = 0;
        for lie in self.lies {
            match *lie {
                Lie::Total(by) => self.total = self.total.saturating_add_signed(by),
                Lie::Pages(by) => self.pages = self.pages.saturating_add_signed(by),
                Lie::Count(by) => count_off = by,
                Lie::RecordsOfPage(page) => {
                    self.from = page.saturating_sub(1).saturating_mul(self.size);
                }
                Lie::Shift(by) => self.from = self.from.saturating_add_signed(by),
                Lie::Endless => self.wrap(),
                Lie::Without(place) => without = Some(place),
                Lie::Unsorted => order.sort_by_key(|id| scattered(id)),
                Lie::OtherFamily => noun = world.product.family().other().batches(),
            }
        }
        let from = usize::try_from(self.from).unwrap_or(usize::MAX);
        let size = usize::try_from(self.size).unwrap_or(usize::MAX);
        let mut here: Vec<&Arc<str>> = order.into_iter().skip(from).take(size).collect();
        let count = u64::try_from(here.len()).unwrap_or(0).saturating_add_signed(count_off);
        if let Some(place) = without
            && place < here.len()
        {
            here.remove(place);
        }
        let Self { total, pages, number, .. } = self;
        let mut body = format!(
            "{{\"request_info\":{{\"success\":true}},\"total_count\":{total},\
             \"total_pages\":{pages},\"current_page\":{number},\"count_this_page\":{count},\
             \"{noun}\":["
        );
        body.reserve(here.len() * RECORD);
        for (place, id) in here.into_iter().enumerate() {
            if place > 0 {
                body.push(',');
            }
            body.push_str(world.listed_text(id));
        }
        body.push_str("]}");
        Answer::json(200, body)
    }

    /// One more page than this, whichever this is; past the last, they begin again.
    fn wrap(&mut self) {
        let real = self.pages.max(1);
        self.from = ((self.number - 1) % real).saturating_mul(self.size);
        self.pages = self.number.saturating_add(1);
    }
}

/// An order that is none, but always the same.
fn scattered(id: &str) -> u32 {
    id.bytes().fold(7, |sum: u32, byte| (sum ^ u32::from(byte)).wrapping_mul(0x9E37_79B1))
}
