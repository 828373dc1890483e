//! Everything of a scenario but its program, as bytes: threads, late methods and other bodies, what
//! the debugger does, what goes wrong, and the schedule, which is all that is left.

use softdock::codec::Coded;
use softdock::scenario::Stepping;
use softdock::scenario::stepping::{Command, How, WriteFault};
use softdock::stepping::plan::most_choices;
use softdock_clr::Program;

/// Lists that come before the schedule, and the schedule.
const THREADS_MAX: usize = 4;
const LIST_MAX: usize = 3;
const EITHER_MAX: usize = 15;
const COMMANDS_MAX: usize = 24;
const SCHEDULE_MAX: usize = 256;

/// The session in these bytes, of this program.
pub fn take(text: String, program: &Program, from: &mut &[u8]) -> Stepping {
    let method = |from: &mut &[u8]| method(program, u64::take(from));
    let count = 1 + usize::from(u8::take(from)) % THREADS_MAX;
    let threads = (0..count).map(|_| method(from)).collect();
    let again = list(from, LIST_MAX, |from| (1 + u64::take(from) % count as u64, method(from)));
    let late = list(from, LIST_MAX, method);
    let mut bodies = other_bodies(list(from, LIST_MAX, |from| (method(from), method(from))));
    let debugger = list(from, COMMANDS_MAX, |from| command(program, from, true));
    let faults = list(from, LIST_MAX, fault);
    bodies.retain(|(_, other)| !debugger.iter().any(|command| breaks_in(command, other)));
    let choices = list(from, COMMANDS_MAX, |from| usize::from(u8::take(from)));
    let choices =
        choices.into_iter().filter_map(|choice| choice.checked_rem(most_choices(&debugger)));
    let choices = choices.collect();
    let rest = from.iter().take(SCHEDULE_MAX);
    let schedule = rest.map(|byte| 1 + u64::from(*byte) % count as u64).collect();
    Stepping {
        about: "what a fuzzer came to".into(),
        source: None,
        program: text,
        threads,
        again,
        late,
        bodies,
        debugger,
        schedule,
        choices,
        faults,
        expect: Vec::new(),
        endless: false,
        output: Vec::new(),
    }
}

/// Whether this sets a breakpoint in that method: it has to be named by its first body.
fn breaks_in(command: &Command, method: &str) -> bool {
    match command {
        Command::Break(text) => text.split(':').next() == Some(method),
        Command::Either(commands) => commands.iter().any(|command| breaks_in(command, method)),
        _ => false,
    }
}

fn list<T>(from: &mut &[u8], max: usize, mut item: impl FnMut(&mut &[u8]) -> T) -> Vec<T> {
    let count = usize::from(u8::take(from)) % (max + 1);
    (0..count).map(|_| item(from)).collect()
}

/// The name that the program has for its nth method.
fn method(program: &Program, nth: u64) -> String {
    let methods = program.methods();
    methods[(nth % methods.len() as u64) as usize].name().into()
}

/// A body belongs to one method only, and has no other bodies.
fn other_bodies(told: Vec<(String, String)>) -> Vec<(String, String)> {
    let mut bodies: Vec<(String, String)> = Vec::new();
    for (first, other) in told {
        let is_other = |name: &String| bodies.iter().any(|(_, known)| known == name);
        let is_first = bodies.iter().any(|(known, _)| *known == other);
        if first != other && !is_other(&first) && !is_other(&other) && !is_first {
            bodies.push((first, other));
        }
    }
    bodies
}

/// A slot: 0 for the first line, an even number for the nth instruction, an odd one for itself.
fn slot(program: &Program, method: usize, told: u64) -> u64 {
    let starts = program.methods()[method].instructions();
    if told & 1 == 1 {
        return told >> 1 & 0xfff;
    }
    starts[((told >> 1) % starts.len() as u64) as usize].slot.into()
}

fn place(program: &Program, from: &mut &[u8]) -> usize {
    (u64::take(from) % program.methods().len() as u64) as usize
}

fn how(from: &mut &[u8]) -> How {
    [How::Over, How::In, How::Out][usize::from(u8::take(from)) % 3]
}

fn command(program: &Program, from: &mut &[u8], outermost: bool) -> Command {
    let kinds = if outermost { 14 } else { 13 };
    let number = |from: &mut &[u8]| u32::take(from) & 0xfff;
    match u8::take(from) % kinds {
        0 => Command::Go,
        1 => Command::Step(how(from)),
        2 => {
            let nth = place(program, from);
            let name = program.methods()[nth].name();
            match u64::take(from).checked_sub(1) {
                None => Command::Break(name.into()),
                Some(told) => Command::Break(format!("{name}:{}", slot(program, nth, told))),
            }
        }
        3 => {
            let nth = place(program, from);
            let mut slot = || slot(program, nth, u64::take(from));
            let (start, end) = (slot(), slot());
            Command::StepRange(how(from), start, end)
        }
        4 => Command::Pause(number(from)),
        5 => Command::Delete(number(from)),
        6 => {
            let thread = 1 + u64::take(from) % THREADS_MAX as u64;
            Command::StepFrame(how(from), thread, number(from) as usize)
        }
        7 => Command::Cancel(number(from)),
        8 => {
            let nth = place(program, from);
            Command::SetIp(slot(program, nth, u64::take(from)))
        }
        9 => Command::ResumeIn(number(from) as usize),
        10 => Command::SetVariable(number(from), i32::take(from)),
        11 => {
            let callee = &program.methods()[place(program, from)];
            let args = match usize::from(u8::take(from)) {
                0 => callee.args() as usize,
                others => (others - 1) & 3,
            };
            Command::Evaluate(callee.name().into(), (0..args).map(|_| i32::take(from)).collect())
        }
        12 => Command::Detach,
        _ => Command::Either(list(from, EITHER_MAX, |from| command(program, from, false))),
    }
}

