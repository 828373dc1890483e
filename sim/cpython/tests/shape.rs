//! How a process lies in memory, read with nothing but its own published table: a reader that
//! follows the words must find everything, and nothing where there is nothing.

use softdock_cpython::{
    Build, Change, Host, Image, InterpreterSpec, OtherContent, OtherModule, Phase, Place,
    Placement, Process, ProcessSpec, STATUS_RUNNING, STATUS_SECONDARY, STATUS_WAITING, SUPPORT,
    SpecError, System, ThreadKey, ThreadSpec, Version,
};
use softdock_process::{Address, FoundBy, Modules, ProcessMemory, Threads};

/// The little reader: offsets from the table in the target's memory, words by their position.
struct Reader<'a> {
    process: &'a mut Process,
}

impl Reader<'_> {
    fn word(&mut self, name: &str) -> u64 {
        let at = self.process.word_at(name).unwrap();
        self.process.read_u64(at).unwrap()
    }

    fn field(&mut self, base: u64, name: &str) -> u64 {
        let at = Address::new(base + self.word(name));
        self.process.read_u64(at).unwrap()
    }

    fn field32(&mut self, base: u64, name: &str) -> u32 {
        let at = Address::new(base + self.word(name));
        self.process.read_u32(at).unwrap()
    }

    fn list(&mut self, head: u64, next: &str) -> Vec<u64> {
        let mut found = Vec::new();
        let mut at = head;
        while at != 0 {
            found.push(at);
            at = self.field(at, next);
        }
        found
    }

    fn interpreters(&mut self) -> Vec<u64> {
        let runtime = self.process.runtime().get();
        let head = self.field(runtime, "runtime_state.interpreters_head");
        self.list(head, "interpreter_state.next")
    }

    fn threads(&mut self, interpreter: u64) -> Vec<u64> {
        let head = self.field(interpreter, "interpreter_state.threads_head");
        self.list(head, "thread_state.next")
    }
}

fn built(spec: &ProcessSpec) -> Process {
    Process::new(spec).unwrap()
}

fn of(build: Build) -> ProcessSpec {
    let interpreters = vec![InterpreterSpec::with_threads(3), InterpreterSpec::with_threads(2)];
    ProcessSpec { build, interpreters, ..ProcessSpec::default() }
}

#[test]
fn the_table_in_memory_is_the_build_s_own() {
    for build in Build::ALL {
        let mut process = built(&of(build));
        let mut bytes = vec![0; process.table().len_bytes() as usize];
        process.read(process.runtime(), &mut bytes).unwrap();
        assert_eq!(bytes, softdock_cpython::Table::of(build).bytes(), "{}", build.name());
    }
}

#[test]
fn a_reader_finds_every_interpreter_and_thread_newest_first() {
    for build in Build::ALL {
        let mut process = built(&of(build));
        let interpreters: Vec<_> = process.interpreters().map(|live| live.at.get()).collect();
        let threads: Vec<_> = process.threads().collect();
        let mut reader = Reader { process: &mut process };
        assert_eq!(reader.interpreters(), interpreters, "{}", build.name());
        for (index, at) in interpreters.iter().enumerate() {
            let id = reader.field(*at, "interpreter_state.id");
            assert_eq!(id, (interpreters.len() - 1 - index) as u64, "newest first");
            let live = threads.iter().filter(|live| live.interpreter == id as i64);
            let live: Vec<_> = live.map(|live| live.at.get()).collect();
            assert_eq!(reader.threads(*at), live);
        }
    }
}

#[test]
fn thread_states_are_linked_both_ways_and_know_their_interpreter() {
    for build in Build::ALL {
        let mut process = built(&of(build));
        let mut reader = Reader { process: &mut process };
        for interpreter in reader.interpreters() {
            let mut prev = 0;
            for thread in reader.threads(interpreter) {
                assert_eq!(reader.field(thread, "thread_state.prev"), prev);
                assert_eq!(reader.field(thread, "thread_state.interp"), interpreter);
                prev = thread;
            }
        }
    }
}

