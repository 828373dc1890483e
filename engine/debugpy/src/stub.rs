//! The two lines that CPython is asked to run: the settings, and where the rest is.
//!
//! The settings stand in the text, since the environment of whoever attaches is not the target's.
//! The lines import nothing: the thread that runs them may be in the middle of any import.
//!
//! Folklore: what CPython itself runs has no file in the eyes of debugpy, which steps out of
//! nothing that it does not see. A breakpoint works only in a file that is run by the stub.

use core::time::Duration;

use crate::endpoint::{Endpoint, SessionId};
use crate::literal::{boolean, bytes, optional, text};

/// Who listens, and who connects.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Mode {
    /// The target listens, and a client connects to it.
    Listen(Endpoint),
    /// A debug adapter listens already, for the target to connect to it.
    Connect(Endpoint),
}

impl Mode {
    /// Its name in reports.
    #[must_use]
    pub const fn name(&self) -> &'static str {
        match self {
            Mode::Listen(_) => "listen",
            Mode::Connect(_) => "connect",
        }
    }

    /// Where somebody listens.
    #[must_use]
    pub const fn endpoint(&self) -> &Endpoint {
        match self {
            Mode::Listen(endpoint) | Mode::Connect(endpoint) => endpoint,
        }
    }
}

/// What the loader shall do. All paths are as the target names them.
#[derive(Clone, Debug)]
pub struct Settings<'s> {
    /// The name of the session.
    pub session: &'s SessionId,
    /// Who listens, and where.
    pub mode: &'s Mode,
    /// The folder in which the target tells how far it is; it may write there.
    pub answers: &'s [u8],
    /// Where [`crate::SESSION`] is.
    pub rest: &'s [u8],
    /// A folder that holds debugpy, instead of the one that the target has.
    pub bundle: Option<&'s [u8]>,
    /// The interpreter that runs the adapter, instead of the target's own.
    pub python: Option<&'s [u8]>,
    /// Whether debugpy speaks to the client itself, without an adapter in a process of its own.
    pub in_process: bool,
    /// Whether child processes are debugged as well.
    pub subprocesses: bool,
    /// Whether the target logs how far it is, in a file beside the answers.
    pub log: bool,
    /// How long another session that is being started is waited for.
    pub patience: Duration,
    /// How long the target watches for a client, to tell when there is one.
    pub watch: Duration,
}

/// The stub that runs the loader, which is at this path.
#[must_use]
pub fn stub(loader: &[u8], settings: &Settings<'_>) -> String {
    let Endpoint { host, port } = settings.mode.endpoint();
    let is_connect = matches!(settings.mode, Mode::Connect(_));
    let entries = [
        ("session", text(settings.session.as_str())),
        ("connect", boolean(is_connect).to_owned()),
        ("host", text(host.as_str())),
        ("port", port.to_string()),
        ("answers", bytes(settings.answers)),
        ("rest", bytes(settings.rest)),
        ("bundle", optional(settings.bundle)),
        ("python", optional(settings.python)),
        ("in_process", boolean(settings.in_process).to_owned()),
        ("subprocesses", boolean(settings.subprocesses).to_owned()),
        ("log", boolean(settings.log).to_owned()),
        ("patience", seconds(settings.patience)),
        ("watch", seconds(settings.watch)),
    ];
    run(loader, &entries)
}

/// The stub that runs the breakpoint, which is at this path; that it did is told by a new file.
#[must_use]
pub fn break_stub(breakpoint: &[u8], answer: &[u8]) -> String {
    run(breakpoint, &[("answer", bytes(answer))])
}

fn run(script: &[u8], settings: &[(&str, String)]) -> String {
    let script = bytes(script);
    let entries = settings.iter().map(|(name, value)| format!("{}: {value}", text(name)));
    let entries: Vec<String> = entries.collect();
    format!(
        "settings = {{{}}}\n\
         with open({script}, 'rb') as file: exec(compile(file.read(), {script}, 'exec'), \
         {{'__name__': 'softdock', 'SETTINGS': settings}})\n",
        entries.join(", ")
    )
}

