//! The two tellings of CoreCLR's opcodes, held against each other: what the engine's walker says of
//! an instruction, what its name says, and what the interpreter does with it. No schedules here.

use std::collections::BTreeSet;
use std::path::PathBuf;

use softdock::corpus;
use softdock::scenario::Scenario;
use softdock_clr::{Did, Program, SHAPES, SLOT_BYTES, Step, TABLE, Vm, assemble, fall_through};
use softdock_memory::{AddressSpace, Protection};
use softdock_process::{Address, ProcessMemory};
use softdock_stepping::{Instruction, OPCODES, Walk, decode, length, name};

/// Where the instruction lies that is looked at.
const AT: Address = Address::new(0x40_0800);

/// Transitions of one program at most: some never end.
const MOVES_MAX: usize = 2_000;

/// Memory with this instruction.
fn instruction(slots: &[i32]) -> AddressSpace {
    let mut memory = AddressSpace::new();
    memory.map(Address::new(0x40_0000), 0x1000, Protection::ReadWrite).expect("room");
    let bytes: Vec<u8> = slots.iter().flat_map(|slot| slot.to_le_bytes()).collect();
    memory.write(AT, &bytes).expect("mapped");
    memory
}

/// The address so many slots from the instruction.
fn slots(from: Address, count: i64) -> Address {
    let bytes = count * i64::try_from(SLOT_BYTES).expect("4");
    Address::new(from.get().checked_add_signed(bytes).expect("near"))
}

#[test]
fn both_tables_are_the_same() {
    assert_eq!(TABLE.len(), OPCODES);
    let end = u32::try_from(OPCODES).expect("355");
    for opcode in 0..end {
        assert_eq!(name(opcode), softdock_clr::name(opcode), "{opcode}");
        let falls = fall_through(opcode, &[]).map(|slots| slots as u64);
        assert_eq!(length(opcode).filter(|slots| *slots > 0), falls, "{:?}", name(opcode));
    }
    for unknown in [end, end + 1, u32::MAX] {
        assert_eq!(
            (name(unknown), length(unknown), fall_through(unknown, &[])),
            (None, None, None)
        );
    }
}

/// What the name of an opcode says of where it leads within its frame, in slots from itself. Its
/// operands are all `jump`.
fn told_by_name(name: &str, length: i64, jump: i64) -> BTreeSet<Address> {
    let is_conditional = ["BRFALSE", "BRTRUE", "BEQ", "BNE", "BGE", "BGT", "BLE", "BLT"];
    let places = match name {
        "HANDLE_CONTINUATION_SUSPEND" => vec![length + 2],
        "RET_EXISTING_CONTINUATION" => vec![length],
        "BR" | "CALL_FINALLY" | "LEAVE_CATCH" => vec![jump],
        "LEAVE_FILTER" | "THROW" | "RETHROW" | "THROW_PNSE" => Vec::new(),
        _ if name.ends_with("_TAIL") => Vec::new(),
        _ if name == "RET" || name.starts_with("RET_") => Vec::new(),
        _ if is_conditional.iter().any(|it| name.starts_with(it)) => vec![jump, length],
        _ => vec![length],
    };
    places.into_iter().map(|place| slots(AT, place)).collect()
}

#[test]
fn every_opcode_leads_where_its_name_says() {
    for (opcode, (name, length)) in (0_u32..).zip(TABLE).filter(|(_, (name, _))| *name != "SWITCH")
    {
        for jump in [-7, 0, 3, 40] {
            let mut memory = instruction(&[jump; 8]);
            let found = decode(&mut memory, AT, opcode).expect(name);
            let expected = told_by_name(name, i64::from(length), i64::from(jump));
            assert_eq!(found.next, slots(AT, i64::from(length)), "{name}");
            assert_eq!(BTreeSet::from_iter(found.targets), expected, "{name}, {jump}");
        }
    }
}

/// Each case counts from the slot that tells it.
#[test]
fn a_switch_leads_to_all_its_cases_and_behind_itself() {
    for cases in [&[][..], &[9], &[9, 8, 7], &[1, 0, -20, 9]] {
        let count = i32::try_from(cases.len()).expect("few");
        let mut memory = instruction(&[&[0, 0, count], cases].concat());
        let found = decode(&mut memory, AT, 55).expect("a switch");
        let told = (3..).zip(cases).map(|(slot, case)| slots(AT, slot + i64::from(*case)));
        let behind = slots(AT, 3 + i64::from(count));
        assert_eq!(found.next, behind);
        assert_eq!(BTreeSet::from_iter(found.targets), told.chain([behind]).collect());
    }
}

