"""Starts debugpy in the process that softdock attached to, and tells in a file what came of it.

It runs in the middle of somebody's program: between two instructions of a thread that may hold any
lock and be half way through any import. So that thread waits for nothing and only starts another
one, which does all that takes time; and nothing here prints, or raises into the program.

SETTINGS is given by the stub that runs this text. It is not a module, and nothing imports it.
"""

# Built in and always loaded: these two read no file and wait for no import.
import _thread
import sys

MESSAGE_MAX = 2000
SHORT_TURN = 0.0001  # seconds; CPython's own is 5 ms
MANY_OBJECTS = 100_000  # debugpy makes 45,000 until it listens; CPython's own threshold is 2,000


def begin():
    """All that the interrupted thread does."""
    try:
        _thread.start_new_thread(work, ())
    except Exception as error:  # a limit of threads, a sub-interpreter without daemon threads
        tell_error(error)


def work():
    """All that the helper thread does."""
    try:
        tell("started")
    except Exception:
        return  # Nobody is there to hear of it any more: then nobody wants a debugger either.
    try:
        watch(start())
    except BaseException as error:
        tell_error(error)


def start():
    """Brings a session about, one at a time, and tells of it."""
    shared = shared_state()
    if not shared.lock.acquire(True, SETTINGS["patience"]):
        raise RuntimeError("another session is being started in this process")
    try:
        if not can_share(shared.session):
            let_it_end()
        forget_what_is_over(shared)
        is_reused = can_share(shared.session)
        if not is_reused:
            require_no_session(shared.session)
            shared.session = start_anew()
        facts = dict(shared.session, reused=is_reused)
        tell(**facts)
        return facts
    finally:
        shared.lock.release()


def can_share(session):
    """Only a session that listens can be had by several, one after the other."""
    return bool(session) and session["state"] == "listening" and not SETTINGS["connect"]


def require_no_session(session):
    if session:
        raise RuntimeError("already debugged: {state} {host}:{port}".format(**session))


def let_it_end():
    """A session that its client has just left takes a moment to go."""
    import time

    for _ in range(100):
        if debugger() is None:
            break
        time.sleep(0.01)


def start_anew():
    try:
        return connect() if SETTINGS["connect"] else listen()
    except BaseException:
        half = debugger()
        if half is not None:  # connected to nobody, and in the way of the next one
            half.dispose_and_kill_all_pydevd_threads()
        raise


def forget_what_is_over(shared):
    """A fork has no session, only the memory of one; and a session ends with its adapter."""
    if shared.pid != process_id() or debugger() is None:
        shared.session, shared.pid = None, process_id()
    if shared.session is None and debugger() is not None:
        raise RuntimeError("already debugged, by a session that softdock did not start here")


def listen():
    address, by_itself = (SETTINGS["host"], SETTINGS["port"]), SETTINGS["in_process"]
    if not by_itself:
        require_interpreter()
    with ShortTurns(), LateCollections():
        debugpy = load_debugpy()
        forget_listener()
        host, port = listen_by_itself(debugpy, address) if by_itself else debugpy.listen(address)
    return dict(state="listening", host=host, port=port, debugpy=debugpy.__version__)


def listen_by_itself(debugpy, address):
    """Without an adapter: no process to start and to wait for, and none between the program and its
    client. debugpy returns before it listens, and does not say where; where it cannot, its thread
    complains on the program's standard error and ends, so that the port is tried before."""
    import socket
    import time

    with socket.socket() as tried:
        tried.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        tried.bind(address)
    debugpy.listen(address, in_process_debug_adapter=True)
    thread = debugger()._waiting_for_connection_thread
    while thread.is_alive():
        listener = thread._server_socket
        if listener and listener.getsockopt(socket.SOL_SOCKET, socket.SO_ACCEPTCONN):
            return listener.getsockname()
        time.sleep(0.001)
    raise RuntimeError("debugpy cannot listen; the program's standard error says why")


def forget_listener():
    """debugpy refuses to listen a second time, since two listeners are in each other's way. One
    whose adapter has gone is in nobody's."""
    listen = sys.modules["debugpy.server.api"].listen
    if getattr(listen, "called", False) and debugger() is None:
        listen.called = False


def connect():
    """Returns when the client has said that its breakpoints are set: debugpy waits for that, for
    as long as it takes."""
    with ShortTurns(), LateCollections():
        debugpy = load_debugpy()
    host, port = SETTINGS["host"], SETTINGS["port"]
    debugpy.connect((host, port))
    return dict(state="connected", host=host, port=port, debugpy=debugpy.__version__)


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


