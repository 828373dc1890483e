//! The fixed side of a process: its table, its true layout, where its modules are and what their
//! files say. Nothing here changes while the process lives; an `exec` replaces it as a whole.

use softdock_memory::{Fill, PAGE_BYTES};
use softdock_process::{Address, Candidate};

use crate::error::SpecError;
use crate::layout::Layout;
use crate::limits::MODULES_MAX;
use crate::spec::{Change, Image, OtherContent, OtherModule, Placement, ProcessSpec, Scripts};
use crate::{Build, Table};

/// What unused memory holds, and the static objects that a real section is full of.
pub(crate) const FILL: Fill = Fill::Noise(0);

/// The usual base of a position-independent executable when Linux does not randomise.
const PIE_BASE: u64 = 0x5555_5555_4000;

/// Below this nothing is mapped: far above the limit of Linux, far below every usual base.
const LOWEST: u64 = 0x1_0000;

#[derive(Clone, Debug)]
pub(crate) struct Form {
    pub(crate) build: Build,
    pub(crate) table: Table,
    pub(crate) layout: Layout,
    pub(crate) runtime: Address,
    pub(crate) sections: Vec<Section>,
    pub(crate) candidates: Vec<Candidate>,
    pub(crate) scripts: Scripts,
}

/// A runtime section of a module: the one that runs comes first in [`Form::sections`].
#[derive(Clone, Debug)]
pub(crate) struct Section {
    pub(crate) at: Address,
    pub(crate) len: u64,
    /// Its first bytes as they are loaded; the rest is [`FILL`].
    pub(crate) loaded: Vec<u8>,
    /// The same in its file, where that can be had.
    file: Option<Vec<u8>>,
}

impl Section {
    /// The whole pages it lies in.
    pub(crate) fn pages(&self) -> (Address, u64) {
        let start = self.at.get() / PAGE_BYTES * PAGE_BYTES;
        let end = (self.at.get() + self.len).next_multiple_of(PAGE_BYTES);
        (Address::new(start), end - start)
    }

    /// What the file holds, where `into` lies within this section.
    pub(crate) fn read_file(&self, at: Address, into: &mut [u8]) -> Option<bool> {
        let skip = at.checked_sub(self.at)?;
        let end = skip.checked_add(into.len() as u64)?;
        if end > self.len {
            return None;
        }
        let Some(file) = &self.file else {
            return Some(false);
        };
        let told = file.get(skip as usize..).unwrap_or_default();
        let len = told.len().min(into.len());
        into[..len].copy_from_slice(&told[..len]);
        FILL.read(at.get() + len as u64, &mut into[len..]);
        Some(true)
    }
}

impl Form {
    pub(crate) fn of(spec: &ProcessSpec) -> Result<Form, SpecError> {
        let table = true_table(spec)?;
        let layout = Layout::of(&table, spec.build)?;
        let runtime = place(spec)?;
        let mut form = Form {
            build: spec.build,
            layout,
            runtime,
            sections: Vec::new(),
            candidates: Vec::new(),
            scripts: spec.scripts.clone(),
            table,
        };
        form.add_modules(spec)?;
        Ok(form)
    }

    /// Nothing of Python at all: the form after an `exec` of another program.
    pub(crate) fn without_python(&self) -> Form {
        Form { sections: Vec::new(), candidates: Vec::new(), ..self.clone() }
    }

    fn add_modules(&mut self, spec: &ProcessSpec) -> Result<(), SpecError> {
        if spec.others.len() > MODULES_MAX {
            return Err(SpecError::TooMany { what: "modules", max: MODULES_MAX as u64 });
        }
        let name = spec.module.as_deref().unwrap_or(spec.build.usual_module());
        let loaded = self.copy();
        let len = self.layout.runtime.size;
        self.add(name, spec.found_by, self.runtime, len, loaded, &spec.image)?;
        for (index, other) in spec.others.iter().enumerate() {
            self.add_other(index, other)?;
        }
        // A backend lists what it trusts most first, and goes through the mappings upwards.
        self.candidates.sort_by_key(|candidate| (candidate.found_by, candidate.at));
        Ok(())
    }

    fn add_other(&mut self, index: usize, other: &OtherModule) -> Result<(), SpecError> {
        let size = self.layout.runtime.size;
        let (len, loaded) = match other.content {
            OtherContent::DeadCopy => (size, self.copy()),
            OtherContent::CookieOnly => (PAGE_BYTES, cookie_only()),
            OtherContent::TooOld => (size, [1_u32, 0, 1, 1, 1].map(u32::to_le_bytes).concat()),
        };
        // Room for one section and a gap each, downwards.
        let stride = (size + 2 * PAGE_BYTES).next_multiple_of(0x10_0000);
        let below = || self.runtime.get().checked_sub(stride * (index as u64 + 1));
        let at = match other.at {
            Some(at) => at,
            None => Address::new(below().ok_or(SpecError::OutOfReach)?),
        };
        self.add(&other.name, other.found_by, at, len, loaded, &other.image)
    }