/// Windows stores 4 bytes at an address that is no multiple of 8; the next field must survive.
#[test]
fn native_ids_have_the_width_of_the_system() {
    for build in Build::ALL {
        let mut process = built(&of(build));
        let threads: Vec<_> = process.threads().collect();
        for live in threads {
            let id_at = process.field_at(live.at, "thread_state.native_thread_id").unwrap();
            let wide = build.system().ulong_bytes() == 8;
            let native = match wide {
                true => process.read_u64(id_at).unwrap(),
                false => process.read_u32(id_at).unwrap().into(),
            };
            assert_eq!(native, live.native, "{}", build.name());
            let word = process.read_u64(id_at).unwrap();
            assert_eq!(word == native, wide, "{}: what follows is not zero", build.name());
        }
    }
}

/// Runtime + 0x4d120 and + 0x54578: where gdb shows the main thread state of Debian's builds.
#[test]
fn the_first_thread_is_embedded_where_real_builds_have_it() {
    for (build, interpreter, thread) in
        [(Build::Linux3_14_10, 0x16280, 0x4d120), (Build::Linux3_15_2, 0x1d608, 0x54578)]
    {
        let process = built(&of(build));
        let distance = |at: Address| at.checked_sub(process.runtime());
        assert_eq!(distance(process.interpreter(0).unwrap().at), Some(interpreter));
        let main = process.thread(ThreadKey(0)).unwrap();
        assert_eq!((main.embedded, distance(main.at)), (true, Some(thread)));
    }
}

#[test]
fn blocks_of_the_heap_are_neighbours_and_aligned_to_8_only() {
    let process = built(&of(Build::Linux3_14_10));
    let blocks: Vec<_> = process.threads().filter(|live| !live.embedded).collect();
    assert_eq!(blocks.len(), 3);
    assert!(blocks.iter().all(|live| live.at.get() % 16 == 8));
    let distance = |newer: usize, older: usize| blocks[newer].at.checked_sub(blocks[older].at);
    assert_eq!(distance(1, 2), Some(936_u64.next_multiple_of(16) + 16));
}

#[test]
fn threads_main_is_set_only_where_cpython_sets_it() {
    let executing = InterpreterSpec { executing: true, ..InterpreterSpec::default() };
    let idle = InterpreterSpec::default();
    let interpreters = vec![InterpreterSpec::with_threads(2), executing, idle];
    let mut spec = ProcessSpec { interpreters, ..ProcessSpec::default() };
    let main_of = |spec: &ProcessSpec| -> Vec<(u64, u64)> {
        let mut process = built(spec);
        let mut reader = Reader { process: &mut process };
        let all = reader.interpreters();
        all.iter()
            .map(|at| {
                let main = reader.field(*at, "interpreter_state.threads_main");
                (main, reader.threads(*at).last().copied().unwrap_or(0))
            })
            .collect()
    };
    let found = main_of(&spec);
    assert_eq!(found[0], (0, 0), "idle: no thread at all");
    assert!(found[1].0 != 0 && found[1].0 == found[1].1, "the thread that executes it");
    assert!(found[2].0 != 0 && found[2].0 == found[2].1, "the oldest thread of the main one");
    spec.host = Host::Embedded;
    assert_eq!(main_of(&spec)[2].0, 0, "an embedded host never sets it");
    spec.host = Host::Python;
    spec.phase = Phase::MainEnded;
    assert_eq!(main_of(&spec)[2].0, 0, "the main script has ended");
}

#[test]
fn a_thread_that_executes_a_sub_interpreter_has_a_state_in_both() {
    let executing = InterpreterSpec { executing: true, ..InterpreterSpec::default() };
    let interpreters = vec![InterpreterSpec::with_threads(1), executing];
    let mut process = built(&ProcessSpec { interpreters, ..ProcessSpec::default() });
    let states: Vec<_> = process.threads().collect();
    assert_eq!((states[0].interpreter, states[1].interpreter), (1, 0));
    assert_eq!(states[0].native, states[1].native);
    let mut reader = Reader { process: &mut process };
    assert_eq!(reader.field32(states[0].at.get(), "thread_state.status"), STATUS_SECONDARY);
    assert_eq!(reader.field32(states[1].at.get(), "thread_state.status"), STATUS_RUNNING);
}

