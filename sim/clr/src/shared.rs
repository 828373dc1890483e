//! A value that copies of a state share until one of them changes it: an exploration copies a
//! state for every way to go on, and a transition changes little of it.

use core::hash::{Hash, Hasher};
use core::ops::{Deref, DerefMut};
use std::sync::{Arc, OnceLock};

use crate::hash::Digest;

/// A value, copied on the first change after it was cloned, and hashed once as long as it stays.
#[derive(Clone, Debug, Default)]
pub struct Shared<T>(Arc<Kept<T>>);

#[derive(Clone, Debug, Default)]
struct Kept<T> {
    value: T,
    hash: OnceLock<u128>,
}

impl<T> Shared<T> {
    /// A value that nothing shares yet.
    pub fn new(value: T) -> Shared<T> {
        Shared(Arc::new(Kept { value, hash: OnceLock::new() }))
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
        let kept = Arc::make_mut(&mut self.0);
        kept.hash.take();
        &mut kept.value
    }
}

impl<T: Hash> Hash for Shared<T> {
    fn hash<H: Hasher>(&self, state: &mut H) {
        state.write_u128(*self.0.hash.get_or_init(|| Digest::of(&self.0.value)));
    }
}
