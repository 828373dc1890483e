//! The file in which the target tells how far it is: one JSON object, replaced as a whole.
//!
//! Its bytes come from the target, and prove nothing by themselves. A record counts only when it
//! names the session that asked; whoever reads the file has looked at who owns it.

use core::fmt;

use serde::Deserialize;

use crate::endpoint::{Endpoint, Host, SessionId};

/// Its name in the folder of answers; the loader has it too.
pub const NAME: &str = "record.json";

/// What it is called while it is being written.
pub const UNFINISHED: &str = "record.new";

/// The format that is understood.
const FORMAT: u32 = 1;

/// What there is to read, if it is not what was waited for. A reader that waits goes on waiting in
/// every case but the last; what it saw last says why it waited in vain.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Sidecar {
    /// There is no file yet.
    Late,
    /// The file is no whole record.
    Torn,
    /// The file is not the answer to our request.
    Foreign(Foreign),
    /// The target told this.
    Told(Record),
}

/// Whose record it is, if not the target's answer to us.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Foreign {
    /// Another user owns the file.
    Owner(u32),
    /// It is no regular file, or a huge one.
    Kind,
    /// It names another session.
    Session,
    /// It has a format that is not ours.
    Format(u32),
}

/// How far the target is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Record {
    /// The state.
    pub state: State,
    /// Where the session is, once there is one.
    pub endpoint: Option<Endpoint>,
    /// Whether it was there before.
    pub reused: bool,
    /// The version of debugpy.
    pub debugpy: Option<String>,
}

impl Record {
    /// Whether it came to nothing.
    #[must_use]
    pub const fn is_error(&self) -> bool {
        matches!(self.state, State::Error { .. })
    }
}

/// A state of the target.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum State {
    /// The script runs, and has begun its work.
    Started,
    /// debugpy listens for a client.
    Listening,
    /// debugpy is connected to an adapter, whose client has set its breakpoints.
    Connected,
    /// A client is there, and has set its breakpoints.
    Attached,
    /// It came to nothing.
    Error {
        /// The type of the exception.
        kind: String,
        /// What it says.
        message: String,
    },
}

impl State {
    /// Its name in records and reports.
    #[must_use]
    pub const fn name(&self) -> &'static str {
        match self {
            State::Started => "started",
            State::Listening => "listening",
            State::Connected => "connected",
            State::Attached => "attached",
            State::Error { .. } => "error",
        }
    }
}

/// The object as it stands in the file.
#[derive(Deserialize)]
struct Fields {
    format: u32,
    session: String,
    state: String,
    host: Option<String>,
    port: Option<u16>,
    #[serde(default)]
    reused: bool,
    debugpy: Option<String>,
    #[serde(rename = "type")]
    kind: Option<String>,
    message: Option<String>,
}

/// Reads a file that belongs to the target.
#[must_use]
pub fn read(bytes: &[u8], session: &SessionId) -> Sidecar {
    let Ok(fields) = serde_json::from_slice::<Fields>(bytes) else { return Sidecar::Torn };
    if fields.format != FORMAT {
        return Sidecar::Foreign(Foreign::Format(fields.format));
    }
    if fields.session != session.as_str() {
        return Sidecar::Foreign(Foreign::Session);
    }
    fields.into_record().map_or(Sidecar::Torn, Sidecar::Told)
}

impl Fields {
    /// None where a state lacks what belongs to it.
    fn into_record(self) -> Option<Record> {
        let host: Option<Host> = self.host.and_then(|host| host.parse().ok());
        let port = self.port.filter(|port| *port > 0);
        let endpoint = host.zip(port).map(|(host, port)| Endpoint { host, port });
        let state = match self.state.as_str() {
            "started" => State::Started,
            "listening" => State::Listening,
            "connected" => State::Connected,
            "attached" => State::Attached,
            "error" => State::Error { kind: self.kind?, message: self.message? },
            _ => return None,
        };
        let has_session = matches!(state, State::Listening | State::Connected | State::Attached);
        if has_session && endpoint.is_none() {
            return None;
        }
        Some(Record { state, endpoint, reused: self.reused, debugpy: self.debugpy })
    }
}

impl fmt::Display for Foreign {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Foreign::Owner(uid) => write!(f, "it belongs to user {uid}, who is not the target's"),
            Foreign::Kind => f.write_str("it is no file of a record's size"),
            Foreign::Session => f.write_str("it is of another session"),
            Foreign::Format(format) => write!(f, "its format is {format}, and not {FORMAT}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn session() -> SessionId {
        "S-1".parse().unwrap()
    }

    fn read(text: &str) -> Sidecar {
        super::read(text.as_bytes(), &session())
    }

    const LISTENING: &str = r#"{"format": 1, "session": "S-1", "state": "listening",
        "host": "127.0.0.1", "port": 5678, "debugpy": "1.8.20", "reused": true}"#;

    #[test]
    fn a_record_is_read() {
        let Sidecar::Told(record) = read(LISTENING) else { panic!("not read") };
        assert_eq!(record.state, State::Listening);
        assert_eq!(record.endpoint.unwrap().to_string(), "127.0.0.1:5678");
        assert_eq!((record.reused, record.debugpy.as_deref()), (true, Some("1.8.20")));
        let started = r#"{"format": 1, "session": "S-1", "state": "started"}"#;
        assert!(matches!(read(started), Sidecar::Told(Record { state: State::Started, .. })));
    }

    #[test]
    fn an_error_says_what_and_why() {
        let text = r#"{"format": 1, "session": "S-1", "state": "error",
            "type": "OSError", "message": "no \"room\"\nleft é"}"#;
        let Sidecar::Told(record) = read(text) else { panic!("not read") };
        let (kind, message) = (String::from("OSError"), String::from("no \"room\"\nleft é"));
        assert_eq!(record.state, State::Error { kind, message });
    }

    /// Wherever it is cut, it is torn and not something else.
    #[test]
    fn a_torn_record_is_torn() {
        for end in 0..LISTENING.len() {
            assert_eq!(read(&LISTENING[..end]), Sidecar::Torn, "{end}");
        }
        for garbage in [&b"\xff\xfe"[..], b"null", b"[]", b"{}", b"\0\0\0\0"] {
            assert_eq!(super::read(garbage, &session()), Sidecar::Torn);
        }
    }

    #[test]
    fn a_record_must_hold_what_its_state_needs() {
        let of = |rest: &str| read(&format!("{{\"format\": 1, \"session\": \"S-1\", {rest}}}"));
        for lacking in [
            r#""state": "listening""#,
            r#""state": "listening", "host": "127.0.0.1", "port": 0"#,
            r#""state": "listening", "host": "127.0.0.1", "port": 65536"#,
            r#""state": "listening", "host": "a b", "port": 1"#,
            r#""state": "attached""#,
            r#""state": "error", "type": "OSError""#,
            r#""state": "dancing""#,
        ] {
            assert_eq!(of(lacking), Sidecar::Torn, "{lacking}");
        }
    }

    #[test]
    fn a_record_of_somebody_else_is_foreign() {
        let other = LISTENING.replace("S-1", "S-2");
        assert_eq!(read(&other), Sidecar::Foreign(Foreign::Session));
        let newer = LISTENING.replace("\"format\": 1", "\"format\": 2");
        assert_eq!(read(&newer), Sidecar::Foreign(Foreign::Format(2)));
    }
}
