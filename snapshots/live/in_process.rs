//! `softdock debug --in-process`: debugpy without an adapter is as good for an editor, and leaves
//! out the process.

use std::path::Path;

use serde_json::json;

use crate::Situation;
use crate::clients::{Running, port};
use crate::dap::Client;
use crate::debug::{debug_and_expect, debuggable, fails_where_the_port_is_busy, free_port};
use crate::predicaments::adapter_at;
use crate::pythons::Python;
use crate::service::{Service, WORK, WORK_LINE};
use crate::target::Folder;

pub(crate) fn situations() -> Vec<Situation> {
    vec![
        debuggable("in-process-all-that-an-editor-does", all_that_an_editor_does),
        debuggable("in-process-and-lose-the-editor", and_lose_the_editor),
        debuggable("in-process-and-stop-where-it-is", and_stop_where_it_is),
        debuggable("in-process-where-the-port-is-busy", where_the_port_is_busy),
    ]
}

/// From the command to a second session, and a second command that leads to the same place.
fn all_that_an_editor_does(python: &Python) {
    let folder = Folder::new();
    // As in a server with a Python inside: it could not start an adapter.
    let work = WORK.replace("sys.argv[1]", "'/usr/sbin/server'");
    let service = Service::start(python, &folder, &work);
    let wanted = free_port();
    let (port, first) =
        debug_and_expect(&service.target, &["--in-process", "--port", &wanted.to_string()]);
    assert_eq!((port, &first["reused"]), (wanted, &json!(false)));
    assert_eq!(adapter_at(port), None);
    for _ in 0..2 {
        let mut client = Client::attach(port, &[(&service.file, WORK_LINE)]);
        let stop = client.stopped();
        assert_eq!(stop.reason, "breakpoint");
        let frames = client.frames(stop.thread);
        assert_eq!((frames[0].0.as_str(), frames[0].1), ("inner", u64::from(WORK_LINE)));
        let number: u64 = client.evaluate("number", frames[0].2).parse().unwrap();
        assert_eq!(client.evaluate("number * 2", frames[0].2), (number * 2).to_string());
        client.ask("next", &json!({"threadId": stop.thread}));
        assert_eq!(client.stopped().reason, "step");
        client.set_breakpoints(&service.file, &[]);
        client.go_on(stop.thread);
        client.ask("pause", &json!({"threadId": stop.thread}));
        let paused = client.stopped();
        assert_eq!(paused.reason, "pause");
        client.go_on(paused.thread);
        client.disconnect();
        service.proves_to_run();
        let (again, json) = debug_and_expect(&service.target, &[]);
        assert_eq!((again, &json["reused"]), (port, &json!(true)));
    }
    assert_eq!(service.target.errors(), "");
}

/// It goes without a word while the program stands at a breakpoint. An adapter would let the
/// program go on then; here it stands until the next editor comes, which can do that.
fn and_lose_the_editor(python: &Python) {
    let folder = Folder::new();
    let service = Service::start(python, &folder, WORK);
    let (port, _) = debug_and_expect(&service.target, &["--in-process"]);
    for _ in 0..3 {
        let mut client = Client::attach(port, &[(&service.file, WORK_LINE)]);
        let stop = client.stopped();
        drop(client);
        let mut client = Client::attach(port, &[]);
        client.go_on(stop.thread);
        service.proves_to_run();
    }
    service.proves_to_run();
    assert_eq!(service.target.errors(), "");
}

fn and_stop_where_it_is(python: &Python) {
    let folder = Folder::new();
    let service = Service::start(python, &folder, WORK);
    let mut running = Running::start(&service.target, &["--in-process", "--break"]);
    let mut client = Client::attach(port(&running.says()), &[]);
    assert_eq!(running.says()["outcome"], "attached");
    let stop = client.stopped();
    assert_eq!(running.says()["breakInjected"], true);
    assert_eq!(running.ends(), Some(0));
    let stack = client.ask("stackTrace", &json!({"threadId": stop.thread}));
    let file = stack["stackFrames"][0]["source"]["path"].as_str().unwrap();
    assert_eq!(Path::new(file), service.file, "{stack:#}");
    client.go_on(stop.thread);
    client.disconnect();
    service.proves_to_run();
    assert_eq!(service.target.errors(), "");
}

/// debugpy would complain in the middle of the program, and tell us nothing.
fn where_the_port_is_busy(python: &Python) {
    fails_where_the_port_is_busy(python, &["--in-process"]);
}
