//! Whole files through all passes: what is said about bad ones, and what good ones mean.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::time::Duration;

use proptest::prelude::*;

use super::*;
use crate::batch::{Fact, Status};
use crate::clock::Timestamp;
use crate::schedule::CatchUp;

const SAMPLE: &str = include_str!("../../config/batchsweep.toml");

/// A key that must never be seen.
const CANARY: &str = "C4N4RY0123456789ABCDEF0123456789";

/// The least that is a configuration; rules and settings are added to it.
const LEAST: &str = "[accounts.main]\nproduct = \"serpwow\"\n\
                     [delete.old]\nname = \"tmp-*\"\nolder_than = \"7d\"\n";

/// Loads `config.toml` and drop-ins of a folder made for it, in this environment.
fn load_files(
    files: &[(&str, &str)],
    env: &[(&str, &str)],
) -> (tempfile::TempDir, Result<Config, Box<Rejected>>) {
    let folder = tempfile::tempdir().unwrap();
    for (name, text) in files {
        let path = folder.path().join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    }
    let loaded = load(&Request {
        path: Some(folder.path().join("config.toml")),
        env: env.iter().copied().collect(),
        dry_run: DryRun::AsConfigured,
    });
    (folder, loaded)
}

fn load_text(text: &str) -> Result<Config, Box<Rejected>> {
    load_files(&[("config.toml", text)], &[]).1
}

fn good(text: &str) -> Config {
    load_text(text).unwrap_or_else(|rejected| panic!("{}", rejected.render(Colour::Never)))
}

/// What is said about files, without the folder they were in.
fn said(files: &[(&str, &str)], env: &[(&str, &str)]) -> String {
    let (folder, loaded) = load_files(files, env);
    let text = match loaded {
        Ok(config) => diagnose::render(&config.warnings, &config.sources, Colour::Never),
        Err(rejected) => rejected.render(Colour::Never),
    };
    text.replace(&format!("{}/", folder.path().display()), "")
}

/// What is said about each of several files, under its title.
fn said_of_each(rows: &[(&str, String)]) -> String {
    let said = rows
        .iter()
        .map(|(title, text)| format!("=== {title}\n{}\n", said(&[("config.toml", text)], &[])));
    said.collect()
}

fn with(text: &str) -> String {
    format!("{LEAST}{text}\n")
}

/// A delete rule of these keys beside an account.
fn deletes(keys: &str) -> String {
    format!("[accounts.main]\nproduct = \"serpwow\"\n[delete.x]\n{keys}\n")
}

/// An account of these keys beside a rule.
fn account(keys: &str) -> String {
    format!("[accounts.main]\n{keys}\n[delete.old]\nname = \"tmp-*\"\nolder_than = \"7d\"\n")
}

// fault: F1
#[test]
fn mistakes_of_form_are_shown_at_their_place_with_the_right_word() {
    let said = said_of_each(&[
        ("unknown key with a near word", deletes("name = \"tmp-*\"\nolder_then = \"7d\"")),
        ("unknown key without one", with("[sweep]\ncolour = 1")),
        ("unknown table", with("[guard]\nmax_deletes = 1")),
        ("a key of a later version", deletes("name = \"a\"\nolder_than = \"7d\"\nmercy = \"1h\"")),
        ("a number as text", with("[guards]\nmax_deletes = \"12\"")),
        ("a text as number", deletes("name = \"a\"\nolder_than = 7")),
        ("a truth as text", format!("dry_run = \"false\"\n{LEAST}")),
        ("a truth as number", format!("dry_run = 0\n{LEAST}")),
        ("a negative number", with("[guards]\nmax_deletes = -1")),
        ("a fraction", with("[sweep]\nlookahead = 2.5")),
        ("a number too large", with("[sweep]\nmax_attempts = 4294967296")),
        ("a number larger than any", with("[sweep]\nmax_attempts = 99999999999999999999999")),
        ("a number in a list of texts", deletes("name = [\"a\", 1]\nolder_than = \"7d\"")),
        ("a table where a text is wanted", deletes("name = { a = 1 }\nolder_than = \"7d\"")),
        ("a text where a table is wanted", "accounts = \"main\"\n".to_owned()),
        ("a list where a table is wanted", format!("guards = []\n{LEAST}")),
        ("a list where an account is wanted", format!("{LEAST}[accounts]\nx = [\"serpwow\"]")),
        ("a list where a range is wanted", deletes("searches = [1, 2]\nolder_than = \"7d\"")),
        ("a list where a batch is wanted", with("[[test]]\nbatch = [\"9E867FAA\"]")),
        ("a list of lists", format!("test = [[]]\n{LEAST}")),
        ("wide characters on the line", deletes("name = [\"日本\", 1]\nolder_than = \"7d\"")),
        ("a table where a list is wanted", with("[test]\nexpect = \"kept\"")),
        ("a table as a time", deletes("name = \"a\"\ncreated_before = { x = 1 }")),
        ("a key twice", format!("dry_run = true\ndry_run = false\n{LEAST}")),
        ("a table twice", with("[delete.old]\nname = \"b\"")),
        (
            "a table twice, with a comment and a table after it",
            with("[delete.old] # again\nname = \"b\"\n[sweep]\nlookahead = 1\nlookahead = 2"),
        ),
        ("a list that is not closed", deletes("name = [\"a\", \"b\"\nolder_than = \"7d\"")),
        ("a comma left out", deletes("name = [\"a\" \"b\"]\nolder_than = \"7d\"")),
        ("a table's name that is not closed", with("[sweep\nlookahead = 1")),
        (
            "an inline table that is not closed",
            deletes("searches = { min = 1\nolder_than = \"7d\""),
        ),
        ("a backslash in double quotes", deletes("name_regex = \"tmp-\\d+\"\nolder_than = \"7d\"")),
        ("a word without quotes", deletes("name = tmp\nolder_than = \"7d\"")),
        ("a duration without quotes", deletes("name = \"a\"\nolder_than = 7d")),
        ("two keys on a line", deletes("name = \"a\" older_than = \"7d\"")),
        ("no equals sign", deletes("name \"a\"\nolder_than = \"7d\"")),
        ("a number with a zero before it", with("[sweep]\nlookahead = 04")),
        ("JSON", "{ \"dry_run\": true }\n".to_owned()),
        ("an unclosed text", deletes("name = \"tmp-*\nolder_than = \"7d\"")),
        ("no value", deletes("name =\nolder_than = \"7d\"")),
        ("YAML", "accounts:\n  main:\n    product: serpwow\n".to_owned()),
        ("a date that is none", deletes("name = \"a\"\ncreated_before = 2026-02-30T00:00:00Z")),
        (
            "wide characters before it",
            deletes("name = \"日本\"\nolder_than = \"7d\" # ü\nnmae = 1"),
        ),
        ("Windows line ends", "dry_run = maybe\r\n".to_owned()),
    ]);
    insta::assert_snapshot!(said);
}

