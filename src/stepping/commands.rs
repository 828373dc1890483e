//! What the debugger does at a stop: the commands of the scenario, one after the other, up to where
//! the process runs again.

use std::rc::Rc;

use softdock_clr::Context;
use softdock_stepping::{Mode, Range, Refused, ThreadId};

use super::plan::place;
use super::reference::Reference;
use super::told::Told;
use super::world::{Happened, Wait, World};
use crate::scenario::stepping::{Command, How};

impl World {
    /// Does what comes next, up to where the process runs again.
    pub(super) fn debug(&mut self, choice: usize) {
        let Some(thread) = self.stopped else { return };
        let (plan, first) = (Rc::clone(&self.process.plan), self.next_command);
        self.happened = Happened::Commands(first, first, choice);
        while let Some(command) = plan.commands.get(self.next_command).filter(|_| !self.is_detached)
        {
            self.next_command += 1;
            self.happened = Happened::Commands(first, self.next_command, choice);
            let chosen = match command {
                Command::Either(commands) => commands.get(choice),
                command => Some(command),
            };
            let goes_on = chosen.is_some_and(|chosen| self.goes_on(thread, chosen));
            if goes_on {
                break;
            }
            if matches!(command, Command::Either(_)) {
                return;
            }
        }
        self.stopped = None;
    }

    /// How many ways there are to go on at this stop.
    pub(super) fn choices(&self) -> usize {
        let left = self.plan().commands.get(self.next_command..).unwrap_or_default();
        let first = left.iter().find_map(|command| match command {
            Command::Go | Command::Pause(_) => Some(1),
            Command::Either(commands) => Some(commands.len()),
            _ => None,
        });
        first.filter(|_| !self.is_detached).unwrap_or(1)
    }

    /// Carries out a command. Whether the process runs again with it.
    fn goes_on(&mut self, thread: u64, command: &Command) -> bool {
        if let Err(refused) = self.obey(thread, command) {
            self.refused(thread, command, refused);
        }
        matches!(command, Command::Go | Command::Pause(_))
    }

    fn obey(&mut self, thread: u64, command: &Command) -> Result<(), Refused> {
        let target = &mut self.process;
        match command {
            Command::Go | Command::Either(_) => {}
            Command::Pause(transitions) => self.pause = Some(*transitions),
            Command::Break(text) => {
                let place = place(&target.plan.program, text);
                let (method, place) = place.map_err(|_| Refused::Unknown)?;
                let id = self.debugger.set_breakpoint(target, method, place)?;
                self.ledger.set(id, method, place);
            }
            Command::Delete(nth) => {
                let id = self.ledger.breakpoint(*nth).ok_or(Refused::Unknown)?;
                self.ledger.removed(id);
                self.debugger.remove_breakpoint(target, id)?;
            }
            Command::Step(how) => self.begin(thread, 0, *how, None)?,
            Command::StepRange(how, from, to) => self.begin(thread, 0, *how, Some((*from, *to)))?,
            Command::StepFrame(how, thread, nth) => self.begin(*thread, *nth, *how, None)?,
            Command::Cancel(nth) => {
                let id = self.ledger.step(*nth).ok_or(Refused::Unknown)?;
                self.references.retain(|reference| reference.id != id);
                self.debugger.cancel_step(target, id)?;
            }
            Command::SetIp(slot) => self.set_ip(thread, *slot)?,
            Command::ResumeIn(nth) => self.resume_in(thread, *nth)?,
            Command::SetVariable(variable, value) => {
                self.twin = None;
                let leaf = self.process.vm.frames(thread).first().map(|leaf| leaf.address);
                let leaf = leaf.ok_or(Refused::NoFrame)?;
                self.process.vm.set_variable(thread, leaf, *variable, *value);
            }
            Command::Evaluate(name, arguments) => self.evaluate(thread, name, arguments)?,
            Command::Detach => {
                self.is_detached = true;
                self.references.clear();
                self.ledger.detached();
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
        let frames = self.process.frames_to_be(thread);
        let method = frames.get(nth).ok_or(Refused::NoFrame)?.method;
        let slots = range.map(|(from, to)| (from as u32, to as u32));
        let address = |slot| self.process.vm.program().address(method, slot);
        let range = slots.map(|(from, to)| Range { start: address(from), end: address(to) });
        let target = &mut self.process;
        let id = self.debugger.step(target, ThreadId(thread), nth, mode, range)?;
        self.ledger.begun(id);
        let range = slots.map(|(from, to)| (method, from, to));
        let whose = (id, thread, self.process.vm.evaluations(thread));
        let mut reference = Reference::new(whose, &frames, nth, mode, range);
        if let Some((reference, frame)) = reference.as_mut().zip(self.throws_to(thread)) {
            reference.throws_to(frame);
        }
        self.references.extend(reference);
        Ok(())
    }

    /// The activation that an exception of this thread goes to, which the engine will be told.
    fn throws_to(&self, thread: u64) -> Option<u64> {
        let told = self.waits.iter().find_map(|wait| match *wait {
            (other, Wait::Unwinding(_, frame, _)) if other == thread => Some(frame),
            _ => None,
        });
        self.process.vm.activation(thread, told?)
    }

    /// Where a thread is that was told of: one that was paused has not come to any place where it
    /// could be moved, or made to run something else.
    fn context(&self, thread: u64) -> Result<Context, Refused> {
        let is_told = self.waits.contains(&(thread, Wait::Resume));
        self.process.vm.context(thread).filter(|_| is_told).ok_or(Refused::NoFrame)
    }

    fn set_ip(&mut self, thread: u64, slot: u64) -> Result<(), Refused> {
        let context = self.context(thread)?;
        let (method, _) = self.process.vm.program().place(context.ip).ok_or(Refused::NoFrame)?;
        let slot = slot as u32;
        let ip = self.process.vm.program().address(method, slot);
        if self.process.vm.program().methods()[method].instruction(slot).is_none() {
            return Err(Refused::NotAnInstruction(ip));
        }
        self.twin = None;
        let to = Context { ip, ..context };
        self.process.vm.set_context(thread, to);
        self.ledger.moved(&self.process.vm, thread, to);
        Ok(())
    }

    fn resume_in(&mut self, thread: u64, nth: usize) -> Result<(), Refused> {
        let frame = self.process.vm.frames(thread).get(nth).copied().ok_or(Refused::NoFrame)?;
        self.context(thread)?;
        self.twin = None;
        let to = Context { ip: frame.ip, frame: frame.address };
        self.process.vm.set_context(thread, to);
        self.ledger.moved(&self.process.vm, thread, to);
        Ok(())
    }

    fn evaluate(&mut self, thread: u64, name: &str, arguments: &[i32]) -> Result<(), Refused> {
        let method = self.plan().program.method(name).ok_or(Refused::Unknown)?;
        self.context(thread)?;
        if self.process.vm.program().methods()[method].args() as usize != arguments.len() {
            return Err(Refused::Unknown);
        }
        self.twin = None;
        let target = &mut self.process;
        let stuck = self.debugger.resume(target, ThreadId(thread));
        for event in stuck {
            self.judge_step(thread, &event);
            self.note([Told::Event(event)]);
        }
        self.move_references(thread);
        self.ledger.interrupted(&self.process.vm, thread);
        let target = &mut self.process;
        self.debugger.evaluation_begins(target, ThreadId(thread));
        self.process.vm.evaluate(thread, method, arguments);
        self.waits.retain(|(waiting, _)| *waiting != thread);
        Ok(())
    }
}
