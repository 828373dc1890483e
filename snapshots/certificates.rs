//! What `sweep` and `merge` make of certificates on disk, run as a user would run them: nothing
//! that is unfinished is taken for a proof.

use std::path::{Path, PathBuf};
use std::process::Output;

use serde_json::Value;

use crate::command::{folder, seen, softdock};

/// Few accesses: the engine is told not to write.
const SMALL: &str = "Attach(about: \"small\", config: (dry_run: true), \
                     expect: (outcome: \"planned\", site: \"write-gate\"))";

/// Some ten million triples of faults, which take longer than anybody waits.
#[cfg(target_os = "linux")]
const LARGE: &str = "Attach(about: \"large\", expect: (outcome: \"armed\", site: \"verify\"))";

/// A folder with one scenario.
fn with_one(name: &str, scenario: &str) -> PathBuf {
    let folder = folder(name);
    std::fs::write(folder.join("case.ron"), scenario).expect("a file");
    folder
}

fn ask(folder: &Path, arguments: &[&str], code: i32) -> Output {
    let output = softdock(folder, arguments);
    assert_eq!(output.status.code(), Some(code), "{}", seen(&output));
    output
}

fn shard(folder: &Path, nth: &str) {
    ask(folder, &["sweep", "case.ron", "--out", "out", "--shard", nth], 0);
}

fn lines(output: &Output) -> Vec<Value> {
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    text.lines().map(|line| serde_json::from_str(line).expect("JSON")).collect()
}

#[test]
fn shards_that_are_missing_are_told_and_are_no_proof() {
    let folder = with_one("certificates-missing", SMALL);
    ["1/4", "3/4", "4/4"].iter().for_each(|nth| shard(&folder, nth));
    let merge = |files: &[&str], code| {
        ask(&folder, &[&["merge", "--out", "out", "--format", "json"], files].concat(), code)
    };
    let some = merge(&["out/certificate-1-of-4.json", "out/certificate-4-of-4.json"], 1);
    assert!(seen(&some).contains("of 4 the shards are missing: 2, 3"), "{}", seen(&some));
    assert!(seen(&some).contains("; 1 scenario is incomplete"), "{}", seen(&some));
    assert_eq!(
        (&lines(&some)[0]["clean"], &lines(&some)[0]["complete"]),
        (&false.into(), &false.into())
    );
    assert!(!folder.join("out/certificate.json").exists());
    let more = ["out/certificate-incomplete.json", "out/certificate-3-of-4.json"];
    let more = merge(&more, 1);
    assert!(seen(&more).contains("of 4 the shard is missing: 2"), "{}", seen(&more));
    shard(&folder, "2/4");
    let all = merge(&["out/certificate-incomplete.json", "out/certificate-2-of-4.json"], 0);
    assert_eq!(lines(&all)[0]["clean"], true);
    assert!(folder.join("out/certificate.json").exists());
}

/// The signal comes when it is well under way.
#[cfg(target_os = "linux")]
#[test]
fn a_sweep_that_is_interrupted_is_no_proof() {
    use nix::sys::signal::{Signal, kill};
    use nix::unistd::Pid;

    let folder = with_one("certificates-interrupted", LARGE);
    let mut command = std::process::Command::new(env!("CARGO_BIN_EXE_softdock"));
    command.args(["sweep", "case.ron", "--depth", "3", "--out", "out"]).current_dir(&folder);
    command.stderr(std::process::Stdio::piped()).stdout(std::process::Stdio::piped());
    let child = command.spawn().expect("the command starts");
    std::thread::sleep(std::time::Duration::from_secs(2));
    kill(Pid::from_raw(child.id() as i32), Signal::SIGINT).expect("it runs");
    let output = child.wait_with_output().expect("it ends");
    assert_eq!(output.status.code(), Some(1), "{}", seen(&output));
    assert!(seen(&output).contains("; 1 scenario is incomplete"), "{}", seen(&output));
    assert!(folder.join("out/certificate-incomplete.json").exists());
}

/// Two lies, which no engine can see through, and any third fault that does not matter.
#[test]
fn findings_that_are_not_saved_are_told() {
    let fooled = "Attach(about: \"fooled\", process: (remote_debugging: 0), faults: [\
                  (site: \"policy\", hit: 1, kind: FlipBit(0)), \
                  (site: \"policy\", hit: 2, kind: FlipBit(0))], \
                  expect: (outcome: \"armed\", site: \"verify\"))";
    let folder = with_one("certificates-unsaved", fooled);
    let output = ask(&folder, &["sweep", "case.ron", "--out", "out", "--format", "json"], 1);
    let findings = |part: &Value| part["tally"]["findings"].as_u64().expect("a number");
    let parts = lines(&output)[0]["certificate"]["parts"].as_array().expect("parts").clone();
    let more = parts.iter().map(findings).sum::<u64>() - 20;
    let told = format!("bound, in case: {more} more findings neither told nor saved: the first 20");
    assert!(seen(&output).contains(&told), "{}", seen(&output));
    let saved = std::fs::read_dir(folder.join("out/findings")).expect("a folder");
    let saved = saved.map(|entry| entry.expect("an entry").path());
    let schedules = saved.filter(|path| path.extension().is_some_and(|it| it == "schedule"));
    assert_eq!(schedules.count(), 20);
}

/// A debugger that comes between our last look and our write, and two scenarios: one certificate
/// tells of windows itself.
#[test]
fn the_last_line_names_the_windows_of_what_is_excused() {
    let races = "Attach(about: \"races\", faults: [\
                 (site: \"write-eval-breaker\", kind: Move(Raise(4242, 1)))], \
                 expect: (outcome: \"armed\", site: \"verify\"))";
    let folder = with_one("certificates-windows", races);
    std::fs::write(folder.join("small.ron"), SMALL).expect("a file");
    let output = ask(&folder, &["sweep", "case.ron", "small.ron", "--out", "out"], 0);
    let text = seen(&output);
    let last = text.lines().find(|line| line.starts_with("2 scenarios")).expect("a last line");
    assert!(last.contains("0 findings; ") && last.contains(" excused (events-change)"), "{text}");
}
