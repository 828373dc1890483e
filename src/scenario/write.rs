//! Writing a scenario: as a person would, one field a line, whatever has its default left out.
//! Reading it gives the same scenario again.

use ron::ser::PrettyConfig;

use super::Scenario;
use super::read::grammar;

/// The text of a scenario file.
///
/// # Panics
/// Never: a scenario holds nothing that RON cannot say.
#[must_use]
pub fn write(scenario: &Scenario) -> String {
    let style = PrettyConfig::new().depth_limit(2).new_line("\n").separate_tuple_members(false);
    // A program has many lines, and is read by people.
    let style = style.escape_strings(false);
    let text = grammar().to_string_pretty(scenario, style).expect("plain data");
    text + "\n"
}

/// The file of a scenario that breaks a promise: what is wrong on top, since `expect` says what
/// comes out and not what should.
#[must_use]
pub fn write_wrong(scenario: &Scenario, broken: &str, found_in: &str) -> String {
    let scenario = write(scenario);
    format!(
        "// WRONG: {broken}.\n// Found in {found_in}. `expect` tells what comes out today: say what \
         should.\n{scenario}"
    )
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;
    use crate::scenario::read::parse;

    #[test]
    fn every_committed_scenario_reads_back_as_it_was_written() {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("scenarios");
        let files = crate::corpus::find(&[folder]).expect("the scenarios");
        assert!(files.len() > 300);
        for (path, name) in files {
            let (scenario, _) = crate::scenario::read(&path).expect("a scenario that reads");
            let text = write(&scenario);
            assert_eq!(parse(&path, &text).as_ref(), Ok(&scenario), "{name}:\n{text}");
        }
    }

    #[test]
    fn a_program_is_written_line_by_line() {
        let text = "Stepping(about: \"a\", program: \"\n  method main args 0 locals 0\n    \
                    RET_VOID\n  end\", expect: [])";
        let scenario = parse(Path::new("x.ron"), text).unwrap();
        let written = write(&scenario);
        assert!(written.contains("\n    RET_VOID\n"), "{written}");
        assert_eq!(parse(Path::new("x.ron"), &written).unwrap(), scenario);
    }
}
