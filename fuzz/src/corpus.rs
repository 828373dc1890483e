//! The program `corpus`: seeds for the fuzz targets, made of the committed scenarios; and crashes,
//! made into scenarios.
//!
//! `corpus sync` writes the seeds into `fuzz/corpus/<target>/`; what a fuzzer has found there
//! stays. `corpus triage` replays each file of `fuzz/artifacts/<target>/` and writes, for each
//! violation, the smallest scenario that shows it beside them. It fails if any input is still
//! wrong.

use std::collections::BTreeMap;
use std::fs;
use std::io;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use softdock::choice::Digest;
use softdock::codec::Coded;
use softdock::scenario::names::BuildName;
use softdock::scenario::process::Image;
use softdock::scenario::{self, Attach, Scenario};
use softdock::shrink::shrink;
use softdock_cpython::{Build, Table};

use crate::crash::{Crash, attempted, attempting};
use crate::schedule::PLAYS;
use crate::{Check, TARGETS, committed, memory, stepping, sweep};

const USAGE: &str = "usage: corpus sync | corpus triage";

/// The program.
#[must_use]
pub fn main() -> ExitCode {
    let done = match std::env::args().nth(1).as_deref() {
        Some("sync") => sync(),
        Some("triage") => triage(),
        _ => {
            eprintln!("{USAGE}");
            return ExitCode::from(2);
        }
    };
    done.unwrap_or_else(|error| {
        eprintln!("error: {error}");
        ExitCode::FAILURE
    })
}

fn folder(of: &str, target: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join(of).join(target)
}

fn sync() -> io::Result<ExitCode> {
    let scenarios = committed::scenarios();
    for (target, _) in TARGETS {
        let folder = folder("corpus", target);
        fs::create_dir_all(&folder)?;
        let seeds = seeds(target, &scenarios);
        for seed in &seeds {
            fs::write(folder.join(name(seed)), seed)?;
        }
        println!("{target:<16} {:>4} seeds", seeds.len());
    }
    Ok(ExitCode::SUCCESS)
}

/// As libFuzzer does: a file is named after what is in it.
fn name(bytes: &[u8]) -> String {
    let mut digest = Digest::default();
    digest.bytes(bytes);
    format!("{:032x}", digest.value())
}

fn seeds(target: &str, scenarios: &[(String, Scenario)]) -> Vec<Vec<u8>> {
    let attaches = scenarios.iter().filter_map(|(_, scenario)| scenario.attach());
    match target {
        "slab" => tables(),
        "image" => attaches.map(damage).collect(),
        "schedule" => schedules(),
        "sweep" => attaches.map(sweep::essence).collect(),
        "stepping" => debuggers(scenarios, 0).collect(),
        "stepping_explore" => {
            debuggers(scenarios, 0).chain(debuggers(scenarios, stepping::FAULTS)).collect()
        }
        "scenario_text" => scenarios.iter().map(|(_, s)| scenario::write(s).into_bytes()).collect(),
        "maps" => maps(),
        "elf" => elves(),
        _ => Vec::new(),
    }
}

/// The true table of each build, with and without its file.
fn tables() -> Vec<Vec<u8>> {
    let builds = BuildName::ALL.iter();
    let each =
        builds.flat_map(|build| [Image::Same, Image::Unreadable].map(|image| (build, image)));
    each.map(|(build, image)| {
        let mut seed = memory::head(BuildName(*build), &image, 2);
        seed.extend(Table::of(*build).bytes());
        seed
    })
    .collect()
}

fn damage(attach: &Attach) -> Vec<u8> {
    let process = &attach.process;
    let build = process.build.unwrap_or(BuildName(Build::default()));
    let mut seed = memory::head(build, &process.image, process.threads.unwrap_or(1));
    attach.damage.put(&mut seed);
    seed
}

/// Those about stepping, in this mode.
fn debuggers(scenarios: &[(String, Scenario)], mode: u8) -> impl Iterator<Item = Vec<u8>> {
    scenarios.iter().filter_map(move |(_, scenario)| {
        let mut seed = stepping::encode(scenario.stepping()?)?;
        seed[0] |= mode;
        Some(seed)
    })
}

/// Every play quietly, and with one thing that happens at one of the first accesses.
fn schedules() -> Vec<Vec<u8>> {
    let mut seeds = Vec::new();
    for (play, _) in (0_u8..).zip(PLAYS) {
        for quiet in 0..40 {
            let mut seed = vec![play, quiet % 2];
            seed.resize(2 + usize::from(quiet), 0);
            seed.extend([1, quiet.wrapping_mul(97), quiet.wrapping_mul(61)]);
            seeds.push(seed);
        }
    }
    seeds
}

