//! The settings of one attempt: an immutable value, taken once from wherever the caller keeps
//! them. The engine never looks at an environment.

use softdock_process::Address;

/// Which thread shall run the script.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub enum ThreadChoice {
    /// The interpreter's main thread, as `sys.remote_exec` would.
    #[default]
    Main,
    /// A thread that is executing Python code now, else the main thread.
    Any,
    /// The thread of this native id, as the target numbers it.
    Native(u64),
}

/// Whether flex parsing may be used.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub enum Flex {
    /// It runs when all else fails; its result is used for writing only when the mapped file
    /// proves it.
    #[default]
    Auto,
    /// It never runs.
    Never,
    /// Its result may be used for writing on the structural proof alone.
    Allowed,
}

/// The settings of one attempt.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Config {
    /// Refuse at once, without touching the target.
    pub disabled: bool,
    /// A mixed-mode session owns the target: refuse at once.
    pub mixed_mode: bool,
    /// Whether anything may be written; without, the attempt is a dry run.
    pub write: bool,
    /// Which thread to ask.
    pub thread: ThreadChoice,
    /// Which interpreter, by its id; the main one is 0.
    pub interpreter: i64,
    /// Whether flex parsing may be used.
    pub flex: Flex,
    /// Write on the structural proof where the mapped file cannot be read and the layout is not a
    /// known one, and where the target's policy cannot be read.
    pub allow_unproven: bool,
    /// Scan memory for a thread state when the lists lead to none.
    pub heuristic: bool,
    /// Consider runtimes known by an exported symbol only.
    pub allow_export: bool,
    /// Use them when all else fails; without [`Config::allow_export`] it has no effect.
    pub allow_export_fallback: bool,
    /// Use the caller's cache entry.
    pub use_cache: bool,
    /// Use this thread state instead of looking for one. It is validated like any other.
    pub forced_thread: Option<Address>,
    /// Stop the target while it is looked at for the last time and written to, which closes the
    /// windows in which it could move between our last look and a write.
    pub freeze: bool,
    /// After arming, wait for the target to take the script.
    pub confirm: bool,
    /// Ask for details that cost something to collect.
    pub verbose: bool,
}

impl Default for Config {
    fn default() -> Config {
        Config {
            disabled: false,
            mixed_mode: false,
            write: true,
            thread: ThreadChoice::Main,
            interpreter: 0,
            flex: Flex::Auto,
            allow_unproven: false,
            heuristic: false,
            allow_export: false,
            allow_export_fallback: false,
            use_cache: true,
            forced_thread: None,
            freeze: false,
            confirm: false,
            verbose: false,
        }
    }
}

/// Variables of this prefix that are not known are worth a warning: a typo in one would silently
/// do nothing.
const PREFIX: &str = "PTVS_SAFE_ATTACH_";

impl Config {
    /// The settings that a set of environment variables asks for, and a warning for each variable
    /// that is not known or cannot be read. A switch is on when its value is exactly `1`.
    pub fn from_variables<'v>(
        variables: impl IntoIterator<Item = (&'v str, &'v str)>,
    ) -> (Config, Vec<String>) {
        let mut config = Config::default();
        let mut warnings = Vec::new();
        for (name, value) in variables {
            if let Err(warning) = config.set(name, value) {
                warnings.push(warning);
            }
        }
        (config, warnings)
    }

    fn set(&mut self, name: &str, value: &str) -> Result<(), String> {
        let on = value == "1";
        if name == "PTVS_MIXED_MODE" {
            self.mixed_mode = on;
            return Ok(());
        }
        let Some(switch) = name.strip_prefix(PREFIX) else { return Ok(()) };
        match switch {
            "MANAGED_DISABLE" => self.disabled = on,
            "MANAGED_WRITE" => self.write = value != "0",
            "MANAGED_NO_CACHE" => self.use_cache = !on,
            "MANAGED_TEST_TSTATE" => self.forced_thread = Some(forced(name, value)?),
            "FLEX_FALLBACK" => self.flex = flex(value),
            "FORCE_HEURISTIC" => self.heuristic = on,
            "ALLOW_EXPORT" => self.allow_export = on,
            "ALLOW_EXPORT_FALLBACK" => self.allow_export_fallback = on,
            "VERBOSE" => self.verbose = on,
            // Read by the loader and the front ends, not by the engine.
            "FORCE_CONNECT" | "LEGACY_PTvsd" | "LOADER_OVERRIDE" | "LOADER_VERBOSE" => {}
            _ => return Err(format!("unknown variable {name}: nothing was set by it")),
        }
        Ok(())
    }
}

fn flex(value: &str) -> Flex {
    match value {
        "1" => Flex::Allowed,
        "0" => Flex::Never,
        _ => Flex::Auto,
    }
}

fn forced(name: &str, value: &str) -> Result<Address, String> {
    let digits = value.strip_prefix("0x").unwrap_or(value);
    u64::from_str_radix(digits, 16)
        .map(Address::new)
        .map_err(|_| format!("{name}={value}: expected an address in hexadecimal, as 0x7f0012340"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn config(variables: &[(&str, &str)]) -> (Config, Vec<String>) {
        Config::from_variables(variables.iter().copied())
    }

    #[test]
    fn a_switch_is_on_when_its_value_is_exactly_1() {
        for (value, on) in [("1", true), ("0", false), ("true", false), ("", false), ("11", false)]
        {
            assert_eq!(config(&[("PTVS_SAFE_ATTACH_MANAGED_DISABLE", value)]).0.disabled, on);
            assert_eq!(config(&[("PTVS_MIXED_MODE", value)]).0.mixed_mode, on);
            assert_eq!(config(&[("PTVS_SAFE_ATTACH_FORCE_HEURISTIC", value)]).0.heuristic, on);
            assert_eq!(config(&[("PTVS_SAFE_ATTACH_MANAGED_NO_CACHE", value)]).0.use_cache, !on);
        }
    }

    #[test]
    fn flex_has_three_states() {
        for (value, flex) in [("1", Flex::Allowed), ("0", Flex::Never), ("", Flex::Auto)] {
            assert_eq!(config(&[("PTVS_SAFE_ATTACH_FLEX_FALLBACK", value)]).0.flex, flex);
        }
        assert_eq!(config(&[]).0.flex, Flex::Auto);
    }

    #[test]
    fn an_unknown_variable_warns_and_changes_nothing() {
        let (config, warnings) =
            config(&[("PTVS_SAFE_ATTACH_FORCE_HEURISTICS", "1"), ("PATH", "/bin")]);
        assert_eq!(config, Config::default());
        assert_eq!(warnings.len(), 1);
        assert!(warnings.iter().all(|w| w.contains("FORCE_HEURISTICS")));
    }

    #[test]
    fn a_forced_thread_is_hexadecimal_or_a_warning() {
        let name = "PTVS_SAFE_ATTACH_MANAGED_TEST_TSTATE";
        assert_eq!(config(&[(name, "0x7f00")]).0.forced_thread, Some(Address::new(0x7f00)));
        let (config, warnings) = config(&[(name, "main")]);
        assert_eq!((config.forced_thread, warnings.len()), (None, 1));
    }
}
