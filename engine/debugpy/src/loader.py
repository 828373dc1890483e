"""What the interrupted thread runs: it starts another one, which does all that takes time.

It runs in the middle of somebody's program: between two instructions of a thread that may hold any
lock and be half way through any import. So that thread waits for nothing, and nothing here prints,
or raises into the program. The rest is in `session.py`.

SETTINGS is given by the stub that runs this text. It is not a module, and nothing imports it.
"""

# Built in and always loaded: these two read no file and wait for no import.
import _thread
import sys

SHORT_TURN = 0.0001  # seconds; CPython's own is 5 ms


def begin():
    """All that the interrupted thread does."""
    try:
        _thread.start_new_thread(work, ())
    except Exception as error:  # a limit of threads, a sub-interpreter without daemon threads
        try:
            load()
            tell_error(error)
        except Exception:
            pass  # Nobody is there to hear of it.


def work():
    """All that the helper thread does."""
    try:
        with ShortTurns():
            load()
        tell("started")
    except Exception:
        return  # Nobody is there to hear of it any more: then nobody wants a debugger either.
    serve()


def load():
    """Compiles the rest, a definition at a time. Whoever compiles keeps the interpreter's lock: all
    at once, a program that computes would halt for 4 ms."""
    path = SETTINGS["rest"]
    with open(path, "rb") as file:
        text = file.read()
    line = 0
    for piece in text.split(b"\n\n\n"):
        exec(compile(b"\n" * line + piece, path, "exec"), globals())
        line += piece.count(b"\n") + 3


class Held:
    """Something of the program that is ours for a while. A child process that is forked meanwhile
    has none of our threads to give it back, and has it back at once."""

    def __enter__(self):
        taken = self.take()
        shared_state().held.append(self)
        return taken

    def __exit__(self, *_):
        shared_state().held.remove(self)
        self.give_back()


class ShortTurns(Held):
    """Lets threads take turns more often meanwhile: a program that computes would halt for 5 ms
    again and again, and debugpy, which waits for its turn after each system call, take four times
    as long. Where turns are short already, by another session too, they are left alone."""

    def take(self):
        self.before, self.ours = sys.getswitchinterval(), None
        if self.before > SHORT_TURN:
            sys.setswitchinterval(SHORT_TURN)
            self.ours = sys.getswitchinterval()

    def give_back(self):
        if sys.getswitchinterval() == self.ours:  # else the program wants something else by now
            sys.setswitchinterval(self.before)


def shared_state():
    """What all sessions of this process share; `setdefault` lets the first of them make it."""
    import os

    fresh = type(sys)("_softdock")
    fresh.lock, fresh.session, fresh.pid = _thread.allocate_lock(), None, os.getpid()
    fresh.held = []
    shared = sys.modules.setdefault("_softdock", fresh)
    if shared is fresh:
        os.register_at_fork(after_in_child=begin_as_child)
    return shared


def begin_as_child():
    """Runs in a child that was just forked, whose only thread is one of the program's."""
    shared = shared_state()
    for held in reversed(shared.held):
        try:
            held.give_back()
        except Exception:
            pass  # The program has what it can have.
    shared.held, shared.lock = [], _thread.allocate_lock()


begin()
