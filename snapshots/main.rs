//! The rules of the house, and what the command prints. What scenarios come to is held by the test
//! target `scenarios`, what real processes do by `live`.

mod certificates;
mod command;
mod damage;
mod explored;
mod layers;
mod opcodes;
mod promises;
mod properties;
mod roundtrips;
mod sessions;
mod tidy;
mod windows;