#[test]
fn all_mistakes_of_all_files_are_told_at_once() {
    let said = said(
        &[
            (
                "config.toml",
                "dry_run = \"no\"\n[acounts.main]\nproduct = \"serpwow\"\n\
                 [guards]\nmax_deletes = \"10\"\nmax_delete_percent = 120\n\
                 [delete.x]\nname = []\nolder_than = \"30M\"\nlast = 3\n",
            ),
            ("conf.d/10-more.toml", "[delete.y]\nnever_run = \"yes\"\nidle_for = \"1w\"\n"),
        ],
        &[("BATCHSWEEP__SWEEP__LOOKAHEAD", "many")],
    );
    insta::assert_snapshot!(said);
}

// fault: F2
#[test]
fn rules_that_could_delete_more_than_meant_are_refused() {
    let said = said_of_each(&[
        ("no keys", deletes("")),
        ("no selector", deletes("older_than = \"7d\"")),
        ("no bound", deletes("name = \"tmp-*\"")),
        (
            "a bound from the wrong side",
            deletes("name = \"a\"\ncreated_after = 2026-01-01T00:00:00Z"),
        ),
        ("everything", deletes("name = \"*\"\nolder_than = \"7d\"")),
        ("everything in a list", deletes("name = [\"tmp-*\", \"*\"]\nolder_than = \"7d\"")),
        ("everything as regex", deletes("name_regex = '.*'\nolder_than = \"7d\"")),
        ("a regex of the empty text", deletes("name_regex = 'a*'\nolder_than = \"7d\"")),
        ("at least zero searches", deletes("searches = { min = 0 }\nolder_than = \"7d\"")),
        ("an empty pattern", deletes("name = \"\"\nolder_than = \"7d\"")),
        ("an empty element", deletes("name = [\"a\", \"\"]\nolder_than = \"7d\"")),
        ("an empty list", deletes("name = []\nolder_than = \"7d\"")),
        ("zero as bound", deletes("name = \"a\"\nolder_than = \"0s\"")),
        ("a bad duration", deletes("name = \"a\"\nolder_than = \"30M\"")),
        ("a duration that is off", deletes("name = \"a\"\nolder_than = \"off\"")),
        ("a bad glob", deletes("name = \"[a\"\nolder_than = \"7d\"")),
        ("a bad regex", deletes("name_regex = '('\nolder_than = \"7d\"")),
        ("a bad expression", deletes("when = \"batch.\"")),
        ("an expression about nothing", deletes("when = \"true\"")),
        ("a bad pattern in it", deletes("when = \"batch.name.matches('tmp-(')\"")),
        ("a bad id", deletes("id = [\"9E867FAA\", \"stopall\"]\nolder_than = \"7d\"")),
        ("a local time", deletes("name = \"a\"\ncreated_before = 2026-01-31T00:00:00")),
        ("a date", deletes("name = \"a\"\ncreated_before = \"2026-01-31\"")),
        (
            "dates that cross",
            deletes(
                "name = \"a\"\ncreated_before = 2026-01-01T00:00:00Z\ncreated_after = 2026-02-01T00:00:00Z",
            ),
        ),
        ("a range without ends", deletes("searches = {}\nolder_than = \"7d\"")),
        ("a range upside down", deletes("searches = { min = 5, max = 1 }\nolder_than = \"7d\"")),
        (
            "keys of keep rules",
            deletes("name = \"a\"\nolder_than = \"7d\"\nlast = 3\nmay_be_empty = true"),
        ),
        (
            "keys of delete rules",
            with("[keep.k]\nname = \"a\"\nmatch_all = false\nforce_failed_webhooks = true"),
        ),
        ("a count of zero", with("[keep.k]\nname = \"a\"\nlast = 0")),
        ("a keep rule of everything", with("[keep.k]")),
        ("a group without a count", with("[keep.k]\nname = \"a\"\ngroup_by = '^(a)'")),
        ("an empty group", with("[keep.k]\nname = \"a\"\ngroup_by = ''\nlast = 1")),
        ("a bad name", with("[keep.\"My Rule\"]\nname = \"a\"")),
        ("an unknown account", deletes("name = \"a\"\nolder_than = \"7d\"\naccounts = \"mian\"")),
        ("no account", deletes("name = \"a\"\nolder_than = \"7d\"\naccounts = []")),
        (
            "a word that may be new",
            deletes("schedule_type = [\"dayly\"]\npriority = \"urgent\"\nidle_for = \"7d\""),
        ),
        ("no delete rule", "[accounts.main]\nproduct = \"serpwow\"\n".to_owned()),
    ]);
    insta::assert_snapshot!(said);
}

#[test]
fn rules_that_cannot_do_what_they_seem_to_are_warned_of() {
    let old = |keys: &str| with(&format!("[delete.x]\n{keys}"));
    let two = |first: &str, second: &str| {
        let accounts =
            "[accounts.main]\nproduct = \"serpwow\"\n[accounts.other]\nproduct = \"rainforest\"\n";
        format!("{accounts}[delete.a]\n{first}\n[delete.b]\n{second}\n")
    };
    let tmp = "name = \"tmp-*\"\nolder_than = \"7d\"";
    let said = said_of_each(&[
        (
            "a letter of another script",
            old("name = [\"a\", \"pr\u{43e}d-*\"]\nolder_than = \"7d\""),
        ),
        ("a dash of a word processor in a keep rule", with("[keep.k]\nname = \"prod\u{2013}*\"")),
        (
            "a name that its own regex refuses",
            old("name = \"a\"\nname_regex = 'b.*'\nany_age = true"),
        ),
        ("all of it kept", with("[keep.k]\nname = \"tmp-*\"")),
        (
            "all of it kept by two",
            format!(
                "{}[keep.one]\nname = \"a\"\n[keep.two]\nname = \"b*\"\n",
                deletes("name = [\"a\", \"b\"]\nolder_than = \"7d\"")
            ),
        ),
        ("a narrower name", old("name = \"tmp-a-*\"\nolder_than = \"7d\"")),
        (
            "a longer age and more besides",
            old("name = \"tmp-*\"\nidle_for = \"30d\"\nenabled = false"),
        ),
        ("twice the same", two(tmp, tmp)),
        (
            "less than another, with force",
            two(tmp, &format!("{tmp}\nforce_failed_webhooks = true")),
        ),
        ("one account of all", two(tmp, &format!("{tmp}\naccounts = \"main\""))),
        (
            "a field that is almost one",
            old("when = \"batch.nmae == 'a' && batch.searches_type == 'web' && batch.new > 1\""),
        ),
        (
            "a field as siblings call it, in a keep rule",
            with("[keep.k]\nwhen = \"batch.requests_total_count > 5\""),
        ),
    ]);
    insta::assert_snapshot!(said);
}

