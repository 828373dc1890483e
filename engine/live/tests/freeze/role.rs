//! What this program does when a trial starts it as a child: being a target, or a second tracer.
//! A target first prints the address of its counters.

use std::io::Read;
use std::os::unix::process::CommandExt;
use std::process::{Command, ExitCode};
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use nix::libc;
use softdock_live::Process;

/// The environment variable that names the role.
pub(crate) const ROLE: &str = "SOFTDOCK_LIVE_FREEZE";

/// What a target counts; a trial reads it from outside.
pub(crate) const COUNTERS: usize = 64;
static COUNTED: [AtomicU64; COUNTERS] = [const { AtomicU64::new(0) }; COUNTERS];

/// Counters of the role `signals`.
pub(crate) const QUEUED: usize = 0;
pub(crate) const QUEUED_SUM: usize = 1;
pub(crate) const USR1: usize = 2;

/// How long the child of the role `vfork` keeps its parent waiting.
const VFORK: Duration = Duration::from_secs(3);

/// Plays the role that the environment names; `None` if there is none to play.
pub(crate) fn play() -> Option<ExitCode> {
    let role = std::env::var(ROLE).ok()?;
    let number = |nth| std::env::args().nth(nth).and_then(|text| text.parse().ok()).unwrap_or(0);
    match role.as_str() {
        "busy" => busy(),
        "counters" => counters(number(1) as usize),
        "storm" => storm(),
        "signals" => signals(),
        "send" => send(number(1), number(2)),
        "sleep" => sleep(Duration::from_millis(u64::from(number(1)))),
        "vfork" => vfork(),
        "exec" => exec(number(1)),
        "first-ends" => first_ends(),
        "brief" => brief(number(1)),
        "hold" => hold(number(1)),
        "freeze" => freeze_for_ever(number(1)),
        other => panic!("no role {other}"),
    }
    Some(ExitCode::SUCCESS)
}

fn count(which: usize) {
    COUNTED[which].fetch_add(1, Ordering::Relaxed);
}

fn tell_where() {
    println!("{:x}", COUNTED.as_ptr().expose_provenance());
}

fn wait_for_the_end() {
    let _ = std::io::stdin().read(&mut [0]);
}

fn busy() {
    std::thread::spawn(|| {
        loop {
            count(0);
        }
    });
    tell_where();
    wait_for_the_end();
}

/// As many threads, each with its counter.
fn counters(threads: usize) {
    for which in 0..threads {
        std::thread::spawn(move || {
            loop {
                count(which);
                std::thread::sleep(Duration::from_millis(1));
            }
        });
    }
    tell_where();
    wait_for_the_end();
}

/// Fifty threads that start and end all the time, each counting once.
fn storm() {
    for _ in 0..10 {
        std::thread::spawn(|| {
            loop {
                let some: Vec<_> = (0..5).map(|_| std::thread::spawn(|| count(0))).collect();
                some.into_iter().for_each(|thread| thread.join().expect("a thread"));
            }
        });
    }
    tell_where();
    wait_for_the_end();
}

extern "C" fn on_queued(_: libc::c_int, told: *mut libc::siginfo_t, _: *mut libc::c_void) {
    count(QUEUED);
    // SAFETY: the kernel hands a filled struct to a handler that asked for it (`SA_SIGINFO`).
    let payload = unsafe { (*told).si_value().sival_ptr }.expose_provenance();
    COUNTED[QUEUED_SUM].fetch_add(payload as u64, Ordering::Relaxed);
}

extern "C" fn on_usr1(_: libc::c_int, _: *mut libc::siginfo_t, _: *mut libc::c_void) {
    count(USR1);
}

/// Counts real-time signals, their payloads, and `SIGUSR1`, in whatever thread gets them.
fn signals() {
    type Handler = extern "C" fn(libc::c_int, *mut libc::siginfo_t, *mut libc::c_void);
    for (signal, handler) in
        [(libc::SIGRTMIN(), on_queued as Handler), (libc::SIGUSR1, on_usr1 as Handler)]
    {
        // SAFETY: zeroed, this plain struct of C is an action without flags and mask.
        let mut action: libc::sigaction = unsafe { std::mem::zeroed() };
        action.sa_sigaction = handler as usize;
        action.sa_flags = libc::SA_SIGINFO | libc::SA_RESTART;
        // SAFETY: both handlers only add to atomic numbers, which is allowed at any moment.
        let result = unsafe { libc::sigaction(signal, &raw const action, std::ptr::null_mut()) };
        assert_eq!(result, 0);
    }
    for _ in 0..3 {
        std::thread::spawn(|| {
            loop {
                std::thread::sleep(Duration::from_micros(300));
            }
        });
    }
    tell_where();
    wait_for_the_end();
}

