//! This backend on real interpreters: is the runtime found, is its image the file's, are its
//! threads known? Whether an attach works is tested elsewhere.
//!
//! The interpreters: `SOFTDOCK_PYTHON`, else those unpacked in `target/cpython`, else a
//! `python3.14` or `python3.15` on the path. Without any, every test is ignored and says so; with
//! `SOFTDOCK_DEMAND_LIVE=1` that is a failure.

fn main() -> std::process::ExitCode {
    #[cfg(target_os = "linux")]
    return linux::main();
    #[cfg(not(target_os = "linux"))]
    std::process::ExitCode::SUCCESS
}

#[cfg(target_os = "linux")]
mod linux {
    use std::ffi::OsString;
    use std::io::{BufRead, BufReader};
    use std::path::{Path, PathBuf};
    use std::process::{Child, ChildStdout, Command, ExitCode, Stdio};

    use libtest_mimic::{Arguments, Failed, Trial};
    use nix::sys::signal::{Signal, kill};
    use nix::unistd::Pid;
    use softdock_live::{Process, ScriptView};
    use softdock_process::{Candidate, FoundBy, Modules, ProcessMemory, Threads};

    type Test = fn(&Python) -> Result<(), Failed>;

    /// Name, what it needs, and the test.
    const TESTS: [(&str, Needs, Test); 9] = [
        ("plain", Needs::Nothing, plain),
        ("deleted", Needs::Nothing, deleted),
        ("renamed", Needs::Nothing, renamed),
        ("without_sections", Needs::Nothing, without_sections),
        ("behind_a_decoy", Needs::Nothing, behind_a_decoy),
        ("beside_a_dead_copy", Needs::SharedLibrary, beside_a_dead_copy),
        ("in_a_chroot", Needs::RootAndTree, in_a_chroot),
        ("in_other_namespaces", Needs::RootAndTree, in_other_namespaces),
        ("threads", Needs::Nothing, threads),
    ];

    #[derive(Clone, Copy, PartialEq, Eq)]
    enum Needs {
        Nothing,
        /// The interpreter as a shared library, whether or not this one is.
        SharedLibrary,
        /// To be root, and an interpreter in a tree of its own.
        RootAndTree,
    }

    pub(crate) fn main() -> ExitCode {
        let pythons = pythons();
        let demanded = std::env::var_os("SOFTDOCK_DEMAND_LIVE").is_some_and(|value| value == "1");
        let mut trials = Vec::new();
        for (name, needs, test) in TESTS {
            if pythons.is_empty() {
                let missing = || Err("no CPython 3.14+ was found".into());
                let trial = Trial::test(format!("no_python::{name}"), missing);
                trials.push(trial.with_ignored_flag(!demanded));
            }
            for python in pythons.clone() {
                let able = python.can(needs);
                let title = format!("{}::{name}", python.label);
                trials.push(Trial::test(title, move || test(&python)).with_ignored_flag(!able));
            }
        }
        libtest_mimic::run(&Arguments::from_args(), trials).exit_code()
    }

    /// An interpreter, and how to start it.
    #[derive(Clone, Debug)]
    struct Python {
        label: String,
        exe: PathBuf,
        /// The root of the tree that it was unpacked in; its own loader starts it from there.
        tree: Option<PathBuf>,
        /// What `PYTHONHOME` must be when a copy elsewhere is started.
        home: String,
        /// The shared library, where the interpreter is one.
        library: Option<PathBuf>,
    }

    const LOADER: &str = "usr/lib64/ld-linux-x86-64.so.2";
    const LIBRARIES: &str = "usr/lib/x86_64-linux-gnu";

    fn pythons() -> Vec<Python> {
        if let Some(path) = std::env::var_os("SOFTDOCK_PYTHON") {
            return Python::probe(PathBuf::from(path), None).into_iter().collect();
        }
        let tree = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../target/cpython");
        if let Ok(tree) = tree.canonicalize() {
            let exes =
                ["3.14", "3.15"].map(|version| tree.join(format!("usr/bin/python{version}")));
            let found = exes.into_iter().filter(|exe| exe.exists());
            let found: Vec<Python> =
                found.filter_map(|exe| Python::probe(exe, Some(tree.clone()))).collect();
            if !found.is_empty() {
                return found;
            }
        }
        let named = ["python3.14", "python3.15"].map(PathBuf::from);
        named.into_iter().filter_map(|exe| Python::probe(exe, None)).collect()
    }

