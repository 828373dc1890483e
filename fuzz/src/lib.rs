//! What the fuzz targets do with their input, as plain functions: a target panics with what they
//! say, and `corpus` calls them again to tell what a crash was.
//!
//! | module | what it knows |
//! |---|---|
//! | [`crash`] | an input that should not be, told as a file |
//! | [`judge`] | whether a run is one |
//! | [`memory`] | targets `slab` and `image`: damage to a healthy process |
//! | [`schedule`] | target `schedule`: faults and moves |
//! | [`sweep`] | target `sweep`: every fault of a scenario nobody wrote |
//! | [`stepping`] | targets `stepping` and `stepping_explore`: debuggers of programs nobody wrote |
//! | [`text`] | target `scenario_text` |
//! | [`live`] | targets `maps` and `elf`: what a live process says of itself |
//! | [`committed`] | the committed scenarios |
//! | [`corpus`] | seeds, and what became of crashes |

pub mod committed;
pub mod corpus;
pub mod crash;
pub mod judge;
pub mod live;
pub mod memory;
pub mod schedule;
pub mod stepping;
pub mod sweep;
pub mod text;

use crash::Crash;

/// What a target does with an input.
pub type Check = fn(&[u8]) -> Result<(), Crash>;

/// All targets, by name.
pub const TARGETS: [(&str, Check); 9] = [
    ("slab", memory::slab),
    ("image", memory::image),
    ("schedule", schedule::check),
    ("sweep", sweep::check),
    ("stepping", stepping::check),
    ("stepping_explore", stepping::explore),
    ("scenario_text", text::check),
    ("maps", live::maps),
    ("elf", live::elf),
];
