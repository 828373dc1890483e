//! What `explore` writes of what it went through, run as a user would run it: nothing that was
//! asked for is missing in it, and nothing that is unfinished is clean.

use std::path::{Path, PathBuf};

use serde_json::Value;

use crate::command::{folder, seen, softdock};

/// A committed scenario, by its name.
fn scenario(name: &str) -> String {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("scenarios");
    root.join(name).with_extension("ron").to_str().expect("UTF-8").to_owned()
}

/// A race, a session and a program.
fn kinds() -> [String; 3] {
    ["race/threads-start", "session/torn-for-good", "stepping/step-passed-by-another-thread"]
        .map(scenario)
}

fn certificates(folder: &Path) -> Value {
    let text = std::fs::read_to_string(folder.join("out/explore.json")).expect("a file");
    serde_json::from_str(&text).expect("JSON")
}

#[test]
fn everything_that_was_explored_is_kept() {
    let folder = folder("explored");
    let [race, session, steps] = kinds();
    let output = softdock(&folder, &["explore", "--out", "out", &race, &session, &steps]);
    assert_eq!(output.status.code(), Some(0), "{}", seen(&output));
    let kept = certificates(&folder);
    assert_eq!((&kept["complete"], &kept["faults"]), (&true.into(), &0.into()));
    let entries = kept["scenarios"].as_array().expect("a list").clone();
    let of = |kind: &str| -> Value {
        entries.iter().find(|entry| entry["kind"] == kind).expect("an entry").clone()
    };
    let [race, session, steps] = ["explore", "explore-session", "explore-steps"].map(of);
    assert_eq!(race["scenario"], "threads-start");
    assert_eq!(race["certificate"]["ways"]["all"], 407);
    assert_eq!(race["counted"], "by states and one by one");
    assert_eq!(session["certificate"]["ways"]["all"], 946_101);
    assert_eq!(session["counted"], "by states only");
    assert_eq!(session["bounds"].as_array().map(Vec::len), Some(4));
    assert_eq!(steps["certificate"]["transitions"], 379);
    assert!(entries.iter().all(|entry| entry["clean"] == true && entry["complete"] == true));
}

#[test]
fn the_bounds_of_faults_are_told_as_data() {
    let folder = folder("explored-bounds");
    let race = scenario("race/process-exits");
    let asked = ["explore", "--faults", "1", "--format", "json", "--out", "out", &race];
    let output = softdock(&folder, &asked);
    assert_eq!(output.status.code(), Some(0), "{}", seen(&output));
    let line: Value = serde_json::from_slice(&output.stdout).expect("a line of JSON");
    assert_eq!(line["bounds"][0], "reads stop short after 1 byte, half, or all but one");
    assert_eq!(certificates(&folder)["scenarios"][0]["bounds"], line["bounds"]);
}

#[test]
fn an_option_that_changes_nothing_is_told() {
    let folder = folder("explored-idle");
    let [race, session, _] = kinds();
    for option in [&["--unpruned"][..], &["--faults", "1"]] {
        let asked = [&["explore", "--out", "out", &session], option].concat();
        let output = softdock(&folder, &asked);
        assert_eq!(output.status.code(), Some(2), "{}", seen(&output));
    }
    let output = softdock(&folder, &["explore", "--unpruned", "--out", "out", &race, &session]);
    assert_eq!(output.status.code(), Some(0), "{}", seen(&output));
    let told = seen(&output);
    assert!(told.contains("--unpruned changes nothing about 1 of 2 scenarios"), "{told}");
    assert_eq!(certificates(&folder)["scenarios"][0]["counted"], "one by one only");
}

/// Two scenarios, the first of which, one by one, takes longer than anybody waits.
#[cfg(target_os = "linux")]
fn interrupted(folder: &Path) -> std::process::Output {
    use nix::sys::signal::{Signal, kill};
    use nix::unistd::Pid;

    let moves = |list: &str| [list; 4].join(", ");
    let endless = format!(
        "Attach(about: \"x\", process: (threads: 2), moves: [{}], \
         expect: (outcome: \"armed\", site: \"verify\"))",
        moves("[StartThread(0), StartThread(0)]")
    );
    for name in ["1.ron", "2.ron"] {
        std::fs::write(folder.join(name), &endless).expect("a file");
    }
    let mut command = std::process::Command::new(env!("CARGO_BIN_EXE_softdock"));
    command.args(["explore", "--unpruned", "1.ron", "2.ron", "--out", "out"]).current_dir(folder);
    command.stderr(std::process::Stdio::piped()).stdout(std::process::Stdio::piped());
    let child = command.spawn().expect("the command starts");
    std::thread::sleep(std::time::Duration::from_secs(2));
    kill(Pid::from_raw(child.id() as i32), Signal::SIGINT).expect("it runs");
    child.wait_with_output().expect("it ends")
}

#[cfg(target_os = "linux")]
#[test]
fn what_was_interrupted_or_not_begun_is_marked() {
    let folder: PathBuf = folder("explored-interrupted");
    let output = interrupted(&folder);
    assert_eq!(output.status.code(), Some(1), "{}", seen(&output));
    assert!(seen(&output).contains("; 1 scenario is incomplete"), "{}", seen(&output));
    assert!(seen(&output).contains("1 scenario not begun"), "{}", seen(&output));
    let kept = certificates(&folder);
    assert_eq!(kept["complete"], false);
    let [begun, not_begun] = [&kept["scenarios"][0], &kept["scenarios"][1]];
    assert_eq!((&begun["scenario"], &begun["complete"]), (&"1".into(), &false.into()));
    assert_eq!((&not_begun["scenario"], &not_begun["complete"]), (&"2".into(), &false.into()));
    assert_eq!((&not_begun["clean"], &not_begun["certificate"]), (&false.into(), &Value::Null));
}
