//! Which text a scraper gets, by its `Accept` header (RFC 9110 §12.5.1).
//!
//! Not here: the texts themselves; the library writes both.

/// The content type of `OpenMetrics`.
pub const OPENMETRICS: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";

/// The content type of the classic text.
pub const CLASSIC: &str = "text/plain; version=0.0.4; charset=utf-8";

/// A text that metrics come as.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Text {
    /// `OpenMetrics` 1.0.0.
    OpenMetrics,
    /// The text format 0.0.4.
    Classic,
}

impl Text {
    /// What to say in `Content-Type`; Prometheus 3 refuses a text without one.
    pub const fn content_type(self) -> &'static str {
        match self {
            Self::OpenMetrics => OPENMETRICS,
            Self::Classic => CLASSIC,
        }
    }

    /// How closely a media range fits, and whether it does at all.
    fn fits(self, range: &str, version: Option<&str>) -> Option<u8> {
        let (name, family, versions): (_, _, &[&str]) = match self {
            Self::OpenMetrics => ("application/openmetrics-text", "application/*", &["1.0.0"]),
            Self::Classic => ("text/plain", "text/*", &["0.0.4"]),
        };
        let is_version = version.is_none_or(|version| versions.contains(&version));
        match range {
            _ if range == name && is_version => Some(2),
            _ if range == family => Some(1),
            "*/*" => Some(0),
            _ => None,
        }
    }

    /// The weight that a header gives this text: that of the range that fits most closely, in thousandths.
    fn weight(self, accept: &str) -> (u32, u8) {
        let weighed = accept.split(',').filter_map(|range| {
            let name = range.split(';').next()?.trim().to_ascii_lowercase();
            let weight = parameter(range, "q").map_or(Some(1000), thousandths)?;
            Some((self.fits(&name, parameter(range, "version"))?, weight))
        });
        let best = weighed.max_by_key(|(close, weight)| (*close, *weight));
        best.map_or((0, 0), |(close, weight)| (weight, close))
    }
}

/// A parameter of a media range.
fn parameter<'r>(range: &'r str, name: &str) -> Option<&'r str> {
    let parameters = range.split(';').skip(1).filter_map(|part| part.split_once('='));
    let mut named = parameters.filter(|(key, _)| key.trim().eq_ignore_ascii_case(name));
    named.next().map(|(_, value)| value.trim().trim_matches('"'))
}

/// `0.25` as 250; `None` where it is no weight.
fn thousandths(text: &str) -> Option<u32> {
    let weight: f64 = text.parse().ok()?;
    (0.0..=1.0).contains(&weight).then(|| {
        // In bounds: at most 1000, never negative.
        (0..=1000).rev().find(|n| f64::from(*n) <= weight * 1000.0 + 1e-9).unwrap_or(0)
    })
}

/// The text for a scraper that sent this `Accept` header: the one of the greater weight. Classic where it does not
/// care, or wants neither.
pub fn wanted(accept: Option<&str>) -> Text {
    let Some(accept) = accept else { return Text::Classic };
    let (open, close) = Text::OpenMetrics.weight(accept);
    let (classic, _) = Text::Classic.weight(accept);
    let is_named = close == 2;
    if open > classic || (open == classic && open > 0 && is_named) {
        Text::OpenMetrics
    } else {
        Text::Classic
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_scraper_gets_the_text_that_it_weighs_most() {
        for (accept, expected) in [
            (None, Text::Classic),
            (Some(""), Text::Classic),
            (Some("*/*"), Text::Classic),
            (Some("text/html"), Text::Classic),
            (Some("text/plain"), Text::Classic),
            (Some("text/*;q=0.9, application/*;q=0.1"), Text::Classic),
            (Some("application/*;q=0.9, text/*;q=0.1"), Text::OpenMetrics),
            (Some("application/openmetrics-text"), Text::OpenMetrics),
            (Some("Application/OpenMetrics-Text; Version=\"1.0.0\""), Text::OpenMetrics),
            (Some("application/openmetrics-text;version=2.0.0"), Text::Classic),
            (Some("application/openmetrics-text;q=0, */*"), Text::Classic),
            (Some("application/openmetrics-text;q=0"), Text::Classic),
            (Some("application/openmetrics-text;q=x"), Text::Classic),
            (Some("application/openmetrics-text;q=0.2,text/plain;q=0.3"), Text::Classic),
            (Some("application/openmetrics-text;q=0.3,text/plain;q=0.3"), Text::OpenMetrics),
            // What Prometheus 2.42 sends.
            (
                Some(
                    "application/openmetrics-text;version=1.0.0,application/openmetrics-text;\
                     version=0.0.1;q=0.75,text/plain;version=0.0.4;q=0.5,*/*;q=0.1",
                ),
                Text::OpenMetrics,
            ),
        ] {
            assert_eq!(wanted(accept), expected, "{accept:?}");
        }
    }

    #[test]
    fn a_weight_is_exact_to_the_thousandth() {
        for (text, expected) in [
            ("1", Some(1000)),
            ("0.75", Some(750)),
            ("0.001", Some(1)),
            ("0", Some(0)),
            ("1.1", None),
            ("-0.1", None),
            ("NaN", None),
            ("", None),
        ] {
            assert_eq!(thousandths(text), expected, "{text}");
        }
    }
}
