//! The log: lines to read in a terminal, JSON otherwise, to standard error.
//!
//! Whatever is logged, nothing in it reaches a terminal as a command: control characters and the
//! marks that turn text around are escaped.

use super::clock::Clock;
use super::config::{Format, Log};
use anyhow::Context;
use std::fmt::{self, Write as _};
use std::io::{self, IsTerminal, Write};
use tracing::Subscriber;
use tracing_subscriber::EnvFilter;
use tracing_subscriber::field::MakeExt;
use tracing_subscriber::fmt::MakeWriter;
use tracing_subscriber::fmt::format::{self, Writer};
use tracing_subscriber::fmt::time::FormatTime;

/// What is logged, while it is.
pub struct Filter {
    /// The variable `BEISTAND_LOG`: it wins over the configuration.
    variable: Option<String>,
    apply: Apply,
}

type Apply = Box<dyn Fn(EnvFilter) -> anyhow::Result<()> + Send + Sync>;

impl Filter {
    /// From now on the level of this configuration holds, unless the variable says otherwise.
    ///
    /// # Errors
    /// The log is gone.
    pub fn set(&self, config: &Log) -> anyhow::Result<()> {
        (self.apply)(env_filter(config, self.variable.as_deref())?)
    }
}

/// Starts the log of this process. `variable` is the variable `BEISTAND_LOG`; without it the level of
/// the configuration holds, and libraries log warnings only.
///
/// # Errors
/// The filter cannot be read, or a log was started before.
pub fn start(config: &Log, variable: Option<String>, clock: Clock) -> anyhow::Result<Filter> {
    let filter = env_filter(config, variable.as_deref())?;
    let terminal = io::stderr().is_terminal();
    let (subscriber, apply) = subscriber(
        is_json(config.format, terminal),
        terminal,
        filter,
        clock,
        io::stderr,
    );
    tracing::subscriber::set_global_default(subscriber).context("a log was started before")?;
    Ok(Filter { variable, apply })
}

const fn is_json(format: Format, terminal: bool) -> bool {
    match format {
        Format::Auto => !terminal,
        Format::Human => false,
        Format::Json => true,
    }
}

fn env_filter(config: &Log, filter: Option<&str>) -> anyhow::Result<EnvFilter> {
    let default = format!("warn,beistand={}", config.level.as_str());
    let directives = filter.filter(|text| !text.is_empty()).unwrap_or(&default);
    EnvFilter::try_new(directives).with_context(|| {
        format!(
            "BEISTAND_LOG={directives:?} is no filter: write a level (error, warn, info, debug, \
             trace) or MODULE=LEVEL, with commas between"
        )
    })
}

fn subscriber<W>(
    json: bool,
    colour: bool,
    filter: EnvFilter,
    clock: Clock,
    writer: W,
) -> (Box<dyn Subscriber + Send + Sync>, Apply)
where
    W: for<'a> MakeWriter<'a> + Send + Sync + 'static,
{
    let builder = tracing_subscriber::fmt().with_timer(ClockTime(clock));
    // The filter comes last: only then can it be replaced.
    if json {
        let builder = builder.json().with_current_span(true).with_span_list(false);
        let builder = builder.with_writer(EscapedWriter(writer));
        let builder = builder.with_env_filter(filter).with_filter_reloading();
        let handle = builder.reload_handle();
        let apply = Box::new(move |filter| Ok(handle.reload(filter)?));
        return (Box::new(builder.finish()), apply);
    }
    let fields = format::debug_fn(|to: &mut Writer<'_>, field, value| {
        match field.name() {
            "message" => {}
            name => write!(to, "{name}=")?,
        }
        write!(to, "{}", Escaped(&format!("{value:?}")))
    });
    let builder = builder.fmt_fields(fields.delimited(" ")).with_ansi(colour);
    let builder = builder.with_writer(writer);
    let builder = builder.with_env_filter(filter).with_filter_reloading();
    let handle = builder.reload_handle();
    let apply = Box::new(move |filter| Ok(handle.reload(filter)?));
    (Box::new(builder.finish()), apply)
}

/// Log lines carry the time of the ledger.
struct ClockTime(Clock);

impl FormatTime for ClockTime {
    fn format_time(&self, to: &mut Writer<'_>) -> fmt::Result {
        to.write_str(&self.0.now().unix.rfc3339())
    }
}

/// Characters that act on a terminal or turn text around (Unicode `Bidi_Control`) instead of being
/// read.
fn is_active(c: char) -> bool {
    c.is_control()
        || matches!(
            c,
            '\u{061c}'
                | '\u{200e}'
                | '\u{200f}'
                | '\u{2028}'
                | '\u{2029}'
                | '\u{202a}'..='\u{202e}'
                | '\u{2066}'..='\u{2069}'
        )
}

struct Escaped<'a>(&'a str);

impl fmt::Display for Escaped<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.chars().try_for_each(|c| {
            if is_active(c) {
                write!(f, "{}", c.escape_default())
            } else {
                f.write_char(c)
            }
        })
    }
}