/// Sends as many real-time signals, with 1, 2, 3… as payload.
fn send(pid: u32, count: u32) {
    for payload in 1..=count as usize {
        let value = libc::sigval { sival_ptr: std::ptr::without_provenance_mut(payload) };
        // SAFETY: the value is a number in the place of a pointer; nobody follows it.
        let result = unsafe { libc::sigqueue(pid.cast_signed(), libc::SIGRTMIN(), value) };
        assert_eq!(result, 0);
        std::thread::sleep(Duration::from_micros(200));
    }
}

/// Sleeps once, and says how long that was.
fn sleep(wanted: Duration) {
    tell_where();
    let began = Instant::now();
    let wanted =
        libc::timespec { tv_sec: 0, tv_nsec: i64::try_from(wanted.as_nanos()).expect("below 1 s") };
    // SAFETY: `wanted` is ours, and no rest is asked for.
    let result = unsafe { libc::nanosleep(&raw const wanted, std::ptr::null_mut()) };
    println!("{result} {}", began.elapsed().as_micros());
    wait_for_the_end();
}

/// One thread counts; the other waits in state D for a child of its own, then counts as well.
fn vfork() {
    std::thread::spawn(|| {
        loop {
            count(0);
            std::thread::sleep(Duration::from_millis(1));
        }
    });
    std::thread::spawn(|| {
        wait_for_a_child_like_vfork();
        loop {
            count(1);
            std::thread::sleep(Duration::from_millis(1));
        }
    });
    tell_where();
    wait_for_the_end();
}

fn wait_for_a_child_like_vfork() {
    let flags = libc::CLONE_VFORK | libc::SIGCHLD;
    // SAFETY: without `CLONE_VM` this is a fork: the child has memory of its own. It makes two
    // system calls and no other.
    let child = unsafe { libc::syscall(libc::SYS_clone, flags, 0, 0, 0, 0) };
    if child == 0 {
        let time = libc::timespec { tv_sec: VFORK.as_secs().cast_signed(), tv_nsec: 0 };
        // SAFETY: `time` is ours; `_exit` runs nothing of the parent's.
        unsafe {
            libc::nanosleep(&raw const time, std::ptr::null_mut());
            libc::_exit(0);
        }
    }
}

/// Becomes itself again and again, from a thread that is not the first and beside others. The
/// generation is its argument.
fn exec(generation: u32) {
    if generation == 0 {
        tell_where();
    }
    for _ in 0..12 {
        std::thread::spawn(std::thread::park);
    }
    let next = std::thread::spawn(move || {
        let exe = std::env::current_exe().expect("a program");
        Command::new(exe).arg((generation + 1).to_string()).exec()
    });
    panic!("{:?}", next.join());
}

/// The first thread ends, another one goes on.
fn first_ends() {
    std::thread::spawn(|| {
        std::thread::sleep(Duration::from_millis(20));
        loop {
            count(0);
            std::thread::sleep(Duration::from_millis(1));
        }
    });
    tell_where();
    wait_for_the_end();
    // SAFETY: ends only this thread, without running anything; nothing of it is used any more.
    unsafe { libc::syscall(libc::SYS_exit, 0) };
}

/// A few threads that end soon, and a process that ends with 7 after so many microseconds.
fn brief(micros: u32) {
    for _ in 0..5 {
        std::thread::spawn(|| std::thread::sleep(Duration::from_micros(500)));
    }
    std::thread::sleep(Duration::from_micros(u64::from(micros)));
    std::process::exit(7);
}

/// Freezes another process until its own input ends.
fn hold(pid: u32) {
    let frozen = Process::open(pid).expect("a process").freeze().expect("a freeze");
    println!("{}", frozen.threads());
    wait_for_the_end();
}

/// Freezes another process again and again.
fn freeze_for_ever(pid: u32) {
    let process = Process::open(pid).expect("a process");
    println!("ready");
    loop {
        drop(process.freeze());
        std::thread::sleep(Duration::from_micros(100));
    }
}