fn fault(from: &mut &[u8]) -> WriteFault {
    let kind = u8::take(from) % 5;
    let nth = 1 + (u32::take(from) & 0xff);
    match kind {
        0 => WriteFault::Fails(nth),
        1 => WriteFault::FailsFrom(nth),
        2 => WriteFault::LandsAndFails(nth),
        3 => WriteFault::Vanishes(nth),
        _ => WriteFault::LandsByte(nth),
    }
}

/// The bytes of a session.
pub fn put(scenario: &Stepping, program: &Program, out: &mut Vec<u8>) {
    let nth = |name: &String| program.method(name).unwrap_or_default();
    out.push(scenario.threads.len() as u8 - 1);
    scenario.threads.iter().for_each(|name| nth(name).put(out));
    out.push(scenario.again.len() as u8);
    scenario.again.iter().for_each(|(thread, name)| (thread - 1, nth(name)).put(out));
    out.push(scenario.late.len() as u8);
    scenario.late.iter().for_each(|name| nth(name).put(out));
    out.push(scenario.bodies.len() as u8);
    scenario.bodies.iter().for_each(|(first, other)| (nth(first), nth(other)).put(out));
    out.push(scenario.debugger.len() as u8);
    scenario.debugger.iter().for_each(|command| put_command(command, program, out));
    out.push(scenario.faults.len() as u8);
    scenario.faults.iter().for_each(|fault| put_fault(*fault, out));
    out.push(scenario.choices.len() as u8);
    out.extend(scenario.choices.iter().map(|choice| *choice as u8));
    out.extend(scenario.schedule.iter().map(|thread| *thread as u8 - 1));
}

/// As an instruction, where one starts there.
fn put_slot(program: &Program, method: usize, slot: u64) -> u64 {
    let nth = program.methods()[method].starts().position(|start| u64::from(start) == slot);
    nth.map_or(slot << 1 | 1, |nth| (nth as u64) << 1)
}

fn put_how(how: How, out: &mut Vec<u8>) {
    out.push(match how {
        How::Over => 0,
        How::In => 1,
        How::Out => 2,
    });
}

fn put_command(command: &Command, program: &Program, out: &mut Vec<u8>) {
    match command {
        Command::Go => out.push(0),
        Command::Step(how) => {
            out.push(1);
            put_how(*how, out);
        }
        Command::Break(text) => {
            out.push(2);
            let (name, slot) = text.split_once(':').unwrap_or((text, ""));
            let nth = program.method(name).unwrap_or_default();
            nth.put(out);
            slot.parse().map_or(0, |slot| 1 + put_slot(program, nth, slot)).put(out);
        }
        Command::StepRange(how, start, end) => {
            out.push(3);
            0_u64.put(out);
            put_slot(program, 0, *start).put(out);
            put_slot(program, 0, *end).put(out);
            put_how(*how, out);
        }
        Command::Pause(number) => (4_u32, *number).put(out),
        Command::Delete(number) => (5_u32, *number).put(out),
        Command::StepFrame(how, thread, nth) => {
            (6_u32, thread - 1).put(out);
            put_how(*how, out);
            nth.put(out);
        }
        Command::Cancel(number) => (7_u32, *number).put(out),
        Command::SetIp(slot) => {
            (8_u32, 0_u64).put(out);
            put_slot(program, 0, *slot).put(out);
        }
        Command::ResumeIn(nth) => (9_u32, *nth).put(out),
        Command::SetVariable(variable, value) => ((10_u32, *variable), *value).put(out),
        Command::Evaluate(name, args) => {
            let nth = program.method(name).unwrap_or_default();
            let fits = program.methods()[nth].args() as usize == args.len();
            let count = if fits { 0 } else { 1 + args.len() };
            ((11_u32, nth), count).put(out);
            args.iter().for_each(|value| value.put(out));
        }
        Command::Detach => out.push(12),
        Command::Either(commands) => {
            out.extend([13, commands.len() as u8]);
            commands.iter().for_each(|command| put_command(command, program, out));
        }
    }
}

fn put_fault(fault: WriteFault, out: &mut Vec<u8>) {
    let (kind, nth) = match fault {
        WriteFault::Fails(nth) => (0, nth),
        WriteFault::FailsFrom(nth) => (1, nth),
        WriteFault::LandsAndFails(nth) => (2, nth),
        WriteFault::Vanishes(nth) => (3, nth),
        WriteFault::LandsByte(nth) => (4, nth),
    };
    out.push(kind);
    (nth - 1).put(out);
}