#[test]
fn rules_that_may_do_something_are_not_warned_of() {
    let accounts =
        "[accounts.main]\nproduct = \"serpwow\"\n[accounts.other]\nproduct = \"rainforest\"\n";
    let tmp = "name = \"tmp-*\"\nolder_than = \"7d\"\n";
    for rules in [
        // Kept in part, with a count, or elsewhere.
        format!("[delete.a]\n{tmp}[keep.k]\nname = \"tmp-a*\"\n"),
        format!("[delete.a]\n{tmp}[keep.k]\nname = \"tmp-*\"\nlast = 3\n"),
        format!("[delete.a]\n{tmp}[keep.k]\nname = \"tmp-*\"\nenabled = true\n"),
        format!("[delete.a]\n{tmp}[keep.k]\nname = \"tmp-*\"\naccounts = \"main\"\n"),
        // A shorter age, another account, less force.
        format!("[delete.a]\n{tmp}[delete.b]\nname = \"tmp-*\"\nidle_for = \"3d\"\n"),
        format!("[delete.a]\n{tmp}accounts = \"other\"\n[delete.b]\n{tmp}accounts = \"main\"\n"),
        format!("[delete.a]\n{tmp}accounts = \"main\"\n[delete.b]\n{tmp}older_than = \"9d\"\n")
            .replace("older_than = \"7d\"\nolder_than", "older_than"),
        format!("[delete.a]\n{tmp}force_failed_webhooks = true\n[delete.b]\n{tmp}")
            .replace("[delete.b]\nname = \"tmp-*\"", "[delete.b]\nname = \"tmp-a*\""),
        format!("[delete.a]\n{tmp}[delete.b]\nname = [\"tmp-1\", \"x\"]\nolder_than = \"7d\"\n"),
    ] {
        assert_eq!(good(&format!("{accounts}{rules}")).warnings, [], "{rules}");
    }
}

#[test]
fn who_means_everything_says_so() {
    for keys in [
        "match_all = true\nany_age = true",
        "match_all = true\nolder_than = \"7d\"",
        "name = \"*\"\nmatch_all = true\nidle_for = \"7d\"",
        "name = \"a\"\nany_age = true",
        "when = \"batch.enabled\"",
        "never_run = true\ncreated_before = 2026-01-01T00:00:00Z",
        "name = \"a\"\ncreated_before = \"2026-01-01T00:00:00+01:00\"",
        "searches = { max = 0 }\nolder_than = \"7d\"",
        "destination = \"*\"\nidle_for = \"7d\"",
    ] {
        let config = good(&deletes(keys));
        assert_eq!(config.warnings, [], "{keys}");
        assert_eq!(config.accounts[0].rules.delete.len(), 1);
    }
}

// fault: N8
#[test]
fn accounts_are_refused_where_the_key_could_go_astray() {
    let url = |url: &str| account(&format!("product = \"serpwow\"\nbase_url = \"{url}\""));
    let said = said_of_each(&[
        ("none", "[delete.old]\nname = \"a\"\nolder_than = \"7d\"\n".to_owned()),
        ("no product", account("api_key_file = \"k\"")),
        ("a slip in the product", account("product = \"serpwo\"")),
        ("another product", account("product = \"google\"")),
        (
            "two key sources",
            account("product = \"serpwow\"\napi_key_file = \"k\"\napi_key_env = \"K\""),
        ),
        ("the key in the file", account(&format!("product = \"serpwow\"\napi_key = \"{CANARY}\""))),
        (
            "the key as its variable",
            account(&format!("product = \"serpwow\"\napi_key_env = \"{CANARY}\"")),
        ),
        ("a variable that is none", account("product = \"serpwow\"\napi_key_env = \"a-b\"")),
        (
            "a credential that is none",
            account("product = \"serpwow\"\napi_key_credential = \"../key\""),
        ),
        ("plain http", url("http://api.serpwow.com/live")),
        ("plain http that looks local", url("http://127.0.0.1.example.com/live")),
        ("another scheme", url("ftp://api.serpwow.com/live")),
        ("no URL", url("api.serpwow.com/live")),
        ("a user", url("https://user:short@api.serpwow.com/live")),
        ("a query", url("https://api.serpwow.com/live?api_key=short")),
        ("a fragment", url("https://api.serpwow.com/live#x")),
        ("no /live", url("https://api.serpwow.com")),
        ("a bad name", account("product = \"serpwow\"").replace("main", "Main_1")),
        (
            "a range upside down",
            account("product = \"serpwow\"\nexpect_batches = { min = 9, max = 1 }"),
        ),
        ("twins", with("[accounts.other]\nproduct = \"serpwow\"")),
    ]);
    insta::assert_snapshot!(said);
}

#[test]
fn plain_http_goes_to_this_machine_only_and_a_slash_at_the_end_is_nothing() {
    for (written, base) in [
        ("http://127.0.0.1:8080/live", "http://127.0.0.1:8080/live"),
        ("http://127.9.9.9/live/", "http://127.9.9.9/live"),
        ("http://[::1]:8080/live", "http://[::1]:8080/live"),
        ("http://localhost:8080/live", "http://localhost:8080/live"),
        ("https://proxy.example.com/serpwow/live//", "https://proxy.example.com/serpwow/live"),
    ] {
        let config = good(&account(&format!("product = \"serpwow\"\nbase_url = \"{written}\"")));
        assert_eq!(config.accounts[0].api.base_url.as_str(), base);
        assert_eq!(config.warnings, []);
    }
}

