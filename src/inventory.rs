//! The inventory: one account's complete, verified listing.
//!
//! [`list`] asks for pages, [`Proof`] judges pages as data. Not here: the call itself (`api`).
//! Invariant: an [`Inventory`] of an account exists only where the pages prove that nothing is
//! missing. Completeness = distinct ids = `total_count` of the last page = sum of `count_this_page`,
//! every record has an id, no id comes twice (contract §6.2.3).

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use sha2::{Digest, Sha256};

use crate::api::client::{PAGE_SIZE, Page, Reader, Record, Surroundings};
use crate::api::error::{Error, Kind};
use crate::batch::{Batch, BatchId, Fact, Raw, Status, batches, counted, escaped, hex};
use crate::observe::event::{Event, STATUSES};

/// How often one account is listed anew when somebody else's work disturbs the listing.
const LISTINGS: u32 = 3;

/// The most pages that are ever asked for: a hundred times what an account can hold. A server that
/// never ends its listing is found out by its totals long before that.
const MAX_PAGES: u32 = 1_000;

/// A complete listing of one account, oldest first.
#[derive(Debug)]
pub struct Inventory {
    batches: Vec<Batch>,
    hostile_ids: Vec<Box<str>>,
    account_count: Option<u64>,
}

impl Inventory {
    /// The batches: by creation, oldest first, then by id; those without a known date last.
    pub fn batches(&self) -> &[Batch] {
        &self.batches
    }

    /// Ids, as sent, of batches that cannot be asked for (fault X3). They are kept.
    pub fn hostile_ids(&self) -> &[Box<str>] {
        &self.hostile_ids
    }

    /// All batches of the account, those with an unacceptable id included.
    pub fn len(&self) -> usize {
        self.batches.len() + self.hostile_ids.len()
    }

    /// Batches by what they do; every one of [`STATUSES`] is named.
    pub fn statuses(&self) -> BTreeMap<&'static str, usize> {
        let mut counts: BTreeMap<_, _> = STATUSES.map(|status| (status, 0)).into();
        for batch in &self.batches {
            let status = match &batch.status {
                Fact::Known(Status::Idle) => "idle",
                Fact::Known(Status::Queued) => "queued",
                Fact::Known(Status::Running) => "running",
                Fact::Known(Status::Other(_)) => "other",
                Fact::Missing | Fact::Unreadable(_) => "unknown",
            };
            *counts.entry(status).or_default() += 1;
        }
        *counts.entry("unknown").or_default() += self.hostile_ids.len();
        counts
    }

    /// Pages that a listing of so many batches takes; at least one.
    pub fn pages(&self) -> usize {
        self.len().div_ceil(PAGE_SIZE).max(1)
    }

    /// Whether the account holds nothing.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// How many batches the account's own page counts, if it answered.
    pub const fn account_count(&self) -> Option<u64> {
        self.account_count
    }

    /// The same without the records' texts, most of its memory; nobody asks for them once the plan is
    /// reviewed and the listing is remembered.
    #[must_use]
    pub fn without_records(mut self) -> Self {
        self.batches.iter_mut().for_each(|batch| batch.raw = Raw::default());
        self
    }

    /// An inventory of batches that a case or a test made up.
    pub fn of(mut batches: Vec<Batch>) -> Self {
        batches.sort_by(|a, b| by_age(a).cmp(&by_age(b)));
        Self { batches, hostile_ids: Vec::new(), account_count: None }
    }

    /// A hash over ids and records, in order: equal inventories have equal hashes. Hex.
    pub fn hash(&self) -> String {
        let mut hash = Sha256::new();
        for batch in &self.batches {
            hash.update(batch.id.as_str());
            hash.update([0]);
            hash.update(batch.raw.as_str());
            hash.update([0]);
        }
        for id in &self.hostile_ids {
            hash.update(id.as_bytes());
            hash.update([1]);
        }
        hex(&hash.finalize())
    }
}

/// Sorts by creation, unknown last, then by id.
fn by_age(batch: &Batch) -> (bool, Option<&crate::clock::Timestamp>, &BatchId) {
    let created = batch.created_at.known();
    (created.is_none(), created, &batch.id)
}

