//! `when`: an expression in CEL over `batch` and `now`, for what the other matchers cannot say.
//!
//! `batch` has the record's own fields under the batches family's spelling (contract §1.3); `null`
//! counts as absent; `created_at` and `last_run` are timestamps, there only when they are known.
//! An error (a missing field, a wrong type) or a value that is no bool is the answer *unknown*; CEL's
//! own rules hold for `||` and `&&`, and `has(batch.x)` asks for absence in so many words. `matches` is
//! ours: its pattern is written out in quotes and compiled once, so a bad one is found with the file.
//! Invariant: a record that cannot be read as a whole is unknown, even to an expression that ignores it.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::fmt;
use std::sync::Arc;

use cel::common::ast::{CallExpr, EntryExpr, Expr, IdedExpr, LiteralValue};
use cel::extractors::This;
use cel::objects::{Key, Map, Value};
use cel::{Context, Env, ExecutionError, Program};
use regex::Regex;
use serde::de::{Deserializer, IgnoredAny, MapAccess, Visitor};

use super::pattern::{self, BadRegex};
use crate::batch::{Batch, Fact};
use crate::clock::Timestamp;

/// The longest expression, in bytes.
const MAX_LEN: usize = 4 * 1024;

/// The deepest nesting, of brackets and of operators. The parser and the evaluation call themselves
/// once for each level: at 1,900 brackets a debug build ran out of its stack.
const MAX_DEPTH: usize = 64;

/// The stack that an expression is parsed on. The parser takes some 70 KiB for a level in a debug
/// build: a test's thread has room for thirty. Only what is used is ever taken from the machine.
const PARSER_STACK: usize = 64 << 20;

/// The most operator characters: a chain of operators is as deep as it is long until it is parsed.
const MAX_OPERATORS: usize = 512;

/// Why a text is no usable expression.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum BadExpression {
    /// It is empty or blank.
    #[error("an empty expression answers nothing")]
    Empty,
    /// It is too long.
    #[error("an expression has at most {} bytes", MAX_LEN)]
    TooLong,
    /// It is nested too deeply.
    #[error(
        "an expression nests at most {} levels deep and has at most {} operators",
        MAX_DEPTH,
        MAX_OPERATORS
    )]
    TooDeep,
    /// This machine gave no thread to parse it on.
    #[error("it could not be parsed: this machine gives no further thread")]
    NoThread,
    /// It cannot be read; the parser's own sentence, in one line.
    #[error("{0}")]
    Syntax(String),
    /// It speaks of something that is not there.
    #[error("`{0}` is not known here; there are `batch` and `now`")]
    UnknownName(String),
    /// The pattern of `matches` is no usable regular expression.
    #[error("the pattern `{pattern}` of `matches`: {problem}")]
    Pattern {
        /// The pattern.
        pattern: String,
        /// What is wrong with it.
        problem: BadRegex,
    },
    /// The pattern of `matches` is not written out.
    #[error("`matches` needs its pattern written out in quotes")]
    PatternNotWritten,
    /// It never looks at the batch.
    #[error("it asks nothing about `batch`, so it says the same of every batch")]
    AsksNothing,
}

/// A compiled expression.
pub struct When {
    text: String,
    program: Program,
    /// The language's own functions and ours.
    root: Context<'static, 'static>,
    /// The fields of `batch` that it names; `None` where it uses `batch` as a whole.
    fields: Option<BTreeSet<String>>,
}

impl fmt::Debug for When {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("When").field("text", &self.text).finish_non_exhaustive()
    }
}

impl When {
    /// Compiles an expression.
    ///
    /// # Errors
    /// When it is empty, too long, not CEL, names anything but `batch` and `now`, does not ask about
    /// `batch` at all, or has a pattern that is none.
    pub fn parse(text: &str) -> Result<Self, BadExpression> {
        if text.trim().is_empty() {
            return Err(BadExpression::Empty);
        }
        if text.len() > MAX_LEN {
            return Err(BadExpression::TooLong);
        }
        let operators = text.bytes().filter(|b| b"+-*/%!<>=&|?:.,".contains(b)).count();
        if bracket_depth(text) > MAX_DEPTH || operators > MAX_OPERATORS {
            return Err(BadExpression::TooDeep);
        }
        let env = Env::stdlib();
        let program = compile(&env, text)?;
        let mut names = Names::default();
        names.walk(program.expression(), &mut Vec::new());
        if names.deepest > MAX_DEPTH {
            return Err(BadExpression::TooDeep);
        }
        if let Some(unknown) = names.unknown {
            return Err(BadExpression::UnknownName(unknown));
        }
        let patterns = compile_patterns(&names.patterns)?;
        if !names.whole && names.fields.is_empty() {
            return Err(BadExpression::AsksNothing);
        }
        let root = root(env, patterns)?;
        let fields = (!names.whole).then_some(names.fields);
        Ok(Self { text: text.to_owned(), program, root, fields })
    }

