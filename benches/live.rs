//! What a live attach costs, against `sys.remote_exec` of the same interpreter on the same target:
//! medians of interleaved rounds, and their ratios. Verification is included in ours and does not
//! exist in theirs. Needs a CPython 3.14+ (see `snapshots/live/pythons.rs`); without one it says
//! so.

#![allow(clippy::float_arithmetic, reason = "ratios for a person to read")]

#[cfg(target_os = "linux")]
#[path = "../snapshots/live/pythons.rs"]
#[allow(dead_code, reason = "shared with the live tests, which use all of it")]
mod pythons;

#[cfg(target_os = "linux")]
fn main() {
    let found = pythons::find();
    if found.is_empty() {
        println!("no CPython 3.14+ found: nothing measured");
    }
    for python in &found {
        linux::measure(python);
    }
}

#[cfg(not(target_os = "linux"))]
fn main() {
    println!("live attaches are measured on Linux only");
}

#[cfg(target_os = "linux")]
mod linux {
    use std::io::{BufRead, BufReader, Write};
    use std::path::{Path, PathBuf};
    use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
    use std::time::{Duration, Instant};

    use softdock::live::{Cancellation, LiveHost};
    use softdock_attach::{CachedThread, Config, Outcome, Reason, Report, Request, attach};
    use softdock_live::Process;

    use crate::pythons::Python;

    /// Calls of each kind; the medians are of these.
    const CALLS: usize = 200;

    /// Calls of one kind in a row, before the next kind has its turn.
    const BLOCK: usize = 5;

    /// Whole commands of each kind.
    const COMMANDS: usize = 21;

    /// Time for the target to take a script, between two calls.
    const REST: Duration = Duration::from_millis(3);

    /// The other side: times `sys.remote_exec`, as many calls as each line asks for.
    const DRIVER: &str = "
import sys, time
for line in sys.stdin:
    for _ in range(int(line)):
        began = time.perf_counter_ns()
        sys.remote_exec(int(sys.argv[1]), sys.argv[2])
        took = time.perf_counter_ns() - began
        print(took, flush=True)
        time.sleep(0.002)
";

    const TARGET: &str = "import time\nprint('up', flush=True)\nwhile True: time.sleep(0.0005)";

    /// A child that ends with this program.
    struct Running(Child);

    impl Drop for Running {
        fn drop(&mut self) {
            let _ = self.0.kill();
            let _ = self.0.wait();
        }
    }

    pub(crate) fn measure(python: &Python) {
        let script = std::env::temp_dir().join(format!("softdock-bench-{}.py", std::process::id()));
        std::fs::write(&script, "pass\n").expect("a script");
        let target = start(python.command().args(["-c", TARGET]));
        let pid = target.0.id();
        println!("CPython {} (medians of {CALLS} calls on one sleeping target)", python.version);
        calls(python, pid, &script);
        phases(pid, &script);
        syscalls(python, pid, &script);
        commands(python, pid, &script);
        let _ = std::fs::remove_file(&script);
    }

    /// Starts a child and waits for its first line.
    fn start(command: &mut Command) -> Running {
        let mut child =
            command.stdout(Stdio::piped()).stderr(Stdio::null()).spawn().expect("a child");
        let mut line = String::new();
        BufReader::new(child.stdout.take().expect("a pipe")).read_line(&mut line).expect("a line");
        Running(child)
    }

    fn calls(python: &Python, pid: u32, script: &Path) {
        let mut driver = Driver::start(python, pid, script);
        let (mut theirs, mut first, mut again) = (Vec::new(), Vec::new(), Vec::new());
        let mut host = host(pid);
        let mut cached = None;
        for _ in 0..CALLS / BLOCK {
            driver.call(&mut theirs);
            std::thread::sleep(REST);
            for _ in 0..BLOCK {
                first.push(first_attach(pid, script));
            }
            for _ in 0..BLOCK {
                again.push(attach_again(&mut host, script, &mut cached));
            }
        }
        let (theirs, first, again) = (median(theirs), median(first), median(again));
        tell("sys.remote_exec", theirs, theirs);
        tell("first attach", first, theirs);
        tell("attach again, cached", again, theirs);
    }

    fn tell(what: &str, took: Duration, theirs: Duration) {
        let ratio = took.as_secs_f64() / theirs.as_secs_f64();
        println!("  {what:<28} {:>9.1} us  {ratio:>5.2} x", took.as_secs_f64() * 1e6);
    }

    struct Driver {
        _child: Running,
        input: ChildStdin,
        output: BufReader<ChildStdout>,
    }

    impl Driver {
        fn start(python: &Python, pid: u32, script: &Path) -> Driver {
            let mut command = python.command();
            command.args(["-c", DRIVER, &pid.to_string()]).arg(script);
            let mut child =
                command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().expect("a driver");
            let input = child.stdin.take().expect("a pipe");
            let output = BufReader::new(child.stdout.take().expect("a pipe"));
            Driver { _child: Running(child), input, output }
        }

        fn call(&mut self, took: &mut Vec<Duration>) {
            writeln!(self.input, "{BLOCK}").expect("a driver that listens");
            for _ in 0..BLOCK {
                let mut line = String::new();
                self.output.read_line(&mut line).expect("a driver that answers");
                took.push(Duration::from_nanos(line.trim().parse().expect("nanoseconds")));
            }
        }
    }

