"""Stops the thread that softdock has interrupted, in the program's own code.

A client is attached by now: without one, a breakpoint is ignored. The breakpoint comes last, since
the next line is where the thread will stand, and that must be one of the program.
"""

try:
    open(SETTINGS["answer"], "xb").close()
except OSError:
    pass  # Nobody waits for this any more.
else:
    __import__("debugpy").breakpoint()