    /// The fields of `batch` that it names; none where it uses `batch` as a whole.
    pub fn fields(&self) -> impl Iterator<Item = &str> {
        self.fields.iter().flatten().map(String::as_str)
    }

    /// The expression as written.
    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// What it says of a batch; `None` where it cannot say.
    pub fn holds(&self, batch: &Batch, now: Timestamp) -> Option<bool> {
        let subject = self.subject(batch)?;
        let mut context = self.root.new_inner_scope();
        context.add_variable_from_value("batch", subject);
        context.add_variable_from_value("now", Value::Timestamp(now.fixed_offset()));
        match self.program.execute(&context) {
            Ok(Value::Bool(holds)) => Some(holds),
            Ok(_) | Err(_) => None,
        }
    }

    /// The batch as the expression sees it: only the fields that it names are converted.
    fn subject(&self, batch: &Batch) -> Option<Value> {
        let mut reading = serde_json::Deserializer::from_str(batch.raw.as_str());
        let fields = reading.deserialize_map(Fields { wanted: self.fields.as_ref() }).ok()?;
        let mut map = HashMap::with_capacity(fields.len() + 2);
        for (name, value) in fields {
            // Two spellings of one field that contradict each other are as good as absent.
            let Some(value) = value else { continue };
            map.insert(Key::String(Arc::new(name)), value);
        }
        for (name, time) in [("created_at", &batch.created_at), ("last_run", &batch.last_run)] {
            if let Fact::Known(time) = time {
                let time = Value::Timestamp(time.fixed_offset());
                map.insert(Key::String(Arc::new(name.to_owned())), time);
            }
        }
        Some(Value::Map(Map { map: Arc::new(map) }))
    }
}

/// Parses on a stack of its own.
fn compile(env: &Env, text: &str) -> Result<Program, BadExpression> {
    let parse = || {
        env.compile(text)
            .map_err(|problem| BadExpression::Syntax(first_problem(&problem.to_string())))
    };
    std::thread::scope(|scope| {
        let parsing =
            std::thread::Builder::new().stack_size(PARSER_STACK).spawn_scoped(scope, parse);
        parsing.map_or(Err(BadExpression::NoThread), |parsing| {
            parsing.join().unwrap_or(Err(BadExpression::NoThread))
        })
    })
}

/// The patterns of an expression, compiled.
fn compile_patterns(
    written: &BTreeSet<Option<String>>,
) -> Result<BTreeMap<String, Regex>, BadExpression> {
    let compile = |pattern: &Option<String>| {
        let pattern = pattern.clone().ok_or(BadExpression::PatternNotWritten)?;
        match pattern::compile(&pattern) {
            Ok(regex) => Ok((pattern, regex)),
            Err(problem) => Err(BadExpression::Pattern { pattern, problem }),
        }
    };
    written.iter().map(compile).collect()
}

/// What every evaluation stands on: the language, and `matches` with these patterns.
fn root(
    env: Env,
    patterns: BTreeMap<String, Regex>,
) -> Result<Context<'static, 'static>, BadExpression> {
    let mut root = Context::with_env(Arc::new(env));
    let matches = move |This(text): This<Arc<String>>, pattern: Arc<String>| match patterns
        .get(pattern.as_str())
    {
        Some(regex) => Ok(regex.is_match(&text)),
        None => Err(ExecutionError::function_error("matches", "not one of the file's patterns")),
    };
    root.add_function("matches", matches)
        .map_err(|problem| BadExpression::Syntax(problem.to_string()))?;
    Ok(root)
}

