//! A deliberately naive model of the whole program: which batches may go, in plain words, from the raw
//! JSON that the emulator lists.
//!
//! It shares nothing with the program: no globs, no regular expressions, no dates but milliseconds.
//! Each rule stands twice, side by side: as the file says it, and as the model understands it.

use std::collections::BTreeSet;

use serde_json::Value;

/// A day in milliseconds.
const DAY: i64 = 86_400_000;

/// Yes, no, or nobody can say.
type Answer = Option<bool>;

/// One raw record, at one instant (milliseconds since 1970).
#[derive(Debug, Clone, Copy)]
pub(crate) struct Seen<'v> {
    raw: &'v Value,
    now: i64,
}

/// A rule twice: as the file says it, and as the model understands it.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Rule {
    pub(crate) toml: &'static str,
    pub(crate) matches: fn(Seen<'_>) -> Answer,
    /// On a keep rule: of what matches, only these stay.
    pub(crate) newest: Option<Newest>,
}

/// The newest of each group: the last so many, one of each of so many days or weeks, or all within days.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Newest {
    pub(crate) group: fn(&str) -> &str,
    pub(crate) last: usize,
    pub(crate) days: usize,
    pub(crate) weeks: usize,
    pub(crate) within_days: i64,
}

/// The ids that may go at `now`, sorted: selected, protected by nothing, old enough and idle.
pub(crate) fn may_go(records: &[Value], keep: &[Rule], delete: &[Rule], now: i64) -> Vec<String> {
    let all: Vec<_> = records.iter().map(|raw| Seen { raw, now }).collect();
    let kept: Vec<Vec<bool>> = keep.iter().map(|rule| kept_by(rule, &all)).collect();
    let mut ids: Vec<_> = (0..all.len())
        .filter(|n| delete.iter().any(|rule| (rule.matches)(all[*n]) == Some(true)))
        .filter(|n| !kept.iter().any(|kept| kept[*n]))
        .filter(|n| all[*n].active().is_some_and(|at| now - at >= DAY))
        .filter(|n| all[*n].raw["status"] == "idle")
        .map(|n| all[n].id().to_owned())
        .collect();
    ids.sort();
    ids
}

/// The ids that a rule selects at `now`, whatever else protects them.
pub(crate) fn selected(records: &[Value], rule: &Rule, now: i64) -> BTreeSet<String> {
    let all = records.iter().map(|raw| Seen { raw, now });
    let selected = all.filter(|one| (rule.matches)(*one) == Some(true));
    selected.map(|one| one.id().to_owned()).collect()
}

/// Which of all batches a keep rule keeps. In doubt, it does.
fn kept_by(rule: &Rule, all: &[Seen<'_>]) -> Vec<bool> {
    let Some(newest) = rule.newest else {
        return all.iter().map(|one| (rule.matches)(*one) != Some(false)).collect();
    };
    let places: Vec<_> = all
        .iter()
        .filter(|one| (rule.matches)(**one) == Some(true))
        .filter_map(|one| Some(((newest.group)(one.name()?), one.rank()?)))
        .collect();
    all.iter()
        .map(|one| match ((rule.matches)(*one), one.name(), one.rank()) {
            (Some(false), _, _) => false,
            (Some(true), Some(name), Some(rank)) => {
                let own = (newest.group)(name);
                let newer: Vec<_> = places
                    .iter()
                    .filter(|(group, other)| *group == own && *other < rank)
                    .map(|(_, other)| -other.0)
                    .collect();
                is_newest(&newest, &newer, -rank.0, one.now)
            }
            _ => true,
        })
        .collect()
}

/// Whether a batch stays, by when it and the newer ones of its group were last active.
fn is_newest(newest: &Newest, newer: &[i64], active: i64, now: i64) -> bool {
    let of_day = |at: i64| at.div_euclid(DAY);
    // 1970 began on a Thursday; weeks begin on Mondays.
    let of_week = |at: i64| (of_day(at) + 3).div_euclid(7);
    newer.len() < newest.last
        || is_first_of_few(newer, active, newest.days, of_day)
        || is_first_of_few(newer, active, newest.weeks, of_week)
        || now - active <= newest.within_days * DAY && newest.within_days > 0
}

fn is_first_of_few(newer: &[i64], active: i64, most: usize, of: impl Fn(i64) -> i64) -> bool {
    let mut buckets: Vec<_> = newer.iter().map(|at| of(*at)).collect();
    buckets.sort_unstable();
    buckets.dedup();
    !buckets.contains(&of(active)) && buckets.len() < most
}

/// All must hold: one no settles it.
fn all(answers: &[Answer]) -> Answer {
    if answers.contains(&Some(false)) {
        return Some(false);
    }
    if answers.contains(&None) { None } else { Some(true) }
}

impl<'v> Seen<'v> {
    fn id(self) -> &'v str {
        self.raw["id"].as_str().unwrap()
    }

    fn name(self) -> Option<&'v str> {
        self.raw["name"].as_str()
    }

    fn named(self, how: impl Fn(&str) -> bool) -> Answer {
        self.name().map(how)
    }

    fn is(self, field: &str, wanted: &[&str]) -> Answer {
        self.raw[field].as_str().map(|word| wanted.contains(&word))
    }

    fn number(self, field: &str) -> Option<u64> {
        self.raw[field].as_u64()
    }

    /// A time that is there, readable and not in the future.
    fn time(self, field: &str) -> Option<i64> {
        let at: chrono::DateTime<chrono::Utc> = self.raw[field].as_str()?.parse().ok()?;
        Some(at.timestamp_millis()).filter(|at| *at <= self.now)
    }

    fn never_ran(self) -> Answer {
        if !self.raw["last_run"].is_null() {
            return self.time("last_run").map(|_| false);
        }
        self.number("next_result_set_id").filter(|next| *next <= 1).map(|_| true)
    }

    fn active(self) -> Option<i64> {
        let created = self.time("created_at")?;
        if self.never_ran()? { Some(created) } else { Some(self.time("last_run")?.max(created)) }
    }

    fn older(self, days: i64) -> Answer {
        self.time("created_at").map(|at| self.now - at >= days * DAY)
    }

    fn idle(self, days: i64) -> Answer {
        self.active().map(|at| self.now - at >= days * DAY)
    }

    /// What orders a group: the newest first, then by id.
    fn rank(self) -> Option<(i64, i64, &'v str)> {
        Some((-self.active()?, -self.time("created_at")?, self.id()))
    }

    fn has_destination(self) -> Answer {
        self.raw["destination_ids"].as_array().map(|ids| !ids.is_empty())
    }
}

