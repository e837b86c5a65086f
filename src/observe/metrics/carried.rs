//! Counters that go on over processes: what a text from before says is added to the one of now.
//!
//! Reads only what this program writes (text format 0.0.4, no timestamps). Pure.

use std::collections::BTreeMap;

/// A text that this program did not write.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("line {line} is none that this program writes")]
pub struct Foreign {
    /// Its first line that is not.
    pub line: usize,
}

/// The text of now with what was counted before. Counters and histograms are summed, times of gauges are the later
/// ones; all else is as it is now. A series that is gone is left out.
///
/// # Errors
/// When the text from before is not this program's: then nothing of it is taken.
pub fn onto(now: &str, before: &str) -> Result<String, Foreign> {
    let before = samples(before)?;
    let mut out = String::with_capacity(now.len());
    let mut kind = "";
    for line in now.lines() {
        if let Some((_, named)) = line.strip_prefix("# TYPE ").and_then(|rest| rest.split_once(' '))
        {
            kind = named;
        }
        match continued(line, kind, &before) {
            Some(line) => out.push_str(&line),
            None => out.push_str(line),
        }
        out.push('\n');
    }
    Ok(out)
}

/// A sample together with what it was before; `None` where the line stays.
fn continued(line: &str, kind: &str, before: &BTreeMap<&str, f64>) -> Option<String> {
    if line.starts_with('#') {
        return None;
    }
    let (series, value) = line.rsplit_once(' ')?;
    let (value, before): (f64, f64) = (value.parse().ok()?, *before.get(series)?);
    let is_time = series.split('{').next()?.ends_with("_timestamp_seconds");
    match kind {
        "counter" | "histogram" => Some(format!("{series} {}", value + before)),
        "gauge" if is_time && before > value => Some(format!("{series} {before}")),
        _ => None,
    }
}

/// The samples of a text, by series.
fn samples(text: &str) -> Result<BTreeMap<&str, f64>, Foreign> {
    let mut samples = BTreeMap::new();
    for (at, line) in text.lines().enumerate() {
        let is_head = |kind: &str| line.starts_with(&format!("# {kind} batchsweep_"));
        if is_head("HELP") || is_head("TYPE") {
            continue;
        }
        let (series, value) = sample(line).ok_or(Foreign { line: at + 1 })?;
        samples.insert(series, value);
    }
    Ok(samples)
}

fn sample(line: &str) -> Option<(&str, f64)> {
    let (series, value) = line.rsplit_once(' ')?;
    let value: f64 = value.parse().ok()?;
    let is_whole = series.ends_with('}') || !series.contains(['{', ' ']);
    (series.starts_with("batchsweep_") && is_whole && value.is_finite()).then_some((series, value))
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: &str = "\
# HELP batchsweep_runs_total Runs.
# TYPE batchsweep_runs_total counter
batchsweep_runs_total{account=\"main\"} 1
batchsweep_runs_total{account=\"new\"} 1
# TYPE batchsweep_run_duration_seconds histogram
batchsweep_run_duration_seconds_bucket{account=\"main\",le=\"+Inf\"} 1
batchsweep_run_duration_seconds_sum{account=\"main\"} 1.5
# TYPE batchsweep_last_success_timestamp_seconds gauge
batchsweep_last_success_timestamp_seconds{account=\"main\"} 0.0
# TYPE batchsweep_plan_batches gauge
batchsweep_plan_batches{account=\"main\"} 3.0
";

    #[test]
    fn counters_go_on_times_never_go_back_and_gauges_are_as_they_are() {
        let once = onto(NOW, NOW).unwrap();
        let before = once.replace("seconds{account=\"main\"} 0.0", "seconds{account=\"main\"} 7.0");
        let before = before
            .replace("plan_batches{account=\"main\"} 3.0", "plan_batches{account=\"main\"} 9.0");
        let before = before.replace("new", "gone");
        let twice = onto(NOW, &before).unwrap();
        for line in [
            "batchsweep_runs_total{account=\"main\"} 3",
            "batchsweep_runs_total{account=\"new\"} 1",
            "batchsweep_run_duration_seconds_bucket{account=\"main\",le=\"+Inf\"} 3",
            "batchsweep_run_duration_seconds_sum{account=\"main\"} 4.5",
            "batchsweep_last_success_timestamp_seconds{account=\"main\"} 7",
            "batchsweep_plan_batches{account=\"main\"} 3.0",
        ] {
            assert!(twice.lines().any(|one| one == line), "{line} is not in:\n{twice}");
        }
        assert!(!twice.contains("gone"));
    }

    #[test]
    fn a_text_of_somebody_else_is_not_taken() {
        for (text, line) in [
            ("up 1\n", 1),
            ("# HELP up Whether.\n", 1),
            ("batchsweep_runs_total{account=\"main\"} 1\nbatchsweep_x{a=\"b\"} one\n", 2),
            ("batchsweep_runs_total{account=\"main\"} 1 1700000000\n", 1),
            ("batchsweep_runs_total{account=\"ma", 1),
            ("batchsweep_x NaN\n", 1),
            ("\n", 1),
        ] {
            assert_eq!(onto(NOW, text), Err(Foreign { line }), "{text}");
        }
        assert_eq!(onto(NOW, "").unwrap(), NOW);
    }
}
