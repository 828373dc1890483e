//! What programs are told of an attempt beside its result: one summary line, two events by the
//! schema that is committed, and the port in a file.

use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::Stdio;

use serde_json::{Value, json};

use crate::clients::port;
use crate::command::{Ran, attach, attach_command, softdock};
use crate::dap::Client;
use crate::debug::{debug, debug_and_expect, debuggable};
use crate::pythons::Python;
use crate::requests::pending;
use crate::service::{Service, WORK};
use crate::target::{BUSY, Folder, Target, eventually};
use crate::{Situation, always};

pub(crate) fn situations() -> Vec<Situation> {
    vec![
        always("events-of-every-attempt", of_every_attempt),
        always("events-of-an-interrupt", of_an_interrupt),
        always("events-of-either-front-end", of_either_front_end),
        always("costs-where-they-are-asked-for", costs_where_they_are_asked_for),
        debuggable("events-of-a-debugger", of_a_debugger),
        debuggable("events-of-another-loader", of_another_loader),
        debuggable("debug-and-tell-the-port-in-a-file", and_tell_the_port_in_a_file),
        debuggable("debug-and-tell-what-the-loader-does", and_tell_what_the_loader_does),
    ]
}

/// The events in a file, each as the schema says, two and two of one attempt.
#[track_caller]
fn results(file: &Path) -> Vec<Value> {
    let text = std::fs::read_to_string(file).unwrap();
    assert!(!text.contains(".py") && !text.contains("0x"), "it names no path and no address");
    let events: Vec<Value> = text.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    events.iter().for_each(expect_by_schema);
    let (pairs, rest) = events.as_chunks();
    assert_eq!(rest, [Value::Null; 0]);
    for [attempt, result] in pairs {
        assert_eq!([&attempt["kind"], &result["kind"]], ["attach-attempt", "attach-result"]);
        for (name, value) in attempt.as_object().unwrap() {
            assert!(name == "kind" || *value == result[name], "{name}: {result:#}");
        }
    }
    pairs.iter().map(|[_, result]| result.clone()).collect()
}

#[track_caller]
fn expect_by_schema(event: &Value) {
    let schema = include_str!("../../docs/telemetry.schema.json");
    let schema: Value = serde_json::from_str(schema).unwrap();
    let is_attempt = event["kind"] == "attach-attempt";
    let schema = &schema["$defs"][if is_attempt { "Head" } else { "Ended" }];
    for name in schema["required"].as_array().unwrap() {
        assert!(event.get(name.as_str().unwrap()).is_some(), "{name} is missing: {event:#}");
    }
    for (name, value) in event.as_object().unwrap() {
        let field = &schema["properties"][name];
        let is_around = matches!(name.as_str(), "format" | "kind");
        assert!(is_around || !field.is_null(), "{name} is not in the schema");
        let values = field["enum"].as_array();
        assert!(values.is_none_or(|values| values.contains(value)), "{name} is {value}");
    }
}

fn of_every_attempt(python: &Python) {
    let folder = Folder::new();
    let target = Target::run(python, &folder, BUSY);
    let script = folder.script("a.py", "1");
    let file = folder.path().join("events");
    let telemetry = ["--telemetry", file.to_str().unwrap()];
    let good = attach(&target, &script, &telemetry);
    good.expect_consumed();
    let mut disabled = attach_command(&target, &script);
    disabled.args(telemetry).env("PTVS_SAFE_ATTACH_MANAGED_DISABLE", "1");
    let refused = Ran::of(disabled.output().unwrap());
    refused.expect_stop("refused", "gate", "feature-disabled");
    std::fs::remove_file(&script.path).unwrap();
    let missing = attach(&target, &script, &telemetry);
    missing.expect_stop("refused", "preflight", "script-missing");
    for ran in [&good, &refused, &missing] {
        let lines = ran.stderr.lines().filter(|line| line.starts_with("[PTVS][SafeAttach] "));
        assert_eq!(lines.count(), 1, "{}", ran.stderr);
    }
    let results = results(&file);
    let codes: Vec<_> = results.iter().map(|result| &result["code"]).collect();
    assert_eq!(codes, ["None", "FeatureDisabled", "ScriptBufferWrite"]);
    assert_eq!([&results[0]["command"], &results[0]["frontEnd"]], ["attach", "managed"]);
    assert_eq!([&results[0]["loader"], &results[0]["loaderType"]], [&Value::Null; 2]);
    let aloud = attach(&target, &script, &["--telemetry", "-"]);
    let events = aloud.stderr.lines().filter(|line| line.starts_with("{\"format\":1,"));
    assert_eq!(events.count(), 2, "{}", aloud.stderr);
}