// fault: F3
#[test]
fn settings_out_of_range_are_refused() {
    let said = said_of_each(&[
        ("percent", with("[guards]\nmax_delete_percent = 101")),
        ("another word than off", with("[guards]\nmax_deletes = \"none\"")),
        ("a bad duration", with("[guards]\nnever_younger_than = \"24\"")),
        ("recheck", with("[sweep]\nrecheck = \"never\"")),
        ("lookahead", with("[sweep]\nlookahead = 17")),
        ("no calls", with("[sweep]\nrequests_per_second = 0")),
        ("a short timeout", with("[sweep]\nrequest_timeout = \"0s\"")),
        ("a long timeout", with("[sweep]\nrequest_timeout = \"1h\"")),
        ("attempts", with("[sweep]\nmax_attempts = 0")),
        ("busy_wait off", with("[sweep]\nbusy_wait = \"off\"")),
        ("a zone", with("[schedule]\ntimezone = \"Europe/Pariss\"")),
        ("no zone", with("[schedule]\ntimezone = \"here\"")),
    ]);
    insta::assert_snapshot!(said);
}

// fault: F12
#[test]
fn a_setting_with_an_underscore_too_few_is_refused_and_other_names_are_not_looked_at() {
    let with = |name: &str| {
        let env = Environment::from_iter([(name, "true")]);
        super::load_text("config.toml", &account("product = \"serpwow\""), &env)
    };
    for (name, right) in [
        ("BATCHSWEEP_DRY_RUN", "BATCHSWEEP__DRY_RUN"),
        ("batchsweep__dry_run", "BATCHSWEEP__DRY_RUN"),
        ("BATCHSWEEP_GUARDS_MAX_DELETES", "BATCHSWEEP__GUARDS__MAX_DELETES"),
        ("BATCHSWEEP_SWEEP__BUSY_WAIT", "BATCHSWEEP__SWEEP__BUSY_WAIT"),
    ] {
        let said = with(name).unwrap_err().render(Colour::Never);
        assert!(said.contains(name) && said.contains(right), "{said}");
    }
    for name in ["BATCHSWEEP_PORT", "BATCHSWEEP_SERVICE_HOST", "BATCHSWEEP_API_KEY", "DRY_RUN"] {
        assert!(with(name).is_ok(), "{name}");
    }
}

#[test]
fn zero_means_zero_and_off_means_off() {
    let zero = good(&with(
        "[guards]\nmax_deletes = 0\nmax_delete_percent = 0\nmax_consecutive_failures = 0\n\
         never_younger_than = \"0s\"\nmax_clock_skew = \"0s\"\n[sweep]\nbusy_wait = \"0s\"",
    ));
    let limits = &zero.accounts[0].limits;
    assert_eq!(limits.max_deletes, guards::Limit::At(0));
    assert_eq!(limits.max_delete_percent, guards::Limit::At(0));
    assert_eq!(limits.max_clock_skew, guards::Limit::At(Duration::ZERO));
    assert_eq!(zero.accounts[0].sweep.max_consecutive_failures, guards::Limit::At(0));
    assert_eq!(zero.accounts[0].sweep.busy_wait, Duration::ZERO);
    assert_eq!(zero.accounts[0].floor_text, "0s");
    let off = good(&with(
        "[guards]\nmax_deletes = \"off\"\nmax_delete_percent = \"off\"\n\
         max_consecutive_failures = \"off\"\nnever_younger_than = \"off\"\nmax_clock_skew = \"off\"",
    ));
    let limits = &off.accounts[0].limits;
    assert_eq!(limits.max_deletes, guards::Limit::Off);
    assert_eq!(limits.max_delete_percent, guards::Limit::Off);
    assert_eq!(limits.max_clock_skew, guards::Limit::Off);
    assert_eq!(off.accounts[0].sweep.max_consecutive_failures, guards::Limit::Off);
    assert_eq!(off.accounts[0].floor_text, "off");
}

#[test]
fn cases_that_cannot_be_are_refused() {
    let case = |text: &str| with(&format!("[keep.k]\nname = \"k-*\"\n[[test]]\n{text}"));
    let said = said_of_each(&[
        ("nothing", case("")),
        ("no age", case("batch = { name = \"a\" }\nexpect = \"delete\"")),
        ("a verdict", case("batch = { age = \"8d\" }\nexpect = \"deleted\"")),
        ("a rule", case("batch = { age = \"8d\" }\nexpect = \"delete\"\nby = \"odl\"")),
        (
            "a rule of the other kind",
            case("batch = { age = \"8d\" }\nexpect = \"kept\"\nby = \"old\""),
        ),
        ("a rule for none", case("batch = { age = \"8d\" }\nexpect = \"unmatched\"\nby = \"old\"")),
        ("an account", case("account = \"min\"\nbatch = { age = \"8d\" }\nexpect = \"delete\"")),
        ("an id", case("batch = { id = \"a/b\", age = \"8d\" }\nexpect = \"delete\"")),
        ("ran before", case("batch = { age = \"8d\", idle_for = \"9d\" }\nexpect = \"delete\"")),
        (
            "never ran",
            case(
                "batch = { age = \"8d\", idle_for = \"1d\", never_run = true }\nexpect = \"delete\"",
            ),
        ),
        ("a key", case("batch = { age = \"8d\", state = \"idle\" }\nexpect = \"delete\"")),
    ]);
    insta::assert_snapshot!(said);
}

#[test]
fn a_case_is_idle_manual_enabled_and_ran_when_it_was_made() {
    let now: Timestamp = "2026-03-29T01:30:00.123Z".parse().unwrap();
    let config = good(&with(
        "[[test]]\nbatch = { name = \"tmp-1\", age = \"8d\" }\nexpect = \"delete\"\nby = \"old\"\n\
         [[test]]\nbatch = { age = \"8d\", never_run = true, status = \"busy\" }\nexpect = \"unmatched\"\n\
         [[test]]\naccount = \"main\"\nbatch = { id = \"9E867FAA\", age = \"8d\", idle_for = \"1d\", \
         results_count = 3 }\nexpect = \"too_young\"",
    ));
    let [ran, never, thrice] = &config.tests[..] else { panic!("three tests") };
    let batch = ran.batch_at(now);
    let created: Timestamp = "2026-03-21T01:30:00.123Z".parse().unwrap();
    assert_eq!(batch.created_at, Fact::Known(created));
    assert_eq!(batch.last_run, Fact::Known(created));
    assert_eq!(batch.status, Fact::Known(Status::Idle));
    assert_eq!(batch.enabled, Fact::Known(true));
    assert_eq!(batch.schedule_type, Fact::Known("manual".into()));
    assert_eq!((ran.expect, ran.by.as_ref().unwrap().as_str()), ("delete", "old"));
    assert!(ran.place.ends_with("config.toml:6"), "{}", ran.place);
    let record: serde_json::Value = serde_json::from_str(batch.raw.as_str()).unwrap();
    insta::assert_json_snapshot!(record);
    let batch = never.batch_at(now);
    assert_eq!(batch.never_ran(), Some(true));
    assert!(!batch.raw.as_str().contains("last_run"));
    assert_eq!(never.account, None);
    let batch = thrice.batch_at(now);
    assert_eq!(batch.next_result_set_id, Fact::Known(4));
    assert_eq!(batch.last_run, Fact::Known("2026-03-28T01:30:00.123Z".parse().unwrap()));
    assert_eq!(thrice.account.as_ref().unwrap().as_str(), "main");
}

