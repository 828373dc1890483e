//! What a target, or somebody else, can do by itself: each move of a scenario, made in a process.

use softdock_cpython::{InterpreterSpec, MoveError, Process, ThreadKey, ThreadSpec};

use crate::scenario::Actor;

/// Lets the target, or somebody else, do something.
pub fn perform(process: &mut Process, actor: &Actor) -> Result<(), MoveError> {
    match actor {
        Actor::Poll(native) => process.poll(key(process, *native)?).map(drop),
        Actor::CheckSignals(native) => process.check_signals(key(process, *native)?).map(drop),
        Actor::Take(native) => process.take_request(key(process, *native)?).map(drop),
        Actor::Raise(native, bits) => process.raise(key(process, *native)?, *bits),
        Actor::Withdraw(native, bits) => process.withdraw(key(process, *native)?, *bits),
        Actor::Switch(native) => process.switch(key(process, *native)?),
        Actor::StartThread(id) => process.start_thread(*id, &ThreadSpec::default()).map(drop),
        Actor::ExitThread(native) => process.exit_thread(key(process, *native)?),
        Actor::ExitThreadAndReuse(native) => {
            let key = key(process, *native)?;
            let at = process.thread(key).map(|live| live.at).ok_or(MoveError::NoThread(key))?;
            process.exit_thread(key)?;
            process.reuse(at)
        }
        Actor::DestroyInterpreter(id) => process.destroy_interpreter(*id),
        Actor::CreateInterpreter => {
            process.create_interpreter(&InterpreterSpec::default()).map(drop)
        }
        Actor::EndMain => process.end_main(),
        Actor::Finalize => process.finalise(),
        Actor::OtherDebugger(native, script) => {
            process.arm(key(process, *native)?, script.as_bytes())
        }
        Actor::Unload(module) => process.unload(module),
        Actor::Fork => process.fork(),
        Actor::Exit => {
            process.exit();
            Ok(())
        }
        Actor::Exec => process.exec(None),
        Actor::ReusePid => process.reuse_pid(None),
    }
}

/// The thread of this native id in the oldest interpreter that has it.
pub fn key(process: &Process, native: u64) -> Result<ThreadKey, MoveError> {
    let mut oldest_first = process.threads().rev();
    let found = oldest_first.find(|thread| thread.native == native);
    found.map(|thread| thread.key).ok_or(MoveError::NoNative(native))
}
