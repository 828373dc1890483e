//! Attaches to a target that is stopped while it is written to, and goes on as if nothing had
//! been. What stopping itself promises is tested beside it, in `engine/live/tests/freeze`.

use softdock_live::Process;

use crate::command::{attach, attach_and_expect};
use crate::pythons::Python;
use crate::target::{BUSY, Folder, Target, eventually};
use crate::{Situation, always};

pub(crate) fn situations() -> Vec<Situation> {
    vec![
        always("frozen-while-it-runs", while_it_runs),
        always("frozen-while-threads-come-and-go", while_threads_come_and_go),
        always("frozen-while-blocked", while_blocked),
        always("frozen-by-somebody-else", by_somebody_else),
    ]
}

/// Every script runs once, in order, and the target never notices.
fn while_it_runs(python: &Python) {
    const COUNT: usize = 50;
    let folder = Folder::new();
    let target = Target::run(python, &folder, BUSY);
    for number in 0..COUNT {
        let script = folder.script(format!("{number}.py"), &number.to_string());
        attach_and_expect(&target, &script, &["--freeze"]);
        assert_eq!(script.wait_for_marks(number + 1).len(), number + 1, "each once");
    }
    assert_eq!(target.errors(), "");
}

/// Threads that start and end all the time: the walk that comes before the freeze may refuse, since
/// the list changed under it; then nothing was written, and it is tried again. What is written is
/// written once.
fn while_threads_come_and_go(python: &Python) {
    const CODE: &str = "import threading, time
print('ready', flush=True)
while True:
    for thread in [threading.Thread(target=time.sleep, args=(0.0005,)) for _ in range(8)]:
        thread.start()";
    const COUNT: usize = 50;
    let folder = Folder::new();
    let target = Target::run(python, &folder, CODE);
    for number in 0..COUNT {
        let script = folder.script(format!("{number}.py"), &number.to_string());
        eventually(|| {
            let ran = attach(&target, &script, &["--freeze"]);
            let json = ran.json();
            assert!(ran.code == Some(0) || json["left"] == "nothing", "{json:#}");
            (ran.code == Some(0)).then_some(())
        });
        assert_eq!(script.wait_for_marks(number + 1).len(), number + 1, "each once");
    }
    assert_eq!(target.errors(), "");
}

/// The call that blocks is restarted: the script runs when it returns, and not before.
fn while_blocked(python: &Python) {
    let folder = Folder::new();
    let target = Target::blocked(python, &folder);
    let script = folder.script("a.py", "1");
    let armed = attach(&target, &script, &["--freeze", "--timeout", "100ms"]);
    assert_eq!((armed.code, &armed.json()["outcome"]), (Some(0), &"armed".into()));
    assert_eq!(script.marks(), [""; 0]);
    target.finish();
    assert_eq!(script.marks(), ["1"]);
}

/// One tracer holds a thread, and a second one cannot: nothing is written then.
fn by_somebody_else(python: &Python) {
    let folder = Folder::new();
    let target = Target::run(python, &folder, BUSY);
    let script = folder.script("a.py", "1");
    let process = Process::open(target.pid()).expect("our own child");
    let frozen = process.freeze().expect("our own child");
    let refused = attach(&target, &script, &["--freeze"]);
    refused.expect_stop("failed", "recheck", "denied");
    assert!(refused.stderr.contains("another tracer"), "{}", refused.stderr);
    drop(frozen);
    attach_and_expect(&target, &script, &["--freeze"]);
}
