//! How the process behaves: when it takes up a script and when not, what threads and interpreters
//! leave behind. That any sequence of moves can be undone is for `lives.rs`.

mod picture;

use picture::picture;
use softdock_cpython::{
    Access, Build, Host, Image, InterpreterSpec, LiveThread, MoveError, OtherContent, OtherModule,
    Phase, Place, Process, ProcessSpec, STATUS_ENDED, Scripts, ThreadKey, ThreadSpec, Trigger,
    Verdict, event,
};
use softdock_memory::Protection;
use softdock_process::contract::{Ground, check};
use softdock_process::{Address, ErrorKind, FoundBy, Modules, ProcessMemory, Threads};

const MAIN: ThreadKey = ThreadKey(0);

fn process() -> Process {
    let interpreters = vec![InterpreterSpec::with_threads(3)];
    Process::new(&ProcessSpec { interpreters, ..ProcessSpec::default() }).unwrap()
}

fn main_of(process: &Process) -> LiveThread {
    process.thread(MAIN).unwrap()
}

fn breaker(process: &Process, key: ThreadKey) -> u64 {
    process.memory().peek_u64(process.thread(key).unwrap().breaker.at).unwrap()
}

fn pending(process: &Process, key: ThreadKey) -> u32 {
    process.memory().peek_u32(process.thread(key).unwrap().pending.at).unwrap()
}

fn interpreter_word(process: &Process, at: Address, word: &str) -> u64 {
    process.memory().peek_u64(process.field_at(at, word).unwrap()).unwrap()
}

#[test]
fn an_armed_thread_runs_its_script_once_and_is_disarmed() {
    let mut process = process();
    process.arm(MAIN, b"/tmp/a.py").unwrap();
    assert_eq!(process.armed(MAIN).as_deref(), Some(&b"/tmp/a.py"[..]));
    let poll = process.poll(MAIN).unwrap();
    assert_eq!((poll.events, poll.detached, poll.run), (event::STOP, true, Some(0)));
    let run = &process.runs()[0];
    assert_eq!((run.thread, run.interpreter, run.native), (MAIN, 0, 4242));
    assert_eq!((run.trigger, run.verdict), (Trigger::Breaker, Verdict::Ran));
    assert_eq!((pending(&process, MAIN), breaker(&process, MAIN)), (0, 0x200));
    assert_eq!(process.armed(MAIN), None);
    assert_eq!(process.poll(MAIN).unwrap().run, None);
    let live = main_of(&process);
    let path = process.memory().peek(live.path.at, 9).unwrap();
    assert_eq!(path, b"/tmp/a.py", "the buffer is not cleared afterwards");
}

/// As with two attachers that took turns by the flag alone.
#[test]
fn a_path_is_copied_after_the_flag_is_lowered() {
    let mut process = process();
    assert_eq!(process.take_request(MAIN), Ok(false), "nobody has asked");
    process.arm(MAIN, b"/tmp/a.py").unwrap();
    assert_eq!(process.take_request(MAIN), Ok(true));
    assert_eq!((pending(&process, MAIN), process.runs().len()), (0, 0));
    assert!(process.is_taking(MAIN));
    process.arm(MAIN, b"/tmp/b.py").unwrap();
    assert_eq!(process.take_request(MAIN), Ok(false), "it is not done with the first");
    assert_eq!(process.poll(MAIN).unwrap().run, Some(0));
    assert!(!process.is_taking(MAIN));
    assert_eq!(process.check_signals(MAIN).unwrap(), Some(1));
    assert!(process.runs().iter().all(|run| run.path == b"/tmp/b.py"), "the second one twice");
}

#[test]
fn without_an_event_the_eval_loop_does_not_look() {
    let mut process = process();
    process.arm(MAIN, b"/tmp/a.py").unwrap();
    process.withdraw(MAIN, event::STOP).unwrap();
    assert_eq!(process.poll(MAIN).unwrap(), Default::default());
    assert!(process.armed(MAIN).is_some());
}

