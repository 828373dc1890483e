//! How the operands of one instruction fill its slots.

use std::collections::BTreeMap;

use crate::assembly::{Draft, Word};
use crate::mistake::Mistake;
use crate::program::Instruction;
use crate::shape::Operand;
use crate::table::{TABLE, opcode};

/// Counters that the threads of a process share.
pub const COUNTERS: usize = 4;

/// What names mean inside a method.
pub(crate) struct Scope<'a> {
    pub(crate) labels: &'a BTreeMap<&'a str, u32>,
    pub(crate) starts: Vec<u32>,
    /// Each method's name and number of arguments.
    pub(crate) methods: &'a [(&'a str, u32)],
    pub(crate) locals: u32,
}

/// The slots of an instruction with so many operands. `SWITCH` counts its cases in one more.
pub(crate) fn length(opcode: u32, operands: usize) -> u32 {
    match opcode {
        opcode::SWITCH => operands as u32 + 2,
        _ => TABLE[opcode as usize].1,
    }
}

/// The slots of an instruction.
pub(crate) fn encode(draft: &Draft, scope: &Scope) -> Result<Vec<u32>, Mistake> {
    let Draft { shape, mnemonic, operands, .. } = draft;
    let Instruction { slot: start, opcode, .. } = draft.instruction;
    let open = shape.last() == Some(&Operand::Labels);
    if operands.len() != shape.len() && !(open && operands.len() > shape.len()) {
        let (name, wanted, found) = (mnemonic.text, shape.len(), operands.len());
        let number = if wanted == 1 { "1 operand".into() } else { format!("{wanted} operands") };
        return Err(mnemonic.mistake(format!("{name} takes {number}, not {found}")));
    }
    let mut slots = vec![opcode];
    for (index, (kind, word)) in shape.iter().zip(operands).enumerate() {
        match kind {
            Operand::Variable => slots.push(scope.variable(word)?),
            Operand::Number => slots.push(number(word)?.cast_unsigned()),
            Operand::Counter => slots.push(counter(word)?),
            Operand::Label => slots.push(scope.label(word)?.wrapping_sub(start)),
            Operand::Entry if word.text == "-" => slots.push(u32::MAX),
            Operand::Entry => slots.push(scope.label(word)?),
            Operand::Method => {
                slots.push(scope.method(word, &operands[index - 1], slots[index])?)
            }
            Operand::Labels => slots.extend(scope.cases(&operands[index..], start)?),
            Operand::Emitted => slots.extend(scope.emitted(word)?),
        }
    }
    slots.resize(length(opcode, operands.len()) as usize, 0);
    Ok(slots)
}

impl Scope<'_> {
    fn variable(&self, word: &Word) -> Result<u32, Mistake> {
        let digits = word.text.strip_prefix('v').unwrap_or_default();
        match digits.parse::<u32>() {
            Ok(index) if index < self.locals => Ok(index),
            Ok(_) => {
                let (name, locals) = (word.text, self.locals);
                Err(word.mistake(format!("there is no variable {name}: locals {locals}")))
            }
            Err(_) => Err(word.mistake(format!("`{}` is no variable, as v0 is", word.text))),
        }
    }

    /// The slot of a label, which may stand after the last instruction.
    pub(crate) fn edge(&self, word: &Word) -> Result<u32, Mistake> {
        let slot = self.labels.get(word.text).copied();
        slot.ok_or_else(|| word.mistake(format!("there is no label `{}`", word.text)))
    }

    /// The slot of a label that stands at an instruction.
    pub(crate) fn label(&self, word: &Word) -> Result<u32, Mistake> {
        let slot = self.edge(word)?;
        let found = self.starts.binary_search(&slot).map(|_| slot);
        found.map_err(|_| word.mistake(format!("no instruction follows label `{}`", word.text)))
    }

    /// The number of a method that is called with its arguments from variable `first` on.
    fn method(&self, word: &Word, from: &Word, first: u32) -> Result<u32, Mistake> {
        let Some(index) = self.methods.iter().position(|(name, _)| *name == word.text) else {
            return Err(word.mistake(format!("there is no method `{}`", word.text)));
        };
        let (name, args) = self.methods[index];
        if first + args > self.locals {
            let message = format!("{name} takes {args} arguments: there are no such variables");
            return Err(from.mistake(message));
        }
        Ok(index as u32)
    }

    /// The number of cases, and how far each is from its own slot.
    fn cases(&self, labels: &[Word], start: u32) -> Result<Vec<u32>, Mistake> {
        let mut slots = vec![labels.len() as u32];
        for (index, label) in labels.iter().enumerate() {
            let own = start + 3 + index as u32;
            slots.push(self.label(label)?.wrapping_sub(own));
        }
        Ok(slots)
    }

    /// The variable, twice, and 0; or 0, 0 and the number plus one.
    fn emitted(&self, word: &Word) -> Result<[u32; 3], Mistake> {
        if !word.text.starts_with('#') {
            let variable = self.variable(word)?;
            return Ok([variable, variable, 0]);
        }
        match u32::try_from(number(word)?) {
            Ok(value) => Ok([0, 0, value + 1]),
            Err(_) => Err(word.mistake("a number that is written out is not negative")),
        }
    }
}

/// A number, with or without `#` before it.
fn number(word: &Word) -> Result<i32, Mistake> {
    let digits = word.text.strip_prefix('#').unwrap_or(word.text);
    digits.parse().map_err(|_| word.mistake(format!("`{}` is no 32-bit number", word.text)))
}

fn counter(word: &Word) -> Result<u32, Mistake> {
    match u32::try_from(number(word)?) {
        Ok(index) if (index as usize) < COUNTERS => Ok(index),
        _ => Err(word.mistake(format!("there are only the counters 0 to {}", COUNTERS - 1))),
    }
}
