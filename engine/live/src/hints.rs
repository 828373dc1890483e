//! What to do when the system does not let us touch a process, in words for a person. It decides
//! nothing and never changes a setting.

use std::os::unix::fs::MetadataExt;

use softdock_process::ErrorKind;

use crate::linux::status;

/// What is known of the two processes and the system that bears on permission. Any part may be
/// unknown.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
struct Situation {
    /// Our effective user.
    our_uid: Option<u32>,
    /// The target's effective user.
    their_uid: Option<u32>,
    /// Who owns the target's files in `/proc`: root, where its memory is private even to its user.
    their_owner: Option<u32>,
    /// Whether we have `CAP_SYS_PTRACE`.
    capable: bool,
    /// Whether a filter of system calls is set for us, as in containers.
    filtered: bool,
    /// The Yama module's setting, where it is loaded.
    yama: Option<u8>,
}

impl Situation {
    fn of(pid: u32) -> Situation {
        let ours = std::fs::read("/proc/self/status").unwrap_or_default();
        let theirs = std::fs::read(format!("/proc/{pid}/status")).unwrap_or_default();
        let yama = std::fs::read_to_string("/proc/sys/kernel/yama/ptrace_scope");
        Situation {
            our_uid: status::effective_uid(&ours),
            their_uid: status::effective_uid(&theirs),
            their_owner: std::fs::metadata(format!("/proc/{pid}/maps")).ok().map(|meta| meta.uid()),
            capable: status::capabilities(&ours) & status::CAP_SYS_PTRACE != 0,
            filtered: status::line(&ours, "Seccomp").is_some_and(|mode| mode != "0"),
            yama: yama.ok().and_then(|text| text.trim().parse().ok()),
        }
    }

    /// The most likely reason first; each says what to do.
    fn advice(&self) -> Vec<String> {
        let mut advice = Vec::new();
        advice.extend(self.about_yama());
        advice.extend(self.about_users());
        if !self.capable && self.our_uid == Some(0) {
            advice.push(String::from(
                "root has no CAP_SYS_PTRACE here, as in most containers: start the container with \
                 `--cap-add=SYS_PTRACE`",
            ));
        }
        if self.filtered {
            advice.push(String::from(
                "a seccomp filter is set, which may forbid process_vm_readv: in a container, try \
                 `--cap-add=SYS_PTRACE` or another seccomp profile",
            ));
        }
        if advice.is_empty() {
            advice.push(String::from(
                "a security module (AppArmor, SELinux) or a user namespace may forbid it: see the \
                 kernel's log",
            ));
        }
        advice
    }

    /// Yama 1 wants an ancestor, 2 a capability, 3 lets nobody.
    fn about_yama(&self) -> Option<String> {
        match self.yama? {
            1 if !self.capable => Some(String::from(
                "kernel.yama.ptrace_scope is 1, which allows only a parent: run as root, or set it \
                 to 0 (`sysctl kernel.yama.ptrace_scope=0`), or let the target call \
                 prctl(PR_SET_PTRACER)",
            )),
            2 if !self.capable => Some(String::from(
                "kernel.yama.ptrace_scope is 2, which allows only CAP_SYS_PTRACE: run as root",
            )),
            3 => Some(String::from(
                "kernel.yama.ptrace_scope is 3, which allows nobody until the next boot",
            )),
            _ => None,
        }
    }

    fn about_users(&self) -> Option<String> {
        let (ours, theirs) = (self.our_uid?, self.their_uid?);
        if self.capable || ours == 0 {
            None
        } else if theirs == 0 {
            Some(format!("it runs as root and we as user {ours}: run as root"))
        } else if ours != theirs {
            Some(format!("it runs as user {theirs} and we as {ours}: run as {theirs} or as root"))
        } else if self.their_owner? != theirs {
            Some(String::from(
                "it is not dumpable (it gained rights when it started, or asked for this with \
                 prctl): run as root",
            ))
        } else {
            None
        }
    }
}

/// What may be the reason of this error with this process, and what to do about it; `None` where
/// there is nothing to say.
#[must_use]
pub fn advice(kind: ErrorKind, pid: u32) -> Option<String> {
    match kind {
        ErrorKind::Denied => Some(Situation::of(pid).advice().join("; ")),
        ErrorKind::Unsupported => Some(String::from(
            "this kernel has no process_vm_writev (CONFIG_CROSS_MEMORY_ATTACH), and nothing else \
             writes without ignoring the protection of memory",
        )),
        ErrorKind::Gone => Some(format!("process {pid} has ended, or its memory was replaced")),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn users(our_uid: u32, their_uid: u32) -> Situation {
        Situation {
            our_uid: Some(our_uid),
            their_uid: Some(their_uid),
            their_owner: Some(their_uid),
            ..Situation::default()
        }
    }

    #[track_caller]
    fn check(situation: Situation, says: &str) {
        let advice = situation.advice().join("; ");
        assert!(advice.contains(says), "{situation:?} says {advice:?}");
    }

    #[test]
    fn each_reason_has_its_advice() {
        check(users(1000, 33), "as user 33 and we as 1000");
        check(users(1000, 0), "it runs as root and we as user 1000");
        check(Situation { their_owner: Some(0), ..users(7, 7) }, "not dumpable");
        check(users(0, 33), "--cap-add=SYS_PTRACE");
        check(Situation { filtered: true, ..users(7, 7) }, "seccomp");
        check(Situation { yama: Some(1), ..users(7, 7) }, "ptrace_scope is 1");
        check(Situation { yama: Some(2), ..users(7, 7) }, "only CAP_SYS_PTRACE");
        check(Situation { yama: Some(3), capable: true, ..users(0, 7) }, "until the next boot");
        check(Situation { capable: true, ..users(0, 7) }, "AppArmor");
        check(Situation::default(), "AppArmor");
    }

    #[test]
    fn only_some_errors_have_advice() {
        assert!(advice(ErrorKind::Denied, std::process::id()).is_some());
        assert!(advice(ErrorKind::Unmapped, 1).is_none());
    }
}