#[test]
fn any_event_serves_a_request() {
    for bit in [event::GIL_DROP, event::SIGNALS, event::CALLS, event::GC, event::MERGE, event::JIT]
    {
        let mut process = process();
        process.arm(MAIN, b"/tmp/a.py").unwrap();
        process.withdraw(MAIN, event::STOP).unwrap();
        process.raise(MAIN, bit).unwrap();
        let poll = process.poll(MAIN).unwrap();
        assert_eq!((poll.run, poll.detached), (Some(0), false), "bit {bit:#x}");
        assert_eq!(breaker(&process, MAIN), 0x200, "bit {bit:#x} was handled");
    }
}

#[test]
fn pending_alone_is_live_through_the_second_trigger() {
    let mut process = process();
    process.arm(MAIN, b"/tmp/a.py").unwrap();
    process.withdraw(MAIN, event::STOP).unwrap();
    process.raise(MAIN, event::SIGNALS).unwrap();
    assert_eq!(process.check_signals(MAIN), Ok(Some(0)));
    assert_eq!(process.runs()[0].trigger, Trigger::Signals);
    assert_eq!(breaker(&process, MAIN), 0x202, "it touches no bit");
    assert_eq!(process.check_signals(MAIN), Ok(None));
}

/// The order of the handler: whatever raises keeps the script waiting, with the stop bit gone.
#[test]
fn a_handler_that_raises_puts_the_script_off() {
    for bit in [event::SIGNALS, event::CALLS, event::ASYNC_EXCEPTION] {
        let mut process = process();
        process.arm(MAIN, b"/tmp/a.py").unwrap();
        process.raise(MAIN, bit | event::GC).unwrap();
        process.will_raise(MAIN, bit).unwrap();
        let poll = process.poll(MAIN).unwrap();
        assert_eq!((poll.raised, poll.detached, poll.run), (Some(bit), true, None));
        assert_eq!(pending(&process, MAIN), 1, "still armed");
        let left = match bit {
            event::ASYNC_EXCEPTION => 0,
            again => again | event::GC,
        };
        assert_eq!(breaker(&process, MAIN), 0x200 | u64::from(left));
        process.raise(MAIN, event::GIL_DROP).unwrap();
        assert_eq!(process.poll(MAIN).unwrap().run, Some(0), "the next event serves it");
    }
}

#[test]
fn signals_come_before_pending_calls_and_exceptions_last() {
    let mut process = process();
    process.raise(MAIN, 0xff).unwrap();
    process.will_raise(MAIN, event::SIGNALS | event::CALLS).unwrap();
    let order: Vec<_> = (0..4).map(|_| process.poll(MAIN).unwrap().raised).collect();
    let raised = [event::SIGNALS, event::CALLS, event::ASYNC_EXCEPTION].map(Some);
    assert_eq!(order[..3], raised);
    assert_eq!(order[3], None);
    assert_eq!(breaker(&process, MAIN), 0x200);
}

#[test]
fn only_one_is_pending_and_only_one_is_allowed() {
    for value in [0, 2, 257, u32::MAX] {
        let mut process = process();
        process.arm(MAIN, b"/tmp/a.py").unwrap();
        let live = main_of(&process);
        process.memory_mut().poke_u32(live.pending.at, value).unwrap();
        assert_eq!(process.armed(MAIN), None);
        assert_eq!(process.poll(MAIN).unwrap().run, None);
        assert_eq!(pending(&process, MAIN), value, "it stays");
    }
    for allowed in [0, -1, 2] {
        let main =
            InterpreterSpec { remote_debugging: allowed, ..InterpreterSpec::with_threads(1) };
        let spec = ProcessSpec { interpreters: vec![main], ..ProcessSpec::default() };
        let mut process = Process::new(&spec).unwrap();
        process.arm(MAIN, b"/tmp/a.py").unwrap();
        assert_eq!(process.poll(MAIN).unwrap().run, None);
        assert_eq!(process.check_signals(MAIN), Ok(None));
        assert_eq!((pending(&process, MAIN), breaker(&process, MAIN)), (1, 0x200));
    }
}

#[test]
fn an_empty_path_is_taken_up_for_nothing() {
    let mut process = process();
    process.arm(MAIN, b"").unwrap();
    assert_eq!(process.armed(MAIN), Some(Vec::new()));
    assert_eq!(process.poll(MAIN).unwrap().run, None);
    assert_eq!((pending(&process, MAIN), process.runs().len()), (0, 0));
}