/// Why a listing cannot be trusted. The run ends; nothing is deleted.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum IncompleteInventory {
    /// A page did not come.
    #[error("cannot read {}", which(*page))]
    Page {
        /// Which page, from 1; 0 for the account's own page.
        page: u32,
        /// Why not.
        source: Error,
    },
    /// The pages were read, but do not make a whole.
    #[error(transparent)]
    Flawed(#[from] Flaw),
}

/// A page as messages name it.
fn which(page: u32) -> String {
    match page {
        0 => "the account's own page".to_owned(),
        page => format!("page {page} of the listing"),
    }
}

/// How the pages of a listing contradict each other.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Flaw {
    /// A record has no id, or one that is not text.
    #[error("record {position} of page {page} has no id")]
    NoId {
        /// The page, from 1.
        page: u32,
        /// Its place on the page, from 1.
        position: usize,
    },
    /// The same id came twice.
    #[error(
        "batch `{id}` came twice, the second time on page {page}: pages repeat or shift while they \
         are read"
    )]
    Repeated {
        /// The id, escaped.
        id: String,
        /// The page of the second time.
        page: u32,
    },
    /// The answer is about another page.
    #[error("page {asked} was asked for, page {got} came")]
    OtherPage {
        /// Asked for.
        asked: u32,
        /// Came.
        got: u64,
    },
    /// `count_this_page` is not the number of records.
    #[error("page {page} says it holds {}, and holds {held}", crate::batch::counted(*counted, "batch", "batches"))]
    Miscounted {
        /// The page.
        page: u32,
        /// `count_this_page`.
        counted: u64,
        /// Records on it.
        held: usize,
    },
    /// The total fell while listing.
    #[error("the API counted {}, and on page {page} only {after}", counted(*before, "batch", "batches"))]
    Shrunk {
        /// Before.
        before: u64,
        /// Then.
        after: u64,
        /// Where.
        page: u32,
    },
    /// More or fewer batches came than the API counts; or as many, and it says that pages follow
    /// one that is empty.
    #[error("{}", miscount(*distinct, *pages, *total))]
    Count {
        /// Distinct ids.
        distinct: usize,
        /// Pages read.
        pages: u32,
        /// `total_count` of the last page.
        total: u64,
    },
    /// The account's own page counts more.
    #[error("the listing has {}, but the account's own page counts {account}", batches(*distinct))]
    AccountHoldsMore {
        /// Listed.
        distinct: usize,
        /// `batches_used`.
        account: u64,
    },
    /// Not one record could be read: the API speaks otherwise than it did.
    #[error(
        "nothing but the id can be read of {}; the API may have changed",
        counted(*records as u64, "record", "records")
    )]
    NothingReadable {
        /// Records listed.
        records: usize,
    },
    /// More pages than any account has.
    #[error("the listing did not end after {MAX_PAGES} pages")]
    Endless,
}

/// What came, against what the API counts.
fn miscount(distinct: usize, pages: u32, total: u64) -> String {
    if distinct as u64 == total {
        return format!("page {pages} is empty, though the API says that more pages follow");
    }
    let came = counted(distinct as u64, "distinct batch", "distinct batches");
    format!("{came} on {}, but the API counts {total}", counted(pages, "page", "pages"))
}

impl IncompleteInventory {
    /// The cause and what is under it, in one line.
    pub fn sentence(&self) -> String {
        match self {
            Self::Page { source, .. } => format!("{self}: {}", source.cause()),
            Self::Flawed(_) => self.to_string(),
        }
    }

    /// What to do.
    pub fn help(&self) -> &'static str {
        match self {
            Self::Page { source, .. } => source.help(),
            Self::Flawed(flaw) => flaw.help(),
        }
    }
}

impl Flaw {
    /// What to do.
    pub const fn help(&self) -> &'static str {
        match self {
            Self::Repeated { .. }
            | Self::Shrunk { .. }
            | Self::Count { .. }
            | Self::Miscounted { .. }
            | Self::AccountHoldsMore { .. } => {
                "somebody else may be adding or deleting batches right now; the next run lists again. \
                 If it stays so, compare with the number of batches in the vendor's dashboard"
            }
            Self::NoId { .. } | Self::NothingReadable { .. } => {
                "the answer is not what the API's documentation describes; look for a newer release \
                 of batchsweep, or for a proxy that changes answers"
            }
            Self::OtherPage { .. } | Self::Endless => {
                "something between here and the API answers in its place, perhaps a cache; check \
                 base_url and proxies"
            }
        }
    }
}

