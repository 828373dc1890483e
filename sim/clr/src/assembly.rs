//! From a program text to a [`Program`]: lines, labels and methods. What the operands of an
//! instruction are is told in `shape`, how they fill slots in `operands`.

use std::collections::BTreeMap;

use softdock_process::Address;

use crate::mistake::{Mistake, nearest};
use crate::operands::{Scope, encode, length};
use crate::program::{Clause, ClauseKind, Instruction, Method, Program};
use crate::shape::{Operand, SHAPES, is_terminator};
use crate::table::opcode;

/// Variables a method may have.
pub const LOCALS_MAX: u32 = 256;

/// A piece of a line, and where it is.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Word<'a> {
    pub(crate) text: &'a str,
    pub(crate) line: u32,
    pub(crate) column: u32,
}

impl<'a> Word<'a> {
    pub(crate) fn mistake(&self, message: impl Into<String>) -> Mistake {
        Mistake { line: self.line, column: self.column, message: message.into() }
    }

    /// The first word of this piece, and the rest.
    fn split(&self) -> (Word<'a>, Word<'a>) {
        let end = self.text.find(char::is_whitespace).unwrap_or(self.text.len());
        (self.part(0, end), self.part(end, self.text.len()))
    }

    /// A part of it, trimmed.
    fn part(&self, from: usize, to: usize) -> Word<'a> {
        let cut = &self.text[from..to];
        let skipped = from + cut.len() - cut.trim_start().len();
        let column = self.column + self.text[..skipped].chars().count() as u32;
        Word { text: cut.trim(), line: self.line, column }
    }

    /// Its parts between commas; none when it is empty.
    fn list(&self) -> Vec<Word<'a>> {
        let mut parts = Vec::new();
        let mut from = 0;
        for (to, _) in self.text.match_indices(',') {
            parts.push(self.part(from, to));
            from = to + 1;
        }
        if !self.text.is_empty() {
            parts.push(self.part(from, self.text.len()));
        }
        parts
    }

    fn words(&self) -> Vec<Word<'a>> {
        let mut words = Vec::new();
        let mut rest = *self;
        while !rest.text.is_empty() {
            let (word, after) = rest.split();
            words.push(word);
            rest = after;
        }
        words
    }

    fn number(&self) -> Result<u32, Mistake> {
        self.text.parse().map_err(|_| self.mistake(format!("`{}` is no number", self.text)))
    }
}

/// An instruction before its labels are known.
pub(crate) struct Draft<'a> {
    pub(crate) shape: &'static [Operand],
    pub(crate) mnemonic: Word<'a>,
    pub(crate) operands: Vec<Word<'a>>,
    pub(crate) instruction: Instruction,
}

/// A method before its labels are known.
struct Body<'a> {
    name: Word<'a>,
    args: u32,
    locals: u32,
    drafts: Vec<Draft<'a>>,
    labels: BTreeMap<&'a str, u32>,
    clauses: Vec<Vec<Word<'a>>>,
    end: u32,
}

/// Assembles a program. The crate's documentation shows the language.
///
/// # Errors
/// The first mistake that was found.
pub fn assemble(text: &str) -> Result<Program, Mistake> {
    let bodies = bodies(text)?;
    let methods: Vec<(&str, u32)> = bodies.iter().map(|body| (body.name.text, body.args)).collect();
    let finished: Result<Vec<Method>, Mistake> =
        bodies.iter().map(|body| body.finish(&methods)).collect();
    finished.map(Program::new)
}

fn bodies(text: &str) -> Result<Vec<Body<'_>>, Mistake> {
    let mut bodies: Vec<Body> = Vec::new();
    let mut open: Option<Body> = None;
    let mut line = 0;
    for (index, whole) in text.lines().enumerate() {
        line = index as u32 + 1;
        let code = whole.split(';').next().unwrap_or_default();
        let code = Word { text: code, line, column: 1 }.part(0, code.len());
        let (first, _) = code.split();
        match (first.text, &mut open) {
            ("", _) => {}
            ("end", Some(_)) => bodies.extend(open.take()),
            ("method", None) => open = Some(Body::open(&code, &bodies)?),
            ("method", Some(_)) => return Err(first.mistake("the method before has no `end`")),
            (_, Some(body)) => body.add(code)?,
            (_, None) => return Err(first.mistake("this stands outside of any method")),
        }
    }
    match open {
        Some(body) => Err(body.name.mistake(format!("method `{}` has no `end`", body.name.text))),
        None if bodies.is_empty() => {
            Err(Mistake { line: line.max(1), column: 1, message: "there is no method".into() })
        }
        None => Ok(bodies),
    }
}