#[test]
fn a_path_without_an_end_is_cut_at_the_last_byte() {
    let mut process = process();
    let live = main_of(&process);
    process.arm(MAIN, b"/a").unwrap();
    process.memory_mut().poke(live.path.at, &[b'x'; 512]).unwrap();
    assert_eq!(process.armed(MAIN).unwrap().len(), 511);
    process.poll(MAIN).unwrap();
    assert_eq!(process.runs()[0].path, [b'x'; 511]);
}

#[test]
fn a_second_request_replaces_the_first_and_leaves_its_tail() {
    let mut process = process();
    process.arm(MAIN, b"/tmp/long-name.py").unwrap();
    process.arm(MAIN, b"/tmp/b.py").unwrap();
    process.poll(MAIN).unwrap();
    assert_eq!(process.runs().len(), 1);
    assert_eq!(process.runs()[0].path, b"/tmp/b.py");
    let live = main_of(&process);
    let tail = process.memory().peek(live.path.at.checked_add(10).unwrap(), 7).unwrap();
    assert_eq!(&tail, b"name.py");
}

#[test]
fn scripts_may_be_unreadable_or_missing() {
    let rules = vec![(b"/root/a".to_vec(), Access::Denied), (b"/b".to_vec(), Access::Missing)];
    let scripts = Scripts { otherwise: Access::Readable, rules };
    let mut process = Process::new(&ProcessSpec { scripts, ..ProcessSpec::default() }).unwrap();
    for path in [&b"/root/a"[..], b"/b", b"/c"] {
        process.arm(MAIN, path).unwrap();
        process.poll(MAIN).unwrap();
    }
    let verdicts: Vec<_> = process.runs().iter().map(|run| run.verdict).collect();
    assert_eq!(verdicts, [Verdict::Denied, Verdict::Missing, Verdict::Ran]);
}

#[test]
fn a_wrong_instrumentation_version_is_set_right() {
    let mut process = process();
    let live = main_of(&process);
    process.memory_mut().poke_u64(live.breaker.at, 0x20).unwrap();
    assert!(process.poll(MAIN).unwrap().resynced);
    assert_eq!(breaker(&process, MAIN), 0x200);
    process.raise(ThreadKey(1), event::GC).unwrap();
    process.bump_instrumentation().unwrap();
    assert_eq!(breaker(&process, MAIN), 0x300);
    assert_eq!(breaker(&process, ThreadKey(1)), 0x310);
    assert_eq!(process.memory().peek_u64(process.interpreter(0).unwrap().at), Ok(0x300));
    assert!(!process.poll(MAIN).unwrap().resynced);
}

#[test]
fn a_lie_in_the_table_changes_nothing_of_the_truth() {
    let mut process = process();
    let word = process.word_at("debugger_support.debugger_pending_call").unwrap();
    process.memory_mut().poke_u64(word, 8).unwrap();
    let before = main_of(&process);
    process.arm(MAIN, b"/tmp/a.py").unwrap();
    assert_eq!(process.poll(MAIN).unwrap().run, Some(0));
    assert_eq!(main_of(&process), before);
}

#[test]
fn version_3_13_has_nothing_to_arm() {
    let spec = ProcessSpec { build: Build::Linux3_13_0, ..ProcessSpec::default() };
    let mut process = Process::new(&spec).unwrap();
    assert_eq!(process.armed(MAIN), None);
    assert!(process.arm(MAIN, b"/tmp/a.py").is_err());
    process.raise(MAIN, 0xff).unwrap();
    assert_eq!(process.check_signals(MAIN), Ok(None));
    process.poll(MAIN).unwrap();
    assert_eq!(process.poll(MAIN).unwrap().run, None);
}

