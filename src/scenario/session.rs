//! The grammar of scenarios in which a debugger is brought about in a target: when the target
//! looks, what it tells in its record and when, and what must be told of it. Times are those of a
//! virtual clock that begins when the command does.

use std::sync::OnceLock;

use serde::de::Error;
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use softdock_attach::{Outcome, Reason, Site};
use softdock_debugpy::Endpoint;

use super::names::{LeftName, unknown};
use super::{Fault, Process, is_default};
use crate::report::session::{OUTCOMES, SITE};
use crate::session::REASONS;

/// A request for a debugger.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Session {
    /// What this is about, in one sentence.
    pub about: String,
    /// Where it was seen in the field: `microsoft/debugpy#1189`.
    #[serde(default, skip_serializing_if = "is_default")]
    pub source: Option<String>,
    /// The process; a healthy 3.14.10 with one thread by default.
    #[serde(default, skip_serializing_if = "is_default")]
    pub process: Process,
    /// What goes wrong while the engine asks for the loader.
    #[serde(default, skip_serializing_if = "is_default")]
    pub faults: Vec<Fault>,
    /// The target connects to this address, instead of listening itself.
    #[serde(default, skip_serializing_if = "is_default")]
    pub connect: Option<EndpointText>,
    /// How long the thread is waited for, and then the debugger, in ms; 15 s by default.
    #[serde(default, skip_serializing_if = "is_default")]
    pub timeout: Option<u64>,
    /// How long a client is waited for, in ms; not at all by default, or 5 min with `stop`.
    #[serde(default, skip_serializing_if = "is_default")]
    pub client: Option<u64>,
    /// Whether a thread shall stop as soon as a client is there.
    #[serde(default, skip_serializing_if = "is_default")]
    pub stop: bool,
    /// Do everything up to the first write.
    #[serde(default, skip_serializing_if = "is_default")]
    pub dry_run: bool,
    /// What the target does, one after the other, and when, in ms.
    #[serde(default, skip_serializing_if = "is_default")]
    pub target: Vec<(u64, Act)>,
    /// When the target ends, in ms; never by default.
    #[serde(default, skip_serializing_if = "is_default")]
    pub ends: Option<u64>,
    /// When the user gives up, in ms; never by default.
    #[serde(default, skip_serializing_if = "is_default")]
    pub cancel: Option<u64>,
    /// What happens right before which question, counted from 1, whatever the times say. An
    /// exploration writes it.
    #[serde(default, skip_serializing_if = "is_default")]
    pub order: Vec<(u32, Turn)>,
    /// What must come out.
    pub expect: Expect,
}

/// What the target, or somebody else at its files, does.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, Serialize)]
pub enum Act {
    /// Its threads look, and take what is pending.
    Takes,
    /// It tells this.
    Tells(Told),
    /// It is telling this: so many bytes of it are in the file.
    Tears(usize, Told),
    /// It has run the breakpoint, and tells.
    Stops,
    /// Somebody puts a record there that names another session.
    OtherSession(Told),
    /// One of another format.
    OtherFormat(u32, Told),
    /// One that another user owns.
    OtherOwner(u32),
    /// Something that is no regular file.
    NoFile,
}

/// What a record says.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, Serialize)]
pub enum Told {
    /// The script runs.
    Started,
    /// debugpy listens there.
    Listening(EndpointText),
    /// It does already, for an earlier request.
    Reused(EndpointText),
    /// debugpy is connected to an adapter there.
    Connected(EndpointText),
    /// A client is there, of the session at this address.
    Attached(EndpointText),
    /// It came to nothing: the exception, and what it says.
    Error(String, String),
}

/// What happens next, where not the times say so.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, Serialize)]
pub enum Turn {
    /// The target's next act.
    Acts,
    /// The first bytes of what it tells next; the rest comes with its next act.
    Begins(usize),
    /// The target ends.
    Ends,
    /// The user gives up.
    GivesUp,
    /// The machine sleeps for an hour.
    Sleeps,
}

/// What must come out. Only what is given is compared.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Expect {
    /// What was told last: `listening`, `connected`, `attached`; else an outcome of the engine.
    pub outcome: OutcomeWord,
    /// Where it was reached: `session`, or a site of the engine.
    pub site: SiteWord,
    /// Why.
    #[serde(default, skip_serializing_if = "is_default")]
    pub reason: Option<ReasonWord>,
    /// The code of telemetry.
    #[serde(default, skip_serializing_if = "is_default")]
    pub code: Option<String>,
    /// Where somebody listens.
    #[serde(default, skip_serializing_if = "is_default")]
    pub endpoint: Option<EndpointText>,
    /// Whether an earlier request had started it.
    #[serde(default, skip_serializing_if = "is_default")]
    pub reused: Option<bool>,
    /// How long was waited, in µs.
    #[serde(default, skip_serializing_if = "is_default")]
    pub waited_micros: Option<u64>,
    /// What is left in the target.
    #[serde(default, skip_serializing_if = "is_default")]
    pub left: Option<LeftName>,
    /// Whether the files for the target stay.
    #[serde(default, skip_serializing_if = "is_default")]
    pub files_stay: Option<bool>,
}

/// A word that a report has in one of its places.
macro_rules! word {
    ($(#[$doc:meta])* $name:ident, $what:literal, $all:expr) => {
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
        #[serde(transparent)]
        pub struct $name(pub &'static str);

        impl $name {
            /// What it can be.
            #[must_use]
            pub fn all() -> &'static [&'static str] {
                static ALL: OnceLock<Vec<&str>> = OnceLock::new();
                ALL.get_or_init(|| $all.collect())
            }
        }

        impl<'de> Deserialize<'de> for $name {
            fn deserialize<D: Deserializer<'de>>(from: D) -> Result<$name, D::Error> {
                let text = String::deserialize(from)?;
                let known = $name::all().iter().find(|name| **name == text);
                known
                    .map(|name| $name(name))
                    .ok_or_else(|| D::Error::custom(unknown($what, &text, $name::all())))
            }
        }
    };
}

word!(/// An outcome: one of the engine's, or how far the session is.
    OutcomeWord, "outcome",
    Outcome::ALL.into_iter().map(Outcome::name).chain(OUTCOMES));
word!(/// A site: one of the engine's, or what comes after all of them, or before.
    SiteWord, "site", Site::ALL.into_iter().map(Site::name).chain([SITE, "open"]));
word!(/// A reason: one of the engine's, or one of what comes after it, or before.
    ReasonWord, "reason", Reason::names().chain(REASONS).chain(["not-found"]));

/// An address at which somebody listens: `127.0.0.1:5678`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EndpointText(pub Endpoint);

impl<'de> Deserialize<'de> for EndpointText {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<EndpointText, D::Error> {
        let text = String::deserialize(from)?;
        let endpoint = text.parse().map(EndpointText);
        endpoint.map_err(|error| D::Error::custom(format!("`{text}`: {error}")))
    }
}

impl Serialize for EndpointText {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        to.collect_str(&self.0)
    }
}