/// Holds every step of a program against the walker. Returns the opcodes that were executed.
fn follow(program: Program, threads: &[usize]) -> BTreeSet<u32> {
    let mut vm = Vm::new(std::rc::Rc::new(program), threads);
    let ids: Vec<u64> = vm.threads().collect();
    let mut seen = BTreeSet::new();
    for _ in 0..MOVES_MAX {
        for thread in &ids {
            match vm.step(*thread) {
                Did::Executed(step) => {
                    seen.insert(step.opcode);
                    check(&mut vm, &step);
                }
                Did::Unwinding { .. } | Did::Filtering { .. } | Did::MethodEnter { .. } => {
                    vm.go_on(*thread);
                }
                Did::Blocked => drop(vm.unblock(*thread)),
                Did::Hit { at } => {
                    let context = vm.context(*thread).expect("a thread at a breakpoint");
                    vm.set_bypass(*thread, Some((at, softdock_clr::opcode::NOP)));
                    vm.resume(*thread, context);
                }
                _ => {}
            }
        }
    }
    seen
}

fn check(vm: &mut Vm, step: &Step) {
    let at = vm.program().address(step.method, step.slot);
    let said: Instruction = decode(vm.memory_mut(), at, step.opcode).expect("an instruction");
    let text = format!("{} at {}:{}", name(step.opcode).unwrap_or("?"), step.method, step.slot);
    let leaf = vm.frame(step.thread, 0);
    let raised = leaf.is_some_and(|leaf| leaf.activation == step.activation && leaf.ip == at);
    match (step.entered, leaf) {
        (Some(entered), Some(leaf)) if said.walk.calls() => {
            assert_eq!(leaf.activation, entered, "{text}: calls");
        }
        (Some(_), Some(leaf)) => assert!(said.targets.contains(&leaf.ip), "{text}: a handler"),
        // A handler is left for a place of its method, which the walker knows.
        (None, Some(leaf)) if step.left && said.walk == Walk::Branch => {
            assert!(said.targets.contains(&leaf.ip), "{text}: goes to {}", leaf.ip);
        }
        _ if step.left => assert!(said.walk.may_leave(), "{text}: leaves its frame"),
        // A branch to itself, or an exception: then its frame stays where it was.
        _ if raised => {}
        (None, Some(leaf)) if leaf.activation == step.activation => {
            assert!(said.targets.contains(&leaf.ip), "{text}: goes to {}", leaf.ip);
        }
        (None, _) => {
            assert!(said.walk.may_leave() || said.walk == Walk::Branch, "{text}: ends its frame");
        }
        (Some(_), None) => panic!("{text}: entered nothing"),
    }
}

/// Branches both ways, and a switch by every case and two that it has not.
const BRANCHES: &str = "
    method main args 0 locals 3
            LDC_I4 v0, -1
    loop:   CALL v2, v0, choose
            BRFALSE_I4 v0, zero
            BRTRUE_I4 v0, zero
    zero:   LDC_I4 v1, 2
            BEQ_I4 v0, v1, two
            BLT_I4 v0, v1, two
    two:    ADD_I4_IMM v0, v0, 1
            LDC_I4 v1, 5
            BLT_I4 v0, v1, loop
            RET_VOID
    end
    method choose args 1 locals 1
            SWITCH v0, a, b, a
            RET v0
    a:      NOP
            HANDLE_CONTINUATION_RESUME 0
            MOV_4 v0, v0
            ADD_I4 v0, v0, v0
    b:      RET v0
    end";

#[test]
fn the_interpreter_goes_only_where_the_walker_says() {
    let folder = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("scenarios/stepping");
    let mut seen = follow(assemble(BRANCHES).expect("a program"), &[0]);
    for (path, name) in corpus::find(&[folder]).expect("scenarios") {
        let entry = corpus::load(&path, &name).expect("a scenario");
        let Scenario::Stepping(stepping) = &entry.scenario else { panic!("{name}") };
        let program = assemble(&stepping.program).expect("a program");
        let threads = stepping.threads.iter().filter_map(|name| program.method(name));
        let threads: Vec<usize> = threads.collect();
        seen.extend(follow(program, &threads));
    }
    // What a breakpoint does is to be replaced.
    seen.insert(softdock_stepping::BREAKPOINT);
    let ran: BTreeSet<&str> = seen.iter().filter_map(|opcode| name(*opcode)).collect();
    let runs: BTreeSet<&str> = SHAPES.iter().filter_map(|(_, opcode, _)| name(*opcode)).collect();
    assert_eq!(runs.difference(&ran).collect::<Vec<_>>(), Vec::<&&str>::new(), "never executed");
}
