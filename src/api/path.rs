//! The allow-list: the calls that can be expressed, and the URLs they have.
//!
//! A [`Call`] is the only thing the transport sends. The API has GETs that change state (start,
//! stop, stopall, resendwebhook) and DELETEs beside the one for a batch; none of them has a
//! variant here, so none can be asked for (contract §6.2.1, §6.2.2).
//! Not here: the key; the transport puts it on at the last moment.
//! Invariant: paths are built by segment, and the only variable segment is a [`BatchId`].

use url::Url;

use crate::api::error::Operation;
use crate::api::product::Family;
use crate::batch::{BatchId, Undelivered};

/// Batches on a page of a listing: the most the API gives (contract §2.1).
pub const PAGE_SIZE: usize = 1_000;

/// One call.
#[derive(Debug, Clone, Copy)]
pub(super) enum Call<'a> {
    /// The account.
    Account,
    /// One page of the listing, from 1.
    List {
        /// Which.
        page: u32,
    },
    /// One batch.
    Get(&'a BatchId),
    /// The result sets of one batch.
    ResultSets(&'a BatchId),
    /// The deletion of one batch.
    Delete(&'a BatchId, Undelivered),
}

/// The two methods there are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Method {
    /// Reads.
    Get,
    /// Deletes.
    Delete,
}

impl Call<'_> {
    /// Its name.
    pub(super) const fn operation(&self) -> Operation {
        match self {
            Self::Account => Operation::Account,
            Self::List { .. } => Operation::List,
            Self::Get(_) => Operation::Get,
            Self::ResultSets(_) => Operation::ResultSets,
            Self::Delete(..) => Operation::Delete,
        }
    }

    /// Its method.
    pub(super) const fn method(&self) -> Method {
        match self {
            Self::Account | Self::List { .. } | Self::Get(_) | Self::ResultSets(_) => Method::Get,
            Self::Delete(..) => Method::Delete,
        }
    }

    /// Its URL, without the key. `base` may end in a slash or not; it has no query.
    pub(super) fn url(&self, base: &Url, family: Family) -> Url {
        let mut url = base.clone();
        // An http(s) URL always has segments; for any other the base goes out as it is, and
        // `Transport::new` lets no other in.
        if let Ok(mut segments) = url.path_segments_mut() {
            segments.pop_if_empty();
            match self {
                Self::Account => segments.push("account"),
                Self::List { .. } => segments.push(family.plural()),
                Self::Get(id) | Self::Delete(id, _) => {
                    segments.push(family.plural()).push(id.as_str())
                }
                Self::ResultSets(id) => {
                    segments.push(family.plural()).push(id.as_str()).push("results")
                }
            };
        }
        self.add_query(&mut url);
        url
    }

    fn add_query(&self, url: &mut Url) {
        match self {
            Self::List { page } => {
                // By creation, so that a rename during the listing moves nothing (contract §6.2.3).
                url.query_pairs_mut()
                    .append_pair("page", &page.to_string())
                    .append_pair("page_size", &PAGE_SIZE.to_string())
                    .append_pair("sort_by", "created_at")
                    .append_pair("sort_direction", "ascending");
            }
            Self::Delete(_, Undelivered::Force) => {
                url.query_pairs_mut().append_pair("force", "true");
            }
            Self::Account
            | Self::Get(_)
            | Self::ResultSets(_)
            | Self::Delete(_, Undelivered::Respect) => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn id(text: &str) -> BatchId {
        BatchId::parse(text).unwrap()
    }

    #[test]
    fn these_are_all_the_calls_there_are() {
        let base = Url::parse("https://api.serpwow.com/live").unwrap();
        let batch = id("00E5");
        let list = "page=3&page_size=1000&sort_by=created_at&sort_direction=ascending";
        for (call, method, path) in [
            (Call::Account, Method::Get, "/account".to_owned()),
            (Call::List { page: 3 }, Method::Get, format!("/batches?{list}")),
            (Call::Get(&batch), Method::Get, "/batches/00E5".to_owned()),
            (Call::ResultSets(&batch), Method::Get, "/batches/00E5/results".to_owned()),
            (
                Call::Delete(&batch, Undelivered::Respect),
                Method::Delete,
                "/batches/00E5".to_owned(),
            ),
            (
                Call::Delete(&batch, Undelivered::Force),
                Method::Delete,
                "/batches/00E5?force=true".to_owned(),
            ),
        ] {
            assert_eq!(call.method(), method, "{call:?}");
            assert_eq!(call.url(&base, Family::Batches).as_str(), format!("{base}{path}"));
        }
    }

    #[test]
    fn the_other_family_has_its_own_word() {
        let base = Url::parse("http://127.0.0.1:1/").unwrap();
        let url = Call::ResultSets(&id("A1")).url(&base, Family::Collections);
        assert_eq!(url.as_str(), "http://127.0.0.1:1/collections/A1/results");
    }

    #[test]
    fn a_slash_at_the_end_of_the_base_changes_nothing() {
        let with = Url::parse("https://h/live/").unwrap();
        let without = Url::parse("https://h/live").unwrap();
        let batch = id("A1");
        for call in [Call::Account, Call::Get(&batch), Call::List { page: 1 }] {
            let urls = (call.url(&with, Family::Batches), call.url(&without, Family::Batches));
            assert_eq!(urls.0, urls.1);
        }
    }

    // fault: X3
    #[test]
    fn a_delete_always_has_a_batch_as_its_last_segment() {
        proptest!(|(text in "[0-9A-Za-z]{1,64}")| {
            let base = Url::parse("https://h/live").unwrap();
            let Ok(batch) = BatchId::parse(&text) else { return Ok(()) };
            let url = Call::Delete(&batch, Undelivered::Respect).url(&base, Family::Batches);
            let segments: Vec<&str> = url.path_segments().unwrap().collect();
            prop_assert_eq!(segments, vec!["live", "batches", text.as_str()]);
        });
    }
}