#[test]
fn drop_ins_add_up_and_replace_scalars_and_say_so() {
    let (folder, loaded) = load_files(
        &[
            (
                "config.toml",
                &with(
                    "[guards]\nmax_deletes = 1\nmax_delete_percent = 2\n[[test]]\nbatch = { age = \"1d\" }\nexpect = \"kept\"",
                ),
            ),
            ("conf.d/20-b.toml", "[guards]\nmax_deletes = 3\n[keep.b]\nname = [\"b\"]\n"),
            (
                "conf.d/10-a.toml",
                "[guards]\nmax_deletes = 2\n[delete.a]\nname = \"a\"\nidle_for = \"1d\"\n[accounts.main]\nbase_url = \"https://x.example.com/live\"\n[[test]]\nbatch = { age = \"2d\" }\nexpect = \"kept\"",
            ),
        ],
        &[("BATCHSWEEP__GUARDS__MAX_DELETE_PERCENT", "off")],
    );
    let config = loaded.unwrap();
    let account = &config.accounts[0];
    assert_eq!(account.limits.max_deletes, guards::Limit::At(3));
    assert_eq!(account.limits.max_delete_percent, guards::Limit::Off);
    assert_eq!(account.api.base_url.as_str(), "https://x.example.com/live");
    let names = |rules: &BTreeMap<RuleName, RawRule>| {
        rules.keys().map(ToString::to_string).collect::<Vec<_>>()
    };
    assert_eq!(names(&account.rules.delete), ["a", "old"]);
    assert_eq!(names(&account.rules.keep), ["b"]);
    assert_eq!(config.tests.len(), 2);
    let prefix = format!("{}/", folder.path().display());
    let replaced: Vec<_> = config
        .replaced
        .iter()
        .map(|r| format!("{} was {} by {}", r.path, r.was, r.by).replace(&prefix, ""))
        .collect();
    assert_eq!(
        replaced,
        [
            "guards.max_deletes was config.toml:7 by conf.d/10-a.toml:2",
            "guards.max_deletes was conf.d/10-a.toml:2 by conf.d/20-b.toml:2",
            "guards.max_delete_percent was config.toml:8 by BATCHSWEEP__GUARDS__MAX_DELETE_PERCENT",
        ]
    );
}

#[test]
fn layering_changes_nothing_of_a_single_file() {
    let every_type = with(
        "[guards]\nmax_deletes = 0x1F\nmax_delete_percent = \"off\"\n\
         [sweep]\nrequests_per_second = 1_000\nlookahead = +4\n\
         [keep.\"a.b\"]\nsearches = { min = 9223372036854775807 }\n[keep.Empty]\n\
         [delete.x]\nname = [\"a\", \"1\", \"true\"]\nid = \"007\"\nenabled = false\n\
         created_before = 2026-01-01T00:00:00.5+01:00\ncreated_after = \"1e5\"\n\
         [[test]]\nbatch = { age = \"1d\", destinations = [\"1\"] }",
    );
    for text in [SAMPLE, LEAST, "", &every_type] {
        let mut sources = Sources::default();
        sources.add(diagnose::Source { name: "a".to_owned(), text: text.to_owned() });
        let mut problems = Problems::new(&sources);
        let sheet = strict::read(0, text, &mut problems).unwrap();
        let alone = strict::typed(sheet.tree.clone()).unwrap();
        let layered = layers::merge(vec![sheet], &Environment::default(), &mut problems).unwrap();
        assert_eq!(layered.raw, alone);
        assert!(!problems.has_errors());
    }
}

#[test]
fn a_rule_in_two_files_is_refused_with_both_places() {
    let said = said(
        &[
            ("config.toml", LEAST),
            (
                "conf.d/a.toml",
                "[delete.old]\nname = \"b\"\nolder_than = \"1d\"\n[keep]\nold.name = \"c\"\n",
            ),
            ("conf.d/b.toml", "keep = { old = { name = \"c\" } }\n"),
        ],
        &[],
    );
    insta::assert_snapshot!(said);
}

#[test]
fn variables_are_typed_as_strictly_as_the_file() {
    let with_env = |name: &str, value: &str| said(&[("config.toml", LEAST)], &[(name, value)]);
    let rows = [
        ("BATCHSWEEP__GUARDS__MAX_DELETES", "10"),
        ("BATCHSWEEP__GUARDS__MAX_DELETES", "\"10\""),
        ("BATCHSWEEP__GUARDS__MAX_DELETES", "ten"),
        ("BATCHSWEEP__GUARDS__MAX_DELETES", "-1"),
        ("BATCHSWEEP__GUARDS__MAX_DELETES", "1.0"),
        ("BATCHSWEEP__GUARDS__MAX_DELETES", ""),
        ("BATCHSWEEP__GUARDS__MAX_DELETES", " 10"),
        ("BATCHSWEEP__GUARDS__MAX_DELETE", "10"),
        ("BATCHSWEEP__GUARDS", "10"),
        ("BATCHSWEEP__GUARDS__MAX_DELETES__X", "10"),
        ("BATCHSWEEP__", "10"),
        ("BATCHSWEEP__DRY_RUN", "yes"),
        ("BATCHSWEEP__DRY_RUN", "0"),
        ("BATCHSWEEP__DRYRUN", "false"),
        ("BATCHSWEEP__SWEEP__BUSY_WAIT", "5m"),
        ("BATCHSWEEP__ACCOUNTS__MAIN__PRODUCT", "serpwo"),
        ("BATCHSWEEP__ACCOUNTS__MIAN__PRODUCT", "serpwow"),
        ("BATCHSWEEP__DELETE__OLD__OLDER_THAN", "1h"),
        ("BATCHSWEEP__DELETE__ODL__OLDER_THAN", "1h"),
        ("BATCHSWEEP__DELETE__OLD__ACCOUNTS", "[\"main\"]"),
        ("BATCHSWEEP__TEST", "[]"),
        ("BATCHSWEEP__ACCOUNTS__MAIN__API_KEY", CANARY),
        ("BATCHSWEEP__ACCOUNTS__MAIN__API_KEY_ENV", CANARY),
        ("BATCHSWEEP__DRY_RUN", CANARY),
    ];
    let all = rows.map(|(name, value)| {
        let shown = if value == CANARY { "(canary)" } else { value };
        format!("=== {name}={shown}\n{}\n", with_env(name, value))
    });
    let all = all.concat();
    assert!(!all.contains(CANARY));
    insta::assert_snapshot!(all);
}

