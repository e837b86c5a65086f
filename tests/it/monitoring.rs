//! Alert rules and dashboard, held to the metrics that there are. `tests/prometheus/run` tries them.

use std::collections::BTreeSet;
use std::fs;

use crate::source::root;

fn read(path: &str) -> String {
    fs::read_to_string(root().join(path)).unwrap_or_else(|problem| panic!("{path}: {problem}"))
}

/// Every name in a text that begins as metrics do.
fn names(text: &str) -> BTreeSet<String> {
    let is_part = |c: char| c.is_ascii_lowercase() || c == '_';
    let starts = text.match_indices("batchsweep_").map(|(at, _)| &text[at..]);
    starts.map(|rest| rest.chars().take_while(|c| is_part(*c)).collect()).collect()
}

/// Series by name, as the page has the metrics; the page is held to the code.
fn series() -> BTreeSet<String> {
    let page = read("docs/metrics.md");
    let rows = page.lines().filter_map(|line| line.strip_prefix("| `batchsweep_"));
    let named = rows.flat_map(|row| {
        let (name, rest) = row.split_once('`').unwrap();
        let suffixes: &[&str] =
            if rest.starts_with(" | histogram") { &["_bucket", "_sum", "_count"] } else { &[""] };
        suffixes.iter().map(move |suffix| format!("batchsweep_{name}{suffix}"))
    });
    named.collect()
}

#[test]
fn every_metric_that_a_rule_or_a_panel_names_exists() {
    let series = series();
    assert!(series.len() > 20, "{series:?}");
    let rules = "monitoring/prometheus/rules.yaml";
    for path in
        [rules, "monitoring/prometheus/rules.test.yaml", "monitoring/grafana/batchsweep.json"]
    {
        let named = names(&read(path));
        assert!(named.len() > 8, "{path}: {named:?}");
        let unknown: Vec<_> = named.difference(&series).collect();
        assert_eq!(unknown, [""; 0], "{path}");
    }
}

#[test]
fn the_chart_carries_the_rules_as_they_are_and_narrows_each_selector() {
    let rules = read("monitoring/prometheus/rules.yaml");
    assert_eq!(read("kubernetes/chart/batchsweep/files/rules.yaml"), rules, "copy it");
    // The chart puts its namespace behind the brace of each metric of ours.
    for line in rules.lines().filter(|line| !line.contains("description:")) {
        for (at, _) in line.match_indices("batchsweep_") {
            let after = line[at..].trim_start_matches(|c: char| c.is_ascii_lowercase() || c == '_');
            assert!(after.starts_with('{'), "a selector without braces: {line}");
        }
    }
}

#[test]
fn every_alert_says_what_to_do_and_is_tried_both_ways() {
    let (rules, tests) =
        (read("monitoring/prometheus/rules.yaml"), read("monitoring/prometheus/rules.test.yaml"));
    let alerts: Vec<_> = rules.split("- alert: ").skip(1).collect();
    assert_eq!(alerts.len(), 10);
    for alert in alerts {
        let name = alert.lines().next().unwrap();
        let description = alert.lines().find(|line| line.trim().starts_with("description:"));
        assert!(description.unwrap().contains('`'), "{name} names no command");
        assert!(alert.contains("severity: ") && alert.contains("summary: "), "{name}");
        let head = format!("alertname: {name}\n");
        let tried = tests.split(&head).skip(1);
        let quiet = tried.clone().filter(|rest| rest.trim_start().starts_with("exp_alerts: []"));
        assert!(quiet.clone().count() > 0 && quiet.count() < tried.count(), "{name}");
    }
}
