//! Two at once for one process: softdocks, which take turns, and CPython's own `sys.remote_exec`,
//! which looks neither before nor after. Nothing that is reported as run is lost, nothing runs
//! twice, and nothing stays in the target.

use std::io::{BufRead, BufReader, Write};
use std::path::Path;
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use std::sync::Barrier;

use crate::cancels::is_pending;
use crate::command::{Ran, attach_command};
use crate::dap::Client;
use crate::debug::{debug_and_expect, debuggable, left_over};
use crate::pythons::Python;
use crate::service::{Service, WORK};
use crate::target::{BUSY, Folder, Script, Target, eventually};
use crate::{Situation, always};

pub(crate) fn situations() -> Vec<Situation> {
    vec![
        always("rivals-in-two-hundred-rounds", in_two_hundred_rounds),
        always("rivals-for-one-slot", for_one_slot),
        always("rivals-of-which-one-is-cpython", of_which_one_is_cpython),
        debuggable("rivals-for-a-debugger", for_a_debugger),
    ]
}

/// Does both at the same moment.
fn at_once<A: Send, B: Send>(
    one: impl FnOnce() -> A + Send,
    other: impl FnOnce() -> B + Send,
) -> (A, B) {
    let start = Barrier::new(2);
    std::thread::scope(|scope| {
        let one = scope.spawn(|| {
            start.wait();
            one()
        });
        start.wait();
        let other = other();
        (one.join().unwrap(), other)
    })
}

fn attach(target: &Target, script: &Script, more: &[&str]) -> Ran {
    Ran::of(attach_command(target, script).args(more).output().unwrap())
}

/// Each waits for its turn, so that each sees what became of its own request.
fn in_two_hundred_rounds(python: &Python) {
    const ROUNDS: usize = 200;
    let folder = Folder::new();
    let target = Target::run(python, &folder, BUSY);
    for round in 0..ROUNDS {
        let [one, other] = [2 * round, 2 * round + 1]
            .map(|number| folder.script(format!("{number}.py"), &number.to_string()));
        let patient = |script| attach(&target, script, &["--timeout", "20s"]);
        let (first, second) = at_once(|| patient(&one), || patient(&other));
        first.expect_consumed();
        second.expect_consumed();
    }
    assert!(!is_pending(&target));
    let marks = folder.script("last.py", "'last'").wait_for_marks(2 * ROUNDS);
    let mut marks: Vec<usize> = marks.iter().map(|mark| mark.parse().unwrap()).collect();
    marks.sort_unstable();
    assert_eq!(marks, (0..2 * ROUNDS).collect::<Vec<_>>(), "each once");
    assert_eq!(target.errors(), "");
}

/// Nobody waits, so that turns are short, and nobody looks: one has the slot, and the other hears
/// that it is taken.
fn for_one_slot(python: &Python) {
    const ROUNDS: usize = 50;
    let folder = Folder::new();
    let target = Target::blocked(python, &folder);
    let scripts = ["a.py", "b.py"].map(|name| folder.script(name, &format!("{name:?}")));
    let mut winner = 0;
    for round in 0..ROUNDS {
        let ask = |script| attach(&target, script, &["--no-wait"]);
        let (first, second) = at_once(|| ask(&scripts[0]), || ask(&scripts[1]));
        let told = [first, second].map(|ran| ran.verdict().1);
        winner = told.iter().position(|outcome| outcome == "armed").unwrap();
        assert_eq!(told[1 - winner], "refused", "round {round}: {told:?}");
        if round + 1 < ROUNDS {
            let cancelled = attach(&target, &scripts[winner], &["--cancel"]);
            assert_eq!(cancelled.verdict().1, "cancelled", "{}", cancelled.stdout);
        }
    }
    target.finish();
    assert_eq!(scripts[0].marks(), [["a.py", "b.py"][winner]]);
}

/// Calls `sys.remote_exec` when a line says so, after so many microseconds.
const DRIVER: &str = "import sys, time
for line in sys.stdin:
    path, micros = line.split()
    until = time.perf_counter_ns() + 1000 * int(micros)
    while time.perf_counter_ns() < until: pass
    sys.remote_exec(int(sys.argv[1]), path)
    print('asked', flush=True)
";

struct Driver {
    child: Child,
    input: ChildStdin,
    output: BufReader<ChildStdout>,
}

