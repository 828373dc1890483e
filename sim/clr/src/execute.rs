//! What each opcode does. It is handed the opcode and never reads that again: in memory there may
//! be a breakpoint by now. Operands are read from memory, where a breakpoint is never put.

use softdock_process::Address;

use crate::hash::Ghost;
use crate::program::ClauseKind;
use crate::table::{fall_through, opcode::*};
use crate::thread::{Activation, FRAMES_MAX, FrameKind, Next, Phase};
use crate::vm::{Crash, Did, Step, Vm};

/// The exception of a division by zero.
pub const DIVIDED_BY_ZERO: i32 = -1;

/// The exception of a call that finds no room for its frame.
pub const STACK_OVERFLOW: i32 = -2;

/// The slots of the longest instruction of a fixed length that is run here.
const WORDS: usize = 6;

/// Where a frame goes on after an instruction.
enum Flow {
    /// Behind it.
    Next,
    /// At this slot of its method.
    To(u32),
    /// Nowhere now: frames came or went.
    Elsewhere,
}

use Flow::{Elsewhere, Next as Behind, To};

/// What went wrong, in words.
type Fault = &'static str;

/// An instruction that is being executed.
struct Running {
    index: usize,
    leaf: Activation,
    opcode: u32,
    words: [u32; WORDS],
    length: u32,
}

impl Vm {
    /// Fetches the opcode at the leaf and begins with it.
    pub(crate) fn fetch(&mut self, index: usize) -> Did {
        let Some(leaf) = self.threads[index].leaf() else {
            return self.crash(index, "a thread without frames");
        };
        match self.word(leaf, 0) {
            Ok(opcode) => self.begin(index, opcode),
            Err(fault) => self.crash(index, fault),
        }
    }

    /// Begins with a fetched opcode: executes it, or first tells what must be told.
    pub(crate) fn begin(&mut self, index: usize, opcode: u32) -> Did {
        let thread = &mut *self.threads[index];
        let (phase, next) = match opcode {
            BREAKPOINT => (Phase::Hit, Next::Fetch),
            DEBUG_METHOD_ENTER if self.method_enter => (Phase::MethodEnter, Next::Execute(opcode)),
            CALL_PINVOKE => (Phase::Blocked, Next::Execute(opcode)),
            _ => return self.execute(index, opcode),
        };
        (thread.phase, thread.next) = (phase, next);
        match opcode {
            BREAKPOINT => Did::Hit { at: self.leaf_address(index) },
            CALL_PINVOKE => Did::Blocked,
            _ => self.announce(index),
        }
    }

    /// Tells that a method is entered.
    fn announce(&mut self, index: usize) -> Did {
        let at = self.leaf_address(index);
        let leaf = self.threads[index].leaf().copied();
        let operand = leaf.and_then(|leaf| Some((leaf, self.word(&leaf, 1).ok()?)));
        let point = operand.filter(|(_, slot)| *slot != u32::MAX);
        let sequence_point =
            point.map(|(leaf, slot)| self.program.address(leaf.method as usize, slot));
        Did::MethodEnter { at, sequence_point }
    }

    /// Executes an opcode at the leaf.
    pub(crate) fn execute(&mut self, index: usize, opcode: u32) -> Did {
        match self.run(index, opcode) {
            Ok(step) => Did::Executed(step),
            Err(fault) => self.crash(index, fault),
        }
    }

    pub(crate) fn crash(&mut self, index: usize, why: Fault) -> Did {
        let at = self.leaf_address(index);
        self.threads[index].phase = Phase::Ended;
        Did::Crashed(Crash { at, why })
    }

    fn leaf_address(&self, index: usize) -> Address {
        let leaf = self.threads[index].leaf();
        leaf.map_or(Address::NULL, |leaf| self.program.address(leaf.method as usize, leaf.ip))
    }

    /// The slot so many behind the ip of a frame, as it is in memory now.
    fn word(&self, frame: &Activation, skip: u32) -> Result<u32, Fault> {
        let method = &self.program.methods()[frame.method as usize];
        match frame.ip.checked_add(skip) {
            Some(slot) if (slot as usize) < method.slots().len() => self
                .memory
                .peek_u32(method.address(slot))
                .map_err(|_| "the code is not mapped any more"),
            _ => Err("control has left the method"),
        }
    }

