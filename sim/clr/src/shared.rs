//! A value that copies of a state share until one of them changes it: an exploration copies a
//! state for every way to go on, and a transition changes little of it.

use core::cell::Cell;
use core::hash::{Hash, Hasher};
use core::ops::{Deref, DerefMut};
use std::rc::Rc;

use crate::hash::Digest;

/// A value, copied on the first change after it was cloned, and hashed once as long as it stays.
#[derive(Clone, Debug, Default)]
pub struct Shared<T>(Rc<Hashed<T>>);

/// The hash lies beside the value: a copy is one pointer, and all copies know the hash once.
#[derive(Clone, Debug, Default)]
struct Hashed<T> {
    value: T,
    hash: Cell<Option<u128>>,
}

impl<T> Shared<T> {
    /// A value that nothing shares yet.
    pub fn new(value: T) -> Shared<T> {
        Shared(Rc::new(Hashed { value, hash: Cell::new(None) }))
    }
}

impl<T: Hash> Shared<T> {
    /// The hash of the value.
    pub fn digest(&self) -> u128 {
        let Hashed { value, hash } = &*self.0;
        let known = hash.get().unwrap_or_else(|| Digest::of(value));
        hash.set(Some(known));
        known
    }
}

impl<T> Deref for Shared<T> {
    type Target = T;

    fn deref(&self) -> &T {
        &self.0.value
    }
}

impl<T: Clone> DerefMut for Shared<T> {
    fn deref_mut(&mut self) -> &mut T {
        let own = Rc::make_mut(&mut self.0);
        own.hash.set(None);
        &mut own.value
    }
}

impl<T: Hash> Hash for Shared<T> {
    fn hash<H: Hasher>(&self, state: &mut H) {
        state.write_u128(self.digest());
    }
}