/// How deeply brackets nest, at most. Those in quotes count too: nobody nests them so deeply there.
fn bracket_depth(text: &str) -> usize {
    let (mut depth, mut deepest) = (0_usize, 0);
    for byte in text.bytes() {
        match byte {
            b'(' | b'[' | b'{' => depth += 1,
            b')' | b']' | b'}' => depth = depth.saturating_sub(1),
            _ => {}
        }
        deepest = deepest.max(depth);
    }
    deepest
}

/// The parser's first complaint without its frame: `ERROR: <input>:1:7: Syntax error: …` and two
/// lines of drawing become the words alone.
fn first_problem(text: &str) -> String {
    let line = text.lines().next().unwrap_or(text);
    let words = line.split_once("Syntax error: ").map_or(line, |(_, words)| words);
    format!("not a CEL expression: {words}")
}

/// The field's name in the family of batches (contract §1.3, §6.1.1).
fn batches_spelling(name: &str) -> String {
    ["requests_", "request_", "search_"]
        .into_iter()
        .find_map(|other| name.strip_prefix(other))
        .map_or_else(|| name.to_owned(), |rest| format!("searches_{rest}"))
}

/// Reads the wanted fields of a record; refuses a key that comes twice.
struct Fields<'f> {
    wanted: Option<&'f BTreeSet<String>>,
}

impl<'de> Visitor<'de> for Fields<'_> {
    type Value = Vec<(String, Option<Value>)>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a record")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut record: A) -> Result<Self::Value, A::Error> {
        let mut seen: Vec<std::borrow::Cow<'de, str>> = Vec::with_capacity(32);
        let mut fields: Self::Value = Vec::new();
        while let Some(name) = record.next_key::<std::borrow::Cow<'de, str>>()? {
            if seen.contains(&name) {
                return Err(serde::de::Error::custom("a key comes twice"));
            }
            let spelled = batches_spelling(&name);
            seen.push(name);
            let is_time = spelled == "created_at" || spelled == "last_run";
            if is_time || self.wanted.is_some_and(|wanted| !wanted.contains(&spelled)) {
                record.next_value::<IgnoredAny>()?;
                continue;
            }
            let value: serde_json::Value = record.next_value()?;
            if value.is_null() {
                continue;
            }
            let value = converted(value);
            match fields.iter_mut().find(|(other, _)| *other == spelled) {
                Some((_, other)) if other.as_ref() != Some(&value) => *other = None,
                Some(_) => {}
                None => fields.push((spelled, Some(value))),
            }
        }
        Ok(fields)
    }
}

/// A JSON value as one of the language: whole numbers are `int` as far as they fit.
fn converted(value: serde_json::Value) -> Value {
    match value {
        serde_json::Value::Null => Value::Null,
        serde_json::Value::Bool(truth) => Value::Bool(truth),
        serde_json::Value::String(text) => Value::String(Arc::new(text)),
        serde_json::Value::Number(number) => match (number.as_i64(), number.as_u64()) {
            (Some(int), _) => Value::Int(int),
            (None, Some(large)) => Value::UInt(large),
            (None, None) => number.as_f64().map_or(Value::Null, Value::Float),
        },
        serde_json::Value::Array(items) => {
            Value::List(Arc::new(items.into_iter().map(converted).collect()))
        }
        serde_json::Value::Object(fields) => {
            let field = |(name, value)| (Key::String(Arc::new(name)), converted(value));
            Value::Map(Map { map: Arc::new(fields.into_iter().map(field).collect()) })
        }
    }
}

/// What an expression speaks of.
#[derive(Debug, Default)]
struct Names {
    fields: BTreeSet<String>,
    whole: bool,
    unknown: Option<String>,
    /// The patterns of `matches`; `None` for one that is not written out.
    patterns: BTreeSet<Option<String>>,
    depth: usize,
    deepest: usize,
}

