//! Finds the runtime of a process and says how long that took: `locate PID [ROUNDS]`. Under
//! `strace -c` it tells the system calls as well.

fn main() -> Result<(), Box<dyn std::error::Error>> {
    #[cfg(target_os = "linux")]
    linux::main()?;
    Ok(())
}

#[cfg(target_os = "linux")]
mod linux {
    use std::time::{Duration, Instant};

    use softdock_live::Process;
    use softdock_process::{Candidate, Modules, Threads};

    type Failure = Box<dyn std::error::Error>;

    pub(crate) fn main() -> Result<(), Failure> {
        let mut arguments = std::env::args().skip(1);
        let pid = arguments.next().ok_or("usage: locate PID [ROUNDS]")?.parse()?;
        let rounds: usize = arguments.next().map_or(Ok(1), |rounds| rounds.parse())?;
        let mut steps = [const { Vec::new() }; 4];
        let mut found = None;
        for _ in 0..rounds {
            found = Some(once(pid, &mut steps)?);
        }
        found.ok_or("no round")?;
        let names = ["open", "candidate(0)", "read_image", "is_thread"];
        let mut sum = Duration::ZERO;
        for (name, times) in names.into_iter().zip(&mut steps) {
            times.sort_unstable();
            let median = times[times.len() / 2];
            sum += median;
            println!("{name:>14} {:>8} ns", median.as_nanos());
        }
        println!("{:>14} {:>8} ns", "sum", sum.as_nanos());
        let mut process = Process::open(pid)?;
        let mut rank = 0;
        while let Some(candidate) = process.candidate(rank)? {
            println!("{rank:>14} {candidate:?}");
            rank += 1;
        }
        Ok(())
    }

    /// One whole search, each step timed.
    fn once(pid: u32, steps: &mut [Vec<Duration>; 4]) -> Result<Candidate, Failure> {
        let mut clock = Instant::now();
        let mut lap = |step: usize| {
            steps[step].push(clock.elapsed());
            clock = Instant::now();
        };
        let mut process = Process::open(pid)?;
        lap(0);
        let first = process.candidate(0)?.ok_or("no runtime found")?.clone();
        lap(1);
        let proven = process.read_image(first.at, &mut [0; 888])?;
        lap(2);
        process.is_thread(u64::from(pid))?;
        lap(3);
        if proven { Ok(first) } else { Err("no image".into()) }
    }
}
