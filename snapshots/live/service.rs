//! A service to be debugged: a target whose program is a file, so that a breakpoint can be set in
//! it, and that can start a Python as debugpy needs it.

use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::pythons::Python;
use crate::target::{Folder, Target};

/// Does some work again and again, and says so in a file whose size grows.
pub(crate) const WORK: &str = "import sys, time
sys.executable = sys.argv[1]
def inner(number):
    doubled = number * 2
    return doubled
def outer(number):
    return inner(number)
print('ready', flush=True)
number = 0
with open(sys.argv[2], 'w') as progress:
    while True:
        number += 1
        outer(number)
        progress.write('.')
        progress.flush()
        time.sleep(0.002)
";

/// Computes all the time and leaves no mark, so that any user may run it.
pub(crate) const COMPUTE: &str = "import sys
sys.executable = sys.argv[1]
print('ready', flush=True)
while True: pass
";

/// A line of [`WORK`] that is executed each time.
pub(crate) const WORK_LINE: u32 = 4;

/// A running service.
pub(crate) struct Service {
    pub(crate) target: Target,
    /// Its program.
    pub(crate) file: PathBuf,
    /// The file that it gets to leave its mark in.
    pub(crate) progress: PathBuf,
}

impl Service {
    /// Runs `code`, which prints `ready` when it is. It gets an interpreter that starts by its path
    /// alone as its first argument, and a file as its second.
    #[track_caller]
    pub(crate) fn start(python: &Python, folder: &Folder, code: &str) -> Service {
        Service::start_with(python, folder, &["-I"], code)
    }

    #[track_caller]
    pub(crate) fn start_with(
        python: &Python,
        folder: &Folder,
        options: &[&str],
        code: &str,
    ) -> Service {
        Service::start_by(python, folder, python.command(), options, code)
    }

    /// The same by a command that runs the interpreter in its own way.
    #[track_caller]
    pub(crate) fn start_by(
        python: &Python,
        folder: &Folder,
        mut command: Command,
        options: &[&str],
        code: &str,
    ) -> Service {
        let file = folder.path().canonicalize().unwrap().join("service.py");
        std::fs::write(&file, code).unwrap();
        let (interpreter, progress) = (interpreter(python, folder), folder.path().join("progress"));
        command.args(options).arg(&file).arg(&interpreter).arg(&progress);
        Service { target: Target::start(folder, command), file, progress }
    }

    /// Demands that it does its work.
    #[track_caller]
    pub(crate) fn proves_to_run(&self) {
        let size = || std::fs::metadata(&self.progress).map_or(0, |file| file.len());
        let before = size();
        crate::target::eventually(|| (size() > before + 10).then_some(()));
    }
}

/// An interpreter from an unpacked system needs its loader and libraries named, which debugpy does
/// not know: a script of its name does that.
fn interpreter(python: &Python, folder: &Folder) -> PathBuf {
    if python.root.is_none() {
        return python.program.clone();
    }
    let command = python.command();
    let words = std::iter::once(command.get_program()).chain(command.get_args());
    let words: Vec<String> = words.map(|word| format!("'{}'", word.to_str().unwrap())).collect();
    let script = folder.path().join("python");
    std::fs::write(&script, format!("#!/bin/sh\nexec {} \"$@\"\n", words.join(" "))).unwrap();
    make_executable(&script);
    script
}

fn make_executable(path: &Path) {
    std::fs::set_permissions(path, std::fs::Permissions::from_mode(0o755)).unwrap();
}