    fn add(
        &mut self,
        module: &str,
        found_by: softdock_process::FoundBy,
        at: Address,
        len: u64,
        loaded: Vec<u8>,
        image: &Image,
    ) -> Result<(), SpecError> {
        in_reach(at, len)?;
        let file = image_of(image, at, len, &loaded)?;
        self.sections.push(Section { at, len, loaded, file });
        self.candidates.push(Candidate { at, extent: len, found_by, module: module.into() });
        Ok(())
    }

    /// The first bytes of a runtime that was never initialised: the table, then zeros up to and
    /// including the list of interpreters.
    fn copy(&self) -> Vec<u8> {
        let layout = &self.layout.runtime;
        let last = layout.finalizing.max(layout.interpreters_head).max(layout.table_bytes + 20);
        let mut bytes = self.table.bytes();
        bytes.resize((last + 8) as usize, 0);
        bytes
    }
}

fn cookie_only() -> Vec<u8> {
    let mut bytes = b"xdebugpy".to_vec();
    bytes.resize(PAGE_BYTES as usize, 0);
    bytes
}

fn in_reach(at: Address, len: u64) -> Result<(), SpecError> {
    let end = at.checked_add(len).filter(|end| end.is_user_space());
    if end.is_none() || at.get() < LOWEST || !at.is_aligned(8) {
        return Err(SpecError::OutOfReach);
    }
    Ok(())
}

/// The first bytes of the file behind a section.
fn image_of(
    image: &Image,
    at: Address,
    len: u64,
    loaded: &[u8],
) -> Result<Option<Vec<u8>>, SpecError> {
    let patches = match image {
        Image::Same => return Ok(Some(loaded.to_vec())),
        Image::Unreadable => return Ok(None),
        Image::Differing(patches) => patches,
    };
    let mut file = loaded.to_vec();
    for (offset, bytes) in patches {
        let end = offset.checked_add(bytes.len() as u64).filter(|end| *end <= len);
        let end = end.ok_or(SpecError::OutOfReach)? as usize;
        let known = file.len();
        if end > known {
            file.resize(end, 0);
            FILL.read(at.get() + known as u64, &mut file[known..]);
        }
        file[*offset as usize..end].copy_from_slice(bytes);
    }
    Ok(Some(file))
}

fn place(spec: &ProcessSpec) -> Result<Address, SpecError> {
    let (base, section) = spec.build.usual_place();
    let base = match spec.placement {
        Placement::Usual => base,
        Placement::Pie => PIE_BASE,
        Placement::Base(base) => base.get(),
        Placement::Runtime(at) => return Ok(at),
    };
    base.checked_add(section).map(Address::new).ok_or(SpecError::OutOfReach)
}

/// The table of a build that truly is as the spec says.
fn true_table(spec: &ProcessSpec) -> Result<Table, SpecError> {
    let mut table = Table::of(spec.build);
    if let Some(version) = spec.version {
        table.set("version", version.to_hex().into())?;
    }
    for change in &spec.changes {
        match change {
            Change::Set { word, value } => table.set(word, *value)?,
            Change::Insert { at, words } => insert(&mut table, *at, words)?,
            Change::Order(names) => {
                table.order(&names.iter().map(String::as_str).collect::<Vec<_>>())?;
            }
            Change::Capacity(capacity) => resize_buffer(&mut table, *capacity)?,
        }
    }
    Ok(table)
}

/// The table is the first member of the runtime, so that what follows it moves.
fn insert(table: &mut Table, at: u64, words: &[u64]) -> Result<(), SpecError> {
    table.insert(at, words)?;
    let moved = words.len() as i128 * 8;
    for word in ["runtime_state.finalizing", "runtime_state.interpreters_head"] {
        shift(table, word, moved)?;
    }
    shift(table, "runtime_state.size", moved)
}

/// The buffer is a member of the thread state, which is a member of the interpreter, which is a
/// member of the runtime: all three grow with it, to the next multiple of 8.
fn resize_buffer(table: &mut Table, capacity: u64) -> Result<(), SpecError> {
    const WORD: &str = "debugger_support.debugger_script_path_size";
    let before = table.value(WORD).ok_or(SpecError::Word { word: WORD, why: "is missing" })?;
    table.set(WORD, capacity)?;
    let grown = (i128::from(capacity) - i128::from(before) + 7).div_euclid(8) * 8;
    for word in ["thread_state.size", "interpreter_state.size", "runtime_state.size"] {
        shift(table, word, grown)?;
    }
    Ok(())
}

fn shift(table: &mut Table, word: &'static str, by: i128) -> Result<(), SpecError> {
    let value = table.value(word).ok_or(SpecError::Word { word, why: "is missing" })?;
    let moved = u64::try_from(i128::from(value) + by);
    table.set(word, moved.map_err(|_| SpecError::Word { word, why: "would leave its range" })?)
}
