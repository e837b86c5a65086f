use super::*;

fn at(text: &str) -> Timestamp {
    text.parse().unwrap()
}

fn schedule(text: &str, zone: Tz) -> Schedule {
    Schedule::parse(text, None, zone).unwrap()
}

fn firings(text: &str, zone: Tz, after: &str, count: usize) -> Vec<String> {
    let schedule = schedule(text, zone);
    let shown = |firing: Firing| {
        let note = firing.note.in_words().map_or_else(String::new, |note| format!(" ({note})"));
        format!("{}{note}", firing.local.format("%m-%d %H:%M:%S %:z"))
    };
    schedule.firings(at(after)).take(count).map(shown).collect()
}

// fault: C3
#[test]
fn a_daily_time_in_the_gap_comes_after_it_and_one_in_the_fold_comes_once() {
    insta::assert_debug_snapshot!([
        firings("30 2 * * *", Tz::Europe__Paris, "2026-03-27T12:00:00Z", 3),
        firings("30 2 * * *", Tz::Europe__Paris, "2026-10-23T12:00:00Z", 3),
        firings("30 2 * * *", Tz::America__New_York, "2026-03-06T12:00:00Z", 3),
        firings("30 1 * * *", Tz::America__New_York, "2026-10-30T12:00:00Z", 3),
        firings("15 2 * * *", Tz::Australia__Lord_Howe, "2026-10-02T12:00:00Z", 3),
        firings("45 1 * * *", Tz::Australia__Lord_Howe, "2026-04-03T12:00:00Z", 3),
    ]);
}

// fault: C3
#[test]
fn an_hourly_time_comes_in_every_pass_of_the_fold_and_skips_no_hour() {
    insta::assert_debug_snapshot!([
        firings("30 * * * *", Tz::Europe__Paris, "2026-03-28T23:45:00Z", 4),
        firings("30 * * * *", Tz::Europe__Paris, "2026-10-24T23:45:00Z", 4),
        firings("15 * * * *", Tz::Australia__Lord_Howe, "2026-10-03T14:00:00Z", 4),
        firings("15 * * * *", Tz::Australia__Lord_Howe, "2026-04-04T14:00:00Z", 5),
    ]);
}

// fault: C5
#[test]
fn what_could_mean_two_things_or_never_comes_is_refused() {
    let parse = |text: &str| Schedule::parse(text, None, Tz::UTC).map(|_| ()).unwrap_err();
    let refused = [
        "",
        "* * * *",
        "0 0 3 * * * 2026",
        "0 3 31 2 *",
        "0 3 13 * FRI",
        "61 3 * * *",
        "@reboot",
        "0 25 * * *",
        "x 3 * * *",
        "0 3 0 * *",
        "*/0 * * * *",
    ];
    let told: Vec<_> = refused.iter().map(|text| format!("{text}: {}", parse(text))).collect();
    insta::assert_debug_snapshot!(told);
}

#[test]
fn the_two_day_fields_mean_what_was_chosen() {
    let firings = |days| {
        let schedule = Schedule::parse("0 3 13 * FRI", Some(days), Tz::UTC).unwrap();
        let from = at("2026-11-01T00:00:00Z");
        schedule.firings(from).take(3).map(|one| one.at.to_rfc3339()).collect::<Vec<_>>()
    };
    let dates = |dates: [&str; 3]| dates.map(|date| format!("{date}T03:00:00+00:00")).to_vec();
    assert_eq!(firings(Days::Or), dates(["2026-11-06", "2026-11-13", "2026-11-20"]));
    assert_eq!(firings(Days::And), dates(["2026-11-13", "2027-08-13", "2028-10-13"]));
}

#[test]
fn six_fields_begin_with_seconds() {
    assert_eq!(
        firings("*/20 0 3 * * *", Tz::UTC, "2026-11-24T12:00:00Z", 3),
        ["11-25 03:00:00 +00:00", "11-25 03:00:20 +00:00", "11-25 03:00:40 +00:00"]
    );
}

#[test]
fn firings_between_two_instants_are_counted_and_the_last_one_found() {
    let daily = schedule("15 3 * * *", Tz::UTC);
    let (from, until) = (at("2026-11-01T03:15:00Z"), at("2026-11-04T03:15:00Z"));
    assert_eq!(daily.count_within(from, until), 3, "the first does not count, the last does");
    assert_eq!(daily.last_within(from, until), Some(until));
    assert_eq!(daily.last_within(until, until), None);
    let often = schedule("* * * * * *", Tz::UTC);
    assert_eq!(often.count_within(from, until), MOST_COUNTED);
}

#[test]
fn a_schedule_is_told_in_words() {
    let words = |text: &str| schedule(text, Tz::UTC).describe();
    insta::assert_debug_snapshot!([
        words("15 3 * * *"),
        words("0 */6 * * *"),
        words("30 2 * * MON-FRI"),
        words("*/10 * * * * *"),
        words("@daily"),
        words("0 4 1,15 * *"),
    ]);
}

proptest::proptest! {
    #[test]
    fn a_firing_is_always_later_than_what_it_was_asked_from(
        seconds in 1_700_000_000_i64..1_900_000_000,
        hour in 0_u32..24,
        minute in 0_u32..60,
        zone in proptest::sample::select(vec![Tz::Europe__Paris, Tz::America__New_York, Tz::Australia__Lord_Howe]),
    ) {
        let from = Timestamp::from_timestamp(seconds, 0).unwrap();
        let next = schedule(&format!("{minute} {hour} * * *"), zone).next_after(from).unwrap();
        proptest::prop_assert!(next > from);
        proptest::prop_assert!(next - from <= chrono::TimeDelta::hours(50), "{next}");
    }
}

#[test]
fn the_interval_is_the_longest_time_between_two_firings() {
    let hours = |n| Some(Duration::from_hours(n));
    for (text, expected) in [
        ("0 3 * * *", hours(24)),
        ("*/10 * * * *", Some(Duration::from_mins(10))),
        ("0 3 * * 1-5", hours(72)),
        ("0 9-17 * * 1-5", hours(64)),
        ("0 0 1 * *", hours(31 * 24)),
    ] {
        let found = schedule(text, Tz::UTC).interval(at("2026-06-10T12:00:00Z"));
        assert_eq!(found, expected, "{text}");
    }
    // An hour is put in between two firings where the clocks go back.
    let found = schedule("0 3 * * *", Tz::Europe__Paris).interval(at("2026-10-20T12:00:00Z"));
    assert_eq!(found, hours(25));
}
