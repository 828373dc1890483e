//! How long work shows itself: a bar on the terminal, nothing elsewhere; and Ctrl-C, which ends it
//! and keeps what is done.

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use indicatif::{ProgressBar, ProgressStyle};
use signal_hook::consts::{SIGINT, SIGTERM};
use softdock::finding::Finding;

/// Work under way.
pub(crate) struct Progress {
    bar: ProgressBar,
    runs: AtomicU64,
    began: Instant,
    interrupted: Arc<AtomicBool>,
}

impl Progress {
    /// Begins work of so many pieces. A second Ctrl-C kills, as it would without us.
    pub(crate) fn new(pieces: usize) -> std::io::Result<Progress> {
        let interrupted = Arc::new(AtomicBool::new(false));
        for signal in [SIGINT, SIGTERM] {
            let twice = Arc::clone(&interrupted);
            signal_hook::flag::register_conditional_default(signal, twice)?;
            signal_hook::flag::register(signal, Arc::clone(&interrupted))?;
        }
        let bar = ProgressBar::new(pieces as u64);
        let style = ProgressStyle::with_template("{wide_bar} {percent}% {msg} {eta}");
        bar.set_style(style.unwrap_or_else(|_| ProgressStyle::default_bar()));
        bar.enable_steady_tick(Duration::from_millis(200));
        Ok(Progress { bar, runs: AtomicU64::new(0), began: Instant::now(), interrupted })
    }

    /// A piece is done; it took so many runs.
    pub(crate) fn did(&self, runs: u64) {
        let runs = runs + self.runs.fetch_add(runs, Ordering::Relaxed);
        self.bar.inc(1);
        self.bar.set_message(format!("{runs} attaches"));
    }

    /// Saves a finding before anything else happens, and tells of it above the bar.
    pub(crate) fn found(&self, folder: &Path, finding: &Finding) {
        let Finding { schedule, broken, .. } = finding;
        let told = match finding.save(folder) {
            Ok(path) => format!("repeat it with: softdock replay {}", path.display()),
            Err(error) => {
                format!("it cannot be saved in {}: {error}\n{schedule}", folder.display())
            }
        };
        let message = format!("FOUND in {}: {}\n  {told}", schedule.scenario, broken.join("; "));
        self.bar.suspend(|| super::output::message(&message));
    }

    pub(crate) fn goes_on(&self) -> bool {
        !self.interrupted.load(Ordering::Relaxed)
    }

    /// Ends it, and says what it came to.
    pub(crate) fn finish(&self) {
        self.bar.finish_and_clear();
        let (runs, took) = (self.runs.load(Ordering::Relaxed), self.began.elapsed());
        let rate = u128::from(runs) * 1_000 / took.as_millis().max(1);
        let cut = if self.goes_on() { "" } else { ", interrupted: what was done is kept" };
        let message = format!("softdock: {runs} attaches in {took:.1?}, {rate} a second{cut}");
        super::output::message(&message);
    }
}