    impl Python {
        /// Asks an interpreter about itself; `None` where it does not run or is too old.
        fn probe(exe: PathBuf, tree: Option<PathBuf>) -> Option<Python> {
            const QUESTIONS: &str = "import os, sys, sysconfig\n\
                print('.'.join(map(str, sys.version_info[:2])), sys.version_info >= (3, 14))\n\
                print(sys.executable)\nprint(sys.base_prefix)\n\
                print(os.path.join(*map(sysconfig.get_config_var, ('LIBDIR', 'INSTSONAME')))\n\
                if sysconfig.get_config_var('Py_ENABLE_SHARED') else '')";
            let asked =
                Python { label: String::new(), exe, tree, home: String::new(), library: None };
            let output = asked.command(&asked.exe).args(["-c", QUESTIONS]).output().ok()?;
            let answers = String::from_utf8(output.stdout).ok()?;
            let mut lines = answers.lines();
            let version = lines.next()?.strip_suffix(" True")?;
            let own = PathBuf::from(lines.next()?);
            let home = lines.next()?.to_owned();
            let library = lines.next().filter(|path| !path.is_empty()).map(PathBuf::from);
            let library = library.filter(|path| path.exists());
            let exe = if asked.tree.is_some() { asked.exe } else { own };
            Some(Python { label: format!("python{version}"), exe, home, library, ..asked })
        }

        /// Starts `exe`, a copy of this interpreter, with its loader if it has one.
        fn command(&self, exe: &Path) -> Command {
            match &self.tree {
                None => Command::new(exe),
                Some(tree) => {
                    let mut command = Command::new(tree.join(LOADER));
                    command.arg("--library-path").arg(tree.join(LIBRARIES)).arg(exe);
                    command
                }
            }
        }

        /// The same for a copy, which cannot find its own library folder.
        fn copy(&self, exe: &Path) -> Command {
            let mut command = self.command(exe);
            command.env("PYTHONHOME", &self.home);
            command
        }

        /// A libpython of this version: its own, or the one that its tree has beside it.
        fn spare_library(&self) -> Option<PathBuf> {
            let beside = self
                .tree
                .as_ref()
                .map(|tree| tree.join(LIBRARIES).join(format!("lib{}.so.1.0", self.label)));
            self.library.clone().or(beside).filter(|path| path.exists())
        }

        fn can(&self, needs: Needs) -> bool {
            match needs {
                Needs::Nothing => true,
                Needs::SharedLibrary => self.spare_library().is_some(),
                Needs::RootAndTree => nix::unistd::geteuid().is_root() && self.tree.is_some(),
            }
        }

        /// The arguments that start it where its tree is the root.
        fn inside(&self, root: &str) -> Vec<OsString> {
            let tree = self.tree.as_ref().expect("a tree");
            let exe = self.exe.strip_prefix(tree).expect("in its tree");
            let at = |part: &Path| Path::new(root).join(part).into_os_string();
            let (loader, libraries) = (at(Path::new(LOADER)), at(Path::new(LIBRARIES)));
            vec![loader, "--library-path".into(), libraries, at(exe)]
        }
    }

    /// A running interpreter that cannot outlive the test.
    struct Target {
        child: Child,
        /// The interpreter, which may be a child of `child`.
        pid: u32,
        /// The id of its first thread, and of a second one, as it sees them itself.
        natives: [u64; 2],
        /// Kept open, so that it can go on talking.
        output: BufReader<ChildStdout>,
    }

    impl Drop for Target {
        fn drop(&mut self) {
            if self.pid != self.child.id() {
                let _ =
                    i32::try_from(self.pid).map(|pid| kill(Pid::from_raw(pid), Signal::SIGKILL));
            }
            let _ = self.child.kill();
            let _ = self.child.wait();
        }
    }

    /// Runs this once, then says the ids of two threads and waits until its input is closed.
    fn start(command: &mut Command, once: &str) -> Result<Target, Failed> {
        let script = format!(
            "import os, sys, threading\n{once}\n\
             def wait(): print(threading.get_native_id(), flush=True); sys.stdin.read()\n\
             print(threading.get_native_id(), flush=True)\n\
             threading.Thread(target=wait).start()"
        );
        command.args(["-c", &script]).stdin(Stdio::piped()).stdout(Stdio::piped());
        let mut child = command.spawn()?;
        let output = BufReader::new(child.stdout.take().expect("piped"));
        let mut target = Target { pid: child.id(), child, natives: [0; 2], output };
        for native in &mut target.natives {
            let mut line = String::new();
            target.output.read_line(&mut line)?;
            *native = line.trim().parse()?;
        }
        Ok(target)
    }

