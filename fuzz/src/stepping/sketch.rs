//! Programs as bytes, statement by statement: what a compiler could have made of a source text.
//! Blocks lie within blocks, loops count down, a method that calls itself passes on less than it
//! got, handlers come behind the code of their method, and leave it the way their kind must.

use std::fmt::Write as _;

use softdock::codec::Coded;

/// Methods of a program, statements of a block, and blocks within blocks.
const METHODS_MAX: usize = 3;
const BLOCK_MAX: u8 = 5;
const DEPTH_MAX: usize = 3;

/// Instructions after which a method has no more blocks within it.
const LINES_MAX: usize = 24;

/// Variables that statements use. `v0` is the argument; each depth has a counter of its own.
const VARIABLES: u8 = 4;

const NAMES: [&str; METHODS_MAX] = ["main", "f", "g"];

/// The text of the program that these bytes are.
pub fn take(from: &mut &[u8]) -> String {
    let count = 1 + usize::from(u8::take(from)) % METHODS_MAX;
    (0..count).map(|nth| Writer::new(nth, count, from).method()).collect()
}

/// What the code is part of: it says how it can be left.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Frame {
    Method,
    Catch,
    Finally,
    Filter,
}

/// Where a statement stands.
#[derive(Clone, Copy, Debug)]
struct Place {
    frame: Frame,
    /// Whether it is within a `try`.
    is_tried: bool,
    depth: usize,
}

/// A handler that was promised, and where the code goes on behind it.
#[derive(Clone, Copy, Debug)]
struct Handler {
    frame: Frame,
    label: usize,
    after: usize,
    depth: usize,
}

struct Writer<'w, 'b> {
    from: &'w mut &'b [u8],
    nth: usize,
    methods: usize,
    /// Labels of the instruction that comes next.
    pending: String,
    lines: Vec<String>,
    clauses: Vec<String>,
    handlers: Vec<Handler>,
    labels: usize,
    hidden: &'static str,
}

impl<'w, 'b> Writer<'w, 'b> {
    fn new(nth: usize, methods: usize, from: &'w mut &'b [u8]) -> Writer<'w, 'b> {
        let (pending, hidden) = (String::new(), "");
        let (lines, clauses, handlers) = (Vec::new(), Vec::new(), Vec::new());
        Writer { from, nth, methods, pending, lines, clauses, handlers, labels: 0, hidden }
    }

    fn method(mut self) -> String {
        let args = usize::from(self.nth > 0);
        let locals = usize::from(VARIABLES) + DEPTH_MAX + 1;
        let mut text = format!("method {} args {args} locals {locals}\n", NAMES[self.nth]);
        match self.byte() % 8 {
            0 => {}
            1 => self.line("DEBUG_METHOD_ENTER -"),
            2 => {
                let first = self.label();
                self.line(&format!("DEBUG_METHOD_ENTER l{first}"));
                self.at(first);
            }
            _ => {
                let first = self.label();
                self.line(&format!("DEBUG_METHOD_ENTER l{first}"));
                self.at(first);
                self.line("DEBUG_SEQ_POINT");
            }
        }
        self.block(Place { frame: Frame::Method, is_tried: false, depth: 0 });
        self.leave_method();
        while let Some(handler) = self.handlers.pop() {
            self.handler(handler);
        }
        let clauses = self.clauses.iter().map(|clause| format!("        {clause}\n"));
        text += &self.lines.concat();
        text + &clauses.collect::<String>() + "end\n"
    }

    fn byte(&mut self) -> u8 {
        u8::take(self.from)
    }

    fn variable(&mut self) -> u8 {
        self.byte() % VARIABLES
    }

    fn label(&mut self) -> usize {
        self.labels += 1;
        self.labels
    }

    fn at(&mut self, label: usize) {
        let _ = write!(self.pending, "l{label}: ");
    }

