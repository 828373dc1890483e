//! What the command prints and how it exits, run as a user would run it.

use std::path::Path;
use std::process::{Command, Output};

/// Runs the command in a folder of its own, without colours and without the caller's settings.
pub(crate) fn softdock(folder: &Path, arguments: &[&str]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_softdock"));
    for (name, _) in std::env::vars().filter(|(name, _)| name.starts_with("PTVS_")) {
        command.env_remove(name);
    }
    command.args(arguments).current_dir(folder).env("COLUMNS", "100");
    command.output().expect("the command starts")
}

/// An empty folder for one test.
pub(crate) fn folder(name: &str) -> std::path::PathBuf {
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join(name);
    let _ = std::fs::remove_dir_all(&folder);
    std::fs::create_dir_all(&folder).expect("a folder");
    folder
}

/// Everything a user sees, in one text.
pub(crate) fn seen(output: &Output) -> String {
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    let (stdout, stderr) = (text(&output.stdout), text(&output.stderr));
    format!("exit {:?}\n--- stdout\n{stdout}--- stderr\n{stderr}", output.status.code())
}

fn snapshot(name: &str, text: &str) {
    insta::with_settings!({
        snapshot_path => "command",
        prepend_module_to_snapshot => false,
        omit_expression => true,
    }, { insta::assert_snapshot!(name, text) });
}

#[test]
fn help_is_as_reviewed() {
    let folder = folder("help");
    for subcommand in [
        "run", "sweep", "merge", "explore", "replay", "shrink", "explain", "inspect", "attach",
        "debug", "new", "schema",
    ] {
        snapshot(&format!("help-{subcommand}"), &seen(&softdock(&folder, &[subcommand, "--help"])));
    }
    snapshot("help", &seen(&softdock(&folder, &["--help"])));
}

/// Whoever reads telemetry has it without building anything.
#[test]
fn the_schema_of_telemetry_is_the_one_in_docs() {
    let output = softdock(&folder("schema"), &["schema"]);
    let printed = String::from_utf8_lossy(&output.stdout);
    let committed = include_str!("../docs/telemetry.schema.json");
    assert_eq!(printed, committed, "cargo run -q -- schema > docs/telemetry.schema.json");
}

/// Writes a scenario and runs it.
fn run_scenario(name: &str, text: &str, more: &[&str]) -> Output {
    let folder = folder(name);
    std::fs::write(folder.join("case.ron"), text).expect("a file");
    softdock(&folder, &[&["run", "case.ron"], more].concat())
}

#[test]
fn a_scenario_that_does_not_read_exits_2_and_says_where() {
    for (name, text) in [
        ("unknown-field", "Attach(\n    about: \"x\",\n    fault: [],\n)"),
        ("unknown-site", "Attach(about: \"x\", expect: (outcome: \"armed\", site: \"verfy\"))"),
        (
            "unknown-word",
            "Attach(\n about: \"x\",\n damage: [Word(Slab(\"thread_state.nxt\"), 1)],\n)",
        ),
        ("missing-expect", "Attach(about: \"x\")"),
        ("not-ron", "about = x"),
        ("prose", "# Scenarios\n\nOne file each.\n"),
        ("empty", ""),
        (
            "impossible",
            "Attach(\n    about: \"x\",\n    damage: [Word(Thread(7), 1)],\n    expect: (outcome: \"armed\", site: \"verify\"),\n)",
        ),
    ] {
        let output = run_scenario(name, text, &[]);
        assert_eq!(output.status.code(), Some(2), "{}", seen(&output));
        snapshot(&format!("mistake-{name}"), &seen(&output));
    }
}

/// The canary: a scenario that must fail, so that a suite which reports nothing is noticed.
#[test]
fn a_finding_exits_1_with_trace_and_the_line_that_repeats_it() {
    let canary = "Attach(about: \"canary\", expect: (outcome: \"refused\", site: \"gate\"))";
    let output = run_scenario("canary", canary, &[]);
    assert_eq!(output.status.code(), Some(1), "{}", seen(&output));
    snapshot("canary", &seen(&output));
    for format in ["json", "junit"] {
        let output = run_scenario(&format!("canary-{format}"), canary, &["--format", format]);
        assert_eq!(output.status.code(), Some(1), "{}", seen(&output));
        snapshot(&format!("canary-{format}"), &seen(&output));
    }
}