    /// A folder of this test's own.
    struct Folder(PathBuf);

    impl Folder {
        fn new(python: &Python, name: &str) -> std::io::Result<Folder> {
            let name = format!("softdock-live-{}-{name}-{}", python.label, std::process::id());
            let path = std::env::temp_dir().join(name);
            std::fs::create_dir_all(&path)?;
            Ok(Folder(path))
        }
    }

    impl Drop for Folder {
        fn drop(&mut self) {
            let _ = std::fs::remove_dir_all(&self.0);
        }
    }

    /// Looks at the first candidate and at the two threads, where the image can be had.
    fn examine(target: &Target) -> Result<Candidate, Failed> {
        let (first, image) = look(target)?;
        assert!(image, "{first:?} has no image");
        Ok(first)
    }

    /// The same, and whether there was an image.
    fn look(target: &Target) -> Result<(Candidate, bool), Failed> {
        let mut process = Process::open(target.pid)?;
        let first = process.candidate(0)?.cloned().ok_or("no candidate")?;
        assert_eq!(process.read_u64(first.at)?.to_le_bytes(), *b"xdebugpy", "{first:?}");
        let table_bytes = table_bytes(process.read_u64(first.at.checked_add(8).unwrap())?);
        assert!(first.extent >= table_bytes as u64);
        let (mut memory, mut image) = (vec![0; table_bytes], vec![0; table_bytes]);
        process.read(first.at, &mut memory)?;
        let had_image = process.read_image(first.at, &mut image)?;
        assert!(!had_image || memory == image, "the image differs");
        let [main, second] = target.natives;
        assert_eq!(process.main_thread()?, Some(main));
        for (native, lives) in
            [(main, true), (second, true), (0, false), (1 << 22, false), (1 << 33, false)]
        {
            assert_eq!(process.is_thread(native)?, lives, "thread {native}");
        }
        assert_eq!(process.identity()?, process.identity()?);
        Ok((first, had_image))
    }

    /// The size of `_Py_DebugOffsets` in this version.
    fn table_bytes(version: u64) -> usize {
        if version >> 16 == 0x030e { 760 } else { 888 }
    }

    #[track_caller]
    fn found_by_section(target: &Target) -> Result<Candidate, Failed> {
        let first = examine(target)?;
        assert_eq!(first.found_by, FoundBy::Section);
        Ok(first)
    }

    fn plain(python: &Python) -> Result<(), Failed> {
        found_by_section(&start(&mut python.command(&python.exe), "")?)?;
        Ok(())
    }

    /// The file that holds the runtime, copied under another name; and a target that runs it.
    fn copied(
        python: &Python,
        folder: &Folder,
        name: &str,
        change: fn(&mut Vec<u8>),
    ) -> Result<(PathBuf, Target), Failed> {
        let exe = folder.0.join(name);
        let mut bytes = std::fs::read(&python.exe)?;
        change(&mut bytes);
        // Written by a process of its own: a file that we hold open for writing, if only for a
        // moment and in a child of another test, cannot be executed.
        std::fs::write(folder.0.join("bytes"), bytes)?;
        Command::new("cp").arg(folder.0.join("bytes")).arg(&exe).status()?;
        Command::new("chmod").arg("755").arg(&exe).status()?;
        let target = start(&mut python.copy(&exe), "")?;
        Ok((exe, target))
    }

    /// py-spy#109, cpython#151029.
    fn deleted(python: &Python) -> Result<(), Failed> {
        let folder = Folder::new(python, "deleted")?;
        let (exe, target) = copied(python, &folder, "python", |_| {})?;
        std::fs::remove_file(&exe)?;
        // Started through a loader, the file is not the executable: only root can open it again.
        let lost = python.tree.is_some() && !nix::unistd::geteuid().is_root();
        for _ in 0..2 {
            let (first, image) = look(&target)?;
            let expected = if lost { FoundBy::Scan } else { FoundBy::Section };
            assert_eq!((first.found_by, image), (expected, !lost));
            std::fs::write(&exe, "another file now")?;
        }
        Ok(())
    }