/// Pages taken so far, and whether they may still become a whole. Pure.
#[derive(Debug, Default)]
pub struct Proof {
    batches: Vec<Batch>,
    hostile_ids: Vec<Box<str>>,
    seen: BTreeSet<Box<str>>,
    counted: u64,
    total: u64,
    pages: u32,
}

/// What a page leaves to do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Next {
    /// Ask for this page.
    Page(u32),
    /// All pages are here.
    Done,
}

impl Proof {
    /// Takes the next page, in order from 1.
    ///
    /// # Errors
    /// [`Flaw`] as soon as the pages cannot become a whole any more.
    pub fn take(&mut self, page: Page) -> Result<Next, Flaw> {
        let number = self.pages + 1;
        self.pages = number;
        if page.current_page != u64::from(number) {
            return Err(Flaw::OtherPage { asked: number, got: page.current_page });
        }
        let held = page.records.len();
        if page.count_this_page != held as u64 {
            return Err(Flaw::Miscounted { page: number, counted: page.count_this_page, held });
        }
        if page.total_count < self.total {
            let (before, after) = (self.total, page.total_count);
            return Err(Flaw::Shrunk { before, after, page: number });
        }
        self.total = page.total_count;
        self.counted += page.count_this_page;
        for (at, record) in page.records.into_iter().enumerate() {
            self.take_record(record, number, at + 1)?;
        }
        self.next(page.total_pages, held)
    }

    fn take_record(&mut self, record: Record, page: u32, position: usize) -> Result<(), Flaw> {
        let id: Box<str> = match &record {
            Record::Batch(batch) => batch.id.as_str().into(),
            Record::HostileId { id } => id.clone(),
            Record::NoId => return Err(Flaw::NoId { page, position }),
        };
        if !self.seen.insert(id.clone()) {
            let id = escaped(id.get(..64).unwrap_or(&id));
            return Err(Flaw::Repeated { id, page });
        }
        match record {
            Record::Batch(batch) => self.batches.push(*batch),
            Record::HostileId { id } => self.hostile_ids.push(id),
            Record::NoId => {}
        }
        Ok(())
    }

    /// Whether another page is due. A full account has its pages counted by the API; a page that
    /// brings nothing although more are counted, or more batches than are counted, is a flaw at once.
    fn next(&self, total_pages: u64, held: usize) -> Result<Next, Flaw> {
        let more = u64::from(self.pages) < total_pages;
        let too_many = self.seen.len() as u64 > self.total;
        if too_many || (more && held == 0) {
            return Err(self.miscount());
        }
        if !more {
            return Ok(Next::Done);
        }
        if self.pages >= MAX_PAGES {
            return Err(Flaw::Endless);
        }
        Ok(Next::Page(self.pages + 1))
    }

    fn miscount(&self) -> Flaw {
        Flaw::Count { distinct: self.seen.len(), pages: self.pages, total: self.total }
    }

    /// Whether ids, counts and totals agree: then nothing is missing.
    fn whole(&self) -> Result<(), Flaw> {
        let agree = self.seen.len() as u64 == self.total && self.counted == self.total;
        if agree { Ok(()) } else { Err(self.miscount()) }
    }

    /// The inventory, if the pages are a whole. `account_count` is what the account's own page says.
    ///
    /// # Errors
    /// [`Flaw`] where ids, counts and totals do not agree, or no record could be read.
    pub fn finish(mut self, account_count: Option<u64>) -> Result<Inventory, Flaw> {
        self.whole()?;
        let distinct = self.seen.len();
        if let Some(account) = account_count.filter(|account| *account > distinct as u64) {
            return Err(Flaw::AccountHoldsMore { distinct, account });
        }
        let readable = self.batches.iter().filter(|batch| is_readable(batch)).count();
        if distinct > 0 && readable == 0 {
            return Err(Flaw::NothingReadable { records: distinct });
        }
        // No two have the same id; a stable sort would take as much memory again.
        self.batches.sort_unstable_by(|a, b| by_age(a).cmp(&by_age(b)));
        self.batches.shrink_to_fit();
        Ok(Inventory { batches: self.batches, hostile_ids: self.hostile_ids, account_count })
    }
}

