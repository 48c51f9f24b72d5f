//! A value that never changes and is handed around without being copied.

use std::ops::Deref;
use std::sync::Arc;

/// A handle to a value that nobody can change: who holds one may treat it as its own copy.
///
/// A core may give these out, unlike any other handle, since nothing that happens to one is seen by
/// another holder. It is what makes a list of ten thousand rooms cheap.
#[derive(Debug, PartialEq, Eq)]
pub struct Shared<T>(Arc<T>);

impl<T> Clone for Shared<T> {
    fn clone(&self) -> Self {
        Self(Arc::clone(&self.0))
    }
}

impl<T> Deref for Shared<T> {
    type Target = T;

    fn deref(&self) -> &T {
        &self.0
    }
}

impl<T> From<T> for Shared<T> {
    fn from(value: T) -> Self {
        Self(Arc::new(value))
    }
}