#[test]
fn threads_hold_what_the_spec_says() {
    let spec = ThreadSpec {
        native: Some(77),
        events: 0x14,
        pending: 1,
        path: b"/tmp/theirs.py".to_vec(),
        status: None,
    };
    let interpreters = vec![InterpreterSpec {
        threads: vec![ThreadSpec::default(), spec],
        ..InterpreterSpec::default()
    }];
    let mut process = built(&ProcessSpec { interpreters, ..ProcessSpec::default() });
    let live = process.thread(ThreadKey(1)).unwrap();
    assert_eq!(process.read_u64(live.breaker.at), Ok(0x214));
    assert_eq!(process.armed(live.key).as_deref(), Some(&b"/tmp/theirs.py"[..]));
    let status = process.field_at(live.at, "thread_state.status").unwrap();
    assert_eq!(process.read_u32(status), Ok(STATUS_WAITING));
    assert_eq!(process.is_thread(77), Ok(true));
    assert_eq!(process.is_thread(78), Ok(false));
    let mut rest = vec![1; 512 - 14];
    process.read(live.path.at.checked_add(14).unwrap(), &mut rest).unwrap();
    assert!(rest.iter().all(|byte| *byte == 0), "the buffer was zeroed");
}

#[test]
fn unused_memory_is_noise() {
    let mut process = built(&ProcessSpec::default());
    let main = process.thread(ThreadKey(0)).unwrap().at;
    let mut reader = Reader { process: &mut process };
    for wrong in ["interpreter_state.gc", "code_object.size", "interpreter_state.sysdict"] {
        let interpreter = reader.interpreters()[0];
        let word = reader.field(interpreter, wrong);
        assert_eq!(word & 0x8080_8080_8080_8080, 0x8080_8080_8080_8080, "{wrong}");
    }
    let word = reader.field(main.get(), "thread_state.datastack_chunk");
    assert!(!Address::new(word).is_user_space());
}

#[test]
fn main_threads_are_known_on_linux_and_not_on_windows() {
    let contained = ProcessSpec { inner_pid: Some(7), ..ProcessSpec::default() };
    let mut process = built(&contained);
    assert_eq!(process.main_thread(), Ok(Some(7)));
    assert_eq!(process.thread(ThreadKey(0)).unwrap().native, 7);
    assert_eq!(process.identity().unwrap().pid, 4242);
    let mut process = built(&of(Build::Windows3_14_6));
    assert_eq!(process.main_thread(), Ok(None));
    assert_eq!(process.build().system(), System::Windows);
}

#[test]
fn the_image_is_the_table_before_python_started() {
    let mut process = built(&ProcessSpec::default());
    let runtime = process.runtime();
    let mut file = vec![0; 2048];
    assert_eq!(process.read_image(runtime, &mut file), Ok(true));
    let mut memory = vec![0; 2048];
    process.read(runtime, &mut memory).unwrap();
    assert_eq!(file[..760], memory[..760]);
    assert_eq!(file[784..816], [0; 32], "no finalising thread, no interpreter yet");
    assert_ne!(memory[808..816], [0; 8]);
    let outside = Address::new(runtime.get() - 8);
    assert_eq!(process.read_image(outside, &mut [0; 8]), Ok(false));
}

#[test]
fn images_may_be_missing_or_differ() {
    let mut spec = ProcessSpec { image: Image::Unreadable, ..ProcessSpec::default() };
    let mut process = built(&spec);
    assert_eq!(process.read_image(process.runtime(), &mut [0; 8]), Ok(false));
    spec.image = Image::Differing(vec![(8, vec![9]), (100_000, vec![1, 2])]);
    let mut process = built(&spec);
    let mut file = [0; 16];
    assert_eq!(process.read_image(process.runtime(), &mut file), Ok(true));
    assert_eq!((&file[..8], file[8]), (&b"xdebugpy"[..], 9));
    spec.image = Image::Differing(vec![(316_616, vec![9])]);
    assert_eq!(Process::new(&spec).unwrap_err(), SpecError::OutOfReach);
}

