//! Interpreters and scripts in unusual places: renamed, deleted, in another root, of another user.

use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::Command;

use crate::command::{attach, attach_and_expect};
use crate::pythons::Python;
use crate::target::{BUSY, Folder, Script, Target};
use crate::{Situation, always};

pub(crate) fn situations() -> Vec<Situation> {
    vec![
        always("a-path-that-is-not-utf8", a_path_that_is_not_utf8),
        always("a-copy-called-myapp", a_copy_called_myapp),
        always("a-deleted-executable", a_deleted_executable),
        Situation {
            name: "a-target-in-a-chroot",
            possible: |python| is_root() && python.root.is_some(),
            run: a_target_in_a_chroot,
        },
        Situation {
            name: "a-target-of-another-user",
            possible: |_| is_root(),
            run: a_target_of_another_user,
        },
    ]
}

/// A number that no system gives to a person or a service with files.
pub(crate) const NOBODY: u32 = 65534;

pub(crate) fn is_root() -> bool {
    std::fs::metadata("/proc/self").is_ok_and(|own| own.uid() == 0)
}

fn a_path_that_is_not_utf8(python: &Python) {
    let folder = Folder::new();
    let target = Target::run(python, &folder, BUSY);
    let script = folder.script(OsStr::from_bytes(b"\xff \xc3\xa9\n.py"), "1");
    attach_and_expect::<&str>(&target, &script, &[]);
    assert_eq!(script.wait_for_marks(1), ["1"]);
}

/// A copy of the interpreter by another name.
fn copy(python: &Python, folder: &Folder, name: &str) -> Target {
    let path = folder.path().join(name);
    std::fs::copy(&python.program, &path).unwrap();
    let mut command = python.command_for(&path);
    command.args(["-c", BUSY]).env("PYTHONHOME", &python.home);
    Target::start(folder, command)
}

/// `sys.remote_exec` does not find it: it looks for `python` in the names of files.
fn a_copy_called_myapp(python: &Python) {
    let folder = Folder::new();
    let target = copy(python, &folder, "myapp");
    let script = folder.script("a.py", "1");
    let report = attach_and_expect::<&str>(&target, &script, &[]);
    assert_eq!(script.wait_for_marks(1), ["1"]);
    assert_eq!([&report["runtime"]["foundBy"], &report["proof"]], ["section", "image"]);
}

/// What an upgrade leaves behind: the process lives on, another file has the name.
fn a_deleted_executable(python: &Python) {
    let folder = Folder::new();
    let target = copy(python, &folder, "python-old");
    let path = folder.path().join("python-old");
    std::fs::remove_file(&path).unwrap();
    std::fs::write(&path, "something else").unwrap();
    let script = folder.script("a.py", "1");
    attach_and_expect::<&str>(&target, &script, &[]);
    assert_eq!(script.wait_for_marks(1), ["1"]);
}

/// The target names files from its own root, and we find its interpreter all the same.
fn a_target_in_a_chroot(python: &Python) {
    let root = python.root.as_deref().unwrap();
    let folder = Folder::below(&root.join("tmp"));
    let mut command = Command::new("chroot");
    command.arg(root).arg(format!("/usr/bin/python{}", python.minor())).args(["-I", "-c", BUSY]);
    let target = Target::start(&folder, command);
    let outside = folder.script("a.py", "1");

    let here = attach::<&str>(&target, &outside, &[]);
    here.expect_stop("refused", "preflight", "script-missing");
    let hint = here.json()["hint"].as_str().unwrap().to_owned();
    assert!(hint.contains(&format!("/proc/{}/root", target.pid())), "{hint}");

    let inside = |path: &Path| Path::new("/").join(path.strip_prefix(root).unwrap());
    folder.script_at(&outside.path, &inside(&outside.marks), "1");
    let script = Script { path: inside(&outside.path), marks: outside.marks };
    attach_and_expect::<&str>(&target, &script, &[]);
    assert_eq!(script.wait_for_marks(1), ["1"]);
}

/// CPython would drop the request, and complain on the target's standard error
/// (python/cpython#134546).
fn a_target_of_another_user(python: &Python) {
    let folder = Folder::new();
    let mut command = python.command();
    command.args(["-I", "-c", BUSY]).uid(NOBODY).gid(NOBODY).current_dir("/");
    let target = Target::start(&folder, command);
    let script = folder.script("a.py", "__import__('os').getuid()");
    let mode = |mode| {
        std::fs::set_permissions(&script.path, std::fs::Permissions::from_mode(mode)).unwrap();
    };
    mode(0o600);
    attach::<&str>(&target, &script, &[]).expect_stop("refused", "preflight", "script-unreadable");
    mode(0o644);
    attach_and_expect::<&str>(&target, &script, &[]);
    assert_eq!(script.wait_for_marks(1), [NOBODY.to_string()]);
    assert_eq!(target.errors(), "");
}