/// Whether anything besides the id could be read of a record.
fn is_readable(batch: &Batch) -> bool {
    matches!(batch.name, Fact::Known(_))
        || matches!(batch.created_at, Fact::Known(_))
        || matches!(batch.status, Fact::Known(_))
}

/// Lists an account, proves the listing whole, and lists anew where somebody else's work disturbed
/// it (contract §6.2.3).
///
/// # Errors
/// [`IncompleteInventory`] when a page did not come, or three listings in a row were not whole.
pub async fn list(
    reader: &Reader,
    around: &Surroundings,
) -> Result<Inventory, IncompleteInventory> {
    let began = around.clock.monotonic();
    let tell = |event: &Event| around.observer.observe(&around.scope, event);
    let listed = undisturbed(async || list_once(reader, around).await).await;
    let inventory = listed
        .inspect_err(|cause| tell(&Event::InventoryIncomplete { cause: cause.sentence() }))?;
    tell(&Event::InventoryListed {
        batches: inventory.len(),
        unreadable: inventory.batches.iter().filter(|batch| !is_readable(batch)).count()
            + inventory.hostile_ids.len(),
        statuses: inventory.statuses(),
        duration: around.clock.monotonic().duration_since(began),
    });
    Ok(inventory)
}

async fn list_once(
    reader: &Reader,
    around: &Surroundings,
) -> Result<Inventory, IncompleteInventory> {
    let account_count = count_of_account(reader).await?;
    let mut proof = Proof::default();
    let mut next = Next::Page(1);
    while let Next::Page(number) = next {
        next = take_page(reader, around, &mut proof, number).await?;
    }
    Ok(proof.finish(account_count)?)
}

/// Reads one page and adds it to the proof.
async fn take_page(
    reader: &Reader,
    around: &Surroundings,
    proof: &mut Proof,
    number: u32,
) -> Result<Next, IncompleteInventory> {
    let began = around.clock.monotonic();
    let page = reader
        .list(number)
        .await
        .map_err(|source| IncompleteInventory::Page { page: number, source })?;
    let event = Event::InventoryPage {
        page: number,
        pages: u32::try_from(page.total_pages).unwrap_or(u32::MAX),
        batches: page.records.len(),
        duration: around.clock.monotonic().duration_since(began),
    };
    around.observer.observe(&around.scope, &event);
    Ok(proof.take(page)?)
}

/// What `/account` counts. An account page that does not answer proves nothing and stops nothing,
/// unless it says that the key is refused: then no other call would fare better.
async fn count_of_account(reader: &Reader) -> Result<Option<u64>, IncompleteInventory> {
    match reader.account().await {
        Ok(account) => Ok(account.batches_used),
        Err(source) if is_final(source.kind()) => {
            Err(IncompleteInventory::Page { page: 0, source })
        }
        Err(_) => Ok(None),
    }
}

/// Whether a failure of the account page speaks for every other call too.
const fn is_final(kind: &Kind) -> bool {
    match kind {
        Kind::KeyRefused(_)
        | Kind::PaymentRequired(_)
        | Kind::Unreachable(_)
        | Kind::NotConnected(_)
        | Kind::Setup(_)
        | Kind::Stopped => true,
        Kind::TimedOut { .. }
        | Kind::WrongPath(_)
        | Kind::Throttled { .. }
        | Kind::Failing { .. }
        | Kind::Redirected { .. }
        | Kind::NotAnEnvelope { .. }
        | Kind::BrokenBody(_)
        | Kind::TooLarge
        | Kind::Refused { .. }
        | Kind::Unexpected(_)
        | Kind::WrongFamily { .. } => false,
    }
}

/// How long a deletion that was confirmed may still show in a listing before it is doubted: the
/// waits between the listings that look for it (contract §6.3, lag unknown).
const LAG: [Duration; 2] = [Duration::from_secs(5), Duration::from_secs(25)];