impl Names {
    /// Collects names; `bound` are those that macros such as `exists` introduce.
    fn walk<'e>(&mut self, expression: &'e IdedExpr, bound: &mut Vec<&'e str>) {
        self.depth += 1;
        self.deepest = self.deepest.max(self.depth);
        self.walk_parts(expression, bound);
        self.depth -= 1;
    }

    fn walk_parts<'e>(&mut self, expression: &'e IdedExpr, bound: &mut Vec<&'e str>) {
        match &expression.expr {
            Expr::Unspecified | Expr::Literal(_) => {}
            Expr::Ident(name) => self.name(name, bound),
            Expr::Select(select) => {
                let of_batch = matches!(&select.operand.expr, Expr::Ident(name) if name == "batch");
                if of_batch && !bound.contains(&"batch") {
                    self.fields.insert(select.field.clone());
                } else {
                    self.walk(&select.operand, bound);
                }
            }
            Expr::Call(call) => {
                if call.func_name == "matches" {
                    self.patterns.insert(written_pattern(call));
                }
                let target = call.target.iter().map(AsRef::as_ref);
                target.chain(&call.args).for_each(|part| self.walk(part, bound));
            }
            Expr::List(list) => list.elements.iter().for_each(|item| self.walk(item, bound)),
            Expr::Map(map) => map.entries.iter().for_each(|entry| self.entry(&entry.expr, bound)),
            Expr::Struct(made) => {
                made.entries.iter().for_each(|entry| self.entry(&entry.expr, bound));
            }
            Expr::Comprehension(all) => {
                self.walk(&all.iter_range, bound);
                self.walk(&all.accu_init, bound);
                let outer = bound.len();
                bound.extend([all.iter_var.as_str(), all.accu_var.as_str()]);
                bound.extend(all.iter_var2.as_deref());
                for part in [&all.loop_cond, &all.loop_step, &all.result] {
                    self.walk(part, bound);
                }
                bound.truncate(outer);
            }
        }
    }

    fn entry<'e>(&mut self, entry: &'e EntryExpr, bound: &mut Vec<&'e str>) {
        match entry {
            EntryExpr::StructField(field) => self.walk(&field.value, bound),
            EntryExpr::MapEntry(entry) => {
                self.walk(&entry.key, bound);
                self.walk(&entry.value, bound);
            }
        }
    }

    fn name(&mut self, name: &str, bound: &[&str]) {
        if bound.contains(&name) || name == "now" {
            return;
        }
        if name == "batch" {
            self.whole = true;
        } else {
            self.unknown.get_or_insert_with(|| name.to_owned());
        }
    }
}

