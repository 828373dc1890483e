//! Arrows only downwards, read from cargo's own view of the workspace.

use std::collections::{BTreeMap, BTreeSet};
use std::process::Command;

use serde_json::Value;

/// Our crates and what each may use of ours. What is not listed is forbidden; above all there is
/// no arrow between `softdock-attach` and `softdock-cpython`: CPython's layout is told twice, so
/// that a wrong telling is caught by the other one.
const ALLOWED: [(&str, &[&str]); 11] = [
    ("softdock-process", &[]),
    ("softdock-attach", &["softdock-process"]),
    ("softdock-stepping", &["softdock-process"]),
    // What runs in a target and what it tells knows nothing of how it gets there.
    ("softdock-debugpy", &[]),
    ("softdock-live", &["softdock-process"]),
    ("softdock-memory", &["softdock-process"]),
    ("softdock-cpython", &["softdock-process", "softdock-memory"]),
    ("softdock-clr", &["softdock-process", "softdock-memory"]),
    ("softdock-mutants", &[]),
    ("softdock-races", &["softdock", "softdock-attach", "softdock-process", "softdock-stepping"]),
    (
        "softdock",
        &[
            "softdock-process",
            "softdock-attach",
            "softdock-live",
            "softdock-memory",
            "softdock-cpython",
            "softdock-stepping",
            "softdock-debugpy",
            "softdock-clr",
        ],
    ),
];

/// Crates that are people's dependency and the simulator's ground: nothing from outside.
const BARE: [&str; 6] = [
    "softdock-process",
    "softdock-attach",
    "softdock-stepping",
    "softdock-memory",
    "softdock-cpython",
    "softdock-clr",
];

/// Each package of the workspace with its normal dependencies.
fn dependencies() -> BTreeMap<String, BTreeSet<String>> {
    let output = Command::new(env!("CARGO"))
        .args(["metadata", "--format-version", "1", "--no-deps", "--offline"])
        .current_dir(env!("CARGO_MANIFEST_DIR"))
        .output()
        .expect("cargo runs");
    let metadata: Value = serde_json::from_slice(&output.stdout).expect("cargo prints JSON");
    let packages = metadata["packages"].as_array().expect("packages");
    let normal = |package: &Value| {
        let dependencies = package["dependencies"].as_array().expect("dependencies").iter();
        let normal = dependencies.filter(|dependency| dependency["kind"].is_null());
        normal.map(|dependency| dependency["name"].as_str().expect("a name").into()).collect()
    };
    packages.iter().map(|p| (p["name"].as_str().expect("a name").into(), normal(p))).collect()
}

#[test]
fn arrows_point_downwards() {
    let dependencies = dependencies();
    let known: BTreeSet<&str> = ALLOWED.iter().map(|(name, _)| *name).collect();
    let found: BTreeSet<&str> = dependencies.keys().map(String::as_str).collect();
    assert_eq!(found, known, "a new crate needs a place in the layers");
    for (name, allowed) in ALLOWED {
        let ours = dependencies[name].iter().filter(|other| known.contains(other.as_str()));
        let forbidden: Vec<_> = ours.filter(|other| !allowed.contains(&other.as_str())).collect();
        assert!(forbidden.is_empty(), "{name} must not use {forbidden:?}");
    }
}

#[test]
fn the_ground_has_no_outside_dependencies() {
    let dependencies = dependencies();
    for name in BARE {
        let outside: Vec<_> =
            dependencies[name].iter().filter(|other| !other.starts_with("softdock")).collect();
        assert!(outside.is_empty(), "{name} must stay without {outside:?}");
    }
}
