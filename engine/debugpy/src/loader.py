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


class ShortTurns:
    """Lets threads take turns more often meanwhile: a program that computes would halt for 5 ms
    again and again, and debugpy, which waits for its turn after each system call, take four times
    as long."""

    def __enter__(self):
        self.before = sys.getswitchinterval()
        sys.setswitchinterval(min(self.before, SHORT_TURN))
        self.ours = sys.getswitchinterval()

    def __exit__(self, *_):
        if sys.getswitchinterval() == self.ours:  # else the program wants something else by now
            sys.setswitchinterval(self.before)


begin()
