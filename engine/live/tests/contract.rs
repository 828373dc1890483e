//! The contract of the door on a real child process: the same functions that the virtual address
//! space passes. Besides, what only real processes have: no pid, zombies, `exec`.

fn main() -> std::process::ExitCode {
    #[cfg(target_os = "linux")]
    return linux::main();
    #[cfg(not(target_os = "linux"))]
    std::process::ExitCode::SUCCESS
}

#[cfg(target_os = "linux")]
mod linux {
    use std::fs::Permissions;
    use std::io::{BufRead, BufReader, Read};
    use std::num::NonZeroUsize;
    use std::os::unix::fs::PermissionsExt;
    use std::os::unix::process::CommandExt;
    use std::process::{Child, Command, ExitCode, Stdio};

    use libtest_mimic::{Arguments, Failed, Trial};
    use nix::sys::mman::{MapFlags, ProtFlags, mmap_anonymous, mprotect, munmap};
    use nix::unistd::{SysconfVar, sysconf};
    use softdock_live::{OpenError, Process, ScriptView};
    use softdock_process::contract::{self, Ground};
    use softdock_process::{Address, ErrorKind, Modules, ProcessMemory, Threads};

    /// Set in the child that lays out the ground.
    const GROUND: &str = "SOFTDOCK_LIVE_GROUND";

    pub(crate) fn main() -> ExitCode {
        if std::env::var_os(GROUND).is_some() {
            lay_out_the_ground();
            return ExitCode::SUCCESS;
        }
        let trials = vec![
            Trial::test("a_real_process_keeps_the_contract", a_real_process_keeps_the_contract),
            Trial::test("our_own_process_keeps_it_too", our_own_process_keeps_it_too),
            Trial::test("what_is_no_process_is_named", what_is_no_process_is_named),
            Trial::test("an_end_is_noticed", an_end_is_noticed),
            Trial::test("an_exec_is_noticed_after_a_refresh", an_exec_is_noticed_after_a_refresh),
            Trial::test("a_process_without_python_has_none", a_process_without_python_has_none),
            Trial::test("a_script_is_seen_with_the_targets_rights", rights)
                .with_ignored_flag(!nix::unistd::geteuid().is_root()),
        ];
        libtest_mimic::run(&Arguments::from_args(), trials).exit_code()
    }

    fn page_bytes() -> usize {
        let page = sysconf(SysconfVar::PAGE_SIZE).ok().flatten();
        page.and_then(|page| usize::try_from(page).ok()).unwrap_or(4096)
    }

    /// Makes the six pages in this process, which live as long as it does.
    fn ground() -> Ground {
        let page = page_bytes();
        let len = Ground::PAGES * page;
        let (rw, flags) = (ProtFlags::PROT_READ | ProtFlags::PROT_WRITE, MapFlags::MAP_PRIVATE);
        // SAFETY: a new anonymous mapping at a place that the kernel chooses replaces nothing.
        let base = unsafe { mmap_anonymous(None, NonZeroUsize::new(len).unwrap(), rw, flags) };
        let base = base.expect("six pages");
        // SAFETY: those `len` bytes are ours alone, zeroed and writable.
        let bytes = unsafe { std::slice::from_raw_parts_mut(base.cast::<u8>().as_ptr(), len) };
        for (index, byte) in bytes.iter_mut().enumerate() {
            *byte = Ground::pattern(index);
        }
        // SAFETY: both pages lie within the mapping, and the slice is not used any more.
        let (second, third, fifth) =
            unsafe { (base.byte_add(2 * page), base.byte_add(3 * page), base.byte_add(5 * page)) };
        // SAFETY: as above; nothing of this process refers to these pages.
        unsafe {
            mprotect(second, page, ProtFlags::PROT_READ).expect("read-only");
            munmap(third, page).expect("a hole");
            mprotect(fifth, page, ProtFlags::PROT_NONE).expect("no access");
        }
        Ground { base: Address::new(base.as_ptr().expose_provenance() as u64), page }
    }

    /// The child: says where the ground is and waits until its standard input is closed.
    fn lay_out_the_ground() {
        println!("{:x}", ground().base.get());
        let _ = std::io::stdin().read(&mut [0]);
    }

    /// A child that cannot outlive the test.
    struct Target(Child);

    impl Drop for Target {
        fn drop(&mut self) {
            let _ = self.0.kill();
            let _ = self.0.wait();
        }
    }

    impl Target {
        fn spawn(command: &mut Command) -> Target {
            let piped = command.stdin(Stdio::piped()).stdout(Stdio::piped());
            Target(piped.spawn().expect("a child"))
        }

        fn line(&mut self) -> String {
            let mut line = String::new();
            let out = self.0.stdout.as_mut().expect("piped");
            BufReader::new(out).read_line(&mut line).expect("a line");
            line.trim().to_owned()
        }
    }