fn other(content: OtherContent, found_by: FoundBy) -> OtherModule {
    OtherModule { name: "libcopy.so".into(), found_by, at: None, content, image: Image::Same }
}

#[test]
fn candidates_come_by_trust_and_then_upwards() {
    let others = vec![
        other(OtherContent::CookieOnly, FoundBy::Scan),
        other(OtherContent::DeadCopy, FoundBy::Section),
        other(OtherContent::TooOld, FoundBy::Symbol),
    ];
    let mut process = built(&ProcessSpec { others, ..ProcessSpec::default() });
    let mut found = Vec::new();
    for rank in 0..4 {
        let candidate = process.candidate(rank).unwrap().unwrap().clone();
        let mut head = [0; 8];
        process.read(candidate.at, &mut head).unwrap();
        let list = process.field_at(candidate.at, "runtime_state.interpreters_head").unwrap();
        found.push((candidate.found_by, &head == b"xdebugpy", process.read_u64(list) == Ok(0)));
        assert_eq!(candidate.at == process.runtime(), rank == 1);
    }
    assert_eq!(process.candidate(4), Ok(None));
    let expected = [
        (FoundBy::Section, true, true),
        (FoundBy::Section, true, false),
        (FoundBy::Symbol, false, false),
        (FoundBy::Scan, true, true),
    ];
    assert_eq!(found, expected);
}

#[test]
fn a_process_may_have_python_and_not_have_started_it() {
    let spec = ProcessSpec { interpreters: Vec::new(), ..ProcessSpec::default() };
    let mut process = built(&spec);
    assert!(Reader { process: &mut process }.interpreters().is_empty());
    assert_eq!(process.threads().count(), 0);
}

/// The promise of a future version: what is behind the table moves, and a reader of words by
/// their new position finds everything.
#[test]
fn true_changes_are_lived_by() {
    let order: Vec<_> = SUPPORT.iter().rev().map(|name| (*name).to_owned()).collect();
    let set = |word: &str, value| Change::Set { word: word.into(), value };
    let spec = ProcessSpec {
        version: Some(Version::release(3, 16, 0)),
        changes: vec![
            Change::Insert { at: 840, words: vec![8, 16, 24, 32, 40] },
            Change::Order(order),
            Change::Capacity(768),
            set("thread_state.native_thread_id", 200),
        ],
        ..of(Build::Linux3_15_2)
    };
    let mut process = built(&spec);
    assert_eq!(process.word_at(SUPPORT[0]).unwrap().checked_sub(process.runtime()), Some(920));
    let live = process.thread(ThreadKey(2)).unwrap();
    assert_eq!(live.path.len, 768);
    let size = process.table().value("thread_state.size").unwrap();
    assert!(live.path.at.get() + 768 <= live.at.get() + size);
    assert_eq!(process.read_u64(Address::new(live.at.get() + 200)), Ok(live.native));
    assert_eq!(process.table().value("runtime_state.interpreters_head"), Some(976));
    assert_eq!(Reader { process: &mut process }.interpreters().len(), 2);
    process.arm(live.key, &[b'a'; 767]).unwrap();
    assert_eq!(process.poll(live.key).unwrap().run, Some(0));
    assert_eq!(process.runs()[0].path.len(), 767);
}

#[test]
fn places_are_the_three_fields_of_live_threads() {
    let mut process = built(&of(Build::Linux3_14_10));
    let live = process.thread(ThreadKey(1)).unwrap();
    let at = |offset: u64| live.at.checked_add(offset).unwrap();
    assert_eq!(process.place(at(23), 1), Place::Elsewhere);
    assert_eq!(process.place(at(24), 1), Place::Breaker(live.key));
    assert_eq!(process.place(at(25), 1), Place::Elsewhere, "the instrumentation version");
    assert_eq!(process.place(at(304), 1), Place::Pending(live.key));
    assert_eq!(process.place(at(308), 1), Place::Path(live.key));
    assert_eq!(process.place(at(819), 1), Place::Path(live.key));
    assert_eq!(process.place(at(820), 1), Place::Elsewhere);
    for (offset, len, whole) in [
        (24, 1, Place::Breaker(live.key)),
        (304, 4, Place::Pending(live.key)),
        (308, 512, Place::Path(live.key)),
    ] {
        assert_eq!(process.place(at(offset), len), whole);
        assert_eq!(process.place(at(offset), len + 1), Place::Elsewhere, "a byte too many");
    }
    process.exit_thread(live.key).unwrap();
    assert_eq!(process.place(at(24), 1), Place::Elsewhere, "a dead thread has no fields");
}

