//! A child of a trial: started, looked at from outside, and ended by its handle.

use std::io::{BufRead, BufReader};
use std::process::{Child, ChildStdout, Command, Stdio};
use std::time::{Duration, Instant};

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use softdock_live::{FreezeError, Frozen, Process};
use softdock_process::{Address, ProcessMemory};

use crate::role::{COUNTERS, ROLE};

/// How long anything may take that should take a moment: a machine may be busy.
const PATIENCE: Duration = Duration::from_secs(30);

/// How long a target is watched for a sign of life that must not be there.
const WATCH: Duration = Duration::from_millis(20);

/// A child that cannot outlive its trial.
pub(crate) struct Running {
    pub(crate) child: Child,
    output: BufReader<ChildStdout>,
}

impl Running {
    pub(crate) fn start(role: &str, arguments: &[u32]) -> Running {
        let mut command = Command::new(std::env::current_exe().unwrap());
        command.env(ROLE, role).args(arguments.iter().map(u32::to_string));
        let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
        let output = BufReader::new(child.stdout.take().unwrap());
        Running { child, output }
    }

    pub(crate) fn pid(&self) -> u32 {
        self.child.id()
    }

    pub(crate) fn line(&mut self) -> String {
        let mut line = String::new();
        self.output.read_line(&mut line).unwrap();
        line.trim().to_owned()
    }

    pub(crate) fn signal(&self, signal: Signal) {
        kill(Pid::from_raw(self.pid().cast_signed()), signal).unwrap();
    }

    /// Lets it return from the wait for its input.
    pub(crate) fn let_end(&mut self) {
        drop(self.child.stdin.take());
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// A child to freeze, with counters to be read from outside.
pub(crate) struct Target {
    pub(crate) running: Running,
    pub(crate) process: Process,
    counters: Address,
}

impl Target {
    #[track_caller]
    pub(crate) fn start(role: &str, arguments: &[u32]) -> Target {
        let mut running = Running::start(role, arguments);
        let counters = Address::new(u64::from_str_radix(&running.line(), 16).unwrap());
        let process = Process::open(running.pid()).unwrap();
        Target { running, process, counters }
    }

    /// Freezes it. On a busy machine some threads may not get a processor in time to stop on.
    #[track_caller]
    pub(crate) fn freeze(&self) -> Frozen {
        let mut frozen = None;
        eventually(|| match self.process.freeze() {
            Err(FreezeError::Unstoppable { .. } | FreezeError::Restless { .. }) => false,
            other => {
                frozen = Some(other.unwrap());
                true
            }
        });
        frozen.unwrap()
    }

    #[track_caller]
    pub(crate) fn counted(&mut self) -> [u64; COUNTERS] {
        let mut bytes = [0; COUNTERS * 8];
        self.process.read(self.counters, &mut bytes).unwrap();
        std::array::from_fn(|nth| u64::from_le_bytes(*bytes[nth * 8..].first_chunk().unwrap()))
    }

    #[track_caller]
    pub(crate) fn set(&mut self, which: usize, value: u64) {
        let at = Address::new(self.counters.get() + which as u64 * 8);
        self.process.write(at, &value.to_le_bytes()).unwrap();
    }

    /// Demands that nothing is counted any more.
    #[track_caller]
    pub(crate) fn expect_still(&mut self) {
        let before = self.counted();
        std::thread::sleep(WATCH);
        assert_eq!(self.counted(), before);
    }

    /// Waits until the first of the counters have all been moved on.
    #[track_caller]
    pub(crate) fn expect_going(&mut self, counters: usize) {
        let before = self.counted();
        eventually(|| {
            let now = self.counted();
            (0..counters).all(|nth| now[nth] > before[nth])
        });
    }

    /// One letter for each thread, as `/proc` tells.
    pub(crate) fn states(&self) -> String {
        self.each_thread("State").iter().filter_map(|state| state.chars().next()).collect()
    }

    pub(crate) fn is_traced(&self) -> bool {
        self.each_thread("TracerPid").iter().any(|tracer| tracer != "0")
    }

    fn each_thread(&self, key: &str) -> Vec<String> {
        let tasks = std::fs::read_dir(format!("/proc/{}/task", self.running.pid())).unwrap();
        let texts =
            tasks.filter_map(|task| std::fs::read_to_string(task.ok()?.path().join("status")).ok());
        let value = |text: String| {
            let line = text.lines().find_map(|line| {
                line.strip_prefix(key)?.strip_prefix(':').map(str::trim).map(str::to_owned)
            });
            line.unwrap_or_default()
        };
        texts.map(value).collect()
    }
}

/// Waits until it is so.
#[track_caller]
pub(crate) fn eventually(mut is_so: impl FnMut() -> bool) {
    let began = Instant::now();
    while !is_so() {
        assert!(began.elapsed() < PATIENCE, "it did not happen within {PATIENCE:?}");
        std::thread::sleep(Duration::from_millis(1));
    }
}
