//! `softdock debug` when the command itself has to do with a client: it waits for one, has a thread
//! stopped for one, or has the target connect to one.

use std::io::{BufRead, BufReader};
use std::net::{TcpListener, TcpStream};
use std::path::Path;
use std::process::{Child, ChildStdout, Command, Stdio};

use serde_json::{Value, json};

use crate::Situation;
use crate::command::softdock;
use crate::dap::Client;
use crate::debug::{debug, debuggable, free_port};
use crate::pythons::Python;
use crate::service::{Service, WORK, WORK_LINE};
use crate::target::{Folder, Target, eventually};

pub(crate) fn situations() -> Vec<Situation> {
    vec![
        debuggable("debug-and-stop-where-it-is", and_stop_where_it_is),
        debuggable("debug-and-wait-for-a-client", and_wait_for_a_client),
        debuggable("debug-by-connecting", by_connecting),
        debuggable("debug-by-connecting-to-nobody", by_connecting_to_nobody),
    ]
}

/// The command while it runs.
pub(crate) struct Running {
    child: Child,
    lines: BufReader<ChildStdout>,
}

impl Running {
    #[track_caller]
    pub(crate) fn start(target: &Target, more: &[&str]) -> Running {
        let mut command = softdock();
        command.args(["debug", "--format", "json", "--timeout", "20s"]);
        command.args(["--client-timeout", "20s", "--pid"]).arg(target.pid().to_string());
        let mut child = command.args(more).stdout(Stdio::piped()).spawn().unwrap();
        let lines = BufReader::new(child.stdout.take().unwrap());
        Running { child, lines }
    }

    /// The next thing it says.
    #[track_caller]
    pub(crate) fn says(&mut self) -> Value {
        let mut line = String::new();
        self.lines.read_line(&mut line).unwrap();
        serde_json::from_str(&line).unwrap_or_else(|_| panic!("it said {line:?}"))
    }

    #[track_caller]
    pub(crate) fn ends(mut self) -> Option<i32> {
        let mut line = String::new();
        assert_eq!(self.lines.read_line(&mut line).unwrap(), 0, "it also said {line}");
        self.child.wait().unwrap().code()
    }
}

pub(crate) fn port(said: &Value) -> u16 {
    u16::try_from(said["port"].as_u64().unwrap()).unwrap()
}

/// In the program's own code: not in what softdock had it run, and not in debugpy.
fn and_stop_where_it_is(python: &Python) {
    let folder = Folder::new();
    let service = Service::start(python, &folder, WORK);
    let mut running = Running::start(&service.target, &["--break"]);
    let ready = running.says();
    assert_eq!([&ready["outcome"], &ready["breakInjected"]], [&json!("listening"), &json!(false)]);

    let mut client = Client::attach(port(&ready), &[]);
    assert_eq!(running.says()["outcome"], "attached");
    let stop = client.stopped();
    let stopping = running.says();
    assert_eq!(stopping["breakInjected"], true, "{stopping:#}");
    assert_eq!(running.ends(), Some(0));

    let stack = client.ask("stackTrace", &json!({"threadId": stop.thread}));
    let file = stack["stackFrames"][0]["source"]["path"].as_str().unwrap();
    assert_eq!(Path::new(file), service.file, "{stack:#}");
    let frames = client.frames(stop.thread);
    assert_eq!(frames.last().unwrap().0, "<module>");
    // It is a place to go on from, step by step.
    client.ask("next", &json!({"threadId": stop.thread}));
    let next = client.stopped();
    assert_eq!(next.reason, "step");
    client.go_on(next.thread);
    client.disconnect();
    service.proves_to_run();
    assert_eq!(service.target.errors(), "");
}

