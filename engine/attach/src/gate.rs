//! What is refused before the target is touched at all.

use crate::attempt::{Attempt, Step};
use crate::{Config, Host, Reason, Site};

impl Config {
    /// Why no attach is tried at all, whatever the target is. An attempt begins by asking this; a
    /// caller that has something to prepare in the target asks before.
    #[must_use]
    pub fn refusal(&self) -> Option<Reason> {
        match () {
            () if self.disabled => Some(Reason::FeatureDisabled),
            () if self.mixed_mode => Some(Reason::MixedMode),
            () => None,
        }
    }
}

impl<H: Host> Attempt<'_, H> {
    pub(crate) fn pass_gate(&mut self, script: &[u8]) -> Step<()> {
        self.at(Site::Gate);
        if let Some(reason) = self.config.refusal() {
            return self.refuse(reason);
        }
        match () {
            () if script.is_empty() => self.refuse(Reason::ScriptEmpty),
            () if script.contains(&0) => self.refuse(Reason::ScriptNul),
            () if !is_absolute(script) => self.refuse(Reason::ScriptRelative),
            () => Ok(()),
        }
    }
}

/// Absolute on the target: `/…`, or on Windows `C:\…`, `C:/…` or `\\server\…`. A relative path
/// would be looked up in whatever folder the target is in.
fn is_absolute(script: &[u8]) -> bool {
    match script {
        [b'/', ..] | [b'\\', b'\\', ..] => true,
        [drive, b':', b'\\' | b'/', ..] => drive.is_ascii_alphabetic(),
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn absolute_on_either_system() {
        for path in ["/a", "//a", "C:\\a.py", "z:/a.py", "\\\\server\\share\\a.py"] {
            assert!(is_absolute(path.as_bytes()), "{path}");
        }
        for path in ["a", "./a", "C:a.py", "\\a.py", "1:\\a.py", ":/a", "~"] {
            assert!(!is_absolute(path.as_bytes()), "{path}");
        }
    }
}
