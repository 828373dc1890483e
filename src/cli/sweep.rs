//! `softdock sweep` and `softdock merge`: the fault space of scenarios, and its certificates. What
//! is proved is told by the library; this is how it is asked for and shown.

use std::num::NonZeroUsize;
use std::path::{Path, PathBuf};

use serde::Serialize;
use softdock::corpus::{self, Entry};
use softdock::finding::Finding;
use softdock::frontend::FrontEnd;
use softdock::report::Line;
use softdock::scenario::Mistake;
use softdock::sweep::{
    Bound, Certificate, DEPTH_MAX, Job, Proof, Sweep, Tally, Watcher, counted, misses, recount,
};

use super::progress::Progress;
use super::{Exit, Format, front_end, output, usage};

/// Try every fault at every access of scenarios, and certify what came out.
///
/// A quiet run says which accesses there are. Then every one of them is made to fail in every way a
/// system can: unmapped, denied, gone, interrupted, unsupported, once or from then on; cut short
/// after every byte; landed but reported failed; lost; torn at every byte. Then every pair of
/// these, with --depth 2. With --lies every bit and every word of everything that is read is wrong
/// once. Last, the target runs, or the attacher dies, in the middle of every write. Each run is the
/// real engine, judged by an oracle that knows the truth. What is left out where a scenario moves
/// very much, and which pairs are told by others, is named as a bound of the certificate.
///
/// A sweep that was interrupted keeps what it has done and exits 1: it proves nothing of what is
/// left. A shard that did its share exits 0; `merge` says whether the shards are the whole.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  softdock sweep scenarios/attach/two-threads.ron          one scenario, its whole certificate
  softdock sweep --depth 2 --lies                          everything below scenarios/
  softdock sweep --depth 3 --shard 1/16 --out shards       one sixteenth, for a job array
  softdock merge shards/*.json                             and what they prove together")]
pub(crate) struct Args {
    /// Scenario files, or folders of them.
    #[arg(default_value = "scenarios")]
    paths: Vec<PathBuf>,

    /// At most so many honest and silent faults in a run.
    #[arg(long, default_value_t = 1, value_parser = clap::value_parser!(u32).range(1..=i64::from(DEPTH_MAX)))]
    depth: u32,

    /// Also try every single lie.
    #[arg(long)]
    lies: bool,

    /// Workers; as many as there are processors by default.
    #[arg(long, value_name = "N")]
    jobs: Option<NonZeroUsize>,

    /// Do only this share of the work, from 1: `2/16`.
    #[arg(long, value_name = "I/N", value_parser = shard)]
    shard: Option<(usize, usize)>,

    /// Who attaches. Faults strike the accesses of the engine, in both looks of `concord`.
    #[arg(long, value_name = "FRONT_END", default_value = "managed", value_parser = front_end)]
    front_end: FrontEnd,

    /// Where certificates and findings are written.
    #[arg(long, value_name = "FOLDER", default_value = "target/softdock")]
    out: PathBuf,

    /// How results are printed.
    #[arg(long, value_enum, default_value_t)]
    format: Format,
}

/// Merge the certificates of shards, and count them again.
///
/// They must be of the same scenarios, swept by the same executable: digests of both tell.
///
/// Where shards are missing or were interrupted it says so, writes `certificate-incomplete.json`,
/// which can be merged with what comes later, and exits 1.
#[derive(Debug, clap::Args)]
pub(crate) struct MergeArgs {
    /// Certificates of the same sweep, one a shard.
    #[arg(required = true)]
    files: Vec<PathBuf>,

    /// Where the merged certificate is written.
    #[arg(long, value_name = "FOLDER", default_value = "target/softdock")]
    out: PathBuf,

    /// How results are printed.
    #[arg(long, value_enum, default_value_t)]
    format: Format,
}

fn shard(text: &str) -> Result<(usize, usize), String> {
    let parsed =
        text.split_once('/').and_then(|(nth, of)| Some((nth.parse().ok()?, of.parse().ok()?)));
    match parsed {
        Some((nth, of)) if (1..=of).contains(&nth) => Ok((nth - 1, of)),
        _ => Err("expected I/N with I from 1 to N, as 2/16".into()),
    }
}

pub(crate) fn sweep(args: &Args) -> Exit {
    let entries = match read(&args.paths) {
        Ok(entries) if !entries.is_empty() => entries,
        Ok(_) => {
            return usage(
                "softdock: no attempt to attach below these paths, and only those are swept: try \
                 `softdock explore`",
            );
        }
        Err(mistake) => return usage(&mistake.to_string()),
    };
    let jobs: Vec<Job<'_>> = entries.iter().filter_map(job).collect();
    let sweep = Sweep {
        depth: args.depth,
        lies: args.lies,
        workers: args.jobs.map_or_else(processors, usize::from),
        shard: args.shard.unwrap_or((0, 1)),
        front_end: args.front_end,
    };
    let planned = sweep.plan(&jobs);
    let watch = match Progress::new(planned.pieces()) {
        Ok(progress) => {
            let (front_end, folder) = (args.front_end, args.out.join("findings"));
            Watch { progress, front_end, folder, entries: &entries }
        }
        Err(error) => return usage(&format!("softdock: signals cannot be listened to: {error}")),
    };
    let proof = Proof::new(&sweep, planned.run(&watch));
    watch.progress.finish();
    conclude(&proof, &args.out, args.format, Certificate::did_its_share)
}

pub(crate) fn merge(args: &MergeArgs) -> Exit {
    let mut merged: Option<Proof> = None;
    for file in &args.files {
        let loaded = Proof::load(file).and_then(|proof| match &mut merged {
            Some(merged) => {
                merged.merge(&proof).map_err(|error| format!("{}: {error}", file.display()))
            }
            none => {
                *none = Some(proof);
                Ok(())
            }
        });
        if let Err(message) = loaded {
            return usage(&format!("softdock: {message}"));
        }
    }
    let Some(proof) = merged else { return Exit::Usage };
    let exit = conclude(&proof, &args.out, args.format, Certificate::is_complete);
    output::message(&missing(&proof).unwrap_or_default());
    exit
}

/// Everything is read before anything is swept: a mistake in the last file would else cost hours.
fn read(paths: &[PathBuf]) -> Result<Vec<Entry>, Mistake> {
    let files = corpus::find(paths)?;
    let mut entries = Vec::new();
    for (path, name) in &files {
        let entry = corpus::load(path, name)?;
        if entry.scenario.attach().is_some() {
            entry.stage()?;
            entries.push(entry);
        }
    }
    Ok(entries)
}

fn job(entry: &Entry) -> Option<Job<'_>> {
    entry.scenario.attach().map(|scenario| Job { name: &entry.name, scenario })
}

fn processors() -> usize {
    std::thread::available_parallelism().map_or(1, usize::from)
}

/// Shows how far it has come, and saves findings at once.
struct Watch<'j> {
    progress: Progress,
    front_end: FrontEnd,
    folder: PathBuf,
    entries: &'j [Entry],
}

impl Watcher for Watch<'_> {
    fn did(&self, runs: u64) {
        self.progress.did(runs);
    }

    fn found(&self, finding: Finding) {
        let entry = self.entries.iter().find(|entry| entry.name == finding.schedule.scenario);
        let it = entry.and_then(|entry| Some((entry.path.as_path(), entry.scenario.attach()?)));
        if let Some(it) = it {
            self.progress.found(self.front_end, &self.folder, &finding, it);
        }
    }

    fn goes_on(&self) -> bool {
        self.progress.goes_on()
    }
}

/// The body of a line of JSON.
#[derive(Serialize)]
struct Told<'c> {
    /// Everything was gone through and counted twice, and nothing was found.
    clean: bool,
    complete: bool,
    recounted: bool,
    certificate: &'c Certificate,
}

/// What all certificates of a proof come to.
#[derive(Default)]
struct Sum {
    total: Tally,
    covered: u64,
    /// Certificates of scenarios that were not gone through as far as was asked.
    unfinished: u64,
    /// Certificates that are not of the whole space.
    incomplete: u64,
    /// What the second counter counts otherwise.
    wrong: Vec<String>,
}

impl Sum {
    fn add(&mut self, certificate: &Certificate, is_done: bool, wrong: Vec<String>) {
        self.total += &certificate.tally();
        self.covered += certificate.covered();
        self.unfinished += u64::from(!is_done);
        self.incomplete += u64::from(!certificate.is_complete());
        self.wrong.extend(wrong);
    }

    /// What is not finished must not be taken for a proof, in which nothing was found.
    fn exit(&self) -> Exit {
        let is_proof = self.total.findings == 0 && self.unfinished == 0 && self.wrong.is_empty();
        if is_proof { Exit::AsAsked } else { Exit::Finding }
    }
}

/// Tells all certificates, of which each is to be done as far as `is_done` wants, and saves them.
fn conclude(
    proof: &Proof,
    folder: &Path,
    format: Format,
    is_done: fn(&Certificate) -> bool,
) -> Exit {
    let mut sum = Sum { wrong: misses(proof), ..Sum::default() };
    for certificate in &proof.certificates {
        let wrong = recount(certificate, proof.depth, proof.lies);
        show(certificate, wrong.is_empty(), proof.certificates.len() == 1, format);
        sum.add(certificate, is_done(certificate), wrong);
    }
    match proof.save(folder) {
        Ok(path) => output::message(&format!("softdock: the certificate is {}", path.display())),
        Err(error) => return usage(&format!("softdock: {}: {error}", folder.display())),
    }
    sum.wrong.iter().for_each(|wrong| output::message(&format!("softdock: RECOUNT: {wrong}")));
    let text = summary(proof, &sum);
    match format {
        Format::Text => output::result(&text),
        Format::Json => output::message(&text),
    }
    sum.exit()
}

/// One certificate: the only one is told whole.
fn show(certificate: &Certificate, recounted: bool, is_only: bool, format: Format) {
    let (tally, complete) = (certificate.tally(), certificate.is_complete());
    match format {
        Format::Json => {
            let clean = tally.findings == 0 && complete && recounted;
            output::json(&Line::new("sweep", Told { clean, complete, recounted, certificate }));
        }
        Format::Text if is_only => output::result(&certificate.to_string()),
        Format::Text => {
            let (name, covered) = (&certificate.scenario, certificate.covered());
            output::result(&output::tallied(name, covered, &tally, complete));
        }
    }
}

fn summary(proof: &Proof, sum: &Sum) -> String {
    let Proof { depth, lies, front_end, certificates, .. } = proof;
    let lies = if *lies { "single lies, " } else { "" };
    let by = if front_end == FrontEnd::Managed.name() { "" } else { " by concord" };
    let recounted = if sum.wrong.is_empty() { "counted twice" } else { "WRONGLY COUNTED" };
    let Tally { runs, findings, .. } = &sum.total;
    let mut text = format!(
        "{}{by}, faults to depth {depth}, {lies}crashes: {} by {}, {recounted}; {}{}",
        counted(certificates.len() as u64, "scenario"),
        counted(sum.covered, "case"),
        counted(*runs, "run"),
        counted(*findings, "finding"),
        sum.total.excuses()
    );
    text.push_str(&output::incomplete(sum.incomplete));
    // One certificate has told them itself.
    for bound in Bound::ALL.into_iter().filter(|_| certificates.len() > 1) {
        let bounded = certificates.iter().filter(|certificate| certificate.bounds.contains(&bound));
        match bounded.count() {
            0 => {}
            count => text.push_str(&format!("\n  bound, in {count}: {bound}")),
        }
    }
    text
}

/// Which shards are not there. Of very many some have nothing to do, and nobody misses those.
fn missing(proof: &Proof) -> Option<String> {
    if proof.certificates.iter().all(Certificate::is_complete) {
        return None;
    }
    let missing: Vec<String> = proof.missing().map(|nth| nth.to_string()).collect();
    let verb = if missing.len() == 1 { "shard is" } else { "shards are" };
    let told = format!("softdock: of {} the {verb} missing: {}", proof.of, missing.join(", "));
    (!missing.is_empty()).then_some(told)
}