impl<'a> Body<'a> {
    fn open(code: &Word<'a>, others: &[Body]) -> Result<Body<'a>, Mistake> {
        let words = code.words();
        let [_, name, args_word, args, locals_word, locals] = words[..] else {
            return Err(code.mistake("a method starts with `method NAME args N locals N`"));
        };
        for (word, wanted) in [(args_word, "args"), (locals_word, "locals")] {
            if word.text != wanted {
                return Err(word.mistake(format!("`{wanted}` is missing before this")));
            }
        }
        if others.iter().any(|other| other.name.text == name.text) {
            return Err(name.mistake(format!("there is a method `{}` already", name.text)));
        }
        let (locals_at, args_at) = (locals, args);
        let (args, locals) = (args.number()?, locals.number()?);
        if locals > LOCALS_MAX {
            return Err(locals_at.mistake(format!("more than {LOCALS_MAX} locals")));
        }
        if args > locals {
            return Err(args_at.mistake("arguments are locals too: more args than locals"));
        }
        let (drafts, labels, clauses) = (Vec::new(), BTreeMap::new(), Vec::new());
        Ok(Body { name, args, locals, drafts, labels, clauses, end: 0 })
    }

    /// Adds a line that is no comment.
    fn add(&mut self, code: Word<'a>) -> Result<(), Mistake> {
        let (mut first, mut rest) = code.split();
        while let Some(label) = first.text.strip_suffix(':') {
            if label.is_empty() {
                return Err(first.mistake("a label needs a name"));
            }
            if self.labels.insert(label, self.end).is_some() {
                return Err(first.mistake(format!("there is a label `{label}` already")));
            }
            (first, rest) = rest.split();
        }
        if matches!(first.text, "catch" | "finally" | "filter") {
            self.clauses.push([vec![first], rest.words()].concat());
            return Ok(());
        }
        let hidden = first.text == "hidden";
        if hidden {
            (first, rest) = rest.split();
        }
        match first.text {
            "" if hidden => Err(first.mistake("`hidden` needs an instruction")),
            "" => Ok(()),
            _ => self.draft(code.text, first, rest.list(), hidden),
        }
    }

    fn draft(
        &mut self,
        text: &str,
        mnemonic: Word<'a>,
        operands: Vec<Word<'a>>,
        hidden: bool,
    ) -> Result<(), Mistake> {
        let (opcode, shape) = lookup(&mnemonic)?;
        let plumbing = matches!(opcode, opcode::CALL_FINALLY | opcode::LEAVE_CATCH);
        let instruction = Instruction {
            slot: self.end,
            opcode,
            line: mnemonic.line,
            text: text.into(),
            mapped: !hidden && !plumbing,
        };
        self.end += length(opcode, operands.len());
        self.drafts.push(Draft { shape, mnemonic, operands, instruction });
        Ok(())
    }

    fn finish(&self, methods: &[(&str, u32)]) -> Result<Method, Mistake> {
        let starts = self.drafts.iter().map(|draft| draft.instruction.slot).collect();
        let scope = Scope { labels: &self.labels, starts, methods, locals: self.locals };
        let mut slots = Vec::new();
        for draft in &self.drafts {
            slots.extend(encode(draft, &scope)?);
        }
        self.must_end(self.end, &self.name, "the method")?;
        self.must_be_compiled(&slots)?;
        let clauses: Result<Vec<Clause>, Mistake> =
            self.clauses.iter().map(|words| self.clause(words, &scope)).collect();
        let clauses = clauses?;
        self.must_lie_apart(&clauses)?;
        self.must_be_of_a_kind(&clauses)?;
        let enter = |draft: &&Draft| draft.instruction.opcode == opcode::DEBUG_METHOD_ENTER;
        let enter = self.drafts.iter().find(enter);
        let entry = enter.map(|draft| slots[draft.instruction.slot as usize + 1]);
        Ok(Method {
            name: self.name.text.into(),
            args: self.args,
            locals: self.locals,
            clauses,
            entry: entry.filter(|slot| *slot != u32::MAX),
            slots,
            instructions: self.drafts.iter().map(|draft| draft.instruction.clone()).collect(),
            at: Address::NULL,
        })
    }

    /// Refuses what compilers never emit and debuggers rely on: a method tells that it is entered
    /// at its start, and where its lines begin behind that; a suspension is followed by the
    /// resumption that it goes past.
    fn must_be_compiled(&self, slots: &[u32]) -> Result<(), Mistake> {
        for (nth, draft) in self.drafts.iter().enumerate() {
            let next = self.drafts.get(nth + 1).map(|next| &next.instruction);
            let Instruction { opcode, slot, .. } = draft.instruction;
            let wrong = match opcode {
                opcode::DEBUG_METHOD_ENTER if nth > 0 => "a method is entered at its start",
                opcode::DEBUG_METHOD_ENTER => {
                    let entry = slots[slot as usize + 1];
                    let follows = next.is_some_and(|next| next.slot == entry);
                    if follows || entry == u32::MAX {
                        continue;
                    }
                    "the first line of a method begins behind this"
                }
                opcode::HANDLE_CONTINUATION_SUSPEND => {
                    if next.is_some_and(|it| it.opcode == opcode::HANDLE_CONTINUATION_RESUME) {
                        continue;
                    }
                    "HANDLE_CONTINUATION_RESUME must follow this"
                }
                _ => continue,
            };
            return Err(draft.mnemonic.mistake(wrong));
        }
        Ok(())
    }

    /// Refuses a range with a handler in it, its own or one that belongs to a part of it: an outer
    /// clause is about an inner handler by the range of that, and the compiler moves handlers away.
    fn must_lie_apart(&self, clauses: &[Clause]) -> Result<(), Mistake> {
        for (clause, words) in clauses.iter().zip(&self.clauses) {
            let is_inside = |inner: &Clause| {
                let filter = match inner.kind {
                    ClauseKind::Filter(filter) => filter,
                    _ => inner.handler,
                };
                let within = |start| clause.from < start && clause.covers(start);
                let is_part = clause.covers(inner.from);
                [inner.handler, filter]
                    .into_iter()
                    .any(|it| within(it) || is_part && clause.covers(it))
            };
            if clauses.iter().any(is_inside) {
                return Err(words[1].mistake("there is a handler in this range"));
            }
        }
        Ok(())
    }

    /// Refuses what begins handlers of two kinds: a debugger that waits there for a `catch` could
    /// not tell it from the `finally` that runs before. Compilers give each its own.
    fn must_be_of_a_kind(&self, clauses: &[Clause]) -> Result<(), Mistake> {
        let starts = clauses.iter().zip(&self.clauses).flat_map(|(clause, words)| {
            let handler = match clause.kind {
                ClauseKind::Finally => "finally",
                _ => "catch",
            };
            let filter = match clause.kind {
                ClauseKind::Filter(filter) => Some((filter, "filter", &words[2])),
                _ => None,
            };
            filter.into_iter().chain(words.last().map(|word| (clause.handler, handler, word)))
        });
        let mut known: BTreeMap<u32, &str> = BTreeMap::new();
        for (slot, kind, word) in starts {
            let first = *known.entry(slot).or_insert(kind);
            if first != kind {
                let message = format!("this begins a {first} already, and cannot begin a {kind}");
                return Err(word.mistake(message));
            }
        }
        Ok(())
    }

    /// Refuses code before `slot` that would fall through into it.
    fn must_end(&self, slot: u32, blame: &Word, what: &str) -> Result<(), Mistake> {
        let before = self.drafts.iter().rev().find(|draft| draft.instruction.slot < slot);
        match before {
            Some(draft) if is_terminator(draft.instruction.opcode) => Ok(()),
            Some(draft) => {
                let message = "control falls through this instruction into what is no part of it";
                Err(draft.mnemonic.mistake(format!("{message}: {what} must end before")))
            }
            None => Err(blame.mistake(format!("there are no instructions before {what} ends"))),
        }
    }

    /// `catch a..b handler`, `finally a..b handler`, `filter a..b filter handler`.
    fn clause(&self, words: &[Word], scope: &Scope) -> Result<Clause, Mistake> {
        let (kind, rest) = (words[0], &words[1..]);
        let wanted = if kind.text == "filter" { 3 } else { 2 };
        let range = rest.first().and_then(|range| Some((range, range.text.split_once("..")?)));
        let (range, (from, to)) = match range {
            Some(range) if rest.len() == wanted => range,
            _ => {
                let labels = if wanted == 3 { "FILTER HANDLER" } else { "HANDLER" };
                return Err(kind.mistake(format!("wanted: `{} FROM..TO {labels}`", kind.text)));
            }
        };
        let from = scope.label(&Word { text: from, ..*range })?;
        let to = scope.edge(&Word { text: to, ..*range })?;
        if from >= to {
            return Err(range.mistake("the range is empty"));
        }
        let starts: Result<Vec<u32>, Mistake> =
            rest[1..].iter().map(|label| scope.label(label)).collect();
        let starts = starts?;
        for (slot, word) in starts.iter().zip(&rest[1..]) {
            self.must_end(*slot, word, "what comes before a handler")?;
        }
        let kind = match (kind.text, &starts[..]) {
            ("filter", [filter, _]) => ClauseKind::Filter(*filter),
            ("finally", _) => ClauseKind::Finally,
            _ => ClauseKind::Catch,
        };
        Ok(Clause { kind, from, to, handler: starts[wanted - 2] })
    }
}

fn lookup(mnemonic: &Word) -> Result<(u32, &'static [Operand]), Mistake> {
    let name = mnemonic.text;
    if let Some((_, opcode, shape)) = SHAPES.iter().find(|(known, ..)| *known == name) {
        return Ok((*opcode, shape));
    }
    Err(mnemonic.mistake(match crate::table::number(name) {
        Some(_) => format!("CoreCLR has {name}, but this interpreter does not run it"),
        None => match nearest(name, SHAPES.iter().map(|(known, ..)| *known)) {
            Some(near) => format!("there is no opcode {name}; did you mean {near}?"),
            None => format!("there is no opcode {name}"),
        },
    }))
}