    fn running(&self, index: usize, opcode: u32) -> Result<Running, Fault> {
        let leaf = *self.threads[index].leaf().ok_or("a thread without frames")?;
        let fixed = if opcode == SWITCH { Some(3) } else { fall_through(opcode, &[]) };
        let mut words = [0; WORDS];
        for (skip, word) in words.iter_mut().enumerate().take(fixed.unwrap_or(0)).skip(1) {
            *word = self.word(&leaf, skip as u32)?;
        }
        let length = fall_through(opcode, &words).ok_or("there is no such opcode")?;
        let length = u32::try_from(length).unwrap_or(u32::MAX);
        Ok(Running { index, leaf, opcode, words, length })
    }

    fn run(&mut self, index: usize, opcode: u32) -> Result<Step, Fault> {
        let running = self.running(index, opcode)?;
        let leaf = running.leaf;
        let thread = &mut *self.threads[index];
        thread.next = Next::Fetch;
        let mut step = Step {
            thread: thread.id,
            activation: leaf.ghost.0,
            owner: thread.frames[leaf.owner as usize].ghost.0,
            method: leaf.method as usize,
            slot: leaf.ip,
            opcode,
            emitted: None,
            entered: None,
            left: false,
            kind: leaf.kind,
            is_first: !leaf.begun,
            cleans_up: thread.cleaning_up(thread.frames.len() - 1),
            depth: thread.frames.len(),
        };
        if let Some(leaf) = thread.frames.last_mut() {
            leaf.begun = true;
        }
        let flow = match opcode {
            SWITCH | BR | BRFALSE_I4 | BRTRUE_I4 | BEQ_I4 | BLT_I4 => self.branch(&running)?,
            RET | RET_VOID | HANDLE_CONTINUATION_SUSPEND => self.leave(&running, &mut step)?,
            CALL | CALLVIRT | CALL_TAIL | CALL_FINALLY => self.call(&running, &mut step)?,
            THROW | RETHROW | LEAVE_FILTER | LEAVE_CATCH | LOAD_EXCEPTION => {
                self.handle(&running, &mut step)?
            }
            _ => self.compute(&running, &mut step)?,
        };
        let to = match flow {
            Behind => leaf.ip.saturating_add(running.length),
            To(slot) => slot,
            Elsewhere => return Ok(step),
        };
        self.go(index, to);
        Ok(step)
    }

    /// Lets the leaf go on at a slot.
    pub(crate) fn go(&mut self, index: usize, slot: u32) {
        if let Some(leaf) = self.threads[index].frames.last_mut() {
            (leaf.ip, leaf.calling) = (slot, false);
        }
    }

    fn place(&self, running: &Running, variable: u32) -> Result<usize, Fault> {
        let locals = self.program.methods()[running.leaf.method as usize].locals();
        let place = running.leaf.base as usize + variable as usize;
        if variable < locals { Ok(place) } else { Err("there is no such variable") }
    }

    /// The value of the variable that operand `word` names.
    fn get(&self, running: &Running, word: usize) -> Result<i32, Fault> {
        let place = self.place(running, running.words[word])?;
        let value = self.threads[running.index].values.get(place);
        value.copied().ok_or("there is no such variable")
    }

    /// Sets the variable that the first operand names.
    fn set(&mut self, running: &Running, value: i32) -> Result<Flow, Fault> {
        let place = self.place(running, running.words[1])?;
        let found = self.threads[running.index].values.get_mut(place);
        *found.ok_or("there is no such variable")? = value;
        Ok(Behind)
    }