/// The mappings of this process, and lines that are odd.
fn maps() -> Vec<Vec<u8>> {
    let odd = b"1000-2000 r-xp 0 0:1 9 /a\xff\\012b (deleted)\n\
        00b51000-00bee000 rw-s 00000000 103:1a 0 \n\
        ffffffffff600000-ffffffffff601000 --xp 00000000 00:00 0 [vsyscall]\n";
    let own = fs::read("/proc/self/maps").ok();
    own.into_iter().chain([odd.to_vec()]).collect()
}

/// The headers of this program, with the tables at the end of its file brought near.
fn elves() -> Vec<Vec<u8>> {
    const HEAD: usize = 4096;
    let Ok(file) = std::env::current_exe().and_then(fs::read) else { return Vec::new() };
    let sections =
        file.get(40..48).and_then(|word| Some(u64::from_le_bytes(word.try_into().ok()?)));
    let tail = sections.and_then(|at| file.get(usize::try_from(at).ok()?.saturating_sub(2048)..));
    let mut near = file[..HEAD.min(file.len())].to_vec();
    if let Some(tail) = tail.filter(|_| near.len() == HEAD) {
        near[40..48].copy_from_slice(&(HEAD as u64 + 2048).to_le_bytes());
        near.extend_from_slice(tail);
    }
    vec![file[..HEAD.min(file.len())].to_vec(), near]
}

fn triage() -> io::Result<ExitCode> {
    // The replays tell their panics themselves.
    std::panic::set_hook(Box::new(|_| {}));
    let mut wrong = 0;
    for (target, check) in TARGETS {
        let folder = folder("artifacts", target);
        for (what, crash) in crashes(&folder, check)? {
            let path = keep(&folder, &what, crash)?;
            println!("{target:<16} {what}\n  {}", path.display());
            wrong += 1;
        }
    }
    println!("{wrong} different violations");
    Ok(if wrong == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

/// The crashes of a folder, one for each violation: that of the smallest input.
fn crashes(folder: &Path, check: Check) -> io::Result<BTreeMap<String, Crash>> {
    let Ok(entries) = fs::read_dir(folder) else { return Ok(BTreeMap::new()) };
    let mut inputs = Vec::new();
    for entry in entries {
        let path = entry?.path();
        if path.extension().is_none() && path.is_file() {
            inputs.push(fs::read(path)?);
        }
    }
    inputs.sort_by_key(Vec::len);
    let mut found = BTreeMap::new();
    for input in inputs {
        if let Err(crash) = replay(check, &input) {
            found.entry(without_numbers(&crash.what)).or_insert(crash);
        }
    }
    Ok(found)
}

fn replay(check: Check, input: &[u8]) -> Result<(), Crash> {
    attempting(None);
    catch_unwind(AssertUnwindSafe(|| check(input))).unwrap_or_else(|panic| {
        let text = panic.downcast_ref::<String>().map(String::as_str);
        let text = text.or(panic.downcast_ref::<&str>().copied()).unwrap_or("of another kind");
        let scenario = attempted().ok_or_else(|| String::from_utf8_lossy(input).into_owned());
        Err(Crash { what: format!("panic: {text}"), scenario })
    })
}

/// Two violations that differ in an address are one.
fn without_numbers(what: &str) -> String {
    let words = what.split(' ').filter(|word| !word.contains(|c: char| c.is_ascii_digit()));
    words.collect::<Vec<_>>().join(" ")
}

/// Writes the smallest scenario that is still wrong, or the input where it is about none.
fn keep(folder: &Path, what: &str, crash: Crash) -> io::Result<PathBuf> {
    let words = what.split(|c: char| !c.is_ascii_alphanumeric()).filter(|word| !word.is_empty());
    let stem: Vec<String> = words.take(8).map(str::to_lowercase).collect();
    let (text, kind) = match crash.scenario {
        Ok(scenario) => (told(&crash.what, &scenario), "ron"),
        Err(input) => (format!("{}\n{input}\n", crash.what), "txt"),
    };
    let path = folder.join(stem.join("-")).with_extension(kind);
    fs::write(&path, text)?;
    Ok(path)
}

fn told(what: &str, wrong: &Scenario) -> String {
    if let Some(file) = catch_unwind(|| smallest(wrong)).ok().flatten() {
        return file;
    }
    // The engine panics on it, as the search for something smaller does.
    let comment: Vec<String> = what.lines().map(|line| format!("// {line}\n")).collect();
    comment.concat() + &scenario::write(wrong)
}

/// The file of the smallest scenario that is as wrong.
fn smallest(wrong: &Scenario) -> Option<String> {
    match wrong {
        Scenario::Attach(attach) => Some(shrink(attach)?.file("a fuzzer")),
        Scenario::Stepping(stepping) => {
            Some(softdock::stepping::shrink::shrink(stepping)?.file("a fuzzer"))
        }
        // An exploration finds the one with the fewest moves itself.
        Scenario::Session(_) => None,
    }
}