#[test]
fn a_thread_that_exits_leaves_the_list_and_its_shadow() {
    let mut process = process();
    let (oldest, middle, newest) = (main_of(&process), ThreadKey(1), ThreadKey(2));
    let gone = process.thread(middle).unwrap();
    let newest = process.thread(newest).unwrap();
    let home = process.interpreter(0).unwrap().at;
    process.exit_thread(middle).unwrap();
    assert_eq!(interpreter_word(&process, newest.at, "thread_state.next"), oldest.at.get());
    assert_eq!(interpreter_word(&process, oldest.at, "thread_state.prev"), newest.at.get());
    assert_eq!(interpreter_word(&process, gone.at, "thread_state.interp"), home.get());
    let status = process.field_at(gone.at, "thread_state.status").unwrap();
    assert_eq!(process.memory().peek_u32(status), Ok(STATUS_ENDED));
    assert_eq!(process.is_thread(gone.native), Ok(false));
    assert_eq!(process.poll(middle), Err(MoveError::NoThread(middle)));
    assert_eq!(process.freed().collect::<Vec<_>>(), [gone.at]);
    process.exit_thread(newest.key).unwrap();
    assert_eq!(interpreter_word(&process, home, "interpreter_state.threads_head"), oldest.at.get());
    process.exit_thread(MAIN).unwrap();
    assert_eq!(interpreter_word(&process, home, "interpreter_state.threads_head"), 0);
    assert_eq!(interpreter_word(&process, home, "interpreter_state.threads_main"), 0);
    assert_eq!(process.is_thread(4242), Ok(true), "the process still has its first thread");
}

#[test]
fn a_new_thread_takes_the_memory_of_the_one_that_ended_last() {
    let mut process = process();
    let (first, second) = (ThreadKey(1), ThreadKey(2));
    let old = process.thread(second).unwrap();
    process.arm(second, b"/tmp/meant-for-the-old-one.py").unwrap();
    process.exit_thread(first).unwrap();
    process.exit_thread(second).unwrap();
    let new = process.start_thread(0, &ThreadSpec::default()).unwrap();
    let live = process.thread(new).unwrap();
    assert_eq!((live.at, live.key), (old.at, ThreadKey(3)));
    assert_ne!(live.native, old.native);
    assert_eq!(process.armed(new), None);
    assert_eq!(process.memory().peek_u64(live.path.at), Ok(0));
}

#[test]
fn the_embedded_thread_state_is_used_again() {
    let mut process = process();
    let main = main_of(&process);
    process.exit_thread(MAIN).unwrap();
    assert_eq!(process.freed().count(), 0);
    let new = process.start_thread(0, &ThreadSpec::default()).unwrap();
    let live = process.thread(new).unwrap();
    assert!(live.embedded && live.at == main.at);
}

#[test]
fn freed_memory_can_become_anything() {
    let mut process = process();
    let gone = process.thread(ThreadKey(1)).unwrap();
    assert_eq!(process.reuse(gone.at), Err(MoveError::NotFree));
    process.exit_thread(gone.key).unwrap();
    process.reuse(gone.at).unwrap();
    let word = interpreter_word(&process, gone.at, "thread_state.interp");
    assert!(!Address::new(word).is_user_space());
    assert_eq!(process.reuse(gone.at), Err(MoveError::NotFree), "it is taken");
    let new = process.start_thread(0, &ThreadSpec::default()).unwrap();
    assert_ne!(process.thread(new).unwrap().at, gone.at);
    let newest = process.thread(ThreadKey(2)).unwrap();
    assert_eq!(process.place(newest.breaker.at, 1), Place::Breaker(newest.key), "neighbours stand");
}

#[test]
fn a_destroyed_interpreter_is_a_plausible_ghost() {
    let mut process = process();
    let executing = InterpreterSpec { executing: true, ..InterpreterSpec::default() };
    let first = process.create_interpreter(&InterpreterSpec::default()).unwrap();
    let second = process.create_interpreter(&executing).unwrap();
    let third = process.create_interpreter(&InterpreterSpec::default()).unwrap();
    assert_eq!((first, second, third), (1, 2, 3));
    let at = |process: &Process, id| process.interpreter(id).unwrap().at;
    let (older, ghost, newer) = (at(&process, 1), at(&process, 2), at(&process, 3));
    process.destroy_interpreter(second).unwrap();
    let next = "interpreter_state.next";
    assert_eq!(interpreter_word(&process, newer, next), older.get(), "unreachable");
    assert_eq!(interpreter_word(&process, ghost, next), older.get(), "but intact");
    assert_eq!(interpreter_word(&process, ghost, "interpreter_state.id"), 2);
    let enabled = process.field_at(ghost, "debugger_support.remote_debugging_enabled").unwrap();
    assert_eq!(process.memory().peek_u32(enabled), Ok(1));
    assert_eq!(process.threads().count(), 3, "its thread state went with it");
    assert_eq!(process.is_thread(4242), Ok(true));
    process.destroy_interpreter(third).unwrap();
    let head = process.field_at(process.runtime(), "runtime_state.interpreters_head").unwrap();
    assert_eq!(process.memory().peek_u64(head), Ok(older.get()));
    assert_eq!(process.destroy_interpreter(0), Err(MoveError::NoInterpreter(0)));
    assert_eq!(process.create_interpreter(&executing), Ok(4), "ids are not used twice");
    assert_eq!(at(&process, 4), newer, "memory is");
}

