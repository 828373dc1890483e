//! A program that is no interpreter but has one inside, as servers and editors do. It calls
//! `Py_Initialize` and not `Py_Main`, so that no thread is ever named the main one, where
//! `sys.remote_exec` gives up.

use std::path::PathBuf;
use std::process::Command;

use crate::Situation;
use crate::command::attach_and_expect;
use crate::pythons::{LIBRARIES, Python};
use crate::target::{Folder, Target};

pub(crate) fn situations() -> Vec<Situation> {
    vec![Situation {
        name: "an-embedded-interpreter",
        possible: |python| library(python).is_some() && has_compiler(),
        run: an_embedded_interpreter,
    }]
}

/// No headers are needed for two functions.
const HOST: &str = r#"
void Py_Initialize(void);
int PyRun_SimpleString(const char *);
int main(void) {
    Py_Initialize();
    return PyRun_SimpleString(
        "import time\n"
        "print('ready', flush=True)\n"
        "while True: time.sleep(0.002)\n");
}
"#;

fn library(python: &Python) -> Option<PathBuf> {
    let name = format!("libpython{}.so.1.0", python.minor());
    let path = python.root.as_deref()?.join(LIBRARIES).join(name);
    path.is_file().then_some(path)
}

fn has_compiler() -> bool {
    Command::new("cc").arg("--version").output().is_ok_and(|output| output.status.success())
}

fn an_embedded_interpreter(python: &Python) {
    let folder = Folder::new();
    let (source, program) = (folder.path().join("host.c"), folder.path().join("host"));
    std::fs::write(&source, HOST).unwrap();
    let mut compile = Command::new("cc");
    compile.arg(&source).arg("-o").arg(&program).arg(library(python).unwrap());
    // The library wants a newer C library than ours, which it will find when it runs.
    compile.arg("-Wl,--allow-shlib-undefined");
    assert!(compile.status().unwrap().success());

    let mut command = python.command_for(&program);
    command.env("PYTHONHOME", &python.home);
    let target = Target::start(&folder, command);
    let script = folder.script("a.py", "__import__('os').getpid()");
    let report = attach_and_expect::<&str>(&target, &script, &[]);
    assert_eq!(script.wait_for_marks(1), [target.pid().to_string()]);
    assert_eq!(report["thread"]["id"], target.pid());
    assert_eq!(report["proof"], "image");
}
