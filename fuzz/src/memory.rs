//! Targets `slab` and `image`: a healthy process whose memory is damaged, and whose mapped file is
//! as it should be or cannot be had. Whatever the damage, the engine may refuse and may attach, but
//! break no promise.
//!
//! Nothing is consented to: who writes on a structural proof alone, has asked for it.
//!
//! The first byte of an input is the build, the bits of the second say what is special about the
//! process and the attempt, the rest is the table (`slab`) or a list of changes (`image`), coded.

use softdock::codec::{Coded, decode};
use softdock::scenario::names::BuildName;
use softdock::scenario::process::{Image, SubInterpreter};
use softdock::scenario::{Attach, Damage, Place, Thread};

use crate::crash::Crash;
use crate::judge::attempt;

/// Bytes of a table that are looked at: the largest has 888, and some words come behind it.
pub const TABLE_MAX: usize = 1024;

/// Changes to the memory of one process.
pub const DAMAGE_MAX: usize = 8;

/// The input is the table that a healthy process publishes.
///
/// # Errors
/// When a promise is broken.
pub fn slab(input: &[u8]) -> Result<(), Crash> {
    let mut rest = input;
    let mut scenario = healthy(&mut rest);
    let table = rest[..rest.len().min(TABLE_MAX)].to_vec();
    scenario.damage = vec![Damage::Bytes(Place::Runtime(0), table)];
    attempt(&scenario)
}

/// The input is what is changed in the memory of a healthy process.
///
/// # Errors
/// When a promise is broken.
pub fn image(input: &[u8]) -> Result<(), Crash> {
    let mut rest = input;
    let mut scenario = healthy(&mut rest);
    scenario.damage = Vec::take(&mut rest);
    scenario.damage.truncate(DAMAGE_MAX);
    attempt(&scenario)
}

/// A healthy process, of the two bytes that are taken from the front.
fn healthy(from: &mut &[u8]) -> Attach {
    let mut scenario = decode(&[]);
    scenario.process.build = Some(BuildName::take(from));
    let bits = u8::take(from);
    let is = |bit: u8| bits & 1 << bit != 0;
    if is(0) {
        scenario.process.image = Image::Unreadable;
    }
    scenario.process.threads = Some(1 + usize::from(bits >> 1 & 3));
    if is(3) {
        scenario.process.sub_interpreters = vec![SubInterpreter { threads: 1, executing: is(4) }];
    }
    if is(5) {
        scenario.config.thread = Thread::Any;
    }
    scenario.config.confirm = is(6);
    scenario.config.cancel = is(7);
    scenario
}

/// The first two bytes of a seed.
#[must_use]
pub fn head(build: BuildName, image: &Image, threads: usize) -> Vec<u8> {
    let mut head = Vec::new();
    build.put(&mut head);
    let unreadable = u8::from(*image == Image::Unreadable);
    head.push(unreadable | (threads.clamp(1, 4) as u8 - 1) << 1);
    head
}
