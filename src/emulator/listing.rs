//! Listings: which batches a list call means, and in which order (contract §2.1).
//!
//! Not here: the page that is answered, and the lies about it (`routes::list`).

use std::cmp::Ordering;
use std::sync::Arc;

use chrono::DateTime;

use super::knobs::{DateBounds, InvalidParameter, Knobs, NeverRun, NullOrder, WordOrder};
use super::record::Record;
use super::world::World;
use crate::clock::Timestamp;

/// Records a page may hold (contract §2.1).
const MAX_PAGE_SIZE: u64 = 1000;
const DEFAULT_PAGE_SIZE: u64 = 25;

/// What one list call asks for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Query {
    pub(super) page: u64,
    pub(super) page_size: u64,
    pub(super) selection: Selection,
}

/// Which batches, in which order.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Selection {
    sort_by: SortBy,
    direction: Direction,
    status: Option<String>,
    search: Option<(SearchType, String)>,
    created: Range,
    last_run: Range,
    only_with_results: bool,
    only_without_results: bool,
    destination_id: Option<String>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum SortBy {
    CreatedAt,
    LastRun,
    Name,
    Priority,
    Status,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Direction {
    Ascending,
    Descending,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum SearchType {
    Contains,
    StartsWith,
    EndsWith,
    Exact,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
struct Range {
    after: Option<Timestamp>,
    before: Option<Timestamp>,
}

/// A selection carried out.
#[derive(Debug)]
pub(super) struct Listing {
    selection: Selection,
    version: u64,
    ids: Arc<[Arc<str>]>,
}

impl World {
    /// The ids that a selection means, in its order. Asked again for the same while nothing has
    /// changed, it does not sort again.
    pub(super) fn select(&mut self, selection: &Selection) -> Arc<[Arc<str>]> {
        let version = self.version();
        if let Some(last) = &self.listing
            && last.version == version
            && last.selection == *selection
        {
            return Arc::clone(&last.ids);
        }
        let mut met: Vec<(&Arc<str>, &Record)> =
            self.records().filter(|(_, record)| selection.holds(record, &self.knobs)).collect();
        met.sort_by(|(a_id, a), (b_id, b)| {
            selection.compare(a, b, &self.knobs).then_with(|| a_id.cmp(b_id))
        });
        let ids: Arc<[Arc<str>]> = met.into_iter().map(|(id, _)| Arc::clone(id)).collect();
        let selection = selection.clone();
        self.listing = Some(Listing { selection, version, ids: Arc::clone(&ids) });
        ids
    }
}

impl Query {
    /// Reads the parameters of a list call; those that it does not know are ignored.
    ///
    /// # Errors
    /// With the parameter's name, when a value is out of range and the knob says to refuse.
    pub(super) fn read(
        parameter: impl Fn(&str) -> Option<String>,
        knobs: &Knobs,
    ) -> Result<Self, &'static str> {
        let reader = Reader { parameter, on_invalid: knobs.invalid_parameter };
        let number = |name, default, max: u64| {
            let text: Option<i128> = reader.read(name, |text| text.parse().ok())?;
            let Some(n) = text else { return Ok(default) };
            let nearest = u64::try_from(n.max(1)).unwrap_or(u64::MAX).min(max);
            let fits = i128::from(nearest) == n;
            if fits { Ok(nearest) } else { reader.invalid(name).map(|()| nearest) }
        };
        let search_type = reader.read("search_type", SearchType::parse)?;
        let search_type = search_type.unwrap_or(SearchType::Contains);
        Ok(Self {
            page: number("page", 1, u64::MAX)?,
            page_size: number("page_size", DEFAULT_PAGE_SIZE, MAX_PAGE_SIZE)?,
            selection: Selection {
                sort_by: reader.read("sort_by", SortBy::parse)?.unwrap_or(SortBy::Name),
                direction: reader
                    .read("sort_direction", Direction::parse)?
                    .unwrap_or(Direction::Ascending),
                status: reader.read("status", status)?.filter(|status| status != "all"),
                search: (reader.parameter)("search_term").map(|term| (search_type, term)),
                created: reader.range("created_after", "created_before")?,
                last_run: reader.range("last_run_after", "last_run_before")?,
                only_with_results: reader.flag("only_with_results")?,
                only_without_results: reader.flag("only_without_results")?,
                destination_id: (reader.parameter)("destination_id"),
            },
        })
    }
}

struct Reader<F> {
    parameter: F,
    on_invalid: InvalidParameter,
}

impl<F: Fn(&str) -> Option<String>> Reader<F> {
    fn invalid(&self, name: &'static str) -> Result<(), &'static str> {
        match self.on_invalid {
            InvalidParameter::Refuse => Err(name),
            InvalidParameter::Clamp => Ok(()),
        }
    }

    fn read<T>(
        &self,
        name: &'static str,
        parse: impl Fn(&str) -> Option<T>,
    ) -> Result<Option<T>, &'static str> {
        let Some(text) = (self.parameter)(name) else { return Ok(None) };
        match parse(&text) {
            Some(value) => Ok(Some(value)),
            None => self.invalid(name).map(|()| None),
        }
    }

    fn flag(&self, name: &'static str) -> Result<bool, &'static str> {
        Ok(self.read(name, |text| text.parse().ok())?.unwrap_or(false))
    }

    fn range(&self, after: &'static str, before: &'static str) -> Result<Range, &'static str> {
        let date = |text: &str| DateTime::parse_from_rfc3339(text).ok().map(|at| at.to_utc());
        Ok(Range { after: self.read(after, date)?, before: self.read(before, date)? })
    }
}

fn status(word: &str) -> Option<String> {
    matches!(word, "all" | "idle" | "queued" | "running").then(|| word.to_owned())
}

impl SortBy {
    fn parse(word: &str) -> Option<Self> {
        Some(match word {
            "created_at" => Self::CreatedAt,
            "last_run" => Self::LastRun,
            "name" => Self::Name,
            "priority" => Self::Priority,
            "status" => Self::Status,
            _ => return None,
        })
    }
}

impl Direction {
    fn parse(word: &str) -> Option<Self> {
        Some(match word {
            "ascending" => Self::Ascending,
            "descending" => Self::Descending,
            _ => return None,
        })
    }
}

impl SearchType {
    fn parse(word: &str) -> Option<Self> {
        Some(match word {
            "contains" => Self::Contains,
            "starts_with" => Self::StartsWith,
            "ends_with" => Self::EndsWith,
            "exact" => Self::Exact,
            _ => return None,
        })
    }

    fn holds(self, term: &str, record: &Record) -> bool {
        let (name, id) = (&record.name, &record.id);
        match self {
            Self::Exact => name == term,
            Self::StartsWith => name.to_lowercase().starts_with(&term.to_lowercase()),
            Self::EndsWith => name.to_lowercase().ends_with(&term.to_lowercase()),
            Self::Contains => {
                let (name, id) = (spaced(name), spaced(id));
                spaced(term).split_whitespace().all(|word| name.contains(word) || id.contains(word))
            }
        }
    }
}

/// Lower case, and spaces for everything but letters and digits (contract §2.1).
fn spaced(text: &str) -> String {
    text.to_lowercase().chars().map(|c| if c.is_alphanumeric() { c } else { ' ' }).collect()
}

impl Range {
    const fn is_open(self) -> bool {
        self.after.is_none() && self.before.is_none()
    }

    fn holds(self, at: Timestamp, bounds: DateBounds) -> bool {
        let fits = |order: Ordering, wanted: Ordering| {
            order == wanted || (order == Ordering::Equal && bounds == DateBounds::Inclusive)
        };
        self.after.is_none_or(|after| fits(at.cmp(&after), Ordering::Greater))
            && self.before.is_none_or(|before| fits(at.cmp(&before), Ordering::Less))
    }
}

impl Selection {
    /// All filters at once (contract §2.1, assumed).
    fn holds(&self, record: &Record, knobs: &Knobs) -> bool {
        let ran_in_range = match record.last_run {
            _ if self.last_run.is_open() => true,
            Some(at) => self.last_run.holds(at, knobs.date_bounds),
            None => knobs.never_run_in_date_filter == NeverRun::Included,
        };
        let has_results = !record.result_sets.is_empty();
        ran_in_range
            && self.created.holds(record.created_at, knobs.date_bounds)
            && self.status.as_deref().is_none_or(|word| word == record.state.as_str())
            && self.search.as_ref().is_none_or(|(kind, term)| kind.holds(term, record))
            && (!self.only_with_results || has_results)
            && (!self.only_without_results || !has_results)
            && self.destination_id.as_ref().is_none_or(|id| record.destination_ids.contains(id))
    }

    fn compare(&self, a: &Record, b: &Record, knobs: &Knobs) -> Ordering {
        let by_rank = knobs.word_order == WordOrder::Rank;
        let order = match self.sort_by {
            SortBy::CreatedAt => a.created_at.cmp(&b.created_at),
            SortBy::Name => a.name.cmp(&b.name),
            SortBy::LastRun => match (a.last_run, b.last_run, knobs.null_order) {
                (Some(_), None, NullOrder::Last) => Ordering::Less,
                (None, Some(_), NullOrder::Last) => Ordering::Greater,
                (a, b, NullOrder::First | NullOrder::Last) => a.cmp(&b),
            },
            SortBy::Priority if by_rank => a.priority.cmp(&b.priority),
            SortBy::Priority => a.priority.as_str().cmp(b.priority.as_str()),
            SortBy::Status if by_rank => a.state.rank().cmp(&b.state.rank()),
            SortBy::Status => a.state.as_str().cmp(b.state.as_str()),
        };
        match self.direction {
            Direction::Ascending => order,
            Direction::Descending => order.reverse(),
        }
    }
}
