//! Programs as bytes, instruction by instruction. Any bytes are a program that assembles: a label
//! is the place of an instruction modulo how many there are, a variable is one that there is, and
//! what cannot be is a `NOP`. Names and comments are lost on the way.

use std::collections::BTreeSet;
use std::fmt::Write as _;

use softdock::codec::Coded;
use softdock_clr::{ClauseKind, Method, Operand, Program, SHAPES, is_terminator};

/// Methods of a program, instructions of one, its clauses, and cases of one table.
const METHODS_MAX: usize = 8;
const LINES_MAX: usize = 48;
const CLAUSES_MAX: usize = 8;
const CASES_MAX: usize = 8;

/// Arguments of a method, and variables beside them.
const ARGS_MAX: u32 = 4;
const VARIABLES_MAX: u32 = 40;

/// The bit of an opcode's byte that says that it has no line.
const HIDDEN: u8 = 0x80;

/// An instruction; each operand is a number, whatever it is about.
#[derive(Clone, Debug)]
struct Line {
    hidden: bool,
    nth: usize,
    operands: Vec<u64>,
}

/// A clause, by places of instructions.
#[derive(Clone, Debug)]
struct Clause {
    kind: u8,
    from: usize,
    to: usize,
    handler: usize,
    filter: usize,
}

#[derive(Clone, Debug)]
struct Body {
    args: u32,
    locals: u32,
    lines: Vec<Line>,
    clauses: Vec<Clause>,
}

/// The text of the program that these bytes are.
pub fn take(from: &mut &[u8]) -> String {
    let count = 1 + usize::from(u8::take(from)) % METHODS_MAX;
    let bodies: Vec<Body> = (0..count).map(|_| Body::take(from)).collect();
    let args: Vec<u32> = bodies.iter().map(|body| body.args).collect();
    let texts = (0..).zip(bodies).map(|(nth, body)| body.text(nth, &args));
    texts.collect()
}

/// The name of a method.
#[must_use]
pub fn name(method: usize) -> String {
    if method == 0 { "main".into() } else { format!("m{method}") }
}

impl Body {
    fn take(from: &mut &[u8]) -> Body {
        let args = u32::take(from) % (ARGS_MAX + 1);
        let locals = args + u32::take(from) % VARIABLES_MAX;
        let count = usize::take(from) % (LINES_MAX + 1);
        let lines = compiled((0..count).map(|_| Line::take(from)).collect());
        let count = usize::from(u8::take(from)) % (CLAUSES_MAX + 1);
        let mut clauses: Vec<Clause> = Vec::new();
        for clause in (0..count).map(|_| Clause::take(from, &lines)) {
            let fits = |it: &Clause| it.lies_apart(&clause) && it.is_of_a_kind(&clause);
            if fits(&clause) && clauses.iter().all(fits) {
                clauses.push(clause);
            }
        }
        Body { args, locals, lines, clauses }
    }

    fn text(&self, nth: usize, args: &[u32]) -> String {
        let mut text = format!("method {} args {} locals {}\n", name(nth), self.args, self.locals);
        let clauses: Vec<String> = self.clauses.iter().filter_map(|it| self.clause(it)).collect();
        let lines: Vec<String> = self.lines.iter().map(|line| self.line(line, args)).collect();
        let used: BTreeSet<&str> = lines.iter().chain(&clauses).flat_map(|it| labels(it)).collect();
        for (nth, line) in lines.iter().enumerate() {
            let label = format!("l{nth}");
            let label = if used.contains(&*label) { label + ":" } else { String::new() };
            let _ = writeln!(text, "{label:<8}{line}");
        }
        let end = format!("l{}", lines.len());
        if used.contains(&*end) {
            let _ = writeln!(text, "{end}:");
        }
        let clauses = clauses.iter().map(|clause| format!("        {clause}\n"));
        text + &clauses.collect::<String>() + "end\n"
    }

    fn label(&self, nth: u64) -> String {
        format!("l{}", nth % self.lines.len() as u64)
    }

    fn line(&self, line: &Line, args: &[u32]) -> String {
        let hidden = if line.hidden { "hidden " } else { "" };
        let (name, _, shape) = SHAPES[line.nth];
        let operands: Option<Vec<String>> =
            (0..shape.len()).map(|nth| self.operand(line, nth, args)).collect();
        match operands {
            None => format!("{hidden}NOP"),
            Some(operands) => format!("{hidden}{name} {}", operands.join(", ")).trim_end().into(),
        }
    }