fn is_digits(text: &str, count: usize) -> bool {
    text.len() == count && text.bytes().all(|b| b.is_ascii_digit())
}

fn is_hex(text: &str, count: usize) -> bool {
    text.len() == count && text.bytes().all(|b| b"0123456789abcdef".contains(&b))
}

fn ends_in_uuid4(name: &str) -> bool {
    let Some((prefix, uuid)) = name.rsplit_once('_') else { return false };
    let parts: Vec<_> = uuid.split('-').collect();
    let lengths = [8, 4, 4, 4, 12];
    !prefix.is_empty()
        && parts.len() == lengths.len()
        && parts.iter().zip(lengths).all(|(part, length)| is_hex(part, length))
        && parts[2].starts_with('4')
        && parts[3].starts_with(['8', '9', 'a', 'b'])
}

/// `Acme NEWS Batch 20240120_120000`.
fn is_pipeline(name: &str) -> bool {
    let words: Vec<_> = name.split(' ').collect();
    let ["Acme", kind, "Batch", date] = words[..] else { return false };
    let is_date = |(day, time)| is_digits(day, 8) && is_digits(time, 6);
    !kind.is_empty()
        && kind.bytes().all(|b| b.is_ascii_alphabetic())
        && date.split_once('_').is_some_and(is_date)
}

fn is_numbered(name: &str) -> bool {
    name.strip_prefix("Collection").is_some_and(|n| !n.is_empty() && is_digits(n, n.len()))
}

fn is_email(name: &str) -> bool {
    let is_part = |part: &str| !part.is_empty() && !part.contains(char::is_whitespace);
    name.split_once('@').is_some_and(|(who, at)| is_part(who) && is_part(at) && !at.contains('@'))
}

/// The second word of some names: `report-sales-…` is of `sales`, `Acme NEWS …` of `NEWS`.
fn second_word(name: &str) -> &str {
    name.split(['-', ' ']).nth(1).unwrap_or("")
}

const fn keep(toml: &'static str, matches: fn(Seen<'_>) -> Answer) -> Rule {
    Rule { toml, matches, newest: None }
}

const fn delete(toml: &'static str, matches: fn(Seen<'_>) -> Answer) -> Rule {
    Rule { toml, matches, newest: None }
}

const NONE: Newest = Newest { group: |_| "", last: 0, days: 0, weeks: 0, within_days: 0 };

