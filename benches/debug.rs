//! How long it takes until a program can be debugged, and how long it halts for that, against
//! debugpy's own way into a process, `python -m debugpy --pid`: runs in turns, each on a program of
//! its own, one that does nothing but look at its clock, or one that mostly sleeps. Needs a CPython
//! 3.14+ with debugpy (see `snapshots/live/pythons.rs`); without one it says so.
//!
//! Half of it is what debugpy does in both ways: it imports itself, and starts its adapter.

#![allow(clippy::float_arithmetic, reason = "ratios for a person to read")]

#[cfg(target_os = "linux")]
#[path = "../snapshots/live/command.rs"]
#[allow(dead_code, reason = "shared with the live tests, which use all of it")]
mod command;
#[cfg(target_os = "linux")]
#[path = "../snapshots/live/dap.rs"]
#[allow(dead_code, reason = "as above")]
mod dap;
#[cfg(target_os = "linux")]
#[path = "../snapshots/live/pythons.rs"]
#[allow(dead_code, reason = "as above")]
mod pythons;
#[cfg(target_os = "linux")]
#[path = "../snapshots/live/service.rs"]
#[allow(dead_code, reason = "as above")]
mod service;
#[cfg(target_os = "linux")]
#[path = "../snapshots/live/target.rs"]
#[allow(dead_code, reason = "as above")]
mod target;

#[cfg(target_os = "linux")]
fn main() {
    let found = pythons::find();
    match found.iter().find(|python| python.debugpy.is_some()) {
        Some(python) => linux::measure(python),
        None => println!("no CPython 3.14+ with debugpy found: nothing measured"),
    }
}

#[cfg(not(target_os = "linux"))]
fn main() {
    println!("live debuggers are measured on Linux only");
}

#[cfg(target_os = "linux")]
mod linux {
    use std::fs::File;
    use std::io::{BufRead, BufReader};
    use std::net::{TcpListener, TcpStream};
    use std::os::unix::fs::FileExt;
    use std::path::Path;
    use std::process::{Child, ChildStdout, Stdio};
    use std::time::{Duration, Instant};

    use serde_json::Value;

    use crate::command::softdock;
    use crate::dap::Client;
    use crate::pythons::Python;
    use crate::service::Service;
    use crate::target::{Folder, PATIENCE};

    /// Runs of each kind.
    const RUNS: usize = 50;

    /// How long the program is watched when nobody debugs it: as long as a debugger takes.
    const ALONE: Duration = Duration::from_millis(700);

    const LOOK_AGAIN: Duration = Duration::from_micros(500);

    /// Looks at its clock, and leaves the longest time between two looks in a file that it shares;
    /// whoever wants to measure anew clears it.
    const BUSY: &str = "import mmap, sys, time
sys.executable = sys.argv[1]
with open(sys.argv[2], 'wb+') as file:
    file.truncate(8)
    longest = mmap.mmap(file.fileno(), 8)
clock = time.perf_counter_ns
print('ready', flush=True)
last = clock()
while True:
    now = clock()
    if now - last > 100_000 and now - last > int.from_bytes(longest[:], 'little'):
        longest[:] = (now - last).to_bytes(8, 'little')
    last = now
";

    /// Has something to do now and then.
    const QUIET: &str = "import sys, time
sys.executable = sys.argv[1]
open(sys.argv[2], 'wb').write(bytes(8))
print('ready', flush=True)
while True:
    time.sleep(0.002)
";

    /// Moments of a run, from the start of the command, and the longest halt until then.
    #[derive(Default)]
    struct Moments {
        started: Vec<Duration>,
        listening: Vec<Duration>,
        connected: Vec<Duration>,
        stopped: Vec<Duration>,
        halted_to_start: Vec<Duration>,
        halted_to_listen: Vec<Duration>,
        halted: Vec<Duration>,
    }

    /// All ways to a debugger in one program.
    #[derive(Default)]
    struct Ways {
        ours: Moments,
        in_process: Moments,
        theirs: Moments,
    }

    pub(crate) fn measure(python: &Python) {
        let (mut busy, mut quiet) = (Ways::default(), Ways::default());
        let (mut stops, mut alone) = (Moments::default(), Vec::new());
        for _ in 0..RUNS {
            for (program, ways) in [(BUSY, &mut busy), (QUIET, &mut quiet)] {
                run(python, program, |it| by_softdock(it, &[], &mut ways.ours));
                run(python, program, |it| by_debugpy(python, it, &mut ways.theirs));
                run(python, program, |it| by_softdock(it, &["--in-process"], &mut ways.in_process));
            }
            run(python, BUSY, |it| by_softdock(it, &["--break"], &mut stops));
            run(python, BUSY, |it| {
                std::thread::sleep(ALONE);
                alone.push(halted(it));
            });
        }
        println!("CPython {} ({RUNS} runs of each, in turns)", python.version);
        times("busy", &busy);
        let reference = median(&busy.theirs.connected);
        tell("softdock debug --break, stops", &stops.stopped, reference);
        times("quiet", &quiet);
        println!("  longest halt of the busy program           median      95 %");
        let reference = median(&busy.theirs.halted);
        tell("nobody debugs it", &alone, reference);
        tell("python -m debugpy --pid, connected", &busy.theirs.halted, reference);
        tell("softdock debug, started", &busy.ours.halted_to_start, reference);
        tell("softdock debug, listens", &busy.ours.halted_to_listen, reference);
        tell("softdock debug, connected", &busy.ours.halted, reference);
        tell("softdock debug --in-process, connected", &busy.in_process.halted, reference);
    }

