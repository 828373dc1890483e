//! A client of the debug adapter protocol, as small as one can be: enough to be to debugpy what an
//! editor is. It waits for one thing at a time and keeps what came in between.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::path::Path;

use serde_json::{Value, json};

use crate::target::PATIENCE;

/// A connection to a debug adapter.
pub(crate) struct Client {
    stream: BufReader<TcpStream>,
    /// What was received while something else was waited for.
    received: Vec<Value>,
    requests: i64,
}

/// A place where a thread stands.
#[derive(Clone, Debug)]
pub(crate) struct Stop {
    pub(crate) thread: i64,
    pub(crate) reason: String,
}

impl Client {
    #[track_caller]
    pub(crate) fn connect(port: u16) -> Client {
        Client::on(TcpStream::connect(("127.0.0.1", port)).unwrap())
    }

    /// The same on a connection that is there.
    pub(crate) fn on(stream: TcpStream) -> Client {
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        stream.set_nodelay(true).unwrap();
        Client { stream: BufReader::new(stream), received: Vec::new(), requests: 0 }
    }

    /// Connects and does all that an editor does before its user can do anything.
    #[track_caller]
    pub(crate) fn attach(port: u16, breakpoints: &[(&Path, u32)]) -> Client {
        let mut client = Client::connect(port);
        let attached = client.begin(&json!({"justMyCode": true}));
        client.configure(attached, breakpoints);
        client
    }

    /// Introduces itself, and asks to attach; the answer comes only after the configuration.
    /// debugpy wants at least one argument.
    #[track_caller]
    pub(crate) fn begin(&mut self, attach: &Value) -> i64 {
        self.ask("initialize", &json!({"adapterID": "debugpy", "pathFormat": "path"}));
        self.send("attach", attach)
    }

    /// Sets breakpoints and says that this is all.
    #[track_caller]
    pub(crate) fn configure(&mut self, attached: i64, breakpoints: &[(&Path, u32)]) {
        self.event("initialized");
        for (path, line) in breakpoints {
            self.set_breakpoints(path, &[*line]);
        }
        self.ask("configurationDone", &json!({}));
        self.answer(attached);
    }

    /// Sets all breakpoints of a file; those that it had go.
    #[track_caller]
    pub(crate) fn set_breakpoints(&mut self, path: &Path, lines: &[u32]) {
        let lines: Vec<Value> = lines.iter().map(|line| json!({"line": line})).collect();
        let source = json!({"path": path});
        let set = self.ask("setBreakpoints", &json!({"source": source, "breakpoints": lines}));
        for breakpoint in set["breakpoints"].as_array().unwrap() {
            assert_eq!(breakpoint["verified"], true, "{set:#}");
        }
    }

    /// Sends a request; returns its number.
    #[track_caller]
    pub(crate) fn send(&mut self, command: &str, arguments: &Value) -> i64 {
        self.requests += 1;
        let message = json!({
            "seq": self.requests, "type": "request", "command": command, "arguments": arguments
        });
        let text = message.to_string();
        let head = format!("Content-Length: {}\r\n\r\n", text.len());
        self.stream.get_mut().write_all((head + &text).as_bytes()).unwrap();
        self.requests
    }

    /// The answer to a request. Any that is not a good one is a failure, asked for or not.
    #[track_caller]
    pub(crate) fn answer(&mut self, request: i64) -> Value {
        let is_answer =
            |message: &Value| message["type"] == "response" && message["request_seq"] == request;
        self.wait_for(is_answer)["body"].clone()
    }

    /// A request and its answer.
    #[track_caller]
    pub(crate) fn ask(&mut self, command: &str, arguments: &Value) -> Value {
        let request = self.send(command, arguments);
        self.answer(request)
    }

    /// The next event of this name.
    #[track_caller]
    pub(crate) fn event(&mut self, name: &str) -> Value {
        let event = self.wait_for(|message| message["type"] == "event" && message["event"] == name);
        event["body"].clone()
    }

    /// Waits until a thread stops.
    #[track_caller]
    pub(crate) fn stopped(&mut self) -> Stop {
        let body = self.event("stopped");
        Stop {
            thread: body["threadId"].as_i64().unwrap(),
            reason: body["reason"].as_str().unwrap().to_owned(),
        }
    }

    /// The frames of a thread that stands, the innermost first: function, line and number.
    #[track_caller]
    pub(crate) fn frames(&mut self, thread: i64) -> Vec<(String, u64, i64)> {
        let stack = self.ask("stackTrace", &json!({"threadId": thread}));
        let frames = stack["stackFrames"].as_array().unwrap().iter();
        let name = |frame: &Value| frame["name"].as_str().unwrap().to_owned();
        frames
            .map(|frame| {
                (name(frame), frame["line"].as_u64().unwrap(), frame["id"].as_i64().unwrap())
            })
            .collect()
    }

    /// What an expression is worth in a frame.
    #[track_caller]
    pub(crate) fn evaluate(&mut self, expression: &str, frame: i64) -> String {
        let arguments = json!({"expression": expression, "frameId": frame, "context": "repl"});
        let value = self.ask("evaluate", &arguments);
        value["result"].as_str().unwrap().to_owned()
    }

    /// Lets a thread go on.
    #[track_caller]
    pub(crate) fn go_on(&mut self, thread: i64) {
        self.ask("continue", &json!({"threadId": thread}));
    }

    /// Goes away, as an editor does that leaves the program running.
    #[track_caller]
    pub(crate) fn disconnect(mut self) {
        self.ask("disconnect", &json!({"terminateDebuggee": false}));
    }

    #[track_caller]
    fn wait_for(&mut self, wanted: impl Fn(&Value) -> bool) -> Value {
        if let Some(at) = self.received.iter().position(&wanted) {
            return self.received.remove(at);
        }
        loop {
            let message = self.receive();
            if wanted(&message) {
                return message;
            }
            self.received.push(message);
        }
    }

    #[track_caller]
    fn receive(&mut self) -> Value {
        let mut length = 0;
        loop {
            let mut line = String::new();
            let read = self.stream.read_line(&mut line);
            let told = format!("{:#?}", self.received);
            assert!(matches!(read, Ok(1..)), "the adapter says no more ({read:?}), after {told}");
            match line.trim_end() {
                "" => break,
                line => {
                    if let Some(number) = line.strip_prefix("Content-Length: ") {
                        length = number.parse().unwrap();
                    }
                }
            }
        }
        let mut text = vec![0; length];
        self.stream.read_exact(&mut text).unwrap();
        let message: Value = serde_json::from_slice(&text).unwrap();
        assert_ne!(message["success"], false, "{message:#}");
        message
    }
}
