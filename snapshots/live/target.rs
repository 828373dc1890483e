//! A target under test, and the folder it works in.

use std::ffi::OsStr;
use std::fs::{self, File};
use std::io::{BufRead, BufReader, Write};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::Mutex;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::mpsc::{self, Receiver};
use std::time::{Duration, Instant};

use crate::pythons::Python;

/// How long anything may take that should take a moment: a machine may be busy.
pub(crate) const PATIENCE: Duration = Duration::from_secs(20);

/// A folder of a trial's own, removed at its end.
pub(crate) struct Folder(PathBuf);

impl Folder {
    pub(crate) fn new() -> Folder {
        Folder::below(&std::env::temp_dir())
    }

    pub(crate) fn below(parent: &Path) -> Folder {
        static NEXT: AtomicU32 = AtomicU32::new(0);
        let number = NEXT.fetch_add(1, Ordering::Relaxed);
        let path = parent.join(format!("softdock-live-{}-{number}", std::process::id()));
        fs::create_dir(&path).unwrap();
        // Another user's target must be able to enter, and to leave its mark.
        fs::set_permissions(&path, fs::Permissions::from_mode(0o777)).unwrap();
        Folder(path)
    }

    pub(crate) fn path(&self) -> &Path {
        &self.0
    }

    /// A script that leaves a mark when it runs: the value of `expression`, as a line of a file.
    pub(crate) fn script(&self, name: impl AsRef<OsStr>, expression: &str) -> Script {
        let path = self.0.join(name.as_ref());
        let marks = self.0.join("marks");
        self.script_at(&path, &marks, expression);
        Script { path, marks }
    }

    /// The same, where the target sees the marks under another name.
    pub(crate) fn script_at(&self, path: &Path, marks: &Path, expression: &str) {
        let marks = marks.to_str().unwrap();
        let text = format!("open({marks:?}, 'a').write(f'{{{expression}}}\\n')\n");
        fs::write(path, text).unwrap();
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

/// A script, and where it leaves its marks.
#[derive(Clone)]
pub(crate) struct Script {
    pub(crate) path: PathBuf,
    pub(crate) marks: PathBuf,
}

impl Script {
    /// The marks that were left so far.
    pub(crate) fn marks(&self) -> Vec<String> {
        let text = fs::read_to_string(&self.marks).unwrap_or_default();
        text.lines().map(str::to_owned).collect()
    }

    /// Waits until it has left as many marks, and returns them.
    #[track_caller]
    pub(crate) fn wait_for_marks(&self, count: usize) -> Vec<String> {
        eventually(|| (self.marks().len() >= count).then(|| self.marks()))
    }
}

/// Waits until there is an answer.
#[track_caller]
pub(crate) fn eventually<T>(mut answer: impl FnMut() -> Option<T>) -> T {
    let began = Instant::now();
    loop {
        if let Some(answer) = answer() {
            return answer;
        }
        assert!(began.elapsed() < PATIENCE, "it did not happen within {PATIENCE:?}");
        std::thread::sleep(Duration::from_millis(2));
    }
}

/// A running target.
pub(crate) struct Target {
    child: Child,
    lines: Mutex<Receiver<String>>,
    errors: PathBuf,
}

/// What most targets do: nothing, quickly.
pub(crate) const BUSY: &str = "print('ready', flush=True)\nwhile True: pass";

/// Blocks in a read until a line comes; then gives a pending script every chance to run, and ends
/// when it is let go.
pub(crate) const BLOCKED: &str = "import sys
print('ready', flush=True)
sys.stdin.readline()
for i in range(100_000): str(i)
print('woke', flush=True)
sys.stdin.read()";

impl Target {
    /// Runs `code`, which prints `ready` when it is.
    #[track_caller]
    pub(crate) fn run(python: &Python, folder: &Folder, code: &str) -> Target {
        let mut command = python.command();
        command.args(["-I", "-c", code]);
        Target::start(folder, command)
    }

    /// As [`Target::run`], blocked in a read.
    #[track_caller]
    pub(crate) fn blocked(python: &Python, folder: &Folder) -> Target {
        let target = Target::run(python, folder, BLOCKED);
        target.wait_until_blocked();
        target
    }

    /// Starts a program that prints `ready` when it is.
    #[track_caller]
    pub(crate) fn start(folder: &Folder, mut command: Command) -> Target {
        let errors = folder.path().join("errors");
        command.stdin(Stdio::piped()).stdout(Stdio::piped());
        command.stderr(File::create(&errors).unwrap());
        let mut child = command.spawn().unwrap();
        let stdout = BufReader::new(child.stdout.take().unwrap());
        let (sender, lines) = mpsc::channel();
        std::thread::spawn(move || {
            for line in stdout.lines().map_while(Result::ok) {
                if sender.send(line).is_err() {
                    break;
                }
            }
        });
        let target = Target { child, lines: Mutex::new(lines), errors };
        assert_eq!(target.line(), "ready");
        target
    }

    pub(crate) fn pid(&self) -> u32 {
        self.child.id()
    }

    /// The next line it prints.
    #[track_caller]
    pub(crate) fn line(&self) -> String {
        match self.lines.lock().unwrap().recv_timeout(PATIENCE) {
            Ok(line) => line,
            Err(_) => panic!("the target says: {}", self.errors()),
        }
    }

    /// What it complained about.
    pub(crate) fn errors(&self) -> String {
        fs::read_to_string(&self.errors).unwrap_or_default()
    }

    /// Lets it return from its read.
    pub(crate) fn wake(&mut self) {
        self.child.stdin.as_mut().unwrap().write_all(b"\n").unwrap();
    }

    /// Wakes it, and waits until it has gone its way to the end.
    #[track_caller]
    pub(crate) fn finish(mut self) {
        self.wake();
        assert_eq!(self.line(), "woke");
        drop(self.child.stdin.take());
        assert!(self.child.wait().unwrap().success(), "{}", self.errors());
    }

    pub(crate) fn kill(&mut self) {
        self.child.kill().unwrap();
    }

    /// Ends it and takes notice, so that its number is nobody's.
    pub(crate) fn end(mut self) -> u32 {
        self.kill();
        self.child.wait().unwrap();
        self.pid()
    }

    /// Waits until its first thread sleeps, and goes on sleeping.
    #[track_caller]
    pub(crate) fn wait_until_blocked(&self) {
        let path = format!("/proc/{0}/task/{0}/stat", self.pid());
        let mut asleep = 0;
        eventually(|| {
            let stat = fs::read_to_string(&path).unwrap();
            let state = stat.rsplit_once(") ").and_then(|(_, rest)| rest.chars().next());
            asleep = if state == Some('S') { asleep + 1 } else { 0 };
            (asleep >= 10).then_some(())
        });
    }
}

impl Drop for Target {
    fn drop(&mut self) {
        // The handle stands for this very child: until `wait`, nobody else can have its number.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
