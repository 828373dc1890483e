//! Words that an unknown table leaves open, proved on live threads: where a thread state keeps its
//! native id, and from that its status.
//!
//! Every known table has both behind `current_frame`, the status two words after the native id,
//! but new versions insert words between. So the position is not assumed: it is the only word of
//! that stretch whose offset, in *every* thread state of the list, holds the id of a thread that
//! the operating system knows. Two such words, or none, and the layout is refused.

use softdock_process::Address;

use crate::attempt::{Attempt, Step};
use crate::layout::{Layout, NativeField};
use crate::limits::{INFER_WORDS_MAX, THREADS_MAX};
use crate::tables::PYTHON_3_15;
use crate::validate::{ThreadVerdict, native_at};
use crate::walk::Interpreter;
use crate::words::u64_at;
use crate::{Host, Reason, Site};

/// Bytes from the word of the native id to that of the status, in every known table.
const NATIVE_TO_STATUS: u64 = 16;

/// A proposal: a word of the table, and the field it would mean.
#[derive(Clone, Copy)]
struct Proposal {
    word_at: u64,
    field: NativeField,
}

impl<H: Host> Attempt<'_, H> {
    /// Completes `layout`, or refuses.
    pub(crate) fn infer(&mut self, interpreter: &Interpreter, layout: &mut Layout) -> Step<()> {
        self.at(Site::Infer);
        let mut proposals = proposals(&self.slab, layout);
        let mut newer = Address::NULL;
        let mut at = interpreter.threads_head;
        for _ in 0..THREADS_MAX {
            if at.is_null() || proposals.is_empty() {
                break;
            }
            self.read_thread(at, layout)?;
            let state = self.state(layout);
            if state.prev() != newer || state.interpreter() != interpreter.found.at {
                return self.refuse(Reason::Thread(ThreadVerdict::BrokenLinks));
            }
            let older = state.next();
            self.drop_disproved(&mut proposals)?;
            (newer, at) = (at, older);
        }
        let [proved] = proposals.as_slice() else { return self.refuse(Reason::NotInferred) };
        let status_at = proved.word_at.saturating_add(NATIVE_TO_STATUS);
        let Some(status) = u64_at(&self.slab, status_at).filter(|at| at.is_multiple_of(4)) else {
            return self.refuse(Reason::NotInferred);
        };
        layout.thread.native_thread_id = Some(proved.field);
        layout.thread.status = Some(status);
        if layout.thread.written_overlaps_links() {
            return self.refuse(Reason::NotInferred);
        }
        Ok(())
    }

    /// Keeps the proposals that name a live thread in the state last read.
    fn drop_disproved(&mut self, proposals: &mut Vec<Proposal>) -> Step<()> {
        let mut kept = Vec::new();
        for proposal in proposals.iter() {
            let native = native_at(&self.state, proposal.field).filter(|native| *native != 0);
            let Some(native) = native else { continue };
            let known = self.host.is_thread(native);
            if self.asked(known)? {
                kept.push(*proposal);
            }
        }
        *proposals = kept;
        Ok(())
    }
}

/// Every word behind `current_frame` that could be the offset of an id: inside the thread state,
/// aligned, and not in what the engine writes or follows.
fn proposals(slab: &[u8], layout: &Layout) -> Vec<Proposal> {
    let start = PYTHON_3_15.at.current_frame.saturating_add(8);
    let end = start.saturating_add(INFER_WORDS_MAX.saturating_mul(8));
    let mut proposals: Vec<Proposal> = Vec::new();
    for word_at in (start..end).step_by(8) {
        let Some(at) = u64_at(slab, word_at) else { break };
        let width = if at.is_multiple_of(8) { 8 } else { 4 };
        let inside = at.checked_add(width).is_some_and(|end| end <= layout.thread.size);
        let free = layout.thread.leaves_free(at, width);
        let new = proposals.iter().all(|known| known.field.at != at);
        if at.is_multiple_of(4) && inside && free && new {
            proposals.push(Proposal { word_at, field: NativeField { at, width } });
        }
    }
    proposals
}
