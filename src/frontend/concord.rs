//! How a native debugger attaches: it stops the target before it looks, looks once without writing,
//! and then once more as if it had never looked; only if both come to the same plan is anything
//! written. The target goes on when the engine has verified what it wrote, or given up.
//!
//! This is a host around a host: it decides when the target stands still and which conclusion
//! counts, and hands on everything else. It reads no memory and knows no page.
//!
//! Invariant: whatever the ending, the target goes on before the host hears of it.

use softdock_attach::{CachedThread, Config, Host, Outcome, Report, Request, Site, Wait};
use softdock_process::{
    Address, Candidate, ErrorKind, Identity, MemoryError, MemoryRange, Modules, ProcessMemory,
    Threads,
};

/// As [`softdock_attach::attach`], rehearsed first. A dry run is the rehearsal alone.
pub(super) fn attach<H: Host>(host: &mut H, config: &Config, request: Request<'_>) -> Report {
    let mut concord = Concord { host, standing: Standing::NotYet, rehearses: config.write };
    if !config.write {
        return softdock_attach::attach(&mut concord, config, request);
    }
    let looking = Config { write: false, ..config.clone() };
    let looked = softdock_attach::attach(&mut concord, &looking, request);
    if looked.outcome != Outcome::Planned {
        return looked;
    }
    concord.rehearses = false;
    let request = Request { planned: looked.plan.as_ref(), ..request };
    softdock_attach::attach(&mut concord, config, request)
}

/// As [`softdock_attach::cancel`]. There is nothing to rehearse: what it writes over is the request
/// that it was asked to take back, which it reads right before.
pub(super) fn cancel<H: Host>(
    host: &mut H,
    config: &Config,
    script: Option<&[u8]>,
    cached: Option<CachedThread>,
) -> Report {
    let mut concord = Concord { host, standing: Standing::NotYet, rehearses: false };
    softdock_attach::cancel(&mut concord, config, script, cached)
}

struct Concord<'h, H> {
    host: &'h mut H,
    standing: Standing,
    /// Whether a look that comes to a plan is not the end.
    rehearses: bool,
}

/// Whether the target stands still.
#[derive(Clone, Copy)]
enum Standing {
    NotYet,
    Still,
    /// It could not be stopped.
    Refused(ErrorKind),
    /// It was let go, and is not stopped again.
    LetGo,
}

impl<H: Host> Concord<'_, H> {
    fn stop(&mut self) {
        if let Standing::NotYet = self.standing {
            self.standing = match self.host.freeze() {
                Ok(()) => Standing::Still,
                Err(kind) => Standing::Refused(kind),
            };
        }
    }

    fn let_go(&mut self) {
        self.standing = Standing::LetGo;
        self.host.thaw();
    }
}

impl<H: Host> Host for Concord<'_, H> {
    /// Stops the target before the step that touches it first: who is turned away at the gate does
    /// not stop anybody.
    fn at(&mut self, site: Site) {
        if site == Site::Identify {
            self.stop();
        }
        self.host.at(site);
    }

    fn wait(&mut self, polls: u32) -> Wait {
        self.host.wait(polls)
    }

    /// The engine asks for it where the settings want it, too: it stands already.
    fn freeze(&mut self) -> Result<(), ErrorKind> {
        self.host.freeze()
    }

    /// Between rehearsal and attempt it stays as it is.
    fn thaw(&mut self) {
        if !self.rehearses {
            self.let_go();
        }
    }

    fn conclude(&mut self, report: &Report) {
        if self.rehearses && report.outcome == Outcome::Planned {
            return;
        }
        self.let_go();
        self.host.conclude(report);
    }
}

impl<H: Host> ProcessMemory for Concord<'_, H> {
    fn read(&mut self, at: Address, into: &mut [u8]) -> Result<(), MemoryError> {
        self.host.read(at, into)
    }

    fn view<'b>(
        &'b mut self,
        at: Address,
        len: usize,
        scratch: &'b mut Vec<u8>,
    ) -> Result<&'b [u8], MemoryError> {
        self.host.view(at, len, scratch)
    }

    fn write(&mut self, at: Address, from: &[u8]) -> Result<(), MemoryError> {
        self.host.write(at, from)
    }
}

impl<H: Host> Modules for Concord<'_, H> {
    fn candidate(&mut self, rank: usize) -> Result<Option<&Candidate>, ErrorKind> {
        self.host.candidate(rank)
    }

    fn read_image(&mut self, at: Address, into: &mut [u8]) -> Result<bool, ErrorKind> {
        self.host.read_image(at, into)
    }

    fn writable(&mut self, nth: usize) -> Result<Option<MemoryRange>, ErrorKind> {
        self.host.writable(nth)
    }
}

impl<H: Host> Threads for Concord<'_, H> {
    fn is_thread(&mut self, native: u64) -> Result<bool, ErrorKind> {
        self.host.is_thread(native)
    }

    fn main_thread(&mut self) -> Result<Option<u64>, ErrorKind> {
        self.host.main_thread()
    }

    /// The first question of every look. Nobody looks at a target that could not be stopped.
    fn identity(&mut self) -> Result<Identity, ErrorKind> {
        match self.standing {
            Standing::Refused(kind) => Err(kind),
            _ => self.host.identity(),
        }
    }
}