/// In whole seconds, since Python's own are floats; never less than was asked for.
fn seconds(duration: Duration) -> String {
    let part = u64::from(duration.subsec_nanos() > 0);
    duration.as_secs().saturating_add(part).to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn settings<'s>(session: &'s SessionId, mode: &'s Mode) -> Settings<'s> {
        Settings {
            session,
            mode,
            answers: b"/tmp/softdock-1/answers",
            rest: b"/tmp/softdock-1/session.py",
            bundle: None,
            python: None,
            in_process: false,
            subprocesses: false,
            log: false,
            patience: Duration::from_millis(1500),
            watch: Duration::ZERO,
        }
    }

    #[test]
    fn the_stub_is_two_lines() {
        let (session, mode) = ("S-1".parse().unwrap(), Mode::Listen("[::1]:7".parse().unwrap()));
        let stub = stub(b"/tmp/softdock-1/loader.py", &settings(&session, &mode));
        let lines: Vec<&str> = stub.split_terminator('\n').collect();
        assert_eq!(
            lines,
            [
                "settings = {'session': 'S-1', 'connect': False, 'host': '::1', 'port': 7, \
                 'answers': b'/tmp/softdock-1/answers', 'rest': b'/tmp/softdock-1/session.py', \
                 'bundle': None, 'python': None, 'in_process': False, 'subprocesses': False, \
                 'log': False, 'patience': 2, 'watch': 0}",
                "with open(b'/tmp/softdock-1/loader.py', 'rb') as file: \
                 exec(compile(file.read(), b'/tmp/softdock-1/loader.py', 'exec'), \
                 {'__name__': 'softdock', 'SETTINGS': settings})",
            ]
        );
    }

    /// A path with anything in it stays a path, on its line.
    #[test]
    fn odd_paths_stay_inside_their_literals() {
        let (session, mode) = ("S".parse().unwrap(), Mode::Connect("h:1".parse().unwrap()));
        let odd = b"/t'mp\\/\n\xff'); import os #".as_slice();
        let settings =
            Settings { bundle: Some(odd), python: Some(odd), ..settings(&session, &mode) };
        let stub = stub(odd, &settings);
        assert_eq!(stub.lines().count(), 2);
        assert!(stub.is_ascii());
        let spelled = r"b'/t\'mp\\/\x0a\xff\'); import os #'";
        assert_eq!(stub.matches(spelled).count(), 4);
        assert!(stub.contains("'connect': True"));
    }

    /// Whatever a script asks for is given, and nothing else.
    #[test]
    fn the_scripts_and_their_stubs_agree_on_the_settings() {
        let (session, mode) = ("S".parse().unwrap(), Mode::Listen("h:1".parse().unwrap()));
        let loader = stub(b"/x.py", &settings(&session, &mode));
        for (script, stub) in [
            ([crate::LOADER, crate::SESSION].concat(), loader),
            (crate::BREAKPOINT.to_owned(), break_stub(b"/x.py", b"/answers/stopped")),
        ] {
            let given = stub.lines().next().unwrap();
            let asked = script.split("SETTINGS[\"").skip(1);
            let mut asked: Vec<&str> = asked.map(|rest| rest.split('"').next().unwrap()).collect();
            asked.sort_unstable();
            asked.dedup();
            assert_eq!(asked.len(), given.matches("': ").count(), "{asked:?}");
            for name in asked {
                assert!(given.contains(&format!("'{name}': ")), "{name}");
            }
        }
    }

    /// Each piece is compiled by itself, so that none may be the middle of something.
    #[test]
    fn the_rest_falls_into_whole_definitions() {
        let pieces: Vec<&str> = crate::SESSION.split("\n\n\n").collect();
        for piece in &pieces {
            let mut starts =
                piece.lines().filter(|line| !line.is_empty() && !line.starts_with(' '));
            assert!(!piece.starts_with([' ', '\n']), "{piece}");
            let first = starts.next().unwrap();
            let is_definition = first.starts_with("def ") || first.starts_with("class ");
            assert!(is_definition || first.starts_with("\"\"\""), "{piece}");
            assert!(!is_definition || starts.next().is_none(), "{piece}");
        }
        assert!(pieces.len() > 20, "{}", pieces.len());
    }
}