    /// An instruction; the first one of a statement may belong to no line.
    fn line(&mut self, text: &str) {
        let (label, hidden) = (std::mem::take(&mut self.pending), std::mem::take(&mut self.hidden));
        self.lines.push(format!("{label:<8}{hidden}{text}\n"));
    }

    fn leave_method(&mut self) {
        match self.byte() % 2 {
            0 => self.line("RET_VOID"),
            _ => {
                let value = self.variable();
                self.line(&format!("RET v{value}"));
            }
        }
    }

    fn block(&mut self, place: Place) {
        let count = self.byte() % (BLOCK_MAX + 1);
        for _ in 0..count {
            self.statement(place);
        }
    }

    fn statement(&mut self, place: Place) {
        let kind = self.byte();
        self.hidden = if kind >= 0xe0 { "hidden " } else { "" };
        let nests = place.depth < DEPTH_MAX && self.lines.len() < LINES_MAX;
        match kind % 28 {
            0..9 => self.simple(kind % 28),
            9..13 => self.call(place, kind % 28),
            13..16 => self.throw(place, kind % 28),
            16 => self.suspend(place),
            17 if place.frame == Frame::Method && !place.is_tried => self.leave_method(),
            18..20 if nests => self.condition(place),
            20 if nests => self.switch(place),
            21 if nests => self.repeat(place),
            22..28 if nests && place.frame != Frame::Filter => self.protect(place, kind % 28),
            _ => self.line("NOP"),
        }
    }

    fn simple(&mut self, kind: u8) {
        let (into, one, other) = (self.variable(), self.byte(), self.byte());
        let (a, b) = (one % VARIABLES, other % VARIABLES);
        let number = i32::from(other % 8) - 2;
        self.line(&match kind {
            0 => format!("EMIT #{one}"),
            1 => format!("EMIT v{into}"),
            2 => format!("LDC_I4 v{into}, {number}"),
            3 => format!("MOV_4 v{into}, v{a}"),
            4 => format!("ADD_I4_IMM v{into}, v{a}, {number}"),
            5 if other & 0x80 != 0 => format!("SUB_I8 v{into}, v{a}, v{b}"),
            5 => format!("ADD_I4 v{into}, v{a}, v{b}"),
            6 => format!("DIV_I4 v{into}, v{a}, v{b}"),
            7 => format!("EXCHANGEADD_I4 v{into}, {}, v{b}", one % 4),
            _ => ["BREAKPOINT", "CALL_PINVOKE", "SAFEPOINT", "DEBUG_SEQ_POINT"]
                [usize::from(one % 4)]
            .into(),
        });
    }

    /// A call of a later method, or of this one or an earlier one with less than it has got.
    fn call(&mut self, place: Place, kind: u8) {
        let callee = usize::from(self.byte()) % self.methods;
        let (into, value) = (self.variable(), self.variable());
        let is_tail = kind == 12 && place.frame == Frame::Method && !place.is_tried;
        let opcode = match kind {
            _ if is_tail => "CALL_TAIL",
            11 => "CALLVIRT",
            _ => "CALL",
        };
        if callee > self.nth {
            return self.line(&format!("{opcode} v{into}, v{value}, {}", NAMES[callee]));
        }
        let past = self.label();
        self.line(&format!("BRFALSE_I4 v0, l{past}"));
        let last = VARIABLES - 1;
        self.line(&format!("ADD_I4_IMM v{last}, v0, -1"));
        self.line(&format!("{opcode} v{into}, v{last}, {}", NAMES[callee]));
        self.at(past);
    }

    fn throw(&mut self, place: Place, kind: u8) {
        let value = self.variable();
        let opcode = match (kind, place.frame) {
            (13, Frame::Catch) => "RETHROW".into(),
            _ => format!("THROW v{value}"),
        };
        if kind == 14 {
            let past = self.label();
            self.line(&format!("BRFALSE_I4 v{value}, l{past}"));
            self.line(&opcode);
            return self.at(past);
        }
        self.line(&opcode);
    }

