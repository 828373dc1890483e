"""Starts debugpy in the process that softdock attached to, and tells in a file what came of it.

All of it is run by the helper thread, which `loader.py` has started, in the same names as that.
There are two empty lines between definitions and nowhere else: each is compiled by itself.
"""

MESSAGE_MAX = 2000
FRAMES_MAX = 30
ADAPTER_TIMEOUT = 30  # seconds, as debugpy has it
AT_ONCE = 1  # seconds
MANY_OBJECTS = 100_000  # debugpy makes 45,000 until it listens; CPython's own threshold is 2,000


def serve():
    try:
        log("runs in CPython " + sys.version)
        watch(start())
    except BaseException as error:
        log_failure(error)
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
        log("tells " + repr(facts))
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
    import os

    if shared.pid != os.getpid() or debugger() is None:
        shared.session, shared.pid = None, os.getpid()
    if shared.session is None and debugger() is not None:
        raise RuntimeError("already debugged, by a session that softdock did not start here")


def listen():
    address = SETTINGS["host"], SETTINGS["port"]
    with ShortTurns(), LateCollections(), Debugpy() as found:
        by = listen_by_itself if SETTINGS["in_process"] else listen_by_adapter
        debugpy, (host, port) = by(found, address)
    return dict(state="listening", host=host, port=port, debugpy=debugpy.__version__)


def listen_by_adapter(found, address):
    """As debugpy's own `listen` in another order: its adapter, a process of its own, starts while
    debugpy is imported here. Either takes as long as the other."""
    require_interpreter()
    with Adapter(found.folder(), address) as adapter:
        debugpy = found.load()
        configure(debugpy)
        return debugpy, adapter.connect()


def listen_by_itself(found, address):
    """Without an adapter: no process to start and to wait for, and none between the program and its
    client. debugpy returns before it listens, and does not say where; where it cannot, its thread
    complains on the program's standard error and ends, so that the port is tried before."""
    import socket
    import time

    debugpy = found.load()
    configure(debugpy)
    forget_listener()
    with socket.socket() as tried:
        tried.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        tried.bind(address)
    debugpy.listen(address, in_process_debug_adapter=True)
    thread = debugger()._waiting_for_connection_thread
    while thread.is_alive():
        listener = thread._server_socket
        if listener and listener.getsockopt(socket.SOL_SOCKET, socket.SO_ACCEPTCONN):
            return debugpy, listener.getsockname()
        time.sleep(0.001)
    raise RuntimeError("debugpy cannot listen; the program's standard error says why")


class Adapter:
    """debugpy's adapter, which tells us where it listens for clients, and where for us. It goes
    again where nothing comes of it."""

    def __init__(self, folder, address):
        self.folder = folder
        self.address = address
        self.endpoints = None  # until it has told, or failed

    def __enter__(self):
        import os
        import subprocess

        host, port = self.address
        self.token = os.urandom(32).hex()
        self.listener = local_listener()
        python = os.fsdecode(SETTINGS["python"]) if SETTINGS["python"] else sys.executable
        command = [python, os.path.join(self.folder, "adapter")]
        command += ["--host", host, "--port", str(port)]
        command += ["--for-server", str(self.listener.getsockname()[1])]
        log("starts " + repr(command))
        command += ["--server-access-token", self.token]
        try:
            self.process = subprocess.Popen(command)
        except BaseException as error:
            self.listener.close()
            if isinstance(error, OSError):
                raise RuntimeError("cannot start debugpy's adapter: " + str(error))
            raise
        return self

    def connect(self):
        """Returns where it listens for clients."""
        import socket

        import pydevd
        from debugpy.server import api

        self.hear()
        server, client = self.endpoints["server"], self.endpoints["client"]
        pydevd.settrace(
            server["host"],
            port=server["port"],
            access_token=self.token,
            suspend=False,
            wait_for_ready_to_run=False,
            notify_stdin=False,
            patch_multiprocessing=SETTINGS["subprocesses"],
            dont_trace_start_patterns=(self.folder,),
            dont_trace_end_patterns=("debugpy_launcher.py",),
        )
        # Where the program itself calls it later, it fails, as after debugpy's own `listen`.
        api.listen.called = True
        # pydevd sends each message in two parts, and would wait 40 ms between them.
        debugger().writer.sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        return client["host"], client["port"]

    def hear(self):
        import json  # debugpy needs it as well, so that it is the real one

        self.endpoints = {}
        # It puts itself in the background once it has started.
        if self.process.wait() != 0:
            raise RuntimeError("debugpy's adapter ends with %d" % self.process.returncode)
        try:
            connection, _ = self.listener.accept()
        except TimeoutError:
            raise RuntimeError("debugpy's adapter does not say where it listens")
        with connection, connection.makefile("rb") as told:
            self.endpoints = json.loads(told.read())
        log("hears from the adapter: " + repr(self.endpoints))
        if "error" in self.endpoints:
            raise RuntimeError(self.endpoints["error"])

    def __exit__(self, error, *_):
        with self.listener:
            if error and debugger() is None:
                self.send_away()

    def send_away(self):
        """It waits for us for as long as it takes, and ends when we come and go."""
        import socket

        try:
            if self.endpoints is None:
                self.hear()
            server = self.endpoints["server"]
            socket.create_connection((server["host"], server["port"])).close()
        except Exception:
            pass  # It has ended by itself.


def local_listener():
    """At the address that the adapter takes for this machine."""
    import socket

    try:
        listener = socket.create_server(("127.0.0.1", 0))
    except OSError:
        listener = socket.create_server(("::1", 0), family=socket.AF_INET6)
    listener.settimeout(ADAPTER_TIMEOUT)
    return listener


