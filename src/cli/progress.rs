//! How long work shows itself: a bar on the terminal, nothing elsewhere; and Ctrl-C, which ends it
//! and keeps what is done.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use indicatif::{ProgressBar, ProgressStyle};
use signal_hook::consts::{SIGINT, SIGTERM};
use softdock::finding::Finding;
use softdock::frontend::FrontEnd;
use softdock::scenario::Attach;
use softdock::sweep::counted;

/// Work under way.
pub(crate) struct Progress {
    bar: ProgressBar,
    runs: AtomicU64,
    transitions: AtomicU64,
    began: Instant,
    interrupted: Arc<AtomicBool>,
    /// How many findings of each scenario were told.
    told: Mutex<BTreeMap<String, u32>>,
}

/// Findings of one scenario that are saved and told: the first few tell what is wrong, a thousand
/// more do not tell it better. How many more there were is said at the end.
const FINDINGS_TOLD: u32 = 20;

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
        let (runs, transitions, told) = (AtomicU64::new(0), AtomicU64::new(0), Mutex::default());
        Ok(Progress { bar, runs, transitions, began: Instant::now(), interrupted, told })
    }

    /// A piece is done; it took so many runs.
    pub(crate) fn did(&self, runs: u64) {
        self.runs.fetch_add(runs, Ordering::Relaxed);
        self.bar.inc(1);
        self.bar.set_message(self.amount());
    }

    /// A piece about stepping is done; it took so many transitions.
    pub(crate) fn stepped(&self, transitions: u64) {
        self.transitions.fetch_add(transitions, Ordering::Relaxed);
        self.bar.inc(1);
        self.bar.set_message(self.amount());
    }

    /// What was done so far.
    fn amount(&self) -> String {
        let (runs, transitions) = (&self.runs, &self.transitions);
        match (runs.load(Ordering::Relaxed), transitions.load(Ordering::Relaxed)) {
            (runs, 0) => format!("{runs} attaches"),
            (0, transitions) => format!("{transitions} transitions"),
            (runs, transitions) => format!("{runs} attaches and {transitions} transitions"),
        }
    }

    /// Saves a finding before anything else happens, makes it small, and tells of it above the bar.
    pub(crate) fn found(
        &self,
        by: FrontEnd,
        folder: &Path,
        finding: &Finding,
        (file, scenario): (&Path, &Attach),
    ) {
        if !self.is_to_be_told(&finding.schedule.scenario) {
            return;
        }
        let Finding { schedule, broken, .. } = finding;
        let mut message = format!("FOUND in {}: {}", schedule.scenario, broken.join("; "));
        let how = match by {
            FrontEnd::Managed => String::new(),
            FrontEnd::Concord => format!(" --front-end {}", by.name()),
        };
        message += &match finding.save(folder, file) {
            Ok(path) => format!("\n  repeat it with: softdock replay {}{how}", path.display()),
            Err(error) => {
                format!("\n  it cannot be saved in {}: {error}\n{schedule}", folder.display())
            }
        };
        if let Ok(Some(path)) = finding.save_small(folder, file, scenario) {
            message += &format!("\n  as a small scenario: {}", path.display());
        }
        self.bar.suspend(|| super::output::message(&message));
    }

    fn is_to_be_told(&self, scenario: &str) -> bool {
        let mut told = self.told.lock().unwrap_or_else(|broken| broken.into_inner());
        let told = told.entry(scenario.into()).or_default();
        *told += 1;
        *told <= FINDINGS_TOLD
    }

    /// Findings that were only counted, in words, for each scenario that has any.
    fn unsaved(&self) -> Vec<String> {
        let told = self.told.lock().unwrap_or_else(|broken| broken.into_inner());
        let more = told.iter().filter(|(_, count)| **count > FINDINGS_TOLD);
        let said = more.map(|(scenario, count)| {
            let more = counted(u64::from(count - FINDINGS_TOLD), "more finding");
            format!(
                "softdock: bound, in {scenario}: {more} neither told nor saved: the first \
                 {FINDINGS_TOLD} of a scenario are"
            )
        });
        said.collect()
    }

    pub(crate) fn goes_on(&self) -> bool {
        !self.interrupted.load(Ordering::Relaxed)
    }

    /// Ends it, and says what it came to.
    pub(crate) fn finish(&self) {
        self.bar.finish_and_clear();
        let (done, took) = (self.amount(), self.began.elapsed());
        let runs = self.runs.load(Ordering::Relaxed) + self.transitions.load(Ordering::Relaxed);
        let rate = u128::from(runs) * 1_000 / took.as_millis().max(1);
        let cut = if self.goes_on() { "" } else { ", interrupted: what was done is kept" };
        let message = format!("softdock: {done} in {took:.1?}, {rate} a second{cut}");
        super::output::message(&message);
        self.unsaved().iter().for_each(|bound| super::output::message(bound));
    }
}
