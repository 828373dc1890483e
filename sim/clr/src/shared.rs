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

impl<T: Clone + PartialEq> Shared<T> {
    /// For a change that mostly changes nothing: then it stays shared, and its hash known.
    pub fn update<R>(&mut self, change: impl FnOnce(&mut T) -> R) -> R {
        let mut value = T::clone(self);
        let result = change(&mut value);
        if value != **self {
            **self = value;
        }
        result
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_update_that_changes_nothing_leaves_it_shared() {
        let first = Shared::new(vec![1, 2]);
        let mut second = first.clone();
        assert_eq!(second.update(|list| list.len()), 2);
        assert!(Rc::ptr_eq(&first.0, &second.0));
        second.update(|list| list.push(3));
        assert_eq!((&*first, &*second), (&vec![1, 2], &vec![1, 2, 3]));
        assert_ne!(first.digest(), second.digest());
    }
}
