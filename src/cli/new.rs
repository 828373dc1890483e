//! `softdock new`: a commented scenario to start from.

use std::fs::OpenOptions;
use std::io::{ErrorKind, Write};
use std::path::PathBuf;

use super::{Exit, output, usage};

/// Write a commented scenario to start from.
///
/// The file is scenarios/NAME.ron; NAME may name a folder too, as in refuse/my-case, which says
/// what must come out. A file that exists is left alone.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// Its name: words in lower case joined by hyphens, below at most one folder.
    #[arg(value_parser = name)]
    name: String,
}

/// What every scenario starts with; `ABOUT` and `REST` depend on the folder.
const TEMPLATE: &str = r#"// What this scenario shows, and why it is worth a file.
//
// `softdock explain` lists the sites, faults, moves, outcomes and reasons that can stand here.
Attach(
    about: "ABOUT",
    // Where it was seen, if it comes from the field.
    // source: "python/cpython#000000",

    // A healthy process otherwise; its first thread has the id 4242, the next one 4243.
REST)
"#;

/// Of scenarios that succeed.
const ATTACH: (&str, &str) = (
    "a healthy process takes the script",
    r#"    process: (build: "3.14.10-linux", threads: 2),

    // The request is confirmed: while the engine waits, the main thread looks at its breaker.
    config: (confirm: true),
    waits: [Poll(4242)],

    // Only what is given is compared.
    expect: (outcome: "consumed", site: "confirm", thread: 4242, runs: 1),
"#,
);

/// Of scenarios that look and do not touch.
const REFUSE: (&str, &str) = (
    "a process that was started with -X disable-remote-debug is left alone",
    r#"    process: (build: "3.14.10-linux", remote_debugging: 0),

    // Changes to memory that the process itself knows nothing of, as Word(Slab("version"), 7).
    damage: [],

    // Only what is given is compared.
    expect: (outcome: "refused", site: "policy", reason: "policy-disabled"),
"#,
);

/// Of scenarios that are struck by faults.
const SURVIVE: (&str, &str) = (
    "a write that is reported done and never lands is noticed, and taken back",
    r#"    process: (build: "3.14.10-linux", threads: 2),

    // The first write at this site does not land. Others: Unmapped, Short(3), Torn(3), FlipBit(7),
    // Move(ExitThread(4243)), …
    faults: [(site: "write-script-path", hit: 1, kind: Lost)],

    // Only what is given is compared.
    expect: (outcome: "failed", site: "verify-script-path", reason: "script-path-lost", runs: 0),
"#,
);

/// Of a debugger at work.
const STEPPING: &str = r#"// What this scenario shows, and why it is worth a file.
Stepping(
    about: "a breakpoint stops before its instruction, and a step goes on from there",
    // Where it was seen, if it comes from the field.
    // source: "dotnet/runtime#000000",

    // Methods of CoreCLR's opcodes. EMIT puts something out; `hidden EMIT v0` has no line.
    program: "
        method main args 0 locals 1
                DEBUG_METHOD_ENTER seq
        seq:    DEBUG_SEQ_POINT
                LDC_I4 v0, 7
                EMIT v0
                RET_VOID
        end",

    // Up to the first Go before anything runs, then at each stop. A number is a slot: the words of
    // an instruction are counted.
    debugger: [Break("main:6"), Go, Step(Over), Go],

    // What must be told, a line for each stop, and what the program must put out.
    expect: ["breakpoint 1, thread 1, main:6", "step 1 normal, thread 1, main:10"],
    output: [7],
)
"#;

/// Of a request for a debugger.
const SESSION: &str = r#"// What this scenario shows, and why it is worth a file.
//
// Times are in ms, on a virtual clock that begins when the command does.
Session(
    about: "a healthy target listens some time after it has taken the script",
    // Where it was seen, if it comes from the field.
    // source: "microsoft/debugpy#0000",

    // How long the thread and then debugpy are waited for. With `client: 5000`, a client is too.
    timeout: 15000,

    // What the target does. Others: Tells(Error("OSError", "no room")), Tears(40, Started),
    // OtherSession(Started), OtherOwner(1000), NoFile, Tells(Attached("127.0.0.1:5678"))
    target: [
        (1, Takes),
        (20, Tells(Started)),
        (300, Tells(Listening("127.0.0.1:5678"))),
    ],
    // It ends at a time, or the user gives up.
    // ends: 100,
    // cancel: 100,

    // Only what is given is compared.
    expect: (outcome: "listening", site: "session", endpoint: "127.0.0.1:5678", files_stay: false),
)
"#;

