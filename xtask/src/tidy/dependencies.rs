//! Dependencies point one way (design: `classad <- model <- {jobspec, proto}`; no daemon depends on
//! a daemon), and each heavy library has one home. Read from `cargo metadata`, so what is checked
//! is what is linked.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use anyhow::{Context, Result};
use cargo_metadata::{DependencyKind, Metadata, MetadataCommand, PackageId};

/// Which of our crates each of our crates may use. A crate that is not named here is refused until
/// it is.
const ALLOWED: &[(&str, &[&str])] = &[
    ("classad", &[]),
    ("model", &["classad"]),
    ("jobspec", &["classad", "model"]),
    ("proto", &["classad", "model"]),
    ("client", &["classad", "jobspec", "model", "proto"]),
    ("launcher", &[]),
    ("schedd", &["classad", "launcher", "model", "proto"]),
    ("negotiator", &["classad", "model", "proto"]),
    ("startd", &["classad", "launcher", "model", "proto"]),
    ("dagman", &["classad", "client", "jobspec", "launcher", "model", "proto"]),
    (
        "cli",
        &[
            "classad",
            "client",
            "dagman",
            "jobspec",
            "launcher",
            "model",
            "negotiator",
            "proto",
            "schedd",
            "startd",
        ],
    ),
    (
        "updraft-tests",
        &[
            "classad",
            "cli",
            "client",
            "dagman",
            "jobspec",
            "launcher",
            "model",
            "negotiator",
            "proto",
            "schedd",
            "startd",
        ],
    ),
    ("xtask", &[]),
];

/// Libraries with few homes: who may use each directly.
const HOMES: &[(&str, &[&str])] = &[
    ("sqlx", &["schedd"]),
    ("lettre", &["schedd"]),
    ("rustls", &["proto"]),
    ("tokio-rustls", &["proto"]),
    ("pest", &["classad", "jobspec", "dagman"]),
    ("libc", &["launcher", "updraft-tests"]),
];

/// Crates that must not reach these libraries, even through others: what makes "no IO" a fact and
/// not a habit.
const PURE: &[&str] = &["classad", "model", "jobspec"];
const IMPURE: &[&str] = &["tokio", "sqlx", "nix", "rustls"];

/// Checks the graph of dependencies.
pub(super) fn check(root: &Path) -> Result<Vec<String>> {
    let metadata = MetadataCommand::new().current_dir(root).exec().context("run cargo metadata")?;
    let mut violations = direct(&metadata);
    violations.extend(transitive(&metadata));
    Ok(violations)
}

fn direct(metadata: &Metadata) -> Vec<String> {
    let ours: BTreeSet<&str> =
        metadata.workspace_packages().iter().map(|p| p.name.as_str()).collect();
    let mut violations = Vec::new();
    for package in metadata.workspace_packages() {
        let name = package.name.as_str();
        let Some((_, allowed)) = ALLOWED.iter().find(|(of, _)| *of == name) else {
            violations.push(format!("crate {name} has no row in the table of allowed dependencies (xtask/src/tidy/dependencies.rs)"));
            continue;
        };
        for dependency in package.dependencies.iter().filter(|d| d.kind == DependencyKind::Normal) {
            let on = dependency.name.as_str();
            if ours.contains(on) && !allowed.contains(&on) {
                violations.push(format!(
                    "crate {name} must not depend on {on}: dependencies point one way"
                ));
            }
            if let Some((_, homes)) = HOMES.iter().find(|(library, _)| *library == on)
                && !homes.contains(&name)
            {
                violations.push(format!(
                    "crate {name} must not use {on}: its home is {}",
                    homes.join(", ")
                ));
            }
        }
    }
    violations
}

fn transitive(metadata: &Metadata) -> Vec<String> {
    let Some(resolve) = &metadata.resolve else {
        return vec!["cargo metadata gave no resolved graph".to_owned()];
    };
    let edges: BTreeMap<&PackageId, Vec<&PackageId>> = resolve
        .nodes
        .iter()
        .map(|node| {
            let normal = node
                .deps
                .iter()
                .filter(|d| d.dep_kinds.iter().any(|k| k.kind == DependencyKind::Normal));
            (&node.id, normal.map(|d| &d.pkg).collect())
        })
        .collect();
    let mut violations = Vec::new();
    for package in metadata.workspace_packages().iter().filter(|p| PURE.contains(&p.name.as_str()))
    {
        let mut reached = BTreeSet::new();
        let mut waiting = vec![&package.id];
        while let Some(id) = waiting.pop() {
            if reached.insert(id) {
                waiting.extend(edges.get(id).into_iter().flatten());
            }
        }
        for id in reached {
            let name = metadata[id].name.as_str();
            if IMPURE.contains(&name) {
                violations.push(format!(
                    "crate {} reaches {name}: it must stay free of IO",
                    package.name
                ));
            }
        }
    }
    violations
}