    /// Whatever just goes on behind itself, and a division by zero.
    fn compute(&mut self, running: &Running, step: &mut Step) -> Result<Flow, Fault> {
        let number = |word: usize| running.words[word].cast_signed();
        let value = match running.opcode {
            LDC_I4 => number(2),
            MOV_4 => self.get(running, 2)?,
            ADD_I4_IMM => self.get(running, 2)?.wrapping_add(number(3)),
            ADD_I4 => self.get(running, 2)?.wrapping_add(self.get(running, 3)?),
            SUB_I8 => self.get(running, 2)?.wrapping_sub(self.get(running, 3)?),
            DIV_I4 => match self.get(running, 3)? {
                0 => {
                    self.threads[running.index].raise(DIVIDED_BY_ZERO);
                    return Ok(Elsewhere);
                }
                divisor => self.get(running, 2)?.wrapping_div(divisor),
            },
            EXCHANGEADD_I4 => {
                let added = self.get(running, 3)?;
                let counter = self.counters.get_mut(running.words[2] as usize);
                let counter = counter.ok_or("there is no such counter")?;
                let old = *counter;
                *counter = old.wrapping_add(added);
                old
            }
            CALL_HELPER_V_SS => {
                let value = match running.words[3].checked_sub(1) {
                    Some(number) => number.cast_signed(),
                    None => self.get(running, 1)?,
                };
                if let Some(output) = &mut self.output {
                    output.push((step.thread, value));
                }
                step.emitted = Some(value);
                return Ok(Behind);
            }
            SAFEPOINT
            | CALL_PINVOKE
            | HANDLE_CONTINUATION_RESUME
            | DEBUG_METHOD_ENTER
            | DEBUG_SEQ_POINT
            | NOP => return Ok(Behind),
            _ => return Err("this interpreter does not run such an opcode"),
        };
        self.set(running, value)
    }

    fn branch(&self, running: &Running) -> Result<Flow, Fault> {
        let ip = running.leaf.ip;
        let (taken, last) = match running.opcode {
            SWITCH => return self.switch(running),
            BRFALSE_I4 => (self.get(running, 1)? == 0, 2),
            BRTRUE_I4 => (self.get(running, 1)? != 0, 2),
            BEQ_I4 => (self.get(running, 1)? == self.get(running, 2)?, 3),
            BLT_I4 => (self.get(running, 1)? < self.get(running, 2)?, 3),
            _ => (true, 1),
        };
        Ok(if taken { To(ip.wrapping_add(running.words[last])) } else { Behind })
    }

    /// Each case is told as the distance from the slot that tells it.
    fn switch(&self, running: &Running) -> Result<Flow, Fault> {
        let case = self.get(running, 1)?.cast_unsigned();
        if case >= running.words[2] {
            return Ok(Behind);
        }
        let skip = case.saturating_add(3);
        let distance = self.word(&running.leaf, skip)?;
        Ok(To(running.leaf.ip.wrapping_add(skip).wrapping_add(distance)))
    }

    fn leave(&mut self, running: &Running, step: &mut Step) -> Result<Flow, Fault> {
        let value = match running.opcode {
            RET => Some(self.get(running, 1)?),
            // Nothing to suspend: on behind the instruction that would resume, too.
            HANDLE_CONTINUATION_SUSPEND if self.get(running, 1)? == 0 => {
                return Ok(To(running.leaf.ip.saturating_add(running.length + 2)));
            }
            _ => None,
        };
        match running.leaf.kind {
            FrameKind::Method => {}
            FrameKind::Finally if running.opcode == RET_VOID => {
                step.left = true;
                if !self.unwinder(running.index).end_finally() {
                    self.returned(running.index, None);
                }
                return Ok(Elsewhere);
            }
            _ => return Err("a handler returns as if it were a method"),
        }
        step.left = true;
        let thread = &mut *self.threads[running.index];
        let bottom = thread.frames.len() - 1;
        thread.truncate(bottom);
        if bottom == thread.bottom() {
            thread.next = Next::Finish(Ok(value));
        } else {
            self.returned(running.index, value.map(|value| (running.leaf.result, value)));
        }
        Ok(Elsewhere)
    }

    /// Lets the leaf go on after a call, with its result and the variable for it.
    fn returned(&mut self, index: usize, result: Option<(u32, i32)>) {
        let thread = &mut *self.threads[index];
        let Some(leaf) = thread.frames.last_mut() else { return };
        leaf.calling = false;
        if let Some((variable, value)) = result
            && let Some(place) = thread.values.get_mut(leaf.base as usize + variable as usize)
        {
            *place = value;
        }
    }