    fn operand(&self, line: &Line, nth: usize, args: &[u32]) -> Option<String> {
        let shape = SHAPES[line.nth].2;
        let value = line.operands.get(nth).copied().unwrap_or_default();
        Some(match shape[nth] {
            Operand::Variable => {
                let callee = (shape.get(nth + 1) == Some(&Operand::Method))
                    .then(|| args[method(line.operands[nth + 1], args)]);
                let room = self.locals.checked_sub(callee.unwrap_or(1).max(1))?;
                format!("v{}", value % u64::from(room + 1))
            }
            Operand::Number => format!("{}", unfolded(value)),
            Operand::Counter => format!("{}", value % 4),
            Operand::Label => self.label(value),
            Operand::Entry if value == 0 => "-".into(),
            Operand::Entry => "l1".into(),
            Operand::Method => name(method(value, args)),
            Operand::Labels => {
                let cases = line.operands[nth..].iter().map(|nth| self.label(*nth));
                cases.collect::<Vec<_>>().join(", ")
            }
            Operand::Emitted if value & 1 == 1 => format!("#{}", (value >> 1) & 0xffff),
            Operand::Emitted if self.locals == 0 => "#0".into(),
            Operand::Emitted => format!("v{}", (value >> 1) % u64::from(self.locals)),
        })
    }

    /// A clause whose handlers can be come to by no other way.
    fn clause(&self, clause: &Clause) -> Option<String> {
        let Clause { kind, from, to, handler, filter } = *clause;
        let starts = |nth: usize| nth > 0 && self.lines[nth - 1].ends();
        let fits = starts(handler) && (kind != 2 || starts(filter));
        fits.then(|| match kind {
            0 => format!("catch l{from}..l{to} l{handler}"),
            1 => format!("finally l{from}..l{to} l{handler}"),
            _ => format!("filter l{from}..l{to} l{filter} l{handler}"),
        })
    }
}

/// The lines as a compiler has them: the last one ends the method, a suspension is followed by its
/// resumption, and only the first line tells that the method is entered.
fn compiled(told: Vec<Line>) -> Vec<Line> {
    let mut lines: Vec<Line> = Vec::new();
    let owes = |lines: &[Line]| lines.last().is_some_and(|it| it.is("HANDLE_CONTINUATION_SUSPEND"));
    for line in told {
        if owes(&lines) && !line.is("HANDLE_CONTINUATION_RESUME") {
            lines.push(Line::plain("HANDLE_CONTINUATION_RESUME"));
        }
        let is_late = line.is("DEBUG_METHOD_ENTER") && !lines.is_empty();
        lines.push(if is_late { Line::plain("NOP") } else { line });
    }
    if owes(&lines) {
        lines.push(Line::plain("HANDLE_CONTINUATION_RESUME"));
    }
    if lines.last().is_none_or(|last| !last.ends()) {
        lines.push(Line::plain("RET_VOID"));
    }
    lines
}

fn method(nth: u64, args: &[u32]) -> usize {
    (nth % args.len() as u64) as usize
}

/// The labels in a line.
fn labels(line: &str) -> impl Iterator<Item = &str> {
    let words = line.split([' ', ',', '.']);
    words.filter(|word| word.strip_prefix('l').is_some_and(|nth| nth.parse::<usize>().is_ok()))
}

/// As the codec does: numbers near 0 become small, whatever their sign.
fn unfolded(told: u64) -> i32 {
    i32::take(&mut &coded(told)[..])
}

fn folded(number: i32) -> u64 {
    u64::take(&mut &coded(number)[..])
}

fn coded(value: impl Coded) -> Vec<u8> {
    let mut out = Vec::new();
    value.put(&mut out);
    out
}

impl Line {
    fn plain(wanted: &str) -> Line {
        let nth = SHAPES.iter().position(|(name, ..)| *name == wanted).unwrap_or_default();
        Line { hidden: false, nth, operands: Vec::new() }
    }

    fn is(&self, name: &str) -> bool {
        SHAPES[self.nth].0 == name
    }

    fn ends(&self) -> bool {
        is_terminator(SHAPES[self.nth].1)
    }