    fn a_real_process_keeps_the_contract() -> Result<(), Failed> {
        let mut target = Target::spawn(Command::new(std::env::current_exe()?).env(GROUND, "1"));
        let base = Address::new(u64::from_str_radix(&target.line(), 16)?);
        let mut process = Process::open(target.0.id())?;
        contract::check(&mut process, Ground { base, page: page_bytes() });
        Ok(())
    }

    fn our_own_process_keeps_it_too() -> Result<(), Failed> {
        contract::check(&mut Process::open(std::process::id())?, ground());
        Ok(())
    }

    fn what_is_no_process_is_named() -> Result<(), Failed> {
        let name = |pid| Process::open(pid).map(|_| ()).map_err(|error| error.name());
        assert_eq!(name(0), Err("not-a-pid"));
        assert_eq!(name(u32::MAX), Err("not-a-pid"), "what a signed -1 becomes");
        assert_eq!(name(i32::MAX as u32), Err("not-a-pid"), "above the limit");
        let mut child = Command::new("true").spawn()?;
        let pid = child.id();
        while name(pid).is_ok() {
            std::thread::yield_now();
        }
        assert_eq!(Process::open(pid).unwrap_err(), OpenError::Zombie { pid });
        child.wait()?;
        assert_eq!(Process::open(pid).unwrap_err(), OpenError::NotFound { pid });
        let kernel = std::fs::read_to_string("/proc/2/comm").unwrap_or_default();
        if kernel.trim() == "kthreadd" {
            assert_eq!(name(2), Err("kernel-thread"));
        }
        Ok(())
    }

    fn an_end_is_noticed() -> Result<(), Failed> {
        let mut target = Target::spawn(Command::new("sleep").arg("60"));
        let pid = target.0.id();
        let mut process = Process::open(pid)?;
        let before = process.identity()?;
        assert_eq!((before.pid, before.started > 0), (pid, true));
        assert_eq!(process.identity(), Ok(before));
        assert_eq!(process.is_thread(u64::from(pid)), Ok(true));
        target.0.kill()?;
        target.0.wait()?;
        assert_eq!(process.identity(), Err(ErrorKind::Gone));
        assert_eq!(process.is_thread(u64::from(pid)), Err(ErrorKind::Gone));
        assert_eq!(process.main_thread(), Err(ErrorKind::Gone));
        let error = process.read(Address::new(0x1000), &mut [0; 8]).unwrap_err();
        assert_eq!(error.kind, ErrorKind::Gone);
        process.refresh();
        assert_eq!(process.candidate(0), Err(ErrorKind::Gone));
        Ok(())
    }

    fn an_exec_is_noticed_after_a_refresh() -> Result<(), Failed> {
        let script = "echo ready; read go; exec sleep 60";
        let mut target = Target::spawn(Command::new("sh").args(["-c", script]));
        target.line();
        let mut process = Process::open(target.0.id())?;
        let before = process.identity()?;
        let stack = process.writable(0)?.expect("some writable memory").start;
        drop(target.0.stdin.take());
        for _ in 0..1000 {
            std::thread::sleep(std::time::Duration::from_millis(5));
            process.refresh();
            if process.writable(0).is_ok_and(|first| first.is_some_and(|it| it.start != stack)) {
                assert_eq!(process.identity(), Ok(before), "an exec keeps the identity");
                return Ok(());
            }
        }
        Err("the new program was never seen".into())
    }

    /// cpython#134546: a script that only root can read, for a target that is not root. Only root
    /// can start such a target, so that this is ignored for others.
    fn rights() -> Result<(), Failed> {
        const NOBODY: u32 = 65534;
        let folder = std::env::temp_dir().join(format!("softdock-rights-{}", std::process::id()));
        let script = folder.join("attach.py");
        std::fs::create_dir_all(&folder)?;
        std::fs::write(&script, "1")?;
        let target = Target::spawn(Command::new("sleep").arg("60").uid(NOBODY).gid(NOBODY));
        let process = Process::open(target.0.id())?;
        let view = |script_mode, folder_mode| {
            std::fs::set_permissions(&script, Permissions::from_mode(script_mode))?;
            std::fs::set_permissions(&folder, Permissions::from_mode(folder_mode))?;
            Ok::<_, Failed>(process.script_visible(&script)?)
        };
        let views = [view(0o644, 0o755)?, view(0o600, 0o755)?, view(0o644, 0o700)?];
        std::fs::remove_dir_all(&folder)?;
        let closed = ScriptView::FolderClosed { uid: NOBODY, folder };
        assert_eq!(views, [ScriptView::Readable, ScriptView::Unreadable { uid: NOBODY }, closed]);
        Ok(())
    }

    fn a_process_without_python_has_none() -> Result<(), Failed> {
        let target = Target::spawn(Command::new("sleep").arg("60"));
        assert_eq!(Process::open(target.0.id())?.candidate(0)?, None);
        Ok(())
    }
}