fn of_an_interrupt(python: &Python) {
    let folder = Folder::new();
    let target = Target::blocked(python, &folder);
    let script = folder.script("a.py", "1");
    let file = folder.path().join("events");
    let mut command = attach_command(&target, &script);
    command.args(["--timeout", "60s", "--telemetry", file.to_str().unwrap()]);
    let waiting = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    eventually(|| pending(&target));
    let pid = waiting.id().to_string();
    assert!(std::process::Command::new("kill").args(["-INT", &pid]).status().unwrap().success());
    let ran = Ran::of(waiting.wait_with_output().unwrap());
    let results = results(&file);
    assert_eq!(results.len(), 1);
    assert_eq!(results[0]["outcome"], ran.json()["outcome"]);
    assert_eq!(results[0]["code"], "Cancelled");
    target.finish();
}

/// But for who they are and the names of their attempts, both tell the same; of an attempt that
/// waits in vain as well.
fn of_either_front_end(python: &Python) {
    let folder = Folder::new();
    let target = Target::blocked(python, &folder);
    let script = folder.script("a.py", "1");
    let tell = |front_end: &str| {
        let file = folder.path().join(front_end);
        let how = ["--front-end", front_end, "--no-cache", "--telemetry", file.to_str().unwrap()];
        attach(&target, &script, &[&how[..], &["--timeout", "50ms"]].concat());
        attach(&target, &script, &[&how[..], &["--cancel"]].concat());
        let mut results = results(&file);
        for result in &mut results {
            assert_eq!(result["frontEnd"].take(), front_end);
            result["attempt"].take();
        }
        results
    };
    let managed = tell("managed");
    assert_eq!(managed, tell("concord"));
    let of = |name: &str| managed.iter().map(|result| result[name].clone()).collect::<Vec<_>>();
    assert_eq!(of("command"), ["attach", "cancel"]);
    assert_eq!(of("outcome"), ["armed", "cancelled"]);
    assert_eq!(of("reason"), [json!("timeout"), Value::Null]);
    target.finish();
}

/// By either front end. Nothing is said on standard error then but the summary line.
fn costs_where_they_are_asked_for(python: &Python) {
    let folder = Folder::new();
    let target = Target::run(python, &folder, BUSY);
    let script = folder.script("a.py", "1");
    for front_end in ["managed", "concord"] {
        let run = |verbose: &str| {
            let mut command = attach_command(&target, &script);
            command.args(["--dry-run", "--no-cache", "--front-end", front_end]);
            Ran::of(command.env("PTVS_SAFE_ATTACH_VERBOSE", verbose).output().unwrap())
        };
        for quiet in [run(""), run("0")] {
            assert_eq!(quiet.json().get("phases"), None);
            assert_eq!(quiet.stderr.lines().count(), 1, "{}", quiet.stderr);
        }
        let json = run("1").json();
        let phases = json["phases"].as_array().unwrap();
        let sites: Vec<_> = phases.iter().map(|phase| phase["site"].as_str().unwrap()).collect();
        assert!(sites.contains(&"locate") && sites.contains(&"walk-threads"), "{sites:?}");
        assert_eq!(json["site"], *sites.last().unwrap(), "they are told in order");
        let accesses = phases.iter().map(|phase| phase["accesses"].as_u64().unwrap());
        assert!(accesses.sum::<u64>() > 0 && phases[0]["micros"].is_u64(), "{json:#}");
    }
}

fn of_a_debugger(python: &Python) {
    let folder = Folder::new();
    let service = Service::start(python, &folder, WORK);
    let file = folder.path().join("events");
    let telemetry = ["--telemetry", file.to_str().unwrap()];
    let (port, _) = debug_and_expect(&service.target, &telemetry);
    let patience = ["--break", "--client-timeout", "50ms"];
    let nobody = debug(&service.target, &[&telemetry[..], &patience].concat());
    assert_eq!(nobody.code, Some(1), "{}", nobody.stderr);
    let results = results(&file);
    let of = |name: &str| results.iter().map(|result| result[name].clone()).collect::<Vec<_>>();
    assert_eq!(of("command"), ["debug", "debug"]);
    assert_eq!(of("loader"), ["New", "New"]);
    assert_eq!(of("loaderType"), ["listen", "listen"]);
    assert_eq!(of("outcome"), ["listening", "failed"]);
    assert_eq!(of("site"), ["session", "session"]);
    assert_eq!(of("code"), ["None", "TimeoutAwaitConnect"]);
    assert_eq!(of("dynPort")[0], port);
    assert_eq!(of("breakInjected"), [false, false]);
    // The summary line tells the same, of the same attempt, and once.
    let lines = nobody.stderr.lines().filter(|line| line.contains("[SafeAttach]"));
    let [line] = lines.collect::<Vec<_>>()[..] else { panic!("{}", nobody.stderr) };
    assert!(line.contains(" outcome=failed site=session reason=no-client "), "{line}");
    let attempt = results[1]["attempt"].as_str().unwrap();
    assert!(line.ends_with(&format!(" fallback=legacy attempt={attempt}")), "{line}");
}

