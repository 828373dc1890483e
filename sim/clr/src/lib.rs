//! A small deterministic interpreter of CoreCLR bytecode: 32-bit slots, a breakpoint opcode in
//! memory, frames that lie at reused addresses, exceptions in two passes, evaluations on a stopped
//! thread. It knows numbers and threads; it knows no objects, no native code and no debugger.
//!
//! **It must not know the engine that it tests.** The opcodes are told here a second time. A wrong
//! telling in either place makes the two disagree.
//!
//! | file | what |
//! |---|---|
//! | `table` | the opcodes, their names and lengths |
//! | `shape`, `assembly`, `operands`, `mistake` | from a text to a program |
//! | `program` | methods, and where they lie |
//! | `vm` | a process, and the transitions it makes |
//! | `thread`, `execute`, `unwind` | frames, opcodes, exceptions |
//! | `hash`, `shared` | telling states apart, and copying them |
//!
//! # Invariants
//!
//! 1. A process moves only when told to; same moves, same states.
//! 2. The opcode to execute is fetched once and never read again; operands are read from memory.
//! 3. Every instruction that is executed is told by exactly one [`Did::Executed`].
//! 4. An activation has a number of its own; the address of its frame says only how deep it is.
//! 5. Whatever is in memory, a thread ends at worst ([`Did::Crashed`]); nothing panics.
//!
//! # The language
//!
//! ```
//! use std::rc::Rc;
//!
//! use softdock_clr::{Did, Vm, assemble};
//!
//! let program = assemble(
//!     "method MAIN args 0 locals 2        ; variables v0 and v1
//!              DEBUG_METHOD_ENTER seq     ; `-` where there is no sequence point
//!      seq:    DEBUG_SEQ_POINT
//!      try:    LDC_I4 v0, 7
//!              THROW v0
//!      after:  EMIT #3                    ; writes out a number, or a variable
//!              RET_VOID
//!      handler: LOAD_EXCEPTION v1
//!              hidden EMIT v1             ; belongs to no source line
//!              LEAVE_CATCH after
//!      catch try..after handler           ; or `finally`, or `filter try..after FILTER handler`
//!      end",
//! )?;
//! let mut vm = Vm::new(Rc::new(program), &[0]);
//! loop {
//!     match vm.step(1) {
//!         Did::Ended { unhandled } => break assert_eq!(unhandled, None),
//!         Did::Unwinding { .. } => assert!(vm.go_on(1)),
//!         _ => {}
//!     }
//! }
//! assert_eq!(vm.output(), [(1, 7), (1, 3)]);
//! # Ok::<(), softdock_clr::Mistake>(())
//! ```

mod assembly;
mod execute;
mod hash;
mod mistake;
mod operands;
mod program;
mod shape;
mod shared;
mod table;
mod thread;
mod unwind;
mod vm;

pub use assembly::{LOCALS_MAX, assemble};
pub use execute::{DIVIDED_BY_ZERO, STACK_OVERFLOW};
pub use hash::Digest;
pub use mistake::Mistake;
pub use operands::COUNTERS;
pub use program::{Clause, ClauseKind, HEADER_BYTES, Instruction, Method, Program, SLOT_BYTES};
pub use shape::{Operand, SHAPES, is_terminator};
pub use shared::Shared;
pub use table::{TABLE, fall_through, name, number, opcode};
pub use thread::{FRAMES_MAX, Frame, FrameKind, Phase};
pub use vm::{Context, Crash, Did, Step, Vm};