/// Which of these ids a new, complete listing still shows. Looks again where some do.
///
/// # Errors
/// As for [`list`].
pub async fn still_listed(
    reader: &Reader,
    around: &Surroundings,
    ids: &BTreeSet<BatchId>,
) -> Result<BTreeSet<BatchId>, IncompleteInventory> {
    let mut waits = LAG.into_iter();
    loop {
        let inventory = undisturbed(async || list_ids(reader, around).await).await?;
        let left: BTreeSet<_> = ids.intersection(&inventory).cloned().collect();
        let Some(wait) = waits.next().filter(|_| !left.is_empty()) else { return Ok(left) };
        tokio::select! {
            biased;
            // The listing that follows says that it was stopped.
            () = around.stop.cancelled() => {}
            () = tokio::time::sleep(wait) => {}
        }
    }
}

/// Lists anew where somebody else's work disturbed the listing, a few times.
async fn undisturbed<T>(
    listing: impl AsyncFn() -> Result<T, IncompleteInventory>,
) -> Result<T, IncompleteInventory> {
    let mut tried = 1;
    loop {
        match listing().await {
            Err(IncompleteInventory::Flawed(_)) if tried < LISTINGS => tried += 1,
            result => return result,
        }
    }
}

/// The ids of a complete listing, without the records: a proof needs no more.
async fn list_ids(
    reader: &Reader,
    around: &Surroundings,
) -> Result<BTreeSet<BatchId>, IncompleteInventory> {
    let mut proof = Proof::default();
    let mut ids = BTreeSet::new();
    let mut next = Next::Page(1);
    while let Next::Page(number) = next {
        next = take_page(reader, around, &mut proof, number).await?;
        ids.extend(proof.batches.drain(..).map(|batch| batch.id));
    }
    proof.whole()?;
    Ok(ids)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::batch::fixtures::batch;

    fn record(id: &str) -> Record {
        Record::Batch(Box::new(batch(id).build()))
    }

    fn page(number: u64, pages: u64, total: u64, records: Vec<Record>) -> Page {
        Page {
            total_count: total,
            total_pages: pages,
            current_page: number,
            count_this_page: records.len() as u64,
            records,
        }
    }

    fn proven(pages: Vec<Page>, account: Option<u64>) -> Result<Inventory, Flaw> {
        let mut proof = Proof::default();
        for page in pages {
            if proof.take(page)? == Next::Done {
                break;
            }
        }
        proof.finish(account)
    }

    #[test]
    fn pages_that_add_up_are_an_inventory_oldest_first() {
        let old = batch("B2").created("2026-01-01T00:00:00Z").build();
        let new = batch("A1").created("2026-02-01T00:00:00Z").build();
        let unknown = batch("A0").created_at(Fact::Missing).build();
        // fault: P6
        // The server ignores the order that was asked for.
        let records = [unknown, new, old].map(|batch| Record::Batch(Box::new(batch)));
        let inventory = proven(vec![page(1, 1, 3, records.into())], Some(3)).unwrap();
        let ids: Vec<_> = inventory.batches().iter().map(|batch| batch.id.as_str()).collect();
        assert_eq!(ids, ["B2", "A1", "A0"]);
        assert_eq!(inventory.account_count(), Some(3));
    }

    #[test]
    fn an_account_without_batches_is_an_empty_inventory() {
        for pages in [0, 1] {
            assert!(proven(vec![page(1, pages, 0, vec![])], None).unwrap().is_empty());
        }
    }

    #[test]
    fn growth_while_listing_is_no_flaw() {
        let pages = vec![
            page(1, 2, 2, vec![record("A1")]),
            page(2, 2, 3, vec![record("A2"), record("A3")]),
        ];
        assert_eq!(proven(pages, Some(2)).unwrap().len(), 3);
    }

    #[test]
    fn an_unacceptable_id_is_counted_and_set_apart() {
        // fault: X3
        let hostile = Record::HostileId { id: "../x".into() };
        let inventory = proven(vec![page(1, 1, 2, vec![record("A1"), hostile])], None).unwrap();
        assert_eq!((inventory.len(), inventory.hostile_ids().len()), (2, 1));
    }

    #[expect(clippy::too_many_lines, reason = "a table: one row for each flaw")]
    #[test]
    fn whatever_contradicts_itself_is_no_inventory() {
        let some = || vec![record("A1"), record("A2")];
        let flawed: [(&str, Vec<Page>, Option<u64>, Flaw); 13] = [
            // fault: P2
            (
                "fewer than counted",
                vec![page(1, 1, 3, some())],
                None,
                Flaw::Count { distinct: 2, pages: 1, total: 3 },
            ),
            (
                "more than counted",
                vec![page(1, 1, 1, some())],
                None,
                Flaw::Count { distinct: 2, pages: 1, total: 1 },
            ),
            (
                "an empty page in the middle",
                vec![page(1, 3, 9, some()), page(2, 3, 9, vec![])],
                None,
                Flaw::Count { distinct: 2, pages: 2, total: 9 },
            ),
            (
                "an empty page after all that are counted",
                vec![page(1, 3, 2, some()), page(2, 3, 2, vec![])],
                None,
                Flaw::Count { distinct: 2, pages: 2, total: 2 },
            ),
            // fault: P1
            (
                "a page that repeats",
                vec![page(1, 2, 4, some()), page(2, 2, 4, some())],
                None,
                Flaw::Repeated { id: "A1".into(), page: 2 },
            ),
            // fault: P5
            (
                "one id with different data",
                vec![page(
                    1,
                    1,
                    2,
                    vec![record("A1"), Record::Batch(Box::new(batch("A1").name("other").build()))],
                )],
                None,
                Flaw::Repeated { id: "A1".into(), page: 1 },
            ),
            (
                "a page that says it is another",
                vec![page(7, 9, 2, some())],
                None,
                Flaw::OtherPage { asked: 1, got: 7 },
            ),
            (
                "a total that falls",
                vec![page(1, 2, 4, some()), page(2, 2, 3, vec![record("A3")])],
                None,
                Flaw::Shrunk { before: 4, after: 3, page: 2 },
            ),
            // fault: J5
            (
                "a record without id",
                vec![page(1, 1, 2, vec![record("A1"), Record::NoId])],
                None,
                Flaw::NoId { page: 1, position: 2 },
            ),
            (
                "a page that miscounts itself",
                vec![Page { count_this_page: 5, ..page(1, 1, 2, some()) }],
                None,
                Flaw::Miscounted { page: 1, counted: 5, held: 2 },
            ),
            (
                "an account that holds more",
                vec![page(1, 1, 2, some())],
                Some(3),
                Flaw::AccountHoldsMore { distinct: 2, account: 3 },
            ),
            // fault: J10
            (
                "records of which nothing can be read",
                vec![page(
                    1,
                    1,
                    1,
                    vec![Record::Batch(Box::new(batch("A1").unreadable().build()))],
                )],
                None,
                Flaw::NothingReadable { records: 1 },
            ),
            (
                "an id twice, unacceptable",
                vec![page(
                    1,
                    1,
                    2,
                    vec![
                        Record::HostileId { id: "a\nb".into() },
                        Record::HostileId { id: "a\nb".into() },
                    ],
                )],
                None,
                Flaw::Repeated { id: "a\\nb".into(), page: 1 },
            ),
        ];
        let mut said = Vec::new();
        for (case, pages, account, flaw) in flawed {
            assert_eq!(proven(pages, account).unwrap_err(), flaw, "{case}");
            assert!(!flaw.help().is_empty(), "{case}");
            said.push(format!("{case}: {flaw}"));
        }
        insta::assert_snapshot!(said.join("\n"));
    }

    // fault: P1
    #[test]
    fn a_listing_that_never_ends_is_given_up() {
        let mut proof = Proof::default();
        let mut last = Ok(Next::Page(1));
        let mut asked = 0;
        while let Ok(Next::Page(number)) = last {
            asked = number;
            let records = vec![record(&format!("A{number}"))];
            last = proof.take(page(u64::from(number), u64::MAX, u64::MAX, records));
        }
        assert_eq!((last, asked), (Err(Flaw::Endless), MAX_PAGES));
    }

    #[test]
    fn equal_inventories_have_equal_hashes_and_others_do_not() {
        let of = |name: &str| Inventory::of(vec![batch("A1").name(name).build()]).hash();
        assert_eq!(of("x"), of("x"));
        assert_ne!(of("x"), of("y"));
        assert_eq!(of("x").len(), 64);
    }
}
