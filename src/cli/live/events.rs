//! What is told of every attempt: an event when it begins, one with what it came to, each a line of
//! JSON in the file that was named, and the one summary line. What is in them is for the library.
//!
//! An attempt ends when the next one begins or the command ends, by whatever way, short of a signal
//! that nobody can hear.

use std::cell::RefCell;
use std::io::Write;
use std::path::Path;

use softdock::report::{Ended, Event, EventLine, Head, Stopped, Telemetry};

use super::super::attach::Manner;
use super::super::output::{self, FAINT, styled};

/// What one command tells of its attempts.
pub(super) struct Events<'a> {
    manner: &'a Manner,
    /// What is known before an attempt, but for its name.
    head: Head,
    current: RefCell<Option<Current>>,
}

/// The attempt under way, and what is known of it.
struct Current {
    event: Ended,
    summary: String,
}

impl Current {
    /// The summary line, with the name that the events have as well.
    fn line(&self) -> String {
        format!("{} attempt={}", self.summary, self.event.head.attempt)
    }
}

impl<'a> Events<'a> {
    /// For attempts that begin like this one; its name is not used.
    pub(super) const fn new(manner: &'a Manner, head: Head) -> Events<'a> {
        Events { manner, head, current: RefCell::new(None) }
    }

    /// An attempt begins; the one before has ended.
    pub(super) fn begin(&self) {
        self.end();
        let head = Head { attempt: fresh_name(), ..self.head.clone() };
        self.tell(Event::Attempt(head.clone()));
        // If that is the last word, it has panicked.
        let stopped = Stopped::unexpected();
        let result = Telemetry::from(&*stopped);
        let summary = stopped.summary(self.manner.front_end);
        self.current.replace(Some(Current { event: Ended { head, result }, summary }));
    }

    /// This is what the attempt came to, and its summary line, unless something follows.
    pub(super) fn note(&self, result: Telemetry, summary: String) {
        if let Some(current) = self.current.borrow_mut().as_mut() {
            (current.event.result, current.summary) = (result, summary);
        }
    }

    fn end(&self) {
        if let Some(current) = self.current.take() {
            output::message(&styled(FAINT, current.line()));
            self.tell(Event::Result(current.event));
        }
    }

    /// An attempt is not worth less because its event is lost.
    fn tell(&self, event: Event) {
        let Some(file) = &self.manner.telemetry else { return };
        let line = serde_json::to_string(&EventLine::new(event)).unwrap_or_default();
        if file == Path::new("-") {
            return output::message(&line);
        }
        let append = || -> std::io::Result<()> {
            let mut file = std::fs::OpenOptions::new().create(true).append(true).open(file)?;
            // At once: another softdock may be writing to the same file.
            file.write_all((line + "\n").as_bytes())
        };
        if let Err(error) = append() {
            let file = file.display();
            output::message(&format!("softdock: cannot write telemetry to {file}: {error}"));
        }
    }
}

impl Drop for Events<'_> {
    fn drop(&mut self) {
        self.end();
    }
}

/// An event without a name of its own is better than none.
fn fresh_name() -> String {
    let bits = softdock_live::random_bits().unwrap_or_default();
    format!("{:016x}", bits >> 64)
}

#[cfg(test)]
mod tests {
    use clap::Parser;
    use serde_json::Value;
    use softdock::frontend::FrontEnd;

    use super::*;

    #[derive(Debug, Parser)]
    struct Line {
        #[command(flatten)]
        manner: Manner,
    }

    /// What is in the file after an attempt, that panics or not.
    fn told(name: &str, attempt: impl FnOnce(&Events<'_>) + std::panic::UnwindSafe) -> Vec<Value> {
        let file =
            std::env::temp_dir().join(format!("softdock-events-{}-{name}", std::process::id()));
        let manner = Line::parse_from(["x", "--telemetry", &file.to_string_lossy()]).manner;
        let _ = std::panic::catch_unwind(|| {
            let head = Head::new(String::new(), "attach", FrontEnd::Managed);
            attempt(&Events::new(&manner, head));
        });
        let text = std::fs::read_to_string(&file).unwrap_or_default();
        let _ = std::fs::remove_file(&file);
        text.lines().map(|line| serde_json::from_str(line).expect("a line of JSON")).collect()
    }

    fn kinds(events: &[Value]) -> Vec<&str> {
        events.iter().filter_map(|event| event["kind"].as_str()).collect()
    }

    #[test]
    fn each_attempt_has_two_events_of_one_name() {
        let events = told("two", |events| {
            events.begin();
            events.begin();
        });
        let both = ["attach-attempt", "attach-result"];
        assert_eq!(kinds(&events), [both, both].concat());
        let names: Vec<_> = events.iter().filter_map(|event| event["attempt"].as_str()).collect();
        assert_eq!((names[0], names[2]), (names[1], names[3]));
        assert_ne!(names[0], names[2]);
    }

    #[test]
    fn a_panic_is_told_as_well() {
        let events = told("panic", |events| {
            events.begin();
            panic!("on purpose");
        });
        assert_eq!(kinds(&events), ["attach-attempt", "attach-result"]);
        assert_eq!(
            (&events[1]["outcome"], &events[1]["code"]),
            (&"failed".into(), &"Unknown".into())
        );
    }

    /// Two commands may name the same file.
    #[test]
    fn events_of_many_at_once_stay_whole() {
        const MANY: usize = 200;
        let events = told("many", |first| {
            std::thread::scope(|scope| {
                for _ in 0..8 {
                    let (manner, head) = (first.manner, first.head.clone());
                    scope.spawn(move || {
                        let events = Events::new(manner, head.clone());
                        (0..MANY).for_each(|_| events.tell(Event::Attempt(head.clone())));
                    });
                }
            });
        });
        assert_eq!(kinds(&events), ["attach-attempt"; 8 * MANY]);
    }

    #[test]
    fn the_summary_line_tells_the_last_word_and_names_the_attempt() {
        let manner = Line::parse_from(["x"]).manner;
        let events = Events::new(&manner, Head::new(String::new(), "attach", FrontEnd::Managed));
        events.begin();
        let line = || events.current.borrow().as_ref().map_or_else(String::new, Current::line);
        // If it panicked now.
        assert!(line().starts_with("[PTVS][SafeAttach] outcome=failed "), "{}", line());
        assert!(line().contains(" reason=unexpected "), "{}", line());
        let stopped = Stopped::unexpected();
        events.note(Telemetry::from(&*stopped), String::from("what came of it"));
        let last = line();
        assert!(last.starts_with("what came of it attempt="), "{last}");
        assert_eq!(last.len(), "what came of it attempt=0123456789abcdef".len(), "{last}");
    }

    #[test]
    fn the_last_word_counts() {
        let events = told("last", |events| {
            events.begin();
            for outcome in ["refused", "consumed"] {
                let result = Telemetry { outcome, ..Telemetry::from(&*Stopped::unexpected()) };
                events.note(result, String::new());
            }
        });
        assert_eq!(events[1]["outcome"], "consumed");
    }
}
