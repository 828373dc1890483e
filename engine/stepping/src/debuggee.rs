//! What the engine needs of the world around it. The engine has no threads, no stack and no file:
//! whatever it knows of the target, it knows through a [`Debuggee`].

use softdock_process::{Address, ProcessMemory};

/// A thread of the target.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ThreadId(pub u64);

/// A method, whatever bodies it has.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct MethodId(pub u32);

/// The bytecode of a method.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Body {
    /// Whose it is.
    pub method: MethodId,
    /// Its first opcode. What lies before it is not code.
    pub start: Address,
    /// How many slots of four bytes it has.
    pub slots: u64,
    /// Where a breakpoint on its first line goes: its first sequence point, if it has one.
    pub sequence_point: Option<Address>,
}

impl Body {
    /// Whether this address is in it.
    #[must_use]
    pub fn contains(&self, at: Address) -> bool {
        let bytes = self.slots.saturating_mul(4);
        at.checked_sub(self.start).is_some_and(|skip| skip < bytes)
    }
}

/// What a frame is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum FrameKind {
    /// A method that was called.
    Method,
    /// A `finally`, `catch` or filter of a method, which uses the method's variables.
    Clause,
}

/// A frame of a thread. Its address tells its depth (deeper is lower) and is used again by the next
/// callee: it is no name for ever.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Frame {
    /// Where it is.
    pub at: Address,
    /// The frame whose variables it uses: itself, or for a clause that of its method.
    pub owner: Address,
    /// What it is for.
    pub kind: FrameKind,
    /// The instruction it is at, or returns to.
    pub ip: Address,
    /// Whether it has called something that has not come back: `ip` is where it goes on then. The
    /// newest frame can be in a call as well, of native code.
    pub is_calling: bool,
    /// Whether the frame above it belongs to what was interrupted by an evaluation.
    pub is_bottom: bool,
}

/// Where a thread that has hit a breakpoint is, and where it goes on. Whoever debugs may change it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Context {
    /// The instruction.
    pub ip: Address,
    /// Its frame.
    pub frame: Address,
}

/// "The word at this address is a breakpoint; execute this opcode instead", once.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Bypass {
    /// The address.
    pub at: Address,
    /// The opcode that was there.
    pub opcode: u32,
}

/// The target: its bytecode, which is memory, and what its interpreter can tell.
pub trait Debuggee: ProcessMemory {
    /// The body that this address is in.
    fn body_at(&mut self, at: Address) -> Option<Body>;

    /// The nth body of a method, as far as it was loaded.
    fn body(&mut self, method: MethodId, nth: usize) -> Option<Body>;

    /// Whether an instruction belongs to a line of the source.
    fn is_mapped(&mut self, at: Address) -> bool;

    /// The nth frame of a thread, the newest first.
    fn frame(&mut self, thread: ThreadId, nth: usize) -> Option<Frame>;

    /// Where the thread is that has hit a breakpoint, as whoever debugs has left it.
    fn context(&mut self, thread: ThreadId) -> Option<Context>;

    /// What the thread is told to execute in the place of a breakpoint.
    fn bypass(&mut self, thread: ThreadId) -> Option<Bypass>;

    /// Tells it so, or nothing.
    fn set_bypass(&mut self, thread: ThreadId, bypass: Option<Bypass>);

    /// Whether methods shall tell when they are entered.
    fn tell_method_enter(&mut self, wanted: bool);
}