/// One that starts nothing says so; the old one cannot be had.
fn of_another_loader(python: &Python) {
    let folder = Folder::new();
    let target = Target::run(python, &folder, BUSY);
    let loader = folder.path().join("mine.py");
    std::fs::write(&loader, "pass\n").unwrap();
    let file = folder.path().join("events");
    let run = |name: &str, value: &str| {
        let mut command = softdock();
        command.args(["debug", "--format", "json", "--timeout", "300ms", "--pid"]);
        command.arg(target.pid().to_string()).arg("--telemetry").arg(&file);
        Ran::of(command.env(format!("PTVS_SAFE_ATTACH_{name}"), value).output().unwrap())
    };
    let silent = run("LOADER_OVERRIDE", loader.to_str().unwrap());
    assert_eq!(silent.json()["reason"], "silent", "{}", silent.stderr);
    assert_eq!(silent.json()["loader"], loader.to_str().unwrap());
    let missing = run("LOADER_OVERRIDE", "/no/such.py");
    missing.expect_stop("refused", "loader", "loader-unreadable");
    let legacy = run("LEGACY_PTvsd", "1");
    legacy.expect_stop("refused", "loader", "legacy-loader");
    let results = results(&file);
    let of = |name: &str| results.iter().map(|result| result[name].clone()).collect::<Vec<_>>();
    assert_eq!(of("code"), ["ScriptExecution", "LoaderResolve", "LoaderResolve"]);
    assert_eq!(of("loaderType"), ["listen", "listen", "legacy"]);
    assert_eq!(of("loader"), ["New", "New", "Legacy"]);
}

fn and_tell_the_port_in_a_file(python: &Python) {
    let folder = Folder::new();
    let service = Service::start(python, &folder, WORK);
    let file = folder.path().join("port");
    let (port, json) = debug_and_expect(&service.target, &["--port-file", file.to_str().unwrap()]);
    assert_eq!(std::fs::read_to_string(&file).unwrap(), format!("{port}\n"));
    assert_eq!(json["loader"], json!("softdock"));
    let lost = debug(&service.target, &["--port-file", "/no/such/folder/port"]);
    assert_eq!((lost.code, &lost.json()["outcome"]), (Some(1), &json!("listening")));
    assert!(lost.stderr.contains("cannot write the port to /no/such/folder/port: "));
}

/// To a file that grows, or aloud; of a failure as well, with where it was.
fn and_tell_what_the_loader_does(python: &Python) {
    let folder = Folder::new();
    let service = Service::start(python, &folder, WORK);
    let file = folder.path().join("log");
    let failed =
        debug(&service.target, &["--python", "/no/such", "--log-file", file.to_str().unwrap()]);
    failed.expect_stop("failed", "session", "target-error");
    let mut command = softdock();
    command.args(["debug", "--no-wait", "--timeout", "20s", "--pid"]);
    command.arg(service.target.pid().to_string()).env("PTVS_DEBUG_LOG_FILE", &file);
    let good = Ran::of(command.env("PTVS_SAFE_ATTACH_LOADER_VERBOSE", "1").output().unwrap());
    assert_eq!(good.code, Some(0), "{}", good.stderr);
    let log = std::fs::read_to_string(&file).unwrap();
    let lines: Vec<&str> = log.lines().collect();
    assert!(lines.iter().all(|line| line.starts_with("loader ")), "{log}");
    let about = |what: &str| lines.iter().position(|line| line.contains(what)).unwrap();
    let story = ["runs in CPython 3.", "fails: RuntimeError", "has debugpy 1.", "tells {'state'"];
    assert!(story.map(about).is_sorted(), "{log}");
    // Where it was, although each definition is compiled by itself.
    let line = softdock_debugpy::SESSION.lines().position(|line| line.ends_with("watch(start())"));
    let place = format!("/session.py:{} in serve", line.unwrap() + 1);
    assert!(lines[about("fails: ") + 1].ends_with(&place), "{place}: {log}");
    assert!(!log.contains("token"), "{log}");
    let aloud: Vec<&str> = good.stderr.lines().filter(|line| line.starts_with("loader ")).collect();
    assert!(!aloud.is_empty() && lines.ends_with(&aloud), "{}", good.stderr);

    // Each line once, although there is more to tell when the client comes.
    let mut running = softdock();
    running.args(["debug", "--format", "json", "--verbose", "--timeout", "20s", "--pid"]);
    running.arg(service.target.pid().to_string()).args(["--client-timeout", "20s"]);
    let mut running = running.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    let mut ready = String::new();
    BufReader::new(running.stdout.as_mut().unwrap()).read_line(&mut ready).unwrap();
    let ready: Value = serde_json::from_str(&ready).unwrap();
    Client::attach(port(&ready), &[]).disconnect();
    let stderr = Ran::of(running.wait_with_output().unwrap()).stderr;
    for once in ["runs in CPython", "tells {'state'", "has a client"] {
        assert_eq!(stderr.matches(once).count(), 1, "{once}: {stderr}");
    }
    assert!(stderr.lines().all(|line| !line.is_empty()), "{stderr}");
    assert_eq!(service.target.errors(), "");
}