def forget_listener():
    """debugpy refuses to listen a second time, since two listeners are in each other's way. One
    whose adapter has gone is in nobody's."""
    listen = sys.modules["debugpy.server.api"].listen
    if getattr(listen, "called", False) and debugger() is None:
        listen.called = False


def connect():
    """Returns when the client has said that its breakpoints are set: debugpy waits for that, for
    as long as it takes."""
    with ShortTurns(), LateCollections(), Debugpy() as found:
        debugpy = found.load()
        configure(debugpy)
    host, port = SETTINGS["host"], SETTINGS["port"]
    debugpy.connect((host, port))
    return dict(state="connected", host=host, port=port, debugpy=debugpy.__version__)


class LateCollections(Held):
    """Puts off the garbage collections that debugpy's own objects would set off meanwhile: nothing
    else halts a program that computes for as long, 4 ms and more each.

    Then all that is there counts as old, as after a collection; otherwise the next one would look
    at all of debugpy at once. That only joins two lists, whatever the program has in them. Garbage
    of the program that was young is found by the next full collection."""

    def take(self):
        import gc

        self.before = gc.get_threshold()
        first, *others = self.before
        # 0 means never, and stays.
        gc.set_threshold(first and max(first, MANY_OBJECTS), *others)
        self.ours = gc.get_threshold()

    def give_back(self):
        import gc

        if not gc.get_freeze_count():  # else the program has frozen what must stay so
            gc.freeze()
            gc.unfreeze()
        if gc.get_threshold() == self.ours:  # as above
            gc.set_threshold(*self.before)


def watch(facts):
    """Tells when a client is ready to be stopped at something, if that is asked for. One that has
    waited for us comes at once, and has much to ask before."""
    if not SETTINGS["watch"]:
        return
    import time

    now = time.monotonic()
    with ShortTurns():
        is_there = comes_by(now + min(SETTINGS["watch"], AT_ONCE))
    if is_there or comes_by(now + SETTINGS["watch"]):
        log("has a client")
        tell(**dict(facts, state="attached"))


def comes_by(deadline):
    import time

    debugpy = sys.modules["debugpy"]
    while time.monotonic() < deadline:
        if debugpy.is_client_connected():
            return True
        time.sleep(0.01)
    return False


class Debugpy(Held):
    """debugpy: from the folder that was named, else from where the program finds it."""

    QUIET = "PYDEVD_DISABLE_FILE_VALIDATION"

    def take(self):
        import os

        require_no_other_debugger()
        self.was_quiet = self.QUIET in os.environ
        self.named = os.fsdecode(SETTINGS["bundle"]) if SETTINGS["bundle"] else None
        if self.named:
            sys.path.insert(0, self.named)
        os.environ.setdefault(self.QUIET, "1")  # four lines about frozen modules on stderr
        return self

    def give_back(self):
        import os

        if not self.was_quiet:
            os.environ.pop(self.QUIET, None)
        if self.named in sys.path:
            sys.path.remove(self.named)

    def folder(self):
        """Where it is, known long before it is imported. Its adapter is a program of its own, which
        cannot be in an archive."""
        import importlib.util
        import os

        if "debugpy" in sys.modules:
            folders = getattr(sys.modules["debugpy"], "__path__", ())
        else:
            spec = importlib.util.find_spec("debugpy")
            if spec is None:
                raise ModuleNotFoundError("No module named 'debugpy'")
            folders = spec.submodule_search_locations or ()
        for folder in folders:
            if os.path.isdir(os.path.join(folder, "adapter")):
                return folder
        raise ModuleNotFoundError("No module named 'debugpy.adapter'")

    def load(self):
        import debugpy

        log("has debugpy %s from %s" % (debugpy.__version__, debugpy.__path__[0]))
        return debugpy


def configure(debugpy):
    """Has debugpy import nearly all of itself."""
    import os

    # With it, a child process of the program would wait for a client of its own.
    debugpy.configure(subProcess=SETTINGS["subprocesses"])
    if SETTINGS["python"]:
        debugpy.configure(python=os.fsdecode(SETTINGS["python"]))


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


def tell_error(error):
    try:
        message = str(error)[:MESSAGE_MAX]
    except Exception:
        message = "it cannot say what it is"
    try:
        tell("error", type=type(error).__name__, message=message)
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


def log(text):
    """How far it is, and when, for whoever attached and wants to know. Not for the program, whose
    standard error is its own. What is told is logged before: files go when it is heard."""
    if not SETTINGS["log"]:
        return
    import os
    import time

    now = time.time_ns() // 1_000_000
    when = time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(now // 1000))
    line = "%s.%03dZ %s\n" % (when, now % 1000, text.replace("\n", "\n  "))
    flags = os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_NOFOLLOW | os.O_CLOEXEC
    try:
        descriptor = os.open(os.path.join(SETTINGS["answers"], b"log"), flags, 0o600)
        try:
            os.fchmod(descriptor, 0o600)
            os.write(descriptor, line.encode("utf-8", "backslashreplace"))
        finally:
            os.close(descriptor)
    except OSError:
        pass  # Nobody is there to read it any more.


def log_failure(error):
    """Without `traceback`, which would have to be imported: an import may be what has failed."""
    if not SETTINGS["log"]:
        return
    try:
        lines, step = [], error.__traceback__
        while step:
            code = step.tb_frame.f_code
            lines.append("%s:%d in %s" % (code.co_filename, step.tb_lineno, code.co_name))
            step = step.tb_next
        log("fails: " + "\n".join([repr(error)[:MESSAGE_MAX]] + lines[-FRAMES_MAX:]))
    except Exception:
        pass  # It cannot even be told what it is; its type is told all the same.


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