/// The line of each way to differ, and the figures, which are exact.
#[test]
fn both_front_ends_come_to_the_same_or_it_is_told_why() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let scenarios = [
        "scenarios/attach/exported-symbol-with-consent.ron",
        "scenarios/refuse/policy-disabled.ron",
        "scenarios/survive/identify-lie.ron",
        "scenarios/survive/old-path-read-wrong-once.ron",
        "scenarios/survive/recheck-thread-exited.ron",
        "scenarios/survive/write-pending-lost.ron",
    ];
    for (name, format, by) in [
        ("both-front-ends", "text", "both"),
        ("both-front-ends-junit", "junit", "both"),
        ("second-front-end", "text", "concord"),
    ] {
        let how = ["run", "--front-end", by, "--format", format];
        let output = softdock(root, &[&how[..], &scenarios].concat());
        assert_eq!(output.status.code(), Some(0), "{}", seen(&output));
        snapshot(name, &seen(&output));
    }
    let one = ["run", "--front-end", "both", "--format", "json", scenarios[5]];
    snapshot("both-front-ends-json", &seen(&softdock(root, &one)));
}

/// What is demanded of both is demanded of all scenarios.
#[test]
fn every_figure_holds() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let output = softdock(root, &["run", "--front-end", "both"]);
    assert_eq!(output.status.code(), Some(0), "{}", seen(&output));
    let told = String::from_utf8_lossy(&output.stdout).matches(" holds: ").count();
    assert_eq!(told, 6, "{}", seen(&output));
}

/// The canary of the second front end.
#[test]
fn what_is_wrong_by_the_second_front_end_exits_1() {
    let canary = "Attach(about: \"canary\", expect: (outcome: \"refused\", site: \"gate\"))";
    for by in ["concord", "both"] {
        let output = run_scenario(&format!("canary-{by}"), canary, &["--front-end", by]);
        assert_eq!(output.status.code(), Some(1), "{}", seen(&output));
        snapshot(&format!("canary-{by}"), &seen(&output));
    }
}

/// Two lies, which no engine can see through, and a move that does not matter.
const FINDING: &str = "softdock schedule 1
scenario refuse/policy-disabled
policy 1: FlipBit(0)
policy 2: FlipBit(0)
recheck 2: Move(Raise(4242, 1))
";

#[test]
fn a_finding_is_replayed_shrunk_and_explained() {
    let folder = folder("finding");
    std::fs::write(folder.join("found.schedule"), FINDING).expect("a file");
    let scenarios = Path::new(env!("CARGO_MANIFEST_DIR")).join("scenarios");
    let scenarios = scenarios.to_str().expect("UTF-8");
    for (subcommand, code) in [("replay", 1), ("shrink", 0), ("explain", 0)] {
        let arguments = [subcommand, "found.schedule", "--scenarios", scenarios];
        let output = softdock(&folder, &arguments);
        assert_eq!(output.status.code(), Some(code), "{}", seen(&output));
        snapshot(&format!("finding-{subcommand}"), &seen(&output));
    }
    // What shrinking wrote is a scenario, and still wrong.
    let small = ["shrink", "found.schedule", "--scenarios", scenarios, "--out", "small.ron"];
    assert_eq!(softdock(&folder, &small).status.code(), Some(0));
    assert_eq!(softdock(&folder, &["replay", "small.ron"]).status.code(), Some(1));
    assert_eq!(softdock(&folder, &small).status.code(), Some(2), "an existing file is kept");
}

#[test]
fn a_schedule_that_does_not_read_exits_2_and_says_where() {
    let folder = folder("schedule");
    for (name, text) in [
        ("site", "softdock schedule 1\nscenario a\nveriffy 1: Gone\n"),
        ("scenario", "softdock schedule 1\nscenario refuse/no-such\n"),
        ("file", "softdock schedule 1\nscenario refuse/no-such.ron\n"),
        ("version", "softdock schedule 7\n"),
        ("kind", "softdock schedule 1\nscenario a\nrecheck 1: Move(ExitThrad(7))\n"),
        ("twice", "softdock schedule 1\nscenario a\nverify 1: Gone\nverify 1: Denied\n"),
        ("scenarios", "softdock schedule 1\nscenario a\nscenario b\n"),
    ] {
        std::fs::write(folder.join("x.schedule"), text).expect("a file");
        let output = softdock(&folder, &["replay", "x.schedule"]);
        assert_eq!(output.status.code(), Some(2), "{}", seen(&output));
        snapshot(&format!("schedule-{name}"), &seen(&output));
    }
}