    fn suspend(&mut self, place: Place) {
        let value = self.variable();
        if place.frame != Frame::Method {
            return self.line("SAFEPOINT");
        }
        self.line(&format!("HANDLE_CONTINUATION_SUSPEND v{value}, 0"));
        self.line("HANDLE_CONTINUATION_RESUME 0");
    }

    fn inner(place: Place) -> Place {
        Place { depth: place.depth + 1, ..place }
    }

    fn condition(&mut self, place: Place) {
        let (one, other) = (self.variable(), self.byte());
        let (otherwise, past) = (self.label(), self.label());
        let b = other % VARIABLES;
        self.line(&match other >> 6 {
            0 => format!("BRFALSE_I4 v{one}, l{otherwise}"),
            1 => format!("BRTRUE_I4 v{one}, l{otherwise}"),
            2 => format!("BEQ_I4 v{one}, v{b}, l{otherwise}"),
            _ => format!("BLT_I4 v{one}, v{b}, l{otherwise}"),
        });
        self.block(Self::inner(place));
        self.line(&format!("BR l{past}"));
        self.at(otherwise);
        self.block(Self::inner(place));
        self.at(past);
    }

    fn switch(&mut self, place: Place) {
        let value = self.variable();
        let (one, other, past) = (self.label(), self.label(), self.label());
        self.line(&format!("SWITCH v{value}, l{one}, l{other}, l{one}"));
        for label in [None, Some(one), Some(other)] {
            label.into_iter().for_each(|label| self.at(label));
            self.block(Self::inner(place));
            self.line(&format!("BR l{past}"));
        }
        self.at(past);
    }

    fn repeat(&mut self, place: Place) {
        let (counter, times) = (VARIABLES as usize + place.depth, self.byte() % 4);
        let head = self.label();
        self.line(&format!("LDC_I4 v{counter}, {times}"));
        self.at(head);
        self.block(Self::inner(place));
        self.line(&format!("ADD_I4_IMM v{counter}, v{counter}, -1"));
        self.line(&format!("BLT_I4 v{}, v{counter}, l{head}", usize::from(VARIABLES) + DEPTH_MAX));
    }

    /// `try` with `catch`, `finally`, a filter, or a filter and a `catch` of the same range.
    fn protect(&mut self, place: Place, kind: u8) {
        let (from, to, after) = (self.label(), self.label(), self.label());
        self.at(from);
        self.line("NOP");
        self.block(Place { is_tried: true, ..Self::inner(place) });
        self.at(to);
        let promise = |writer: &mut Self, frame| {
            let label = writer.label();
            writer.handlers.push(Handler { frame, label, after, depth: place.depth + 1 });
            label
        };
        let range = format!("l{from}..l{to}");
        match kind {
            22 | 23 => {
                let handler = promise(self, Frame::Finally);
                self.clauses.push(format!("finally {range} l{handler}"));
                self.line(&format!("CALL_FINALLY l{handler}"));
            }
            24 | 25 => {
                let handler = promise(self, Frame::Catch);
                self.clauses.push(format!("catch {range} l{handler}"));
            }
            _ => {
                let (filter, handler) = (promise(self, Frame::Filter), promise(self, Frame::Catch));
                self.clauses.push(format!("filter {range} l{filter} l{handler}"));
                if kind == 27 {
                    let handler = promise(self, Frame::Catch);
                    self.clauses.push(format!("catch {range} l{handler}"));
                }
            }
        }
        self.at(after);
    }

    fn handler(&mut self, handler: Handler) {
        let Handler { frame, label, after, depth } = handler;
        self.at(label);
        if frame != Frame::Finally {
            let into = self.variable();
            self.line(&format!("LOAD_EXCEPTION v{into}"));
        }
        self.block(Place { frame, is_tried: false, depth });
        let verdict = self.variable();
        self.line(&match frame {
            Frame::Catch => format!("LEAVE_CATCH l{after}"),
            Frame::Filter => format!("LEAVE_FILTER v{verdict}"),
            Frame::Method | Frame::Finally => "RET_VOID".into(),
        });
    }
}