#[test]
fn a_variable_sets_a_scalar_of_its_type() {
    let config = load_files(
        &[("config.toml", LEAST)],
        &[
            ("BATCHSWEEP__DRY_RUN", "false"),
            ("BATCHSWEEP__GUARDS__MAX_DELETES", "7"),
            ("BATCHSWEEP__SWEEP__REQUEST_TIMEOUT", "1min"),
            ("BATCHSWEEP__ACCOUNTS__MAIN__EXPECT_BATCHES__MIN", "1"),
            ("BATCHSWEEP__DELETE__OLD__OLDER_THAN", "3d"),
            ("BATCHSWEEP__DELETE__OLD__NAME", "1*"),
        ],
    );
    let config = config.1.unwrap();
    let account = &config.accounts[0];
    assert!(!config.dry_run);
    assert_eq!(account.limits.max_deletes, guards::Limit::At(7));
    assert_eq!(account.limits.expect_batches.unwrap().min, Some(1));
    assert_eq!(account.api.request_timeout, Duration::from_mins(1));
    let rule = &account.rules.delete.values().next().unwrap();
    assert_eq!(rule.older_than.as_ref().unwrap().0, "3d");
    assert_eq!(rule.name.as_ref().unwrap().0, ["1*"]);
}

// fault: F12
#[test]
fn what_kubernetes_sets_for_a_service_is_not_looked_at() {
    let (_folder, loaded) = load_files(
        &[("config.toml", LEAST)],
        &[
            ("BATCHSWEEP_PORT", "tcp://10.0.0.1:9464"),
            ("BATCHSWEEP_SERVICE_HOST", "10.0.0.1"),
            ("BATCHSWEEP_PORT_9464_TCP", "tcp://10.0.0.1:9464"),
            ("BATCHSWEEP_API_KEY", "k"),
            ("BATCHSWEEP_CONFIG", "/none"),
        ],
    );
    assert!(loaded.unwrap().replaced.is_empty());
}

// fault: Y8
#[test]
fn nothing_of_the_home_or_zone_of_the_machine_is_used() {
    let (_folder, loaded) =
        load_files(&[("config.toml", LEAST)], &[("TZ", "Garbage/Zone"), ("HOME", "/nonexistent")]);
    assert_eq!(loaded.unwrap().zone, Tz::UTC);
}

// fault: S2
// fault: S3
#[test]
fn the_key_is_never_shown_wherever_it_was_written() {
    let files = [
        format!("{CANARY}\n"),
        format!("api_key = {CANARY}\n"),
        format!("api_key = \"{CANARY}\n"),
        format!("api_key = \"{CANARY}\"\n"),
        format!("[accounts.main]\napi_key = \"{CANARY}\"\n"),
        format!("[accounts.main]\napi_key = [\n\"{CANARY}\"\n]\n"),
        format!("[accounts.main]\napi_key = \"\"\"\nxx\n{CANARY}\"\"\" x\n"),
        format!("[accounts.main]\nproduct = \"{CANARY}\"\n"),
        format!("[accounts.main]\n{CANARY} = 1\n"),
        format!("[accounts.{CANARY}]\nproduct = \"x\"\n"),
        format!("[accounts.main]\napi_key_env = \"{CANARY}\"\n"),
        format!("[accounts.main]\napi_key_credential = \"{CANARY}\"\n"),
        format!("[accounts.main]\napi_key_file = \"{CANARY}\"\n"),
        format!("[accounts.main]\nbase_url = \"http://u:{CANARY}@x\"\n"),
        format!("[accounts.main]\nbase_url = \"https://x?api_key={CANARY}\"\n"),
        format!("[accounts.main]\nbase_url = \"{CANARY}\"\n"),
        format!("[schedule]\ntimezone = \"{CANARY}\"\n"),
        format!("[guards]\nmax_deletes = \"{CANARY}\"\nnever_younger_than = \"{CANARY}\"\n"),
        format!(
            "[delete.x]\nname_regex = \"({CANARY}\"\nwhen = \"{CANARY} +\"\nid = \"-{CANARY}\"\n"
        ),
        format!(
            "[delete.x]\naccounts = \"{CANARY}\"\npriority = \"{CANARY}\"\nmatch_all = \"{CANARY}\"\n"
        ),
        format!("[[test]]\nexpect = \"{CANARY}\"\nby = \"{CANARY}\"\naccount = \"{CANARY}\"\n"),
    ];
    for text in &files {
        let rejected = load_text(text).unwrap_err();
        let json = serde_json::to_string(&rejected.diagnostics).unwrap();
        let shown = format!("{}{json}{rejected}{rejected:?}", rejected.render(Colour::Always));
        assert!(!shown.contains("C4N4RY"), "{shown}");
    }
}

#[test]
fn a_diagnostic_as_json_has_file_line_column_path_message_and_help() {
    let rejected = load_text(&deletes("name = \"tmp-*\"\nolder_then = \"7d\"")).unwrap_err();
    insta::assert_json_snapshot!(rejected.diagnostics, { "[].file" => "config.toml" });
}

#[test]
fn a_dry_run_is_the_default_and_the_command_line_can_only_force_it() {
    assert!(good(LEAST).arm().is_none());
    let armed = format!("dry_run = false\n{LEAST}");
    assert!(good(&armed).arm().is_some());
    let (folder, _) = load_files(&[("config.toml", &armed)], &[]);
    let path = Some(folder.path().join("config.toml"));
    let request = Request { path, env: Environment::default(), dry_run: DryRun::Forced };
    assert!(load(&request).unwrap().arm().is_none());
}

#[test]
fn the_file_is_where_the_command_line_says_or_else_the_variable() {
    let request = |path: Option<&str>, env: &[(&str, &str)]| Request {
        path: path.map(PathBuf::from),
        env: env.iter().copied().collect(),
        dry_run: DryRun::AsConfigured,
    };
    let env = [("BATCHSWEEP_CONFIG", "/b")];
    assert_eq!(request(Some("/a"), &env).file(), Path::new("/a"));
    assert_eq!(request(None, &env).file(), Path::new("/b"));
    assert_eq!(request(None, &[("BATCHSWEEP_CONFIG", "")]).file(), Path::new(DEFAULT_PATH));
}