/// Escapes what JSON itself leaves alone: DEL, the C1 controls, marks that turn text around.
struct EscapedWriter<W>(W);

impl<'a, W: MakeWriter<'a>> MakeWriter<'a> for EscapedWriter<W> {
    type Writer = JsonLine<W::Writer>;

    fn make_writer(&'a self) -> JsonLine<W::Writer> {
        JsonLine(self.0.make_writer())
    }
}

struct JsonLine<W>(W);

impl<W: Write> Write for JsonLine<W> {
    fn write(&mut self, line: &[u8]) -> io::Result<usize> {
        let text = String::from_utf8_lossy(line);
        let mut safe = String::with_capacity(text.len());
        for c in text.chars() {
            if c != '\n' && is_active(c) {
                // A string's writer cannot fail.
                let _ = write!(safe, "\\u{:04x}", u32::from(c));
            } else {
                safe.push(c);
            }
        }
        self.0.write_all(safe.as_bytes())?;
        Ok(line.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        self.0.flush()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::host::config::Level;
    use std::sync::{Arc, Mutex};

    const NASTY: &str = "a\u{1b}[2J\r\nb\u{202e}c\u{9b}d\u{7f}";

    #[derive(Clone, Default)]
    struct Shared(Arc<Mutex<Vec<u8>>>);

    impl Write for Shared {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.0.lock().unwrap().write(bytes)
        }
        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    fn logged(json: bool, filter: Option<&str>) -> String {
        let shared = Shared::default();
        let to = shared.clone();
        let filter = env_filter(&Log::default(), filter).unwrap();
        let (subscriber, _) = subscriber(json, false, filter, Clock::new(), move || to.clone());
        tracing::subscriber::with_default(subscriber, || {
            let span = tracing::info_span!("session", id = "SE_1", nick = NASTY);
            let _inside = span.enter();
            tracing::info!(text = NASTY, shown = %NASTY, "hello {NASTY}");
            tracing::debug!("not wanted");
        });
        let bytes = shared.0.lock().unwrap().clone();
        String::from_utf8(bytes).unwrap()
    }

    #[test]
    fn a_line_in_a_terminal_has_no_active_characters() {
        let text = logged(false, None);
        assert!(
            text.contains("INFO session{id=\"SE_1\"") && text.contains("hello a\\u{1b}[2J"),
            "{text}"
        );
        assert!(text.trim_end().chars().all(|c| !is_active(c)), "{text:?}");
        assert_eq!(text.lines().count(), 1);
    }

    #[test]
    fn a_json_line_parses_and_has_no_active_characters() {
        let text = logged(true, None);
        assert!(text.trim_end().chars().all(|c| !is_active(c)), "{text:?}");
        let line: serde_json::Value = serde_json::from_str(&text).unwrap();
        assert_eq!(line["fields"]["text"], NASTY);
        assert_eq!(
            (line["level"].as_str(), line["span"]["id"].as_str()),
            (Some("INFO"), Some("SE_1"))
        );
        assert!(line["timestamp"].as_str().unwrap().ends_with('Z'));
    }

    #[test]
    fn the_variable_wins_over_the_level_of_the_configuration() {
        assert!(logged(true, Some("beistand=debug")).contains("not wanted"));
        assert_eq!(logged(true, Some("error")), "");
        let debug = Log {
            level: Level::Debug,
            ..Log::default()
        };
        assert_eq!(
            env_filter(&debug, Some("")).unwrap().to_string(),
            "beistand=debug,warn"
        );
        let refused = env_filter(&debug, Some("beistand=loud")).unwrap_err();
        assert!(refused.to_string().contains("is no filter"));
    }

    #[test]
    fn another_level_holds_from_the_next_line_on() {
        for json in [true, false] {
            let shared = Shared::default();
            let to = shared.clone();
            let filter = env_filter(&Log::default(), None).unwrap();
            let (log, apply) = subscriber(json, false, filter, Clock::new(), move || to.clone());
            let filter = Filter {
                variable: None,
                apply,
            };
            tracing::subscriber::with_default(log, || {
                for (level, word) in [
                    (Level::Info, "first"),
                    (Level::Debug, "second"),
                    (Level::Error, "third"),
                ] {
                    let config = Log {
                        level,
                        ..Log::default()
                    };
                    filter.set(&config).unwrap();
                    tracing::debug!(word, "looked at");
                }
            });
            let text = String::from_utf8(shared.0.lock().unwrap().clone()).unwrap();
            assert_eq!(text.lines().count(), 1, "{text}");
            assert!(text.contains("second"), "{text}");
        }
    }

    #[test]
    fn the_format_follows_the_terminal_unless_told() {
        let json = [Format::Auto, Format::Human, Format::Json]
            .map(|f| (is_json(f, true), is_json(f, false)));
        assert_eq!(json, [(false, true), (false, false), (true, true)]);
    }
}
