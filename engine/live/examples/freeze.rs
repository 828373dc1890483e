//! Freezes a process and says what that costs: `freeze PID [ROUNDS]`. Under `strace -c` it tells
//! the system calls as well.

fn main() -> Result<(), Box<dyn std::error::Error>> {
    #[cfg(target_os = "linux")]
    linux::main()?;
    Ok(())
}

#[cfg(target_os = "linux")]
mod linux {
    use std::time::{Duration, Instant};

    use softdock_live::Process;

    pub(crate) fn main() -> Result<(), Box<dyn std::error::Error>> {
        let mut arguments = std::env::args().skip(1);
        let pid = arguments.next().ok_or("usage: freeze PID [ROUNDS]")?.parse()?;
        let rounds: usize = arguments.next().map_or(Ok(1), |rounds| rounds.parse())?;
        let process = Process::open(pid)?;
        let mut took = [const { Vec::new() }; 4];
        let mut threads = 0;
        for _ in 0..rounds {
            let began = Instant::now();
            let frozen = process.freeze()?;
            let freeze = began.elapsed();
            threads = frozen.threads();
            let held = frozen.thaw();
            let both = began.elapsed();
            for (times, one) in took.iter_mut().zip([freeze, both - freeze, both, held]) {
                times.push(one);
            }
            std::thread::sleep(Duration::from_millis(2));
        }
        println!("{threads} threads, medians of {rounds} rounds");
        for (name, mut times) in ["freeze", "thaw", "both", "held"].into_iter().zip(took) {
            times.sort_unstable();
            let (median, last) = (times[times.len() / 2], times[times.len() - 1]);
            println!("{name:>8} {:>8} us, at most {:>8} us", median.as_micros(), last.as_micros());
        }
        Ok(())
    }
}