    fn times(program: &str, ways: &Ways) {
        let head = format!("a debugger in a {program} program");
        println!("  {head:<40}    median      95 %");
        let reference = median(&ways.theirs.connected);
        tell("python -m debugpy --pid, listens", &ways.theirs.listening, reference);
        tell("python -m debugpy --pid, connected", &ways.theirs.connected, reference);
        tell("softdock debug, started", &ways.ours.started, reference);
        tell("softdock debug, listens", &ways.ours.listening, reference);
        tell("softdock debug, connected", &ways.ours.connected, reference);
        tell("softdock debug --in-process, listens", &ways.in_process.listening, reference);
        tell("softdock debug --in-process, connected", &ways.in_process.connected, reference);
    }

    /// A program of its own for each run.
    fn run(python: &Python, program: &str, work: impl FnOnce(&Service)) {
        let folder = Folder::new();
        let service = Service::start(python, &folder, program);
        // What it has halted for until now is its own start.
        std::thread::sleep(Duration::from_millis(50));
        clear(&service);
        work(&service);
    }

    /// Without cutting the file short: the program has it mapped.
    fn clear(service: &Service) {
        let file = File::options().write(true).open(&service.progress);
        file.and_then(|file| file.write_all_at(&[0; 8], 0)).expect("the file that it shares");
    }

    fn halted(service: &Service) -> Duration {
        let bytes = std::fs::read(&service.progress).expect("the file that it shares");
        Duration::from_nanos(u64::from_le_bytes(bytes.try_into().expect("eight bytes")))
    }

    fn by_softdock(service: &Service, more: &[&str], moments: &mut Moments) {
        let session = format!("bench-{}", service.target.pid());
        let mut command = softdock();
        command.args(["debug", "--format", "json", "--session", &session, "--pid"]);
        command.arg(service.target.pid().to_string()).args(more);
        let began = Instant::now();
        let child = command.stdout(Stdio::piped()).stderr(Stdio::null()).spawn();
        let mut child = child.expect("the command");
        wait_for_record(&session, began);
        moments.started.push(began.elapsed());
        moments.halted_to_start.push(halted(service));
        let mut lines = BufReader::new(child.stdout.take().expect("a pipe"));
        let port = port(&next_line(&mut lines));
        moments.listening.push(began.elapsed());
        moments.halted_to_listen.push(halted(service));
        let mut client = Client::attach(port, &[]);
        moments.connected.push(began.elapsed());
        moments.halted.push(halted(service));
        if more.contains(&"--break") {
            let stop = client.stopped();
            moments.stopped.push(began.elapsed());
            client.go_on(stop.thread);
        }
        client.disconnect();
        end(child);
    }

    fn end(mut child: Child) {
        assert!(child.wait().expect("its end").success());
    }

    fn next_line(lines: &mut BufReader<ChildStdout>) -> Value {
        let mut line = String::new();
        lines.read_line(&mut line).expect("a line");
        serde_json::from_str(&line).expect("an object")
    }

    fn port(said: &Value) -> u16 {
        let port = said["port"].as_u64().and_then(|port| u16::try_from(port).ok());
        port.unwrap_or_else(|| panic!("it says {said:#}"))
    }

    /// Waits until the target has told of this session for the first time.
    fn wait_for_record(session: &str, began: Instant) {
        let of_session = |folder: &Path| {
            let stub = std::fs::read_to_string(folder.join("stub.py")).unwrap_or_default();
            stub.contains(session) && folder.join("answers/record.json").exists()
        };
        let is_there = || {
            let entries = std::fs::read_dir("/tmp").expect("a folder").flatten();
            let ours =
                entries.filter(|e| e.file_name().as_encoded_bytes().starts_with(b"softdock-"));
            ours.map(|entry| entry.path()).any(|folder| of_session(&folder))
        };
        while !is_there() {
            assert!(began.elapsed() < PATIENCE, "nothing is told of {session}");
            std::thread::sleep(LOOK_AGAIN);
        }
    }

    /// The first connection that is taken is the client's.
    fn by_debugpy(python: &Python, service: &Service, moments: &mut Moments) {
        let port = free_port();
        let mut command = python.command();
        command.args(["-m", "debugpy", "--listen", &format!("127.0.0.1:{port}"), "--pid"]);
        command.arg(service.target.pid().to_string());
        let began = Instant::now();
        let child = command.stdout(Stdio::null()).stderr(Stdio::null()).spawn();
        let stream = loop {
            match TcpStream::connect(("127.0.0.1", port)) {
                Ok(stream) => break stream,
                Err(_) => std::thread::sleep(LOOK_AGAIN),
            }
        };
        moments.listening.push(began.elapsed());
        moments.halted_to_listen.push(halted(service));
        let mut client = Client::on(stream);
        let attached = client.begin(&serde_json::json!({"justMyCode": true}));
        client.configure(attached, &[]);
        moments.connected.push(began.elapsed());
        moments.halted.push(halted(service));
        client.disconnect();
        end(child.expect("the command"));
    }

    fn free_port() -> u16 {
        let listener = TcpListener::bind(("127.0.0.1", 0)).expect("a port");
        listener.local_addr().expect("an address").port()
    }

    fn tell(what: &str, took: &[Duration], reference: Duration) {
        let (median, late) = (median(took), part(took, 95));
        let ratio = median.as_secs_f64() / reference.as_secs_f64();
        let [median, late] = [median, late].map(|took| took.as_secs_f64() * 1e3);
        println!("  {what:<40} {median:>6.1} ms {late:>8.1} ms  {ratio:>6.3} x");
    }

    fn median(took: &[Duration]) -> Duration {
        part(took, 50)
    }

    /// What so many of 100 are not above.
    fn part(took: &[Duration], percent: usize) -> Duration {
        let mut sorted = took.to_vec();
        sorted.sort();
        sorted[sorted.len() * percent / 100]
    }
}