#[test]
fn rules_serve_the_accounts_they_name() {
    let config = good(&with(
        "[accounts.other]\nproduct = \"rainforest\"\n\
         [keep.all]\nname = \"k\"\n[delete.mine]\nname = \"m\"\nolder_than = \"1d\"\naccounts = \"main\"",
    ));
    let served = |at: usize| {
        let rules = &config.accounts[at].rules;
        let names = rules.keep.keys().chain(rules.delete.keys()).map(ToString::to_string);
        (config.accounts[at].name.to_string(), names.collect::<Vec<_>>())
    };
    let names = |names: &[&str]| names.iter().map(ToString::to_string).collect::<Vec<_>>();
    assert_eq!(served(0), ("main".to_owned(), names(&["all", "mine", "old"])));
    assert_eq!(served(1), ("other".to_owned(), names(&["all", "old"])));
}

#[test]
fn the_hash_changes_with_the_meaning_alone() {
    let hash = |text: &str| good(text).hash;
    let base = hash(LEAST);
    assert_eq!(base.len(), 64);
    for same in [
        format!("# a comment\n{LEAST}"),
        format!("dry_run = false\n{LEAST}"),
        with("[guards]\nmax_deletes = 100\nnever_younger_than = \"1d\""),
        with("[[test]]\nbatch = { age = \"8d\" }\nexpect = \"delete\""),
        LEAST.replace("\"tmp-*\"", "[\"tmp-*\"]").replace("7d", "1w"),
    ] {
        assert_eq!(hash(&same), base, "{same}");
    }
    for other in [
        LEAST.replace("tmp", "temp"),
        LEAST.replace("7d", "8d"),
        LEAST.replace("delete.old", "delete.older"),
        with("[guards]\nmax_deletes = 99"),
        with("[keep.k]\nname = \"k\""),
    ] {
        assert_ne!(hash(&other), base, "{other}");
    }
}

#[test]
fn the_proxy_is_the_first_that_the_environment_names() {
    let proxy = |text: &str, env: &[(&str, &str)]| {
        let config = load_files(&[("config.toml", text)], env).1.unwrap();
        let proxy = config.accounts[0].api.proxy.clone();
        proxy.map(|proxy| (proxy.variable, proxy.url.0, proxy.except))
    };
    let all = [
        ("all_proxy", "http://c"),
        ("HTTPS_PROXY", ""),
        ("https_proxy", "http://b"),
        ("no_proxy", "x"),
    ];
    let found = Some(("https_proxy".to_owned(), "http://b".to_owned(), Some("x".to_owned())));
    assert_eq!(proxy(LEAST, &all), found);
    assert_eq!(proxy(LEAST, &[("NO_PROXY", "x")]), None);
    let local = account("product = \"serpwow\"\nbase_url = \"http://127.0.0.1:1/live\"");
    assert_eq!(proxy(&local, &all), None);
}

#[test]
fn a_key_that_cannot_be_read_is_a_warning_at_its_source() {
    let (folder, loaded) = load_files(
        &[("config.toml", &account("product = \"serpwow\"\napi_key_file = \"key\""))],
        &[],
    );
    let config = loaded.unwrap();
    let env = Environment::default();
    let warnings = config.key_warnings(&env);
    let text = diagnose::render(&warnings, &config.sources, Colour::Never);
    insta::assert_snapshot!(text.replace(&format!("{}/", folder.path().display()), ""));
    let key = folder.path().join("key");
    fs::write(&key, "k\n").unwrap();
    for (mode, expected) in [
        (0o600, false),
        (0o400, false),
        (0o440, false), // Kubernetes, with `fsGroup`
        (0o660, false),
        (0o604, true),
        (0o644, true),
        (0o602, true),
    ] {
        fs::set_permissions(&key, fs::Permissions::from_mode(mode)).unwrap();
        let warnings = config.key_warnings(&env);
        let said = warnings.iter().any(|it| it.message.ends_with(&format!("(mode {mode:04o})")));
        assert_eq!((warnings.len(), said), (usize::from(expected), expected), "{mode:o}");
    }
}

#[test]
fn the_sample_is_a_configuration_without_a_warning() {
    let config = good(SAMPLE);
    assert_eq!(config.warnings, []);
    assert!(config.dry_run);
    assert_eq!(config.tests.len(), 2);
}

#[test]
fn the_sample_states_each_default_and_no_other() {
    let mut table = String::new();
    let mut stated = BTreeMap::new();
    for line in SAMPLE.lines() {
        if let Some(name) = line.strip_prefix('[') {
            table = format!("{}.", name.trim_end_matches(']'));
        } else if let Some((key, value)) = line.trim_start_matches("# ").split_once(" = ")
            && !key.contains(' ')
        {
            stated.insert(format!("{table}{key}"), value.to_owned());
        }
    }
    for (path, default) in defaults::all() {
        assert_eq!(stated.get(path), Some(&default), "{path}");
    }
    let guards_and_sweep = stated.keys().filter(|path| {
        let tables = ["guards.", "sweep.", "schedule.", "state.", "server."];
        // When to run, everybody says for themselves.
        tables.iter().any(|table| path.starts_with(table)) && !path.starts_with("schedule.cron")
    });
    assert_eq!(guards_and_sweep.count() + 1, defaults::all().len(), "and `dry_run`");
}

#[test]
fn the_sample_means_the_same_with_its_defaults_written_out() {
    let defaults = defaults::all();
    let is_default = |line: &str| {
        defaults.iter().any(|(path, value)| {
            let key = path.rsplit('.').next().unwrap();
            line == format!("{key} = {value}")
        })
    };
    let lines = SAMPLE.lines().map(|line| {
        let stated = line.strip_prefix("# ").filter(|line| is_default(line));
        stated.unwrap_or(line)
    });
    let written = lines.collect::<Vec<_>>().join("\n");
    assert_ne!(written, SAMPLE);
    let (plain, written) = (good(SAMPLE), good(&written));
    assert_eq!(plain.hash, written.hash);
    assert_eq!(plain.accounts[0].limits, written.accounts[0].limits);
    assert_eq!(plain.accounts[0].sweep, written.accounts[0].sweep);
    assert_eq!(plain.accounts[0].api, written.accounts[0].api);
    assert_eq!(plain.accounts[0].floor_text, written.accounts[0].floor_text);
}

/// A file with an account `main` and this.
fn scheduled(text: &str) -> String {
    format!(
        "[accounts.main]\nproduct = \"serpwow\"\n{text}\n[delete.tmp]\nname = \"tmp-*\"\nolder_than = \"7d\"\n"
    )
}

