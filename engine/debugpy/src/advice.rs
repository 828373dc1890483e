//! What to do about an error that the target told. The errors are those of debugpy 1.8.20, of the
//! loader and of the system; one that is not known here is told without advice.

/// Parts of messages, and what helps. The first that fits counts.
const KNOWN: &[(&str, &str)] = &[
    (
        "cannot start debugpy's adapter",
        "name an interpreter that can run the debug adapter, as the target does: --python PATH",
    ),
    (
        "debugpy's adapter",
        "the interpreter that runs the debug adapter seems not to work in the target's place: name \
         another one by --python PATH, or do without by --in-process",
    ),
    (
        "No module named 'debugpy'",
        "install debugpy for the interpreter of the target (pip install debugpy), or name a folder \
         that holds it: pip install --target FOLDER debugpy, then --debugpy FOLDER",
    ),
    (
        "No module named 'debugpy.adapter'",
        "what the target finds as debugpy is not all of it: name a folder that holds it whole by \
         --debugpy FOLDER, or do without its adapter by --in-process",
    ),
    (
        "Address already in use",
        "somebody listens at that port: choose another one by --port, or 0 for any that is free",
    ),
    (
        "Cannot assign requested address",
        "the host is none of the target's own: 127.0.0.1 always is, 0.0.0.0 stands for all",
    ),
    ("Name or service not known", "the target knows no host of that name: give its number"),
    ("Permission denied", "the target may not listen at that port: those below 1024 are for root"),
    (
        "Connection refused",
        "nobody listens there: start the client first, and let it wait for the target",
    ),
    (
        "the program's standard error says why",
        "look there; without --in-process debugpy says by itself why it cannot listen",
    ),
    (
        "sys.executable is no Python",
        "name the interpreter that shall run the debug adapter, as the target does: --python PATH; \
         --in-process needs none",
    ),
    (
        "by a session that softdock did not start",
        "connect to where the program itself, or another tool, has debugpy listen",
    ),
    ("already debugged:", "connect a client to that one, or end it first"),
    (
        "another debugger is at work",
        "there is one place for a debugger in a process: end the other one first",
    ),
    ("debugpy cannot listen", "leave --in-process out: an adapter says why it cannot"),
    ("another session is being started", "try again when it is there"),
];

/// What to do about this message.
#[must_use]
pub fn advice(message: &str) -> Option<&'static str> {
    KNOWN.iter().find(|(part, _)| message.contains(part)).map(|(_, advice)| *advice)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_that_fits_counts() {
        let of = |message| advice(message).unwrap_or("none");
        assert!(of("No module named 'debugpy'").contains("pip install debugpy"));
        assert!(of("No module named 'debugpy.adapter'").contains("not all of it"));
        assert!(of("Can't listen: [Errno 98] Address already in use").contains("--port"));
        assert!(of("[Errno 111] Connection refused").contains("start the client first"));
        assert_eq!(of("No module named 'pandas'"), "none");
    }

    /// What the loader says by itself is known here, word for word.
    #[test]
    fn the_errors_of_the_loader_have_advice() {
        let raised: Vec<&str> = crate::SESSION.split("raise RuntimeError(\"").skip(1).collect();
        assert_eq!(raised.len(), 9);
        for text in raised {
            let message = text.split('"').next().unwrap();
            assert!(advice(message).is_some(), "{message}");
        }
    }
}