/// The scenario to start from: the folder is the verdict.
fn template(name: &str) -> String {
    let (about, rest) = match name.split('/').next() {
        Some("stepping") => return STEPPING.into(),
        Some("session") => return SESSION.into(),
        Some("attach") => ATTACH,
        Some("refuse") => REFUSE,
        _ => SURVIVE,
    };
    TEMPLATE.replace("ABOUT", about).replace("REST", rest)
}

/// Names become names of tests, so that they are kept to what needs no quoting anywhere.
fn name(text: &str) -> Result<String, String> {
    let is_word = |part: &str| {
        let letters = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-';
        !part.is_empty() && part.chars().all(letters) && !part.starts_with('-')
    };
    let plain = text.strip_suffix(".ron").unwrap_or(text);
    let parts: Vec<&str> = plain.split('/').collect();
    if parts.len() <= 2 && parts.iter().all(|part| is_word(part)) {
        Ok(plain.to_owned())
    } else {
        Err(String::from("expected lower-case words joined by hyphens, as exited-thread"))
    }
}

pub(crate) fn run(args: &Args) -> Exit {
    let path = PathBuf::from("scenarios").join(format!("{}.ron", args.name));
    let folder = path.parent().map_or(Ok(()), std::fs::create_dir_all);
    let created = folder.and_then(|()| OpenOptions::new().write(true).create_new(true).open(&path));
    match created.and_then(|mut file| file.write_all(template(&args.name).as_bytes())) {
        Ok(()) => {
            let path = path.display();
            output::result(&format!("wrote {path}; try it with: softdock run {path}"));
            Exit::AsAsked
        }
        Err(error) if error.kind() == ErrorKind::AlreadyExists => {
            usage(&format!("softdock: {} exists: choose another name", path.display()))
        }
        Err(error) => usage(&format!("softdock: cannot write {}: {error}", path.display())),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_template_of_an_attach_comes_out_as_it_says() {
        let path = std::env::temp_dir().join(format!("softdock-new-{}.ron", std::process::id()));
        for name in ["attach/x", "refuse/x", "survive/x", "x"] {
            std::fs::write(&path, template(name)).unwrap();
            let run = softdock::corpus::load(&path, name)
                .and_then(|entry| entry.run(softdock::trace::Trace::off()));
            assert!(run.unwrap().is_clean(), "{name}");
        }
        std::fs::remove_file(&path).unwrap();
    }

    #[test]
    fn the_template_of_a_debugger_comes_out_as_it_says() {
        let path = std::env::temp_dir().join(format!("softdock-step-{}.ron", std::process::id()));
        std::fs::write(&path, template("stepping/x")).unwrap();
        let entry = softdock::corpus::load(&path, "x").unwrap();
        let (scenario, plan) = entry.plan().unwrap();
        assert!(softdock::stepping::play::play(scenario, &plan, false).is_clean());
        std::fs::remove_file(&path).unwrap();
    }

    #[test]
    fn the_template_of_a_session_comes_out_as_it_says() {
        let path = std::env::temp_dir().join(format!("softdock-dock-{}.ron", std::process::id()));
        std::fs::write(&path, template("session/x")).unwrap();
        let entry = softdock::corpus::load(&path, "x").unwrap();
        let run = entry.session().unwrap().play(softdock::session::story::Story::default());
        assert!(run.is_clean(), "{:?}", run.wrongs().collect::<Vec<_>>());
        std::fs::remove_file(&path).unwrap();
    }

    #[test]
    fn names_need_no_quoting() {
        for good in ["a", "exited-thread", "regress/r16", "x.ron"] {
            assert!(name(good).is_ok(), "{good}");
        }
        for bad in ["", "/", "a/", "../a", "a/b/c", "/etc/x", "A", "a b", "-a", "a.b", "é"] {
            assert!(name(bad).is_err(), "{bad}");
        }
    }
}
