//! What an editor must be told to connect: the entry of a `launch.json`, ready to be pasted.

use serde::Serialize;

use crate::endpoint::{Endpoint, Host};
use crate::stub::Mode;

/// An entry of `configurations` in VS Code's `launch.json`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct LaunchConfiguration {
    name: String,
    r#type: &'static str,
    request: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    connect: Option<Endpoint>,
    #[serde(skip_serializing_if = "Option::is_none")]
    listen: Option<Endpoint>,
}

impl LaunchConfiguration {
    /// The entry for a process, and where its session is. Who connects and who listens are the
    /// other way round for the editor.
    #[must_use]
    pub fn new(pid: u32, mode: &Mode) -> LaunchConfiguration {
        let (connect, listen) = match mode {
            Mode::Listen(endpoint) => (Some(from_here(endpoint)), None),
            Mode::Connect(endpoint) => (None, Some(endpoint.clone())),
        };
        LaunchConfiguration {
            name: format!("Python: attach to process {pid}"),
            r#type: "debugpy",
            request: "attach",
            connect,
            listen,
        }
    }

    /// The entry as text, in lines.
    #[must_use]
    pub fn text(&self) -> String {
        serde_json::to_string_pretty(self).unwrap_or_default()
    }

    /// What Visual Studio takes for a connection target; none when the editor has to listen.
    #[must_use]
    pub fn visual_studio(&self) -> Option<String> {
        self.connect.as_ref().map(|endpoint| format!("tcp://{endpoint}"))
    }
}

/// Where to connect to, on the target's own machine, when it listens on all of its addresses.
fn from_here(endpoint: &Endpoint) -> Endpoint {
    let mut endpoint = endpoint.clone();
    if endpoint.host.is_unspecified()
        && let Ok(host) = "localhost".parse::<Host>()
    {
        endpoint.host = host;
    }
    endpoint
}

#[cfg(test)]
mod tests {
    use super::*;

    fn listening(endpoint: &str) -> LaunchConfiguration {
        LaunchConfiguration::new(4711, &Mode::Listen(endpoint.parse().unwrap()))
    }

    #[test]
    fn the_entry_connects_to_a_target_that_listens() {
        let entry = listening("127.0.0.1:5678");
        assert_eq!(
            entry.text(),
            "{\n  \"name\": \"Python: attach to process 4711\",\n  \"type\": \"debugpy\",\n  \
             \"request\": \"attach\",\n  \"connect\": {\n    \"host\": \"127.0.0.1\",\n    \
             \"port\": 5678\n  }\n}"
        );
        assert_eq!(entry.visual_studio().as_deref(), Some("tcp://127.0.0.1:5678"));
    }

    #[test]
    fn the_entry_listens_for_a_target_that_connects() {
        let entry = LaunchConfiguration::new(7, &Mode::Connect("[::1]:5678".parse().unwrap()));
        let json = serde_json::to_value(&entry).unwrap();
        assert_eq!(json["listen"]["host"], "::1");
        assert_eq!(json.get("connect"), None);
        assert_eq!(entry.visual_studio(), None);
    }

    #[test]
    fn all_addresses_are_reached_by_one() {
        let json = serde_json::to_value(listening("0.0.0.0:5678")).unwrap();
        assert_eq!(json["connect"]["host"], "localhost");
        assert_eq!(listening("[::]:1").visual_studio().as_deref(), Some("tcp://localhost:1"));
    }
}