/// Two lies, which no engine can see through, in a target that may move.
const LIED_TO: &str = "Attach(
    about: \"lied to\",
    process: (remote_debugging: 0),
    faults: [
        (site: \"policy\", kind: FlipBit(0)),
        (site: \"policy\", hit: 2, kind: FlipBit(0)),
    ],
    moves: [[Raise(4242, 1)]],
    expect: (outcome: \"armed\", site: \"verify\"),
)";

/// A file of the same name comes before it.
#[test]
fn a_finding_is_repeated_by_the_line_that_is_told() {
    let folder = folder("repeated");
    for (path, about) in [("a/x.ron", "another one"), ("b/x.ron", "lied to")] {
        std::fs::create_dir_all(folder.join(path).parent().expect("a folder")).expect("a folder");
        std::fs::write(folder.join(path), LIED_TO.replace("lied to", about)).expect("a file");
    }
    for given in [&["b/x.ron"][..], &["b"], &["a", "b"]] {
        let output = softdock(&folder, &[&["explore"], given].concat());
        let told = seen(&output);
        assert_eq!(output.status.code(), Some(1), "{told}");
        let mut lines =
            told.lines().filter_map(|line| line.split_once("repeat it with: softdock "));
        let (_, line) = lines.next_back().expect("a finding");
        let arguments: Vec<&str> = line.split(' ').collect();
        assert_eq!(softdock(&folder, &arguments).status.code(), Some(1), "{line}");
        let told = seen(&softdock(&folder, &["explain", arguments[1]]));
        assert!(told.contains("  lied to\n"), "{line}: {told}");
    }
    let bare = "softdock schedule 1\nscenario x\n";
    std::fs::write(folder.join("bare.schedule"), bare).expect("a file");
    let output = softdock(&folder, &["replay", "bare.schedule", "--scenarios", "."]);
    assert_eq!(output.status.code(), Some(2), "{}", seen(&output));
    snapshot("schedule-ambiguous", &seen(&output));
}

/// Faults that are not possible where they strike, and one that strikes nowhere; the last but one
/// strikes a question first and a read later, which it can change.
const IN_VAIN: &str = "softdock schedule 1
scenario attach/two-threads
identify 1: Torn(4)
locate 1: LandedButFailed
read-slab 1: FlipBit(99999999)
prove-slab 1: Short(3)
read-runtime 1: LieWord(5000, 1)
walk-interpreters 1: Short(999999)
policy 1: LieAnswer
walk-threads 1: Killed(3)
claim-pending 1: Torn(4)
recheck 1: lasting LieWord(0, 77)
verify 9: Gone
";

#[test]
fn a_fault_that_cannot_do_anything_is_told() {
    let folder = folder("in-vain");
    std::fs::write(folder.join("x.schedule"), IN_VAIN).expect("a file");
    let scenarios = Path::new(env!("CARGO_MANIFEST_DIR")).join("scenarios");
    let scenarios = scenarios.to_str().expect("UTF-8");
    let output = softdock(&folder, &["replay", "x.schedule", "--scenarios", scenarios]);
    assert_eq!(output.status.code(), Some(1), "{}", seen(&output));
    snapshot("in-vain-replay", &seen(&output));
    let case = "Attach(about: \"in vain\", faults: [(site: \"policy\", kind: Lost)],
        expect: (outcome: \"armed\", site: \"verify\"))";
    let output = run_scenario("in-vain-run", case, &["--trace"]);
    assert_eq!(output.status.code(), Some(1), "{}", seen(&output));
    snapshot("in-vain-run", &seen(&output));
}

/// By the name that the file has for who is not there.
#[test]
fn a_move_that_nobody_can_make_is_told() {
    let case = "Attach(about: \"nobody\", WHAT, expect: (outcome: \"armed\", site: \"verify\"))";
    for (what, who) in [
        ("faults: [(site: \"policy\", kind: Move(ExitThread(9999)))]", "thread 9999"),
        ("waits: [Poll(7)], config: (confirm: true)", "thread 7"),
        ("faults: [(site: \"policy\", kind: Move(StartThread(5)))]", "interpreter 5"),
    ] {
        let output = run_scenario("nobody", &case.replace("WHAT", what), &[]);
        assert_eq!(output.status.code(), Some(1), "{}", seen(&output));
        let told = format!("a move was impossible: there is no {who} now");
        assert!(seen(&output).contains(&told), "{}", seen(&output));
    }
    let folder = folder("never");
    let moves = case.replace("WHAT", "moves: [[ExitThread(77), Raise(4242, 1)], [Poll(78)]]");
    std::fs::write(folder.join("case.ron"), &moves).expect("a file");
    let output = softdock(&folder, &["explore", "case.ron"]);
    assert_eq!(output.status.code(), Some(1), "{}", seen(&output));
    let told = seen(&output);
    assert!(told.contains("NEVER POSSIBLE  ExitThread(77), Poll(78)\n"), "{told}");
}

#[test]
fn the_schedule_that_is_shown_as_an_example_is_one() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let text = include_str!("../CONTRIBUTING.md");
    let start = text.find("softdock schedule ").expect("an example");
    let (example, _) = text[start..].split_once("```").expect("its end");
    let file = folder("example").join("x.schedule");
    std::fs::write(&file, example).expect("a file");
    let output = softdock(root, &["replay", file.to_str().expect("UTF-8")]);
    assert_eq!(output.status.code(), Some(1), "{}", seen(&output));
    assert!(seen(&output).contains("WRONG at access"), "{}", seen(&output));
    assert!(output.stderr.is_empty(), "{}", seen(&output));
}

#[test]
fn a_sweep_has_at_least_one_worker() {
    let scenarios = Path::new(env!("CARGO_MANIFEST_DIR")).join("scenarios");
    let scenario = scenarios.join("refuse/policy-disabled.ron");
    let scenario = scenario.to_str().expect("UTF-8");
    let folder = folder("workers");
    let output = softdock(&folder, &["sweep", scenario, "--jobs", "0"]);
    assert_eq!(output.status.code(), Some(2), "{}", seen(&output));
    assert!(seen(&output).contains("invalid value '0' for '--jobs <N>'"), "{}", seen(&output));
}

#[test]
fn a_path_that_is_not_there_exits_2() {
    let output = softdock(&folder("no-path"), &["run", "nowhere"]);
    assert_eq!(output.status.code(), Some(2), "{}", seen(&output));
    snapshot("no-path", &seen(&output));
}

#[test]
fn a_new_scenario_runs_as_it_is_written() {
    let folder = folder("new");
    let output = softdock(&folder, &["new", "attach/my-case"]);
    assert_eq!(output.status.code(), Some(0), "{}", seen(&output));
    let output = softdock(&folder, &["run"]);
    assert_eq!(output.status.code(), Some(0), "{}", seen(&output));
    let again = softdock(&folder, &["new", "attach/my-case"]);
    assert_eq!(again.status.code(), Some(2), "an existing file is left alone");
}

#[test]
fn every_name_of_the_vocabulary_is_explained() {
    let folder = folder("explain");
    let list = softdock(&folder, &["explain"]);
    snapshot("explain", &seen(&list));
    for name in softdock_attach::Site::ALL.map(softdock_attach::Site::name) {
        let output = softdock(&folder, &["explain", name]);
        assert_eq!(output.status.code(), Some(0), "{}", seen(&output));
    }
    for name in softdock_attach::Reason::names() {
        let output = softdock(&folder, &["explain", name]);
        assert_eq!(output.status.code(), Some(0), "{}", seen(&output));
    }
    for name in words_of_telemetry() {
        let output = softdock(&folder, &["explain", &name]);
        assert_eq!(output.status.code(), Some(0), "{}", seen(&output));
    }
    snapshot("explain-typo", &seen(&softdock(&folder, &["explain", "verfy"])));
}

/// Every outcome and site that telemetry can have, those of live commands included.
fn words_of_telemetry() -> Vec<String> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let text = std::fs::read_to_string(root.join("docs/telemetry.schema.json"));
    let schema: serde_json::Value = serde_json::from_str(&text.expect("a file")).expect("JSON");
    let properties = &schema["$defs"]["Ended"]["properties"];
    let names = |of: &str| properties[of]["enum"].as_array().expect("names").clone();
    let words = names("outcome").into_iter().chain(names("site"));
    words.map(|word| word.as_str().expect("a name").to_owned()).collect()
}

#[test]
fn the_command_and_its_library_agree_on_all_scenarios() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let output = softdock(root, &["run"]);
    assert_eq!(output.status.code(), Some(0), "{}", seen(&output));
}