// fault: C5
#[test]
fn schedules_that_could_surprise_are_refused_or_told_of() {
    let mut told = String::new();
    for text in [
        "[schedule]\ncron = \"15 3 * *\"",
        "[schedule]\ncron = \"0 3 31 2 *\"",
        "[schedule]\ncron = \"0 3 1 * MON\"",
        "[schedule]\ncron = \"0 3 1 * MON\"\ncron_days = \"xor\"",
        "[schedule]\ncron = \"0 25 * * *\"",
        "[schedule]\ncron = 3",
        "[schedule]\ncron = \"0 3 * * *\"\ntimezone = \"Europe/Pairs\"\njitter = \"5m\"\ncatch_up = \"all\"",
        "[schedule]\ncron = \"0 3 * * *\"\njitter = \"2d\"",
        "schedule.cron = \"61 3 * * *\"",
        "schedule.timezone = \"Mars\"",
        "[server]\nlisten = \":9464\"",
        "[server]\nlisten = \"localhost\"",
        "[server]\nhosts = [\"a.example\", \"https://a.example\", \"a:80\", \"\"]",
        "[server]\nhosts = \"a.example\"",
    ] {
        let rejected = load_text(&scheduled(text)).unwrap_err();
        told.push_str(&rejected.render(Colour::Never));
        told.push_str("\n----\n");
    }
    let often = good(&scheduled("[schedule]\ncron = \"* 3 * * *\""));
    told.push_str(&diagnose::render(&often.warnings, &often.sources, Colour::Never));
    insta::with_settings!({filters => vec![(r"/\S+/config.toml", "config.toml")]}, {
        insta::assert_snapshot!(told);
    });
}

#[test]
fn an_account_may_have_a_schedule_and_a_zone_of_its_own() {
    let config = good(&scheduled(
        "schedule.timezone = \"Europe/Paris\"\nschedule.jitter = \"5min\"\n\
         [accounts.other]\nproduct = \"serpwow\"\n[accounts.silent]\nproduct = \"serpwow\"\n\
         schedule.cron = \"off\"\n\
         [schedule]\ncron = \"15 3 * * *\"\ncatch_up = \"skip\"",
    ));
    let shown: Vec<_> =
        config.accounts.iter().map(|account| (&account.timing, account.zone)).collect();
    let (main, other) = (shown[0].0.schedule().unwrap(), shown[1].0.schedule().unwrap());
    assert_eq!(main.to_string(), "15 3 * * * Europe/Paris");
    assert_eq!((main.jitter, main.catch_up), (Duration::from_mins(5), CatchUp::Skip));
    assert_eq!(other.to_string(), "15 3 * * * UTC");
    assert_eq!((other.jitter, other.catch_up), (Duration::ZERO, CatchUp::Skip));
    assert_eq!(shown[0].1, Tz::Europe__Paris, "its calendar days are counted there too");
    assert_eq!(shown[2].0, &Timing::Off);
    assert_eq!(config.zone, Tz::UTC);
    let unset = good(&scheduled(""));
    assert_eq!(unset.accounts[0].timing, Timing::Unset);
}

#[test]
fn a_server_is_asked_for_and_listens_on_this_machine_unless_it_is_told_otherwise() {
    let listen = |text: &str| good(&scheduled(text)).listen.map(|address| address.to_string());
    assert_eq!(listen(""), None, "without the table nothing listens");
    assert_eq!(listen("[server]").as_deref(), Some("127.0.0.1:9464"));
    assert_eq!(listen("[server]\nlisten = \"[::]:1\"").as_deref(), Some("[::]:1"));
    assert_eq!(listen("[server]\nlisten = \"off\""), None);
    let hosts = |text: &str| good(&scheduled(text)).hosts;
    assert!(hosts("").is_empty());
    assert_eq!(hosts("[server]\nhosts = [\"Sweep.Example\"]"), ["sweep.example"]);
}

// fault: F9
#[test]
fn files_have_another_digest_when_anything_of_them_is_edited() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("config.toml");
    let request = Request {
        path: Some(file.clone()),
        env: Environment::default(),
        dry_run: DryRun::AsConfigured,
    };
    let mut seen = Vec::new();
    let mut look = |what: &str| {
        let digest = digest(&request);
        assert_eq!(digest, super::digest(&request), "{what}: the same files");
        assert!(!seen.contains(&digest), "{what}: another digest");
        seen.push(digest);
    };
    look("no file");
    fs::write(&file, "dry_run = true").unwrap();
    look("a file");
    fs::write(&file, "dry_run = false").unwrap();
    look("an edit");
    fs::create_dir(folder.path().join("conf.d")).unwrap();
    fs::write(folder.path().join("conf.d/a.toml"), "").unwrap();
    look("a drop-in");
    fs::write(folder.path().join("conf.d/a.toml"), [0xff]).unwrap();
    look("a drop-in that is no text");
}

// fault: F6
#[test]
fn a_hundred_thousand_brackets_are_a_mistake_and_no_crash() {
    let nested = format!("a = {}", "[".repeat(100_000));
    assert!(load_text(&nested).is_err());
    let keys = format!("a{} = 1", ".a".repeat(100_000));
    assert!(load_text(&keys).is_err());
}

#[test]
fn a_file_of_mistakes_is_told_up_to_a_limit() {
    let lines: Vec<_> = (0..500).map(|n| format!("x{n} = 1\n")).collect();
    let rejected = load_text(&lines.concat()).unwrap_err();
    assert_eq!(rejected.errors(), 51);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn no_text_makes_loading_panic(text in "[\\[\\]a-z=\"'.{}#,0-9 \n\\\\é\u{0}\u{1b}]{0,60}") {
        drop(load_text(&text).map_err(|rejected| rejected.render(Colour::Never)));
    }

    #[test]
    fn no_change_of_the_sample_makes_loading_panic(
        cuts in prop::collection::vec((any::<prop::sample::Index>(), 0_usize..12, "[a-z\"=\\[\\]{}.,0-9\n ]{0,3}"), 1..4),
    ) {
        let mut text: Vec<char> = SAMPLE.lines().filter(|l| !l.starts_with('#')).flat_map(|l| l.chars().chain(['\n'])).collect();
        for (at, length, put) in cuts {
            let at = at.index(text.len());
            let end = (at + length).min(text.len());
            text.splice(at..end, put.chars());
        }
        let text: String = text.into_iter().collect();
        drop(load_text(&text).map_err(|rejected| rejected.render(Colour::Never)));
    }
}
