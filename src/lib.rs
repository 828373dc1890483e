//! The director: scenario files, the virtual world they make, the judge, and the live process
//! behind the same engine. The engine itself is `softdock-attach`; the worlds it is tested in are
//! `softdock-memory` and `softdock-cpython`.
//!
//! | module | what it knows |
//! |---|---|
//! | [`scenario`] | the grammar of scenario files |
//! | [`codec`] | scenarios as bytes, for a fuzzer |
//! | [`choice`] | what a run leaves open, and who decides it |
//! | [`world`] | a fake process, faults, moves: what the engine sees |
//! | [`oracle`] | the truth, and what must never happen |
//! | [`sweep`] | the fault space of a scenario, and what was gone through |
//! | [`explore`] | every interleaving of the target's moves |
//! | [`stepping`] | the other half: a debugger at work in an interpreter |
//! | [`blame`] | whether anybody could have known better |
//! | [`frontend`] | the two front ends over the one engine |
//! | [`parity`] | whether both come to the same, and why not |
//! | [`figures`] | what is demanded of both, counted over all scenarios |
//! | [`finding`] | a run that should not be, kept |
//! | [`shrink`] | the smallest scenario that is still wrong |
//! | [`evidence`] | what a success must have seen |
//! | [`run`] | one scenario, attempted and judged |
//! | [`case`] | one run to be looked at closely |
//! | [`corpus`] | all scenarios of some folders |
//! | [`story`] | one run, told, and where its future was decided |
//! | [`trace`] | what happened, for a person |
//! | [`report`] | what an attempt came to, as JSON and as text |
//! | [`cache`] | what an attach remembers for the next one, on disk |
//! | [`patience`] | how long a request is given to be taken |
//! | [`phases`] | what each step of an attempt costs |
//! | [`answer`] | waiting for what a target tells of its debugger |
//! | [`session`] | a debugger in a target: what follows which, and what came of it |
//! | `live` | a real process behind the engine |

pub mod answer;
pub mod blame;
pub mod cache;
pub mod case;
pub mod choice;
pub mod codec;
pub mod corpus;
pub mod evidence;
pub mod explore;
pub mod figures;
pub mod finding;
pub mod frontend;
#[cfg(target_os = "linux")]
pub mod live;
pub mod oracle;
pub mod parity;
pub mod patience;
pub mod phases;
pub mod readable;
pub mod report;
pub mod run;
pub mod scenario;
pub mod session;
pub mod shrink;
pub mod stepping;
pub mod story;
pub mod sweep;
pub mod trace;
pub mod world;