class LateCollections:
    """Puts off the garbage collections that debugpy's own objects would set off meanwhile: nothing
    else halts a program that computes for as long, 4 ms and more each.

    Then all that is there counts as old, as after a collection; otherwise the next one would look
    at all of debugpy at once. That only joins two lists, whatever the program has in them. Garbage
    of the program that was young is found by the next full collection."""

    def __enter__(self):
        import gc

        self.before = gc.get_threshold()
        first, *others = self.before
        # 0 means never, and stays.
        gc.set_threshold(first and max(first, MANY_OBJECTS), *others)
        self.ours = gc.get_threshold()

    def __exit__(self, *_):
        import gc

        if not gc.get_freeze_count():  # else the program has frozen what must stay so
            gc.freeze()
            gc.unfreeze()
        if gc.get_threshold() == self.ours:  # as above
            gc.set_threshold(*self.before)


def watch(facts):
    """Tells when a client is ready to be stopped at something, if that is asked for."""
    if not SETTINGS["watch"]:
        return
    import time

    debugpy = sys.modules["debugpy"]
    deadline = time.monotonic() + SETTINGS["watch"]
    while time.monotonic() < deadline:
        if debugpy.is_client_connected():
            return tell(**dict(facts, state="attached"))
        time.sleep(0.01)


def load_debugpy():
    """Imports debugpy: from the folder that was named, else from where the program finds it."""
    import os

    require_no_other_debugger()
    quiet = "PYDEVD_DISABLE_FILE_VALIDATION"
    was_quiet = quiet in os.environ
    folder = os.fsdecode(SETTINGS["bundle"]) if SETTINGS["bundle"] else None
    if folder:
        sys.path.insert(0, folder)
    os.environ.setdefault(quiet, "1")  # four lines about frozen modules on the program's stderr
    try:
        import debugpy

        # With it, a child process of the program would wait for a client of its own.
        debugpy.configure(subProcess=SETTINGS["subprocesses"])
        if SETTINGS["python"]:
            debugpy.configure(python=os.fsdecode(SETTINGS["python"]))
        return debugpy
    finally:
        if not was_quiet:
            os.environ.pop(quiet, None)
        if folder in sys.path:
            sys.path.remove(folder)


def require_interpreter():
    """debugpy starts its adapter by `sys.executable`. Where that is a server with a Python inside,
    it would start a second server."""
    import os

    program = sys.executable or ""
    if not SETTINGS["python"] and "python" not in os.path.basename(program).lower():
        raise RuntimeError("sys.executable is no Python interpreter: " + repr(program))


def require_no_other_debugger():
    tool = sys.monitoring.get_tool(sys.monitoring.DEBUGGER_ID)
    if tool not in (None, "pydevd"):
        raise RuntimeError("another debugger is at work in this process: " + str(tool))


def debugger():
    """debugpy's own end of a session, as long as there is one: it goes away with the adapter."""
    pydevd = sys.modules.get("pydevd")
    return pydevd.get_global_debugger() if hasattr(pydevd, "get_global_debugger") else None


def shared_state():
    """What all sessions of this process share; `setdefault` lets the first of them make it."""
    fresh = type(sys)("_softdock")
    fresh.lock, fresh.session, fresh.pid = _thread.allocate_lock(), None, process_id()
    return sys.modules.setdefault("_softdock", fresh)


def process_id():
    import os

    return os.getpid()


def tell_error(error):
    try:
        tell("error", type=type(error).__name__, message=str(error)[:MESSAGE_MAX])
    except Exception:
        pass  # There is nobody else to tell.


def tell(state, **facts):
    """Replaces the record: a reader finds the one before or this one, and never a half. It need not
    outlive the machine, so that no disk is waited for."""
    import os

    facts = dict(format=1, session=SETTINGS["session"], state=state, **facts)
    text = ", ".join(quoted(name) + ": " + quoted(value) for name, value in facts.items())
    folder = SETTINGS["answers"]
    fresh = os.path.join(folder, b"record.new")
    flags = os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_NOFOLLOW | os.O_CLOEXEC
    with ShortTurns():
        descriptor = os.open(fresh, flags, 0o600)
        try:
            os.fchmod(descriptor, 0o600)  # whatever the program's umask is
            os.write(descriptor, ("{" + text + "}\n").encode())
        finally:
            os.close(descriptor)
        os.replace(fresh, os.path.join(folder, b"record.json"))


def quoted(value):
    """As JSON, without `json`: the program may have a module of that name."""
    if value is None or value is True or value is False:
        return {None: "null", True: "true", False: "false"}[value]
    if isinstance(value, int):
        return str(value)
    # A file name that is not UTF-8 has half characters, which JSON does not.
    text = str(value).encode("utf-8", "backslashreplace").decode("utf-8")
    escape = lambda c: "\\u%04x" % ord(c) if c < " " or c in '"\\' else c
    return '"' + "".join(map(escape, text)) + '"'


begin()
