//! What happened in a session, for a person: every question to the virtual world, what moved
//! between two of them, and what was told. Looks that are like the one before are counted.

use std::fmt;
use std::time::Duration;

/// One line.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Line {
    /// A question, and the answer.
    Asked {
        /// Its number, from 1.
        question: u32,
        /// When it was asked.
        at: Duration,
        /// What, and the answer.
        what: String,
    },
    /// Somebody moved.
    Moved {
        /// When that was seen first.
        at: Duration,
        /// Who, and how.
        what: String,
    },
    /// What was told to whoever waits, or done.
    Told {
        /// When.
        at: Duration,
        /// What.
        what: String,
    },
    /// So many looks were like the one before.
    Again(u32),
}

/// What happened so far; nothing is kept where nobody wants to know.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Story {
    is_on: bool,
    lines: Vec<Line>,
    /// Since the last pause.
    look: Vec<Line>,
    /// The look before that, where nothing but questions was in it.
    before: Vec<String>,
    again: u32,
}

impl Story {
    /// Keeps everything.
    #[must_use]
    pub fn on() -> Story {
        Story { is_on: true, ..Story::default() }
    }

    pub(super) fn asked(&mut self, question: u32, at: Duration, what: impl FnOnce() -> String) {
        self.add(|| Line::Asked { question, at, what: what() });
    }

    pub(super) fn moved(&mut self, at: Duration, what: impl FnOnce() -> String) {
        self.add(|| Line::Moved { at, what: what() });
    }

    pub(super) fn told(&mut self, at: Duration, what: impl FnOnce() -> String) {
        self.add(|| Line::Told { at, what: what() });
    }

    fn add(&mut self, line: impl FnOnce() -> Line) {
        if self.is_on {
            self.look.push(line());
        }
    }

    /// A look ends: somebody sleeps.
    pub(super) fn pauses(&mut self) {
        let questions = self.look.iter().map(|line| match line {
            Line::Asked { what, .. } => Some(what.clone()),
            _ => None,
        });
        let questions: Vec<String> = questions.collect::<Option<_>>().unwrap_or_default();
        if !questions.is_empty() && questions == self.before {
            self.again += 1;
            self.look.clear();
            return;
        }
        self.end_look();
        self.before = questions;
    }

    fn end_look(&mut self) {
        if self.again > 0 {
            self.lines.push(Line::Again(self.again));
            self.again = 0;
        }
        self.lines.append(&mut self.look);
    }

    /// Everything that happened.
    pub(super) fn into_lines(mut self) -> Vec<Line> {
        self.end_look();
        self.lines
    }
}

impl fmt::Display for Line {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let time = |at: &Duration| {
            let micros = at.as_micros();
            format!("{}.{:03} ms", micros / 1000, micros % 1000)
        };
        match self {
            Line::Asked { question, at, what } => {
                write!(f, "{question:>5} {:>14}  {what}", time(at))
            }
            Line::Moved { at, what } => write!(f, "      {:>14}    * {what}", time(at)),
            Line::Told { at, what } => write!(f, "      {:>14}  => {what}", time(at)),
            Line::Again(1) => write!(f, "{:>20}  … one more such look", ""),
            Line::Again(count) => write!(f, "{:>20}  … {count} more such looks", ""),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn looks_that_are_alike_are_counted() {
        let (mut story, at) = (Story::on(), Duration::from_micros(1550));
        for question in 1..=4 {
            story.asked(question, at, || "its record? nothing".into());
            story.pauses();
        }
        story.moved(at, || "the target ends".into());
        story.asked(5, at, || "its record? nothing".into());
        let told: Vec<String> = story.into_lines().iter().map(ToString::to_string).collect();
        assert_eq!(
            told,
            [
                "    1       1.550 ms  its record? nothing",
                "                      … 3 more such looks",
                "            1.550 ms    * the target ends",
                "    5       1.550 ms  its record? nothing",
            ]
        );
    }
}
