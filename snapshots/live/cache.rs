//! What one attach remembers for the next: that it saves work, and that nothing it could say makes
//! an attach go wrong.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;

use serde_json::Value;

use crate::command::{Ran, attach_command, inspect};
use crate::debug::{debug_and_expect, debuggable};
use crate::pythons::Python;
use crate::service::{COMPUTE, Service};
use crate::target::{BUSY, Folder, Script, Target};
use crate::{Situation, always};

pub(crate) fn situations() -> Vec<Situation> {
    vec![
        always("a-second-attach-knows-the-thread-again", knows_it_again),
        always("a-switch-and-a-variable-turn-the-cache-off", turned_off),
        always("another-process-of-the-number-is-a-miss", another_process),
        always("both-front-ends-share-the-cache", shared),
        always("a-damaged-entry-is-a-miss", a_damaged_entry),
        always("a-forged-entry-leads-nowhere-else", a_forged_entry),
        debuggable("debug-uses-the-cache", debug_uses_it),
    ]
}

/// Its main thread is the oldest of many, to which a walk would go past all others.
const CROWDED: &str = "import threading, time
for i in range(24): threading.Thread(target=time.sleep, args=(1000,), daemon=True).start()
print('ready', flush=True)
while True: pass";

/// A target, and a user who remembers nothing yet.
struct Trial {
    target: Target,
    script: Script,
    runtime: PathBuf,
    _folder: Folder,
}

impl Trial {
    #[track_caller]
    fn new(python: &Python, code: &str) -> Trial {
        let folder = Folder::new();
        let target = Target::run(python, &folder, code);
        let script = folder.script("a.py", "__import__('threading').get_native_id()");
        let runtime = folder.path().join("runtime");
        fs::create_dir(&runtime).unwrap();
        fs::set_permissions(&runtime, fs::Permissions::from_mode(0o700)).unwrap();
        Trial { target, script, runtime, _folder: folder }
    }

    fn run(&self, target: &Target, more: &[&str]) -> Ran {
        let mut command = attach_command(target, &self.script);
        command.args(["--verbose", "--timeout", "20s"]).args(more);
        command.env("XDG_RUNTIME_DIR", &self.runtime);
        Ran::of(command.output().unwrap())
    }

    /// Attaches, and demands that the main thread and no other ran the script, once.
    #[track_caller]
    fn attach(&self, more: &[&str]) -> Value {
        let before = self.script.marks().len();
        let json = self.run(&self.target, more).expect_consumed();
        let marks = self.script.wait_for_marks(before + 1);
        assert_eq!(marks[before..], [self.target.pid().to_string()], "{json:#}");
        assert_eq!(self.target.errors(), "");
        json
    }

    /// The same, told in one word.
    #[track_caller]
    fn used(&self, more: &[&str]) -> String {
        self.attach(more)["cache"].as_str().unwrap().to_owned()
    }

    fn file(&self, target: &Target) -> PathBuf {
        self.runtime.join("softdock").join(target.pid().to_string())
    }

    #[track_caller]
    fn entry(&self) -> String {
        fs::read_to_string(self.file(&self.target)).unwrap()
    }
}

/// How often the target's memory was read or written.
fn accesses(json: &Value) -> u64 {
    let phases = json["phases"].as_array().unwrap().iter();
    phases.map(|phase| phase["accesses"].as_u64().unwrap()).sum()
}

fn knows_it_again(python: &Python) {
    let trial = Trial::new(python, CROWDED);
    let first = trial.attach(&[]);
    assert_eq!([&first["cache"], &first["stages"]["walk"]], ["miss", "done"]);
    let second = trial.attach(&[]);
    assert_eq!([&second["cache"], &second["stages"]["walk"]], ["hit", "not-reached"]);
    let (walked, known) = (accesses(&first), accesses(&second));
    assert!(known + 40 < walked, "twice past 24 threads: {walked}, {known} by the entry");
    // All the rest is told, and proved, as before.
    for what in ["thread", "interpreter", "runtime", "version", "parseMode", "plan"] {
        assert_eq!(first[what], second[what], "{what}");
    }
    assert_eq!([&first["proof"], &second["proof"]], ["image", "image"]);
    let others = inspect(&trial.target)["interpreters"][0]["threads"].as_array().unwrap().len();
    assert!(others > 24);
    // Any is another one each time, so that it is neither looked for there nor kept.
    let entry = trial.entry();
    let any = trial.run(&trial.target, &["--thread", "any"]).expect_consumed();
    assert_eq!((&any["cache"], trial.entry()), (&Value::from("miss"), entry));
}

fn turned_off(python: &Python) {
    let trial = Trial::new(python, BUSY);
    assert_eq!(trial.used(&["--no-cache"]), "off");
    let planned = trial.run(&trial.target, &["--dry-run"]).json();
    assert_eq!([&planned["outcome"], &planned["cache"]], ["planned", "miss"]);
    assert!(!trial.file(&trial.target).exists(), "nothing is remembered");
    assert_eq!([trial.used(&[]), trial.used(&[])], ["miss", "hit"]);
    assert_eq!(trial.used(&["--no-cache"]), "off");
    let mut command = attach_command(&trial.target, &trial.script);
    command.env("XDG_RUNTIME_DIR", &trial.runtime).args(["--timeout", "20s"]);
    command.env("PTVS_SAFE_ATTACH_MANAGED_NO_CACHE", "1");
    let json = Ran::of(command.output().unwrap()).expect_consumed();
    assert_eq!([&json["cache"], &json["stages"]["cache"]], ["off", "off"]);
}