    fn take(from: &mut &[u8]) -> Line {
        let head = u8::take(from);
        let nth = usize::from(head & !HIDDEN) % SHAPES.len();
        let mut operands = Vec::new();
        for shape in SHAPES[nth].2 {
            let count = match shape {
                Operand::Labels => 1 + usize::take(from) % CASES_MAX,
                _ => 1,
            };
            operands.extend((0..count).map(|_| u64::take(from)));
        }
        Line { hidden: head & HIDDEN != 0, nth, operands }
    }
}

impl Clause {
    /// Whether neither has a handler of the other in its range.
    fn lies_apart(&self, other: &Clause) -> bool {
        let holds = |one: &Clause, at| (one.from..one.to).contains(&at);
        let either = |one: &Clause, of: &Clause| {
            holds(one, of.handler) || of.kind == 2 && holds(one, of.filter)
        };
        !either(self, other) && !either(other, self)
    }

    /// Whether what begins in both begins as the same in both.
    fn is_of_a_kind(&self, other: &Clause) -> bool {
        let starts = |it: &Clause| {
            let filter = (it.kind == 2).then_some((it.filter, 2));
            [Some((it.handler, u8::from(it.kind == 1))), filter].into_iter().flatten()
        };
        let clashes = |(at, kind)| starts(other).any(|it| it.0 == at && it.1 != kind);
        !starts(self).any(clashes)
    }

    fn take(from: &mut &[u8], lines: &[Line]) -> Clause {
        let kind = u8::take(from) % 3;
        let count = lines.len();
        let first = usize::take(from) % count;
        let to = first + 1 + usize::take(from) % (count - first);
        let handler = usize::take(from) % count;
        let filter = if kind == 2 { usize::take(from) % count } else { 0 };
        Clause { kind, from: first, to, handler, filter }
    }
}

/// The bytes of a program.
pub fn put(program: &Program, out: &mut Vec<u8>) {
    out.push(program.methods().len() as u8 - 1);
    program.methods().iter().for_each(|method| put_method(method, out));
}

fn put_method(method: &Method, out: &mut Vec<u8>) {
    method.args().put(out);
    (method.locals() - method.args()).put(out);
    method.instructions().len().put(out);
    let place = |slot: u32| method.starts().position(|start| start >= slot);
    let place = |slot: u32| place(slot).unwrap_or(method.instructions().len());
    for instruction in method.instructions() {
        let is_it = |(_, opcode, _): &(&str, u32, &[Operand])| *opcode == instruction.opcode;
        let nth = SHAPES.iter().position(is_it).unwrap_or_default();
        let plumbing = matches!(SHAPES[nth].0, "CALL_FINALLY" | "LEAVE_CATCH");
        let hidden = if instruction.mapped || plumbing { 0 } else { HIDDEN };
        out.push(nth as u8 | hidden);
        let slots = &method.slots()[instruction.slot as usize..];
        for (shape, at) in SHAPES[nth].2.iter().zip(1..) {
            let to = |from: u32, at: usize| place(from.wrapping_add(slots[at]));
            match shape {
                Operand::Number => folded(slots[at].cast_signed()).put(out),
                Operand::Label => to(instruction.slot, at).put(out),
                Operand::Entry if slots[at] == u32::MAX => 0_u64.put(out),
                Operand::Entry => 1_u64.put(out),
                Operand::Labels => {
                    let count = slots[at] as usize;
                    (count - 1).put(out);
                    let cases = at + 1..=at + count;
                    cases.for_each(|at| to(instruction.slot + at as u32, at).put(out));
                }
                Operand::Emitted => match slots[at + 2].checked_sub(1) {
                    Some(number) => (u64::from(number) << 1 | 1).put(out),
                    None => (u64::from(slots[at]) << 1).put(out),
                },
                Operand::Variable | Operand::Counter | Operand::Method => slots[at].put(out),
            }
        }
    }
    out.push(method.clauses().len() as u8);
    for clause in method.clauses() {
        let (kind, filter) = match clause.kind {
            ClauseKind::Catch => (0, None),
            ClauseKind::Finally => (1, None),
            ClauseKind::Filter(filter) => (2, Some(filter)),
        };
        out.push(kind);
        let (from, to) = (place(clause.from), place(clause.to));
        from.put(out);
        (to - from - 1).put(out);
        place(clause.handler).put(out);
        filter.into_iter().for_each(|filter| place(filter).put(out));
    }
}