    fn renamed(python: &Python) -> Result<(), Failed> {
        let folder = Folder::new(python, "renamed")?;
        let (_, target) = copied(python, &folder, "myapp", |_| {})?;
        let first = found_by_section(&target)?;
        assert!(python.library.is_some() || &*first.module == "myapp");
        Ok(())
    }

    fn without_sections(python: &Python) -> Result<(), Failed> {
        let folder = Folder::new(python, "sections")?;
        let (_, target) = copied(python, &folder, "python", |bytes| {
            bytes[40..48].fill(0);
            bytes[60..64].fill(0);
        })?;
        let first = examine(&target)?;
        assert!(python.library.is_some() || first.found_by == FoundBy::Symbol);
        Ok(())
    }

    /// CPython's own search ends at this file.
    fn behind_a_decoy(python: &Python) -> Result<(), Failed> {
        let folder = Folder::new(python, "decoy")?;
        let decoy = folder.0.join("x_python_data");
        std::fs::write(&decoy, vec![0; 65536])?;
        let once = format!(
            "import mmap\nheld = open({decoy:?}, 'r+b')\n\
             maps = [mmap.mmap(held.fileno(), 0, access=access) for access in (1, 2, 3)]"
        );
        found_by_section(&start(&mut python.command(&python.exe), &once)?)?;
        Ok(())
    }

    /// cpython#144563: both copies have the cookie, and the dead one may be the lower.
    fn beside_a_dead_copy(python: &Python) -> Result<(), Failed> {
        let folder = Folder::new(python, "copy")?;
        let library = python.spare_library().ok_or("no library")?;
        let copy = folder.0.join("libpython3.copy.so");
        std::fs::copy(library, &copy)?;
        let once = format!("import ctypes\nheld = ctypes.CDLL({copy:?})");
        let target = start(&mut python.command(&python.exe), &once)?;
        examine(&target)?;
        let mut process = Process::open(target.pid)?;
        let mut names = Vec::new();
        for rank in 0..2 {
            let candidate = process.candidate(rank)?.ok_or("two candidates")?;
            assert_eq!(candidate.found_by, FoundBy::Section);
            names.push(candidate.module.to_string());
        }
        names.sort();
        names.dedup();
        assert_eq!(names.len(), 2, "{names:?}");
        Ok(())
    }

    fn in_a_chroot(python: &Python) -> Result<(), Failed> {
        let tree = python.tree.as_ref().ok_or("no tree")?;
        let target = start(Command::new("chroot").arg(tree).args(python.inside("/")), "")?;
        found_by_section(&target)?;
        let process = Process::open(target.pid)?;
        let exe = Path::new("/").join(python.exe.strip_prefix(tree)?);
        assert_eq!(process.script_visible(&exe)?, ScriptView::Readable);
        assert_eq!(process.script_visible(&python.exe)?, ScriptView::Missing);
        assert!(process.root_of_target().join(exe.strip_prefix("/")?).exists());
        Ok(())
    }

    /// Mounted where only it can see it, and numbered from 1.
    fn in_other_namespaces(python: &Python) -> Result<(), Failed> {
        let tree = python.tree.as_ref().ok_or("no tree")?;
        let mut command = Command::new("unshare");
        command.args(["--mount", "--pid", "--fork", "--kill-child", "sh", "-c"]);
        command.arg("mount --bind \"$0\" /mnt && exec \"$@\"").arg(tree);
        let mut target = start(command.args(python.inside("/mnt")), "")?;
        let outer = target.child.id();
        let children = std::fs::read_to_string(format!("/proc/{outer}/task/{outer}/children"))?;
        target.pid = children.trim().parse()?;
        assert_eq!(target.natives[0], 1);
        found_by_section(&target)?;
        let process = Process::open(target.pid)?;
        let exe = Path::new("/mnt").join(python.exe.strip_prefix(tree)?);
        assert_eq!(process.script_visible(&exe)?, ScriptView::Readable);
        Ok(())
    }

    /// A thread that ends is not one any more.
    fn threads(python: &Python) -> Result<(), Failed> {
        let once = "gone = threading.Thread(target=lambda: print(threading.get_native_id(), \
            flush=True))\ngone.start(); gone.join()";
        let target = start(&mut python.command(&python.exe), once)?;
        let [ended, main] = target.natives;
        let mut process = Process::open(target.pid)?;
        assert!(process.is_thread(main)?);
        assert!(!process.is_thread(ended)?);
        assert!(!process.is_thread(u64::from(std::process::id()))?, "a thread of ours");
        Ok(())
    }
}