/// The numbers of processes come round: what is remembered of the first one is under the number of
/// the second one then.
fn another_process(python: &Python) {
    let Trial { target, script, runtime, _folder } = Trial::new(python, BUSY);
    let second = Trial { target: Target::run(python, &_folder, BUSY), script, runtime, _folder };
    second.run(&target, &[]).expect_consumed();
    second.script.wait_for_marks(1);
    fs::rename(second.file(&target), second.file(&second.target)).unwrap();
    let missed = second.run(&second.target, &[]);
    assert_eq!(missed.expect_consumed()["cache"], "miss");
    assert!(missed.stderr.contains("of an earlier process of this number"), "{}", missed.stderr);
    second.script.wait_for_marks(2);
    assert_eq!(second.used(&[]), "hit");

    // Nothing stays of the dead, once somebody comes by.
    let file = second.file(&target);
    fs::write(&file, "").unwrap();
    target.end();
    fs::remove_file(second.file(&second.target)).unwrap();
    assert_eq!(second.used(&[]), "miss");
    assert!(!file.exists() && second.file(&second.target).exists());
}

/// What one remembers, the other knows again.
fn shared(python: &Python) {
    let trial = Trial::new(python, CROWDED);
    let (managed, concord): (&[&str], &[&str]) = (&[], &["--front-end", "concord"]);
    for [first, second] in [[managed, concord], [concord, managed]] {
        assert_eq!([trial.used(first), trial.used(second)], ["miss", "hit"]);
        let entry = trial.entry();
        assert_eq!(trial.used(first), "hit");
        assert_eq!(trial.entry(), entry, "the same, whoever wrote it");
        fs::remove_file(trial.file(&trial.target)).unwrap();
    }
}

fn a_damaged_entry(python: &Python) {
    let trial = Trial::new(python, BUSY);
    assert_eq!(trial.used(&[]), "miss");
    let (good, file) = (trial.entry(), trial.file(&trial.target));
    for bad in ["", &good[..good.len() - 1], &good.replace("thread", "threat"), &" ".repeat(9999)] {
        fs::write(&file, bad).unwrap();
        assert_eq!([trial.used(&[]), trial.used(&[])], ["miss", "hit"], "{bad}");
        assert_eq!(trial.entry(), good);
    }
    // One that others can write is nobody's word, and stays as it is: replaced, not mended.
    fs::set_permissions(&file, fs::Permissions::from_mode(0o666)).unwrap();
    assert_eq!([trial.used(&[]), trial.used(&[])], ["miss", "hit"]);
    assert_eq!(fs::metadata(&file).unwrap().permissions().mode() & 0o777, 0o600);
}

/// Each is one that only a forger could write. The main thread runs the script all the same.
fn a_forged_entry(python: &Python) {
    let trial = Trial::new(python, CROWDED);
    assert_eq!(trial.used(&[]), "miss");
    let good = trial.entry();
    let seen = inspect(&trial.target);
    let worker = &seen["interpreters"][0]["threads"][3];
    let worker = format!("{} {}", worker["id"], worker["at"].as_str().unwrap());
    let value = |name: &str| {
        let line = good.lines().find_map(|line| line.strip_prefix(name)).unwrap();
        line.trim().rsplit(' ').next().unwrap().to_owned()
    };
    let main = format!("{} {}", trial.target.pid(), value("thread"));
    let at = |name: &str, by: u64| {
        let at = u64::from_str_radix(value(name).trim_start_matches("0x"), 16).unwrap();
        (value(name), format!("{:#x}", at.wrapping_add(by)))
    };
    let runtime = good.lines().find(|line| line.starts_with("runtime")).unwrap();
    let forgeries = [
        (main, worker),
        at("thread", 8),
        at("thread", 1),
        (value("thread"), String::from("0x0")),
        (value("thread"), String::from("0xffffffffffffffff")),
        (value("thread"), value("interpreter")),
        at("interpreter", 8),
        (value("interpreter"), value("thread")),
        (runtime.to_owned(), String::from("runtime 0x1000 section")),
        (value("table"), "0".repeat(32)),
    ];
    for (from, to) in forgeries {
        assert!(good.contains(&from));
        let forged = with_its_sum(&good.replacen(&from, &to, 1));
        fs::write(trial.file(&trial.target), &forged).unwrap();
        let used = trial.used(&[]);
        assert_eq!(used, "stale", "{forged}");
        assert_eq!(trial.entry(), good, "it is remembered as it is");
    }
}

/// As the head of `src/cache/mod.rs` tells it.
fn with_its_sum(text: &str) -> String {
    let (body, _) = text.rsplit_once("sum ").unwrap();
    let sum = body.bytes().fold(0xcbf2_9ce4_8422_2325_u64, |sum, byte| {
        (sum ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3)
    });
    format!("{body}sum {sum:016x}\n")
}

fn debug_uses_it(python: &Python) {
    let folder = Folder::new();
    let service = Service::start(python, &folder, COMPUTE);
    let used = |more: &[&str]| {
        let (_, json) = debug_and_expect(&service.target, more);
        json["attach"]["cache"].as_str().unwrap().to_owned()
    };
    assert_eq!([used(&["--no-cache"]), used(&[]), used(&[])], ["off", "miss", "hit"]);
    assert_eq!(service.target.errors(), "");
}