#[test]
fn the_end_comes_in_two_steps() {
    let mut process = process();
    let home = process.interpreter(0).unwrap().at;
    let finalizing = process.field_at(process.runtime(), "runtime_state.finalizing").unwrap();
    let main = main_of(&process).at.get();
    assert_eq!(interpreter_word(&process, home, "interpreter_state.threads_main"), main);
    process.end_main().unwrap();
    assert_eq!(interpreter_word(&process, home, "interpreter_state.threads_main"), 0);
    assert_eq!(process.memory().peek_u64(finalizing), Ok(0), "not yet");
    process.finalise().unwrap();
    assert_eq!(process.memory().peek_u64(finalizing), Ok(main));
    assert_eq!(process.phase(), Phase::Finalizing);
    process.arm(MAIN, b"/tmp/late.py").unwrap();
    process.poll(MAIN).unwrap();
    assert_eq!(process.runs()[0].verdict, Verdict::Finalizing);
}

#[test]
fn an_embedded_host_can_be_armed_all_the_same() {
    let spec = ProcessSpec { host: Host::Embedded, ..ProcessSpec::default() };
    let mut process = Process::new(&spec).unwrap();
    process.arm(MAIN, b"/tmp/a.py").unwrap();
    assert_eq!(process.check_signals(MAIN), Ok(Some(0)));
}

#[test]
fn an_exited_process_is_gone_for_every_call() {
    let mut process = process();
    let runtime = process.runtime();
    process.exit();
    assert_eq!(process.read_u64(runtime).unwrap_err().kind, ErrorKind::Gone);
    assert_eq!(process.write(runtime, &[0]).unwrap_err().kind, ErrorKind::Gone);
    assert_eq!(process.candidate(0), Err(ErrorKind::Gone));
    assert_eq!(process.read_image(runtime, &mut [0; 8]), Err(ErrorKind::Gone));
    assert_eq!(process.writable(0), Err(ErrorKind::Gone));
    assert_eq!(process.is_thread(4242), Err(ErrorKind::Gone));
    assert_eq!(process.identity(), Err(ErrorKind::Gone));
    assert_eq!(process.poll(MAIN), Err(MoveError::Gone));
    process.restore();
    assert_eq!(process.is_thread(4242), Ok(true));
}

#[test]
fn exec_keeps_the_identity_and_nothing_else() {
    let mut process = process();
    let (identity, runtime) = (process.identity(), process.runtime());
    let before = picture(&process);
    process.exec(None).unwrap();
    assert_eq!(process.read_u64(runtime).unwrap_err().kind, ErrorKind::Unmapped);
    assert_eq!(process.candidate(0), Ok(None));
    assert_eq!(process.identity(), identity);
    let other = ProcessSpec { build: Build::Linux3_15_2, ..ProcessSpec::default() };
    process.exec(Some(&other)).unwrap();
    assert_ne!(process.candidate(0).unwrap().unwrap().at, runtime);
    assert_eq!(process.threads().map(|live| live.key.0).collect::<Vec<_>>(), [3]);
    process.restore();
    assert_eq!(picture(&process), before);
    assert_eq!((process.runtime(), process.build()), (runtime, Build::Linux3_14_10));
}

