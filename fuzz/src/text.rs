//! Target `scenario_text`: any text is read. What does not read has a mistake with a place that can
//! be shown; what does is written, read back the same, and built or refused.

use std::path::Path;

use softdock::run::Stage;
use softdock::scenario;

use crate::crash::{Crash, attempting};

/// Bytes of a text: a field bug fits in a kilobyte.
const TEXT_MAX: usize = 16 * 1024;

/// Checks one input.
///
/// # Errors
/// When a mistake has no place, or a scenario does not read back.
pub fn check(input: &[u8]) -> Result<(), Crash> {
    attempting(None);
    let text = String::from_utf8_lossy(&input[..input.len().min(TEXT_MAX)]);
    let path = Path::new("input.ron");
    let read = match scenario::parse(path, &text) {
        Ok(read) => read,
        Err(mistake) if mistake.line == 0 => {
            return Err(Crash::of_input("a mistake without a line", text));
        }
        Err(mistake) if mistake.to_string().is_empty() => {
            return Err(Crash::of_input("a mistake without a message", text));
        }
        Err(_) => return Ok(()),
    };
    let written = scenario::write(&read);
    if scenario::parse(path, &written).as_ref() != Ok(&read) {
        return Err(Crash::of_input("it does not read back", written));
    }
    if let Some(attach) = read.attach() {
        attempting(Some(attach));
        drop(Stage::new(attach));
    }
    Ok(())
}
