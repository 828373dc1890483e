//! What the debugger does at a stop: the commands of the scenario, one after the other, up to where
//! the process runs again.

use std::sync::Arc;

use softdock_clr::Context;
use softdock_stepping::{Mode, Range, Refused, ThreadId};

use super::plan::place;
use super::reference::Reference;
use super::target::Target;
use super::world::{Happened, World};
use crate::scenario::stepping::{Command, How};

impl World {
    /// Does what comes next, up to where the process runs again.
    pub(super) fn debug(&mut self) {
        let Some(thread) = self.stopped else { return };
        let (plan, first) = (Arc::clone(&self.plan), self.next_command);
        loop {
            let command = plan.commands.get(self.next_command).filter(|_| !self.is_detached);
            self.next_command += usize::from(command.is_some());
            match command {
                None | Some(Command::Go) => break,
                Some(Command::Pause(transitions)) => {
                    self.pause = Some(*transitions);
                    break;
                }
                Some(command) => {
                    if let Err(refused) = self.obey(thread, command) {
                        let told = format!("refused {command:?}: {}", self.told_refusal(refused));
                        self.told.push(told);
                    }
                }
            }
        }
        self.stopped = None;
        self.happened = Happened::Commands(first, self.next_command);
    }

    fn obey(&mut self, thread: u64, command: &Command) -> Result<(), Refused> {
        let target = &mut Target(&mut self.vm);
        match command {
            Command::Go | Command::Pause(_) => {}
            Command::Break(text) => {
                let (method, place) =
                    place(&self.plan.program, text).map_err(|_| Refused::Unknown)?;
                let id = self.debugger.set_breakpoint(target, method, place)?;
                self.breakpoints.push(id);
            }
            Command::Delete(nth) => {
                let id = nth.checked_sub(1).and_then(|nth| self.breakpoints.get(nth as usize));
                let id = *id.ok_or(Refused::Unknown)?;
                self.debugger.remove_breakpoint(target, id)?;
            }
            Command::Step(how) => self.begin(thread, 0, *how, None)?,
            Command::StepRange(how, from, to) => self.begin(thread, 0, *how, Some((*from, *to)))?,
            Command::StepFrame(how, thread, nth) => self.begin(*thread, *nth, *how, None)?,
            Command::Cancel(nth) => {
                let id = nth.checked_sub(1).and_then(|nth| self.steps.get(nth as usize));
                let id = *id.ok_or(Refused::Unknown)?;
                self.debugger.cancel_step(target, id)?;
                self.references.retain(|reference| reference.id != id);
            }
            Command::SetIp(slot) => self.set_ip(thread, *slot)?,
            Command::ResumeIn(nth) => self.resume_in(thread, *nth)?,
            Command::SetVariable(variable, value) => {
                self.twin = None;
                let leaf = self.vm.frames(thread).first().map(|leaf| leaf.address);
                let leaf = leaf.ok_or(Refused::NoFrame)?;
                self.vm.set_variable(thread, leaf, *variable, *value);
            }
            Command::Evaluate(name, arguments) => self.evaluate(thread, name, arguments)?,
            Command::Detach => {
                self.is_detached = true;
                self.references.clear();
                self.debugger.detach(target)?;
            }
        }
        Ok(())
    }

    fn begin(
        &mut self,
        thread: u64,
        nth: usize,
        how: How,
        range: Option<(u64, u64)>,
    ) -> Result<(), Refused> {
        let mode = match how {
            How::In => Mode::In,
            How::Over => Mode::Over,
            How::Out => Mode::Out,
        };
        let frames = self.vm.frames(thread);
        let method = frames.get(nth).ok_or(Refused::NoFrame)?.method;
        let slots = range.map(|(from, to)| (from as u32, to as u32));
        let address = |slot| self.vm.program().address(method, slot);
        let range = slots.map(|(from, to)| Range { start: address(from), end: address(to) });
        let target = &mut Target(&mut self.vm);
        let id = self.debugger.step(target, ThreadId(thread), nth, mode, range)?;
        self.steps.push(id);
        let range = slots.map(|(from, to)| (method, from, to));
        self.references.extend(Reference::new((id, thread), &frames, nth, mode, range));
        Ok(())
    }

    fn set_ip(&mut self, thread: u64, slot: u64) -> Result<(), Refused> {
        let context = self.vm.context(thread).ok_or(Refused::NoFrame)?;
        let (method, _) = self.vm.program().place(context.ip).ok_or(Refused::NoFrame)?;
        let slot = slot as u32;
        let ip = self.vm.program().address(method, slot);
        if self.vm.program().methods()[method].instruction(slot).is_none() {
            return Err(Refused::NotAnInstruction(ip));
        }
        self.twin = None;
        self.vm.set_context(thread, Context { ip, ..context });
        Ok(())
    }

    fn resume_in(&mut self, thread: u64, nth: usize) -> Result<(), Refused> {
        let frame = self.vm.frames(thread).get(nth).copied().ok_or(Refused::NoFrame)?;
        self.vm.context(thread).ok_or(Refused::NoFrame)?;
        self.twin = None;
        self.vm.set_context(thread, Context { ip: frame.ip, frame: frame.address });
        Ok(())
    }

    fn evaluate(&mut self, thread: u64, name: &str, arguments: &[i32]) -> Result<(), Refused> {
        let method = self.plan.program.method(name).ok_or(Refused::Unknown)?;
        self.vm.context(thread).ok_or(Refused::NoFrame)?;
        self.twin = None;
        let target = &mut Target(&mut self.vm);
        self.debugger.resume(target, ThreadId(thread));
        self.debugger.evaluation_begins(target, ThreadId(thread));
        self.vm.evaluate(thread, method, arguments);
        self.waits.retain(|(waiting, _)| *waiting != thread);
        Ok(())
    }

    fn told_refusal(&self, refused: Refused) -> String {
        match refused {
            Refused::NotAnInstruction(at) => format!("no instruction starts at {}", self.named(at)),
            Refused::Undecodable(at, _) => format!("{} cannot be decoded", self.named(at)),
            Refused::Patch(at, error) => format!("{} cannot be patched: {error:?}", self.named(at)),
            Refused::NoFrame => "the thread has no such frame, or is not at a breakpoint".into(),
            Refused::Unknown => "there is none".into(),
        }
    }
}