#[test]
fn a_reused_pid_is_another_process_that_may_look_the_same() {
    let mut process = process();
    let identity = process.identity().unwrap();
    let runtime = process.runtime();
    process.exit();
    process.reuse_pid(Some(&ProcessSpec::default())).unwrap();
    let now = process.identity().unwrap();
    assert_eq!(now.pid, identity.pid);
    assert_ne!(now.started, identity.started);
    assert_eq!(process.runtime(), runtime);
    let impossible = ProcessSpec { instrumentation: 1, ..ProcessSpec::default() };
    let before = picture(&process);
    assert!(process.exec(Some(&impossible)).is_err());
    assert_eq!(picture(&process), before, "nothing has changed");
}

#[test]
fn a_process_that_loses_memory_it_uses_crashes() {
    let mut process = process();
    let live = main_of(&process);
    let page = Address::new(live.at.get() / 4096 * 4096);
    process.memory_mut().protect(page, 4096, Protection::None).unwrap();
    assert!(process.poll(MAIN).is_ok(), "protection is the door's, not the world's");
    process.memory_mut().unmap(page, 4096).unwrap();
    assert!(matches!(process.poll(MAIN), Err(MoveError::Crashed(_))));
    assert!(process.is_gone());
    process.restore();
    assert!(process.poll(MAIN).is_ok());
}

#[test]
fn the_door_of_a_process_keeps_the_contract() {
    let mut process = process();
    let base = Address::new(0x7abc_0000_0000);
    let at = |page: u64| base.checked_add(page * 4096).unwrap();
    let memory = process.memory_mut();
    for page in [0, 1, 2, 4, 5] {
        memory.map(at(page), 4096, Protection::ReadWrite).unwrap();
        let start = page as usize * 4096;
        let bytes: Vec<u8> = (start..start + 4096).map(Ground::pattern).collect();
        memory.poke(at(page), &bytes).unwrap();
    }
    memory.protect(at(2), 4096, Protection::ReadOnly).unwrap();
    memory.protect(at(5), 4096, Protection::None).unwrap();
    check(&mut process, Ground { base, page: 4096 });
}

#[test]
fn writable_memory_is_the_modules_and_the_heap() {
    let mut process = process();
    let mut found = Vec::new();
    while let Some(range) = process.writable(found.len()).unwrap() {
        found.push(range);
    }
    assert_eq!(found.len(), 2, "each in one piece: {found:?}");
    assert_eq!(found[0].start.get(), process.runtime().get() & !0xfff);
    assert_eq!(found[1].len, 0x2_1000);
}

#[test]
fn one_thread_executes_at_a_time() {
    let mut process = process();
    let status = |process: &Process, key| {
        let at = process.thread(key).unwrap().at;
        let status = process.field_at(at, "thread_state.status").unwrap();
        process.memory().peek_u32(status).unwrap()
    };
    assert_eq!((status(&process, MAIN), status(&process, ThreadKey(1))), (0x1b, 0x0b));
    process.switch(ThreadKey(1)).unwrap();
    assert_eq!((status(&process, MAIN), status(&process, ThreadKey(1))), (0x0b, 0x1b));
    process.restore();
    assert_eq!(status(&process, MAIN), 0x1b);
}

#[test]
fn an_unloaded_module_is_neither_mapped_nor_listed() {
    let other = OtherModule {
        name: "libpython3.14.so.1.0".into(),
        found_by: FoundBy::Section,
        at: None,
        content: OtherContent::DeadCopy,
        image: Image::Same,
    };
    let mut process =
        Process::new(&ProcessSpec { others: vec![other], ..ProcessSpec::default() }).unwrap();
    let copy = process.candidate(0).unwrap().unwrap().clone();
    process.unload(&copy.module).unwrap();
    assert_ne!(process.candidate(0).unwrap().unwrap().at, copy.at);
    assert_eq!(process.read_u64(copy.at).unwrap_err().kind, ErrorKind::Unmapped);
    assert_eq!(process.unload(&copy.module), Err(MoveError::NoModule));
    process.restore();
    assert_eq!(process.candidate(0).unwrap().unwrap(), &copy);
    assert!(process.read_u64(copy.at).is_ok());
}

#[test]
fn a_fork_changes_nothing_within_reach() {
    let mut process = process();
    process.arm(MAIN, b"/tmp/a.py").unwrap();
    process.fork().unwrap();
    assert_eq!(process.armed(MAIN).as_deref(), Some(&b"/tmp/a.py"[..]));
}