/// Nobody comes, and then somebody does.
fn and_wait_for_a_client(python: &Python) {
    let folder = Folder::new();
    let service = Service::start(python, &folder, WORK);
    let mut running = Running::start(&service.target, &[]);
    let ready = running.says();
    let client = Client::attach(port(&ready), &[]);
    let attached = running.says();
    assert_eq!([&attached["outcome"], &attached["port"]], [&json!("attached"), &ready["port"]]);
    assert_eq!(running.ends(), Some(0));
    client.disconnect();

    let ran = debug(&service.target, &["--break", "--client-timeout", "100ms"]);
    let last: Value = serde_json::from_str(ran.stdout.lines().last().unwrap()).unwrap();
    assert_eq!((ran.code, &last["reason"]), (Some(1), &json!("no-client")), "{last:#}");
    service.proves_to_run();
    let mut running = Running::start(&service.target, &["--break"]);
    assert_eq!(running.says()["outcome"], "listening");
    let interrupt = Command::new("kill").args(["-INT", &running.child.id().to_string()]).status();
    assert!(interrupt.unwrap().success());
    assert_eq!(running.says()["reason"], "cancelled");
    assert_eq!(running.ends(), Some(1));
    // What was asked for then does not come over a client that is late.
    let mut client = Client::attach(port(&ready), &[(&service.file, WORK_LINE)]);
    assert_eq!(client.stopped().reason, "breakpoint");
    client.disconnect();
    service.proves_to_run();
    assert_eq!(service.target.errors(), "");
}

/// A debug adapter on its own, as an editor starts one that wants to be connected to.
struct Adapter(Child, u16);

impl Adapter {
    fn start(python: &Python) -> Adapter {
        let port = free_port();
        let mut command: Command = python.command();
        command.args(["-m", "debugpy.adapter", "--port", &port.to_string()]);
        let child = command.stdin(Stdio::null()).stdout(Stdio::null()).spawn().unwrap();
        Adapter(child, port)
    }

    /// The first who comes is its client, so that nobody tries before.
    fn client(&self) -> Client {
        Client::on(eventually(|| TcpStream::connect(("127.0.0.1", self.1)).ok()))
    }
}

impl Drop for Adapter {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// The editor listens, and the target comes to it; also a second time.
fn by_connecting(python: &Python) {
    let folder = Folder::new();
    let service = Service::start(python, &folder, WORK);
    for _ in 0..2 {
        let adapter = Adapter::start(python);
        let (mut client, wanted) = (adapter.client(), free_port());
        let listen = json!({"listen": {"host": "127.0.0.1", "port": wanted}});
        let attached = client.begin(&listen);
        client.event("debugpyWaitingForServer");
        let endpoint = format!("127.0.0.1:{wanted}");
        let mut running = Running::start(&service.target, &["--connect", &endpoint, "--break"]);
        client.configure(attached, &[]);
        let ready = running.says();
        assert_eq!([&ready["outcome"], &ready["mode"]], ["connected", "connect"], "{ready:#}");
        assert_eq!(port(&ready), wanted);
        assert_eq!(ready["launch"]["listen"], json!({"host": "127.0.0.1", "port": wanted}));
        assert_eq!(running.says()["outcome"], "attached");
        let stop = client.stopped();
        assert_eq!(client.frames(stop.thread).last().unwrap().0, "<module>");
        assert_eq!(running.says()["breakInjected"], true);
        assert_eq!(running.ends(), Some(0));
        client.go_on(stop.thread);
        client.disconnect();
        service.proves_to_run();
    }
}

/// It says so at once, and spoils nothing.
fn by_connecting_to_nobody(python: &Python) {
    let folder = Folder::new();
    let service = Service::start(python, &folder, WORK);
    let endpoint = format!("127.0.0.1:{}", free_port());
    let ran = debug(&service.target, &["--connect", &endpoint]);
    ran.expect_stop("failed", "session", "target-error");
    let json = ran.json();
    assert_eq!(json["error"]["type"], "ConnectionRefusedError");
    assert!(json["hint"].as_str().unwrap().contains("start the client first"), "{json:#}");
    let ran = debug(&service.target, &[]);
    let json = ran.json();
    assert_eq!(json["outcome"], "listening", "{json:#}");
    Client::attach(port(&json), &[]).disconnect();
    // Then there is a session, and one is all that there can be.
    let somebody = TcpListener::bind(("127.0.0.1", 0)).unwrap();
    let endpoint = somebody.local_addr().unwrap().to_string();
    let ran = debug(&service.target, &["--connect", &endpoint]);
    ran.expect_stop("failed", "session", "target-error");
    let message = ran.json()["error"]["message"].as_str().unwrap().to_owned();
    assert!(message.contains("already debugged: listening 127.0.0.1:"), "{message}");
}