fn refused(change: impl FnOnce(&mut ProcessSpec)) -> SpecError {
    let mut spec = of(Build::Linux3_14_10);
    change(&mut spec);
    Process::new(&spec).unwrap_err()
}

fn set(word: &str, value: u64) -> SpecError {
    refused(|spec| spec.changes = vec![Change::Set { word: word.into(), value }])
}

#[test]
fn impossible_builds_are_refused() {
    let overlap = |error| matches!(error, SpecError::Overlap { .. });
    let word = |error| matches!(error, SpecError::Word { .. });
    assert!(overlap(set("thread_state.native_thread_id", 24)));
    assert!(overlap(set("debugger_support.debugger_script_path", 2)));
    assert!(overlap(set("runtime_state.finalizing", 752)), "inside the table");
    assert!(word(set("thread_state.native_thread_id", 828)), "past the end");
    assert!(word(set("debugger_support.eval_breaker", 28)), "not aligned");
    assert!(word(set("thread_state.size", u64::MAX)));
    assert!(word(set("interpreter_state.size", 800)));
    assert!(word(set("runtime_state.size", 8)));
    assert!(word(set("debugger_support.remote_debugger_support", u64::MAX)));
    assert!(word(refused(|spec| spec.changes = vec![Change::Capacity(0)])));
    assert!(word(refused(|spec| spec.changes = vec![Change::Capacity(u64::MAX)])));
    assert!(word(refused(|spec| spec.instrumentation = 0x201)));
    assert_eq!(set("no.such", 1), SpecError::UnknownWord("no.such".into()));
}

#[test]
fn impossible_processes_are_refused() {
    let thread = |spec: &mut ProcessSpec, thread| spec.interpreters[0].threads[1] = thread;
    let path = ThreadSpec { path: vec![b'a'; 512], ..ThreadSpec::default() };
    assert_eq!(refused(|spec| thread(spec, path)), SpecError::Path);
    let native = ThreadSpec { native: Some(0), ..ThreadSpec::default() };
    assert_eq!(refused(|spec| thread(spec, native)), SpecError::NativeId(0));
    let many = |spec: &mut ProcessSpec| spec.interpreters = vec![InterpreterSpec::default(); 33];
    assert_eq!(refused(many), SpecError::TooMany { what: "interpreters", max: 32 });
    let many =
        |spec: &mut ProcessSpec| spec.interpreters[0].threads = vec![Default::default(); 5000];
    assert_eq!(refused(many), SpecError::TooMany { what: "threads", max: 4096 });
    let far = Placement::Base(Address::new(u64::MAX));
    assert_eq!(refused(|spec| spec.placement = far), SpecError::OutOfReach);
    let odd = Placement::Runtime(Address::new(0x50_0001));
    assert_eq!(refused(|spec| spec.placement = odd), SpecError::OutOfReach);
    let low = |spec: &mut ProcessSpec| {
        spec.placement = Placement::Runtime(Address::new(0x10_0000));
        spec.others = vec![other(OtherContent::DeadCopy, FoundBy::Section)];
    };
    assert_eq!(refused(low), SpecError::OutOfReach);
}

#[test]
fn a_runtime_may_be_anywhere() {
    for at in [0x1_0000, 0x5555_5555_4008, 0x7fff_f000_0000] {
        let placement = Placement::Runtime(Address::new(at));
        let mut process = built(&ProcessSpec { placement, ..ProcessSpec::default() });
        assert_eq!(process.runtime().get(), at);
        assert_eq!(Reader { process: &mut process }.interpreters().len(), 1);
    }
    let process = built(&ProcessSpec { placement: Placement::Pie, ..ProcessSpec::default() });
    assert_eq!(process.runtime().get(), 0x5555_5555_4000 + 0x7a_07c0);
}
