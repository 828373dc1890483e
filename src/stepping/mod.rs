//! A debugger at work in a virtual CoreCLR interpreter: the real engine of `softdock-stepping`, the
//! virtual machine of `softdock-clr`, and judges who know what neither of them does.
//!
//! | module | what it knows |
//! |---|---|
//! | [`plan`] | a scenario made into a program, threads and commands |
//! | `process` | the virtual machine, as the engine sees it |
//! | [`told`] | what was told to whoever debugs |
//! | [`world`] | who can move, and what a move does |
//! | `commands` | what the debugger does at a stop |
//! | [`judge`] | what must hold at every moment |
//! | `ledger` | what was asked for, to compare the engine's own lists with |
//! | `stops` | what is held against a stop |
//! | `reference` | where a step must end, told by activations |
//! | [`trace`] | what one transition looked like |
//! | [`play`] | one run, by one schedule |
//! | [`shrink`] | the smallest scenario that breaks the same promise |
//! | [`explore`] | every schedule |
//! | [`recount`] | a second opinion on how many there are |

mod commands;
pub mod explore;
pub mod judge;
mod ledger;
pub mod plan;
pub mod play;
mod process;
pub mod recount;
mod reference;
pub mod shrink;
mod stops;
pub mod told;
pub mod trace;
pub mod world;