    fn host(pid: u32) -> LiveHost<'static> {
        let process = Process::open(pid).expect("a process");
        LiveHost::new(process, Duration::ZERO, Cancellation::default(), |_: &Report| {})
    }

    /// Opens the process, attaches, closes it: nothing is known before.
    fn first_attach(pid: u32, script: &Path) -> Duration {
        until_done(|| {
            let mut host = host(pid);
            attach(&mut host, &Config::default(), request(script, None))
        })
        .0
    }

    /// Attaches once more through an open process, with what the last attach remembered.
    fn attach_again(
        host: &mut LiveHost<'_>,
        script: &Path,
        cached: &mut Option<CachedThread>,
    ) -> Duration {
        let (took, report) =
            until_done(|| attach(host, &Config::default(), request(script, *cached)));
        *cached = report.cacheable;
        took
    }

    fn request(script: &Path, cached: Option<CachedThread>) -> Request<'_> {
        Request { script: script.as_os_str().as_encoded_bytes(), cached, planned: None }
    }

    /// Times a call, and again when the target had not taken the last script yet.
    fn until_done(mut call: impl FnMut() -> Report) -> (Duration, Report) {
        loop {
            let began = Instant::now();
            let report = call();
            let took = began.elapsed();
            std::thread::sleep(REST);
            match report.outcome {
                Outcome::Armed | Outcome::Consumed => return (took, report),
                _ => assert_eq!(report.reason, Some(Reason::Busy), "{}", report.summary()),
            }
        }
    }

    /// Where the time of a first attach goes, step by step.
    fn phases(pid: u32, script: &Path) {
        let mut open = Vec::new();
        let mut steps: Vec<(&'static str, Vec<Duration>)> = Vec::new();
        for _ in 0..CALLS {
            let mut steps_of = Vec::new();
            until_done(|| {
                let began = Instant::now();
                let mut host = host(pid);
                host.record_phases();
                open.push(began.elapsed());
                let report = attach(&mut host, &Config::default(), request(script, None));
                steps_of = host.phases().to_vec();
                report
            });
            for (nth, phase) in steps_of.iter().enumerate() {
                if steps.len() <= nth {
                    steps.push((phase.site.name(), Vec::new()));
                }
                steps[nth].1.push(phase.took);
            }
        }
        let mut told = format!("open {:.1}", median(open).as_secs_f64() * 1e6);
        for (name, took) in steps {
            told += &format!(", {name} {:.1}", median(took).as_secs_f64() * 1e6);
        }
        println!("  where a first attach spends it (us): {told}");
    }

    /// System calls of one call of each kind, counted by strace where there is one.
    fn syscalls(python: &Python, pid: u32, script: &Path) {
        let program = env!("CARGO_BIN_EXE_softdock");
        let mut ours = Command::new(program);
        ours.args(["attach", "--no-wait", "--pid", &pid.to_string()]).arg(script);
        let mut theirs = python.command();
        theirs.args(["-c", &one_call(pid, script)]);
        let counts = [count(&ours, pid), count(&theirs, pid)];
        let [Some(ours), Some(theirs)] = counts else {
            return println!("  system calls: not counted, there is no strace");
        };
        println!(
            "  system calls on the target: sys.remote_exec {theirs}; softdock attach {ours}, which \
             also looks at the script with the target's eyes"
        );
        std::thread::sleep(REST);
    }

    /// Calls from the first that names the target or the script to the last on its memory.
    fn count(command: &Command, pid: u32) -> Option<usize> {
        let log = std::env::temp_dir().join(format!("softdock-strace-{}", std::process::id()));
        let mut strace = Command::new("strace");
        strace.arg("-o").arg(&log).arg(command.get_program()).args(command.get_args());
        strace.stdout(Stdio::null()).stderr(Stdio::null()).status().ok()?;
        let text = std::fs::read_to_string(&log).ok()?;
        let _ = std::fs::remove_file(&log);
        let lines: Vec<&str> = text.lines().collect();
        let names = [
            format!("/proc/{pid}"),
            format!("pidfd_open({pid}"),
            format!("process_vm_readv({pid}"),
            format!("process_vm_writev({pid}"),
            "access(\"/tmp/softdock-bench".to_string(),
        ];
        let about = |line: &&str| names.iter().any(|name| line.contains(name.as_str()));
        let first = lines.iter().position(about)?;
        let last = lines.iter().rposition(about)?;
        Some(last - first + 1)
    }

    fn one_call(pid: u32, script: &Path) -> String {
        format!("import sys; sys.remote_exec({pid}, {:?})", script.display().to_string())
    }

    /// The whole command from the shell.
    fn commands(python: &Python, pid: u32, script: &Path) {
        let program = PathBuf::from(env!("CARGO_BIN_EXE_softdock"));
        let (mut theirs, mut ours) = (Vec::new(), Vec::new());
        for _ in 0..COMMANDS {
            theirs.push(whole(python.command().args(["-c", &one_call(pid, script)])));
            let mut command = Command::new(&program);
            ours.push(whole(
                command.args(["attach", "--no-wait", "--pid", &pid.to_string()]).arg(script),
            ));
        }
        let (theirs, ours) = (median(theirs), median(ours));
        tell("python -c sys.remote_exec", theirs, theirs);
        tell("softdock attach --no-wait", ours, theirs);
    }

    fn whole(command: &mut Command) -> Duration {
        let began = Instant::now();
        let status = command.stdout(Stdio::null()).stderr(Stdio::null()).status();
        let took = began.elapsed();
        assert!(status.is_ok(), "{command:?}");
        std::thread::sleep(REST);
        took
    }

    fn median(mut took: Vec<Duration>) -> Duration {
        took.sort();
        took[took.len() / 2]
    }
}
