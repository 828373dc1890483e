//! `softdock new`: a commented scenario to start from.

use std::fs::OpenOptions;
use std::io::{ErrorKind, Write};
use std::path::PathBuf;

use super::{Exit, output};

/// Write a commented scenario to start from.
///
/// The file is scenarios/NAME.ron; NAME may name a folder too, as in attach/my-case. A file that
/// exists is left alone.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// Its name: words in lower case joined by hyphens, below at most one folder.
    #[arg(value_parser = name)]
    name: String,
}

const TEMPLATE: &str = r#"// What this scenario shows, in a sentence or two.
Attach(
    about: "a healthy process runs the script",
    // Where it comes from, if it comes from the field: "python/cpython#136541".
    // source: "",
    process: (version: "3.14.0", threads: 1),
    script: "/tmp/attach.py",
    faults: [],
    expect: (outcome: "armed", site: "verify"),
)
"#;

/// Names become names of tests, so that they are kept to what needs no quoting anywhere.
fn name(text: &str) -> Result<String, String> {
    let is_word = |part: &str| {
        let letters = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-';
        !part.is_empty() && part.chars().all(letters) && !part.starts_with('-')
    };
    let plain = text.strip_suffix(".ron").unwrap_or(text);
    let parts: Vec<&str> = plain.split('/').collect();
    if parts.len() <= 2 && parts.iter().all(|part| is_word(part)) {
        Ok(plain.to_owned())
    } else {
        Err(String::from("expected lower-case words joined by hyphens, as exited-thread"))
    }
}

pub(crate) fn run(args: &Args) -> Exit {
    let path = PathBuf::from("scenarios").join(format!("{}.ron", args.name));
    let folder = path.parent().map_or(Ok(()), std::fs::create_dir_all);
    let created = folder.and_then(|()| OpenOptions::new().write(true).create_new(true).open(&path));
    match created.and_then(|mut file| file.write_all(TEMPLATE.as_bytes())) {
        Ok(()) => {
            let path = path.display();
            output::result(&format!("wrote {path}; try it with: softdock run {path}"));
            Exit::AsAsked
        }
        Err(error) if error.kind() == ErrorKind::AlreadyExists => {
            output::message(&format!("softdock: {} exists: choose another name", path.display()));
            Exit::Usage
        }
        Err(error) => {
            output::message(&format!("softdock: cannot write {}: {error}", path.display()));
            Exit::Usage
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_need_no_quoting() {
        for good in ["a", "exited-thread", "regress/r16", "x.ron"] {
            assert!(name(good).is_ok(), "{good}");
        }
        for bad in ["", "/", "a/", "../a", "a/b/c", "/etc/x", "A", "a b", "-a", "a.b", "é"] {
            assert!(name(bad).is_err(), "{bad}");
        }
    }
}
