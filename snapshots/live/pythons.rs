//! The interpreters to attach to.

use std::ffi::{OsStr, OsString};
use std::path::{Path, PathBuf};
use std::process::Command;

/// An interpreter of CPython 3.14 or later.
#[derive(Clone, Debug)]
pub(crate) struct Python {
    /// As `3.14.10`.
    pub(crate) version: String,
    /// The interpreter's own file.
    pub(crate) program: PathBuf,
    /// What `PYTHONHOME` must be for a copy of it.
    pub(crate) home: PathBuf,
    /// The unpacked system that it belongs to, if it is not ours.
    pub(crate) root: Option<PathBuf>,
    /// Where its debugpy is, if it has one.
    pub(crate) debugpy: Option<PathBuf>,
}

impl Python {
    /// A command that runs this interpreter.
    pub(crate) fn command(&self) -> Command {
        self.command_for(&self.program)
    }

    /// A command that runs a program of the interpreter's system. Its loader and libraries are
    /// named on the command line, since they are not where the program expects them.
    pub(crate) fn command_for(&self, program: &Path) -> Command {
        let Some(root) = &self.root else { return Command::new(program) };
        let mut command = Command::new(root.join(LOADER));
        command.arg("--library-path").arg(root.join(LIBRARIES)).arg(program);
        command
    }

    /// As `3.14`.
    pub(crate) fn minor(&self) -> &str {
        self.version.rsplit_once('.').map_or("", |(minor, _)| minor)
    }
}

const LOADER: &str = "usr/lib64/ld-linux-x86-64.so.2";
pub(crate) const LIBRARIES: &str = "usr/lib/x86_64-linux-gnu";

/// All that there are, by the first source that has any.
pub(crate) fn find() -> Vec<Python> {
    if let Some(named) = std::env::var_os("SOFTDOCK_PYTHON") {
        return std::env::split_paths(&named).filter_map(|path| probe(path, None)).collect();
    }
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("target/cpython");
    let unpacked: Vec<Python> = ["3.14", "3.15"]
        .iter()
        .filter_map(|minor| probe(root.join(format!("usr/bin/python{minor}")), Some(&root)))
        .collect();
    if !unpacked.is_empty() {
        return unpacked;
    }
    let path = std::env::var_os("PATH").unwrap_or_default();
    let names = ["python3.14", "python3.14t", "python3.15", "python3.15t"].map(OsStr::new);
    let found = |name| std::env::split_paths(&path).find_map(|dir| probe(dir.join(name), None));
    names.into_iter().filter_map(found).collect()
}

/// The interpreter at this path, if there is one and it is new enough. What the path leads to may
/// be a wrapper, so it is asked for its own file.
fn probe(path: PathBuf, root: Option<&Path>) -> Option<Python> {
    const QUESTION: &str = "import sys, os
if sys.version_info >= (3, 14):
    from importlib.util import find_spec
    found = find_spec('debugpy')
    print('%d.%d.%d' % sys.version_info[:3], sys.base_prefix, sys.executable, sep='\\n')
    print(os.path.dirname(found.origin) if found else '')";
    let file = path.is_file().then(|| path.clone())?;
    let mut python = Python {
        version: String::new(),
        program: file,
        home: PathBuf::new(),
        root: root.map(Path::to_path_buf),
        debugpy: None,
    };
    let answer = python.command().args(["-I", "-c", QUESTION]).output().ok()?;
    let text = String::from_utf8(answer.stdout).ok()?;
    let mut lines = text.lines();
    python.version = lines.next()?.to_owned();
    python.home = PathBuf::from(lines.next()?);
    let executable = lines.next()?;
    python.debugpy = lines.next().filter(|path| !path.is_empty()).map(PathBuf::from);
    if root.is_none() {
        python.program = PathBuf::from(OsString::from(executable));
    } else {
        python.home = root?.join("usr");
    }
    Some(python)
}