/// Keep rules of every kind. Their counts reach back further than the ages below, in an account of ten
/// thousand: else they would keep nothing that would go.
pub(crate) const KEEP: [Rule; 7] = [
    keep(
        r#"[keep.pinned]
name = ["prod-p*", "[[]keep]*", "tmp-??"]"#,
        |it| {
            it.named(|name| {
                name.starts_with("prod-p")
                    || name.starts_with("[keep]")
                    || name.starts_with("tmp-") && name.chars().count() == 6
            })
        },
    ),
    keep("[keep.numbered]\nname_regex = 'Collection\\d+'", |it| it.named(is_numbered)),
    keep(
        r#"[keep.scheduled]
schedule_type = ["minutes", "daily", "weekly", "monthly"]
enabled = true"#,
        |it| {
            all(&[
                it.is("schedule_type", &["minutes", "daily", "weekly", "monthly"]),
                it.raw["enabled"].as_bool(),
            ])
        },
    ),
    Rule {
        toml: r#"[keep.latest-reports]
name = "report-*"
group_by = '^report-([a-z]+)'
last = 3
weekly = 6"#,
        matches: |it| it.named(|name| name.starts_with("report-")),
        newest: Some(Newest { group: second_word, last: 3, weeks: 6, ..NONE }),
    },
    Rule {
        toml: r#"[keep.pipeline-days]
name_regex = 'Acme [A-Za-z]+ Batch \d{8}_\d{6}'
group_by = '^Acme ([A-Za-z]+) '
daily = 20
within = "18d""#,
        matches: |it| it.named(is_pipeline),
        newest: Some(Newest { group: second_word, days: 20, within_days: 18, ..NONE }),
    },
    Rule {
        toml: r#"[keep.stock-weeks]
name = "Stock_Collection_*"
last = 250
weekly = 4"#,
        matches: |it| it.named(|name| name.starts_with("Stock_Collection_")),
        newest: Some(Newest { last: 250, weeks: 4, ..NONE }),
    },
    keep("[keep.urgent]\npriority = \"highest\"\nsearches = { min = 60 }", |it| {
        let many = it.number("searches_total_count").map(|count| count >= 60);
        all(&[it.is("priority", &["highest"]), many])
    }),
];

/// Delete rules of every kind.
pub(crate) const DELETE: [Rule; 12] = [
    delete(
        r#"[delete.orphans]
name = ["My First Batch", "My First Collection"]
idle_for = "3d""#,
        |it| all(&[it.is("name", &["My First Batch", "My First Collection"]), it.idle(3)]),
    ),
    delete(
        r#"[delete.chunks]
name_regex = '.+_[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}'
idle_for = "15d""#,
        |it| all(&[it.named(ends_in_uuid4), it.idle(15)]),
    ),
    delete("[delete.reports]\nname = \"report-*\"\nolder_than = \"1w\"", |it| {
        all(&[it.named(|name| name.starts_with("report-")), it.older(7)])
    }),
    delete("[delete.pipeline]\nname = \"Acme * Batch *\"\nidle_for = \"15d\"", |it| {
        all(&[it.named(is_pipeline), it.idle(15)])
    }),
    delete("[delete.stock]\nname = \"Stock_Collection_*\"\nolder_than = \"15d\"", |it| {
        all(&[it.named(|name| name.starts_with("Stock_Collection_")), it.older(15)])
    }),
    delete("[delete.customers]\nname_regex = '[^@\\s]+@[^@\\s]+'\nidle_for = \"72h\"", |it| {
        all(&[it.named(is_email), it.idle(3)])
    }),
    delete(
        r#"[delete.delivered]
destination = "*"
never_run = false
idle_for = "3d""#,
        |it| all(&[it.has_destination(), it.never_ran().map(|never| !never), it.idle(3)]),
    ),
    delete(
        r#"[delete.big]
searches = { min = 50, max = 400 }
has_results = false
priority = ["normal", "high"]
older_than = "30d""#,
        |it| {
            all(&[
                it.number("searches_total_count").map(|count| (50..=400).contains(&count)),
                it.number("results_count").map(|count| count == 0),
                it.is("priority", &["normal", "high"]),
                it.older(30),
            ])
        },
    ),
    delete("[delete.never-run]\nnever_run = true\nolder_than = \"5d\"", |it| {
        all(&[it.never_ran(), it.older(5)])
    }),
    delete(
        r#"[delete.few]
when = 'batch.searches_total_count < 20 && batch.name.matches("^tmp-")'"#,
        |it| {
            let few = it.number("searches_total_count").map(|count| count < 20);
            all(&[few, it.named(|name| name.starts_with("tmp-"))])
        },
    ),
    delete(
        r#"[delete.probes]
name = ["test*", "TEST*", "debug ?"]
created_before = "2026-11-01T00:00:00Z""#,
        |it| {
            let is_debug = |name: &str| name.starts_with("debug ") && name.chars().count() == 7;
            let is_probe =
                |name: &str| name.starts_with("test") || name.starts_with("TEST") || is_debug(name);
            // 2026-11-01T00:00:00Z.
            let before = it.time("created_at").map(|at| at < 1_793_491_200_000);
            all(&[it.named(is_probe), before])
        },
    ),
    delete(
        "[delete.paused]\nenabled = false\nschedule_type = \"minutes\"\nidle_for = \"2d\"",
        |it| {
            let paused = it.raw["enabled"].as_bool().map(|enabled| !enabled);
            all(&[paused, it.is("schedule_type", &["minutes"]), it.idle(2)])
        },
    ),
];