impl Driver {
    fn start(python: &Python, target: &Target) -> Driver {
        let mut command: Command = python.command();
        command.args(["-I", "-c", DRIVER, &target.pid().to_string()]);
        let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
        let input = child.stdin.take().unwrap();
        let output = BufReader::new(child.stdout.take().unwrap());
        Driver { child, input, output }
    }

    fn ask(&mut self, script: &Script, micros: usize) {
        writeln!(self.input, "{} {micros}", script.path.display()).unwrap();
        let mut line = String::new();
        self.output.read_line(&mut line).unwrap();
        assert_eq!(line, "asked\n");
    }
}

impl Drop for Driver {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// It overwrites whatever is there, so that either may be lost; but what we say of ours is true.
/// The other one asks earlier or later in each round, through all that an attach does.
fn of_which_one_is_cpython(python: &Python) {
    const ROUNDS: usize = 200;
    const STEP_MICROS: usize = 50;
    let folder = Folder::new();
    let target = Target::run(python, &folder, BUSY);
    let mut driver = Driver::start(python, &target);
    let mut told = Vec::new();
    for round in 0..ROUNDS {
        let ours = folder.script(format!("ours-{round}.py"), &format!("'ours {round}'"));
        let theirs = folder.script(format!("theirs-{round}.py"), &format!("'theirs {round}'"));
        let delay = round * STEP_MICROS;
        let ask = || attach(&target, &ours, &["--timeout", "20s"]);
        let (ran, ()) = at_once(ask, || driver.ask(&theirs, delay));
        told.push(ran.json());
        eventually(|| (!is_pending(&target)).then_some(()));
    }
    let last = folder.script("last.py", "'last'");
    attach(&target, &last, &["--timeout", "20s"]).expect_consumed();
    eventually(|| last.marks().contains(&String::from("last")).then_some(()));
    let marks = last.marks();
    let runs = |name: String| marks.iter().filter(|mark| **mark == name).count();
    let mut unlucky = 0;
    for (round, report) in told.iter().enumerate() {
        let runs = runs(format!("ours {round}"));
        let is_true = match [&report["outcome"], &report["undo"]].map(|word| word.as_str()) {
            [Some("consumed"), _] => {
                unlucky += usize::from(runs != 1);
                runs <= 2
            }
            [Some("refused"), _] | [Some("failed"), Some("clean")] => runs == 0,
            // What became of it cannot be seen any more.
            [Some("failed"), _] => runs <= 1,
            _ => false,
        };
        assert!(is_true, "round {round}: it ran {runs} times, and this was told: {report:#}");
    }
    // Two windows of one access that nothing closes: their flag falls between our last look and our
    // own, so that ours runs twice; their path is there when CPython, which has lowered our flag,
    // comes to copy ours.
    assert!(unlucky <= ROUNDS / 100, "{unlucky} ran twice, or not at all");
    assert_eq!(target.errors(), "");
}

/// And a script besides. One starts it, the other one gets the same, and the script runs once.
fn for_a_debugger(python: &Python) {
    const ROUNDS: usize = 5;
    for _ in 0..ROUNDS {
        let folder = Folder::new();
        let service = Service::start(python, &folder, WORK);
        let target = &service.target;
        let script = folder.script("a.py", "1");
        let sessions = ["one", "other"].map(|name| format!("{name}-{}", target.pid()));
        let debug = |session: &String| debug_and_expect(target, &["--session", session]);
        let (said, ran) = at_once(
            || at_once(|| debug(&sessions[0]), || debug(&sessions[1])),
            || attach(target, &script, &["--timeout", "20s"]),
        );
        ran.expect_consumed();
        let ((one, first), (other, second)) = said;
        assert_eq!(one, other);
        let reused = [&first["reused"], &second["reused"]].map(|reused| reused.as_bool().unwrap());
        assert!(reused[0] != reused[1], "{reused:?}");
        assert!(sessions.iter().all(|session| left_over(Path::new("/"), session).is_empty()));
        assert!(!is_pending(target));
        assert_eq!(script.wait_for_marks(1), ["1"]);
        Client::attach(one, &[]).disconnect();
        service.proves_to_run();
        assert_eq!((script.marks().len(), target.errors().as_str()), (1, ""));
    }
}