    fn call(&mut self, running: &Running, step: &mut Step) -> Result<Flow, Fault> {
        let index = running.index;
        let deep = self.threads[index].frames.len() >= FRAMES_MAX;
        if deep && running.opcode != CALL_TAIL {
            self.threads[index].raise(STACK_OVERFLOW);
            return Ok(Elsewhere);
        }
        if running.opcode == CALL_FINALLY {
            step.entered = Some(self.call_finally(running));
            return Ok(Elsewhere);
        }
        let args = self.arguments(running)?;
        let (result, callee) = (running.words[1], running.words[3]);
        self.place(running, result)?;
        if running.opcode == CALL_TAIL {
            if running.leaf.kind != FrameKind::Method {
                return Err("a handler makes a tail call");
            }
            let thread = &mut *self.threads[index];
            thread.truncate(thread.frames.len() - 1);
            step.left = true;
            step.entered = Some(self.enter(index, callee, &args, running.leaf.result));
            return Ok(Elsewhere);
        }
        self.call_from(running);
        step.entered = Some(self.enter(index, callee, &args, result));
        Ok(Elsewhere)
    }

    /// Notes in the leaf where it will go on.
    fn call_from(&mut self, running: &Running) {
        if let Some(leaf) = self.threads[running.index].frames.last_mut() {
            leaf.ip = leaf.ip.saturating_add(running.length);
            leaf.calling = true;
        }
    }

    fn arguments(&self, running: &Running) -> Result<Vec<i32>, Fault> {
        let callee = self.program.methods().get(running.words[3] as usize);
        let args = callee.ok_or("there is no such method")?.args();
        if args == 0 {
            return Ok(Vec::new());
        }
        let last = running.words[2].checked_add(args - 1).ok_or("there is no such variable")?;
        let range = self.place(running, running.words[2])?..=self.place(running, last)?;
        let values = self.threads[running.index].values.get(range);
        Ok(values.ok_or("there is no such variable")?.to_vec())
    }

    /// Pushes the frame of a method and returns the number of its activation.
    pub(crate) fn enter(&mut self, index: usize, method: u32, args: &[i32], result: u32) -> u64 {
        self.activations += 1;
        let locals = self.program.methods()[method as usize].locals();
        let thread = &mut *self.threads[index];
        let base = thread.values.len();
        thread.values.extend_from_slice(args);
        thread.values.resize(base + locals as usize, 0);
        thread.frames.push(Activation {
            ghost: Ghost(self.activations),
            kind: FrameKind::Method,
            method,
            owner: thread.frames.len() as u32,
            ip: 0,
            calling: false,
            begun: false,
            base: base as u32,
            result,
            clause: None,
            exception: 0,
        });
        self.activations
    }

    /// Calls a `finally` handler on the way out of its range, in a frame of its own.
    fn call_finally(&mut self, running: &Running) -> u64 {
        let leaf = &running.leaf;
        let handler = leaf.ip.wrapping_add(running.words[1]);
        let clauses = self.program.methods()[leaf.method as usize].clauses();
        let clause = clauses
            .iter()
            .position(|known| known.kind == ClauseKind::Finally && known.handler == handler);
        self.call_from(running);
        let mut unwinder = self.unwinder(running.index);
        let parent = unwinder.thread.frames.len() as u32 - 1;
        let clause = clause.map(|clause| clause as u32);
        unwinder.enter(FrameKind::Finally, parent, handler, clause, 0)
    }

    fn handle(&mut self, running: &Running, step: &mut Step) -> Result<Flow, Fault> {
        let Activation { kind, exception, ip, .. } = running.leaf;
        match (running.opcode, kind) {
            (LOAD_EXCEPTION, FrameKind::Catch | FrameKind::Filter) => {
                return self.set(running, exception);
            }
            (THROW, _) => {
                let value = self.get(running, 1)?;
                self.threads[running.index].raise(value);
            }
            (RETHROW, FrameKind::Catch) => self.threads[running.index].raise(exception),
            (LEAVE_FILTER, FrameKind::Filter) => {
                let accepts = self.get(running, 1)? != 0;
                step.left = true;
                self.threads[running.index].end_filter(accepts);
            }
            (LEAVE_CATCH, FrameKind::Catch) => {
                step.left = true;
                let thread = &mut *self.threads[running.index];
                thread.truncate(thread.frames.len() - 1);
                self.go(running.index, ip.wrapping_add(running.words[1]));
            }
            _ => return Err("an instruction of a handler runs outside of one"),
        }
        Ok(Elsewhere)
    }
}