/// The pattern of a call of `matches`: its last argument, where that is a text in quotes.
fn written_pattern(call: &CallExpr) -> Option<String> {
    match &call.args.last()?.expr {
        Expr::Literal(LiteralValue::String(pattern)) => Some(pattern.inner().to_owned()),
        Expr::Literal(_)
        | Expr::Unspecified
        | Expr::Ident(_)
        | Expr::Select(_)
        | Expr::Call(_)
        | Expr::List(_)
        | Expr::Map(_)
        | Expr::Struct(_)
        | Expr::Comprehension(_) => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::batch::fixtures::{at, batch};

    const RECORD: &str = r#"{"id":"A1","name":"tmp-1","created_at":"2026-01-01T00:00:00Z",
        "last_run":null,"status":"idle","enabled":true,"requests_total_count":7,"ratio":0.5,
        "request_type":"web","schedule_hours":[8,20],"huge":18446744073709551615,
        "requests_per_type_count":{"web":7},"next_result_set_id":1}"#;

    fn says(when: &str, raw: &str) -> Option<bool> {
        let batch = batch("A1").with(|b| b.last_run = Fact::Missing).build();
        let batch = Batch { raw: raw.into(), ..batch };
        When::parse(when).unwrap().holds(&batch, at("2026-01-31T00:00:00Z"))
    }

    #[test]
    fn expressions_see_the_record_in_the_spelling_of_batches() {
        for (when, expected) in [
            ("batch.name.startsWith('tmp-')", Some(true)),
            ("batch.searches_total_count > 5", Some(true)),
            ("batch.requests_total_count > 5", None),
            ("batch.searches_type == 'web'", Some(true)),
            ("batch.searches_per_type_count.web == 7", Some(true)),
            ("8 in batch.schedule_hours", Some(true)),
            ("batch.schedule_hours.exists(h, h > 19)", Some(true)),
            ("batch['name'] == 'tmp-1'", Some(true)),
            ("batch.ratio < 1.0", Some(true)),
            ("batch.huge > 5u", Some(true)),
            ("!batch.enabled", Some(false)),
            ("now - batch.created_at >= duration('720h')", Some(true)),
            ("batch.created_at > now", Some(false)),
            ("batch.name.matches('^tmp-[0-9]+$')", Some(true)),
            ("has(batch.last_run)", Some(false)),
            ("batch.last_run < now", None),
            ("batch.nothing == 1", None),
            ("batch.name", None),
            ("batch.name > 1", None),
            ("nosuch(batch.name)", None),
        ] {
            assert_eq!(says(when, RECORD), expected, "{when}");
        }
    }

    // fault: J6
    #[test]
    fn a_record_that_cannot_be_read_is_unknown_even_to_an_expression_that_ignores_it() {
        let ignores = "batch.nothing == 1 || true";
        assert_eq!(says(ignores, r#"{"id":"A1"}"#), Some(true));
        assert_eq!(says(ignores, r#"{"id":"A1","id":"A1"}"#), None);
        assert_eq!(says(ignores, "[]"), None);
    }

    #[test]
    fn matches_takes_a_pattern_in_quotes_that_is_one() {
        for (when, expected) in [
            ("matches(batch.name, 'p-1$')", Some(true)),
            ("batch.name.matches('p-1') && batch.name.matches('^tmp')", Some(true)),
            ("['x', 'y'].exists(t, t.matches('^y$')) && has(batch.id)", Some(true)),
            ("batch.schedule_hours.matches('8')", None),
            ("batch.nothing.matches('8')", None),
        ] {
            assert_eq!(says(when, RECORD), expected, "{when}");
        }
        let problem = |text: &str| When::parse(text).unwrap_err();
        assert_eq!(problem("batch.name.matches(batch.id)"), BadExpression::PatternNotWritten);
        assert_eq!(problem("batch.name.matches('a' + 'b')"), BadExpression::PatternNotWritten);
        assert_eq!(problem("batch.name.matches()"), BadExpression::PatternNotWritten);
        for pattern in ["(", "a{1000}{1000}{1000}"] {
            let problem = problem(&format!("batch.name.matches('{pattern}')"));
            assert!(matches!(problem, BadExpression::Pattern { .. }), "{problem}");
        }
    }

    // fault: F2
    #[test]
    fn an_expression_that_asks_nothing_about_the_batch_is_refused() {
        for text in
            ["true", "1 == 1", "now > timestamp('2020-01-01T00:00:00Z')", "[1].exists(batch, true)"]
        {
            assert_eq!(When::parse(text).unwrap_err(), BadExpression::AsksNothing, "{text}");
        }
        assert!(When::parse("size(batch) > 3").is_ok());
    }

    #[test]
    fn two_spellings_that_differ_are_as_good_as_absent() {
        let record = r#"{"searches_total_count":7,"search_total_count":8,"search_page_count":1}"#;
        assert_eq!(says("has(batch.searches_total_count)", record), Some(false));
        assert_eq!(says("batch.searches_page_count == 1", record), Some(true));
    }

    // fault: F6
    #[test]
    fn an_expression_that_cannot_be_meant_is_refused() {
        let problem = |text: &str| When::parse(text).unwrap_err();
        assert_eq!(problem(" "), BadExpression::Empty);
        assert_eq!(problem(&"a".repeat(5_000)), BadExpression::TooLong);
        assert_eq!(problem("bach.name == 'x'"), BadExpression::UnknownName("bach".into()));
        assert_eq!(problem("[1].exists(x, x == y)"), BadExpression::UnknownName("y".into()));
        assert!(matches!(problem("batch.name =="), BadExpression::Syntax(_)));
    }

    // fault: F6
    #[test]
    fn an_expression_nested_too_deeply_is_refused_and_an_ordinary_one_is_not() {
        let nested = |open: &str, middle: &str, close: &str, levels: usize| {
            [open.repeat(levels), middle.to_owned(), close.repeat(levels)].concat()
        };
        for text in [
            nested("(", "true", ")", 1_900),
            nested("[", "1", "]", 1_900),
            nested("{1:", "1", "}", 800),
            nested("1+", "1 == 1", "", 1_900),
            nested("1+", "1 == 1", "", 500),
            nested("", "batch", ".a", 1_900),
            nested("(", "true", "", 4_000),
        ] {
            let refused = When::parse(&text).unwrap_err();
            assert_eq!(refused, BadExpression::TooDeep, "{text:.20}");
        }
        assert!(When::parse(&nested("(", "batch.enabled", ")", 30)).is_ok());
        assert!(When::parse(&nested("true && ", "batch.enabled", "", 20)).is_ok());
    }
}
