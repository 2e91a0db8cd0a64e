//! The user guide is true: its submit files are written and its commands are run, page by page,
//! each in a pool of its own.
//!
//! A page's fenced blocks: `submit file=NAME` is a submit file of that name; `sh` is run by a
//! shell, in order, and must succeed; `sh,ignore` is run by nobody (it would stop the pool, or
//! never end); anything else is only shown.

use std::fmt::Write as _;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use crate::harness::{Pool, text, updraft};

/// A fenced block of a page.
struct Block {
    info: String,
    body: String,
}

fn guide() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/user")
}

fn blocks(page: &str) -> Vec<Block> {
    let mut blocks: Vec<Block> = Vec::new();
    let mut inside = false;
    for line in page.lines() {
        match line.strip_prefix("```") {
            Some(info) if !inside => {
                blocks.push(Block { info: info.trim().to_owned(), body: String::new() });
                inside = true;
            }
            Some(_) => inside = false,
            None if inside => {
                let block = blocks.last_mut().expect("a block was begun");
                writeln!(block.body, "{line}").unwrap();
            }
            None => {}
        }
    }
    assert!(!inside, "a block has no end");
    blocks
}

/// Runs a page; returns how many blocks were run.
fn run_page(page: &str) -> usize {
    let text_of_page = fs::read_to_string(guide().join(page)).unwrap();
    let pool = Pool::start(2);
    let program = updraft();
    let path = format!(
        "{}:{}",
        program.parent().unwrap().display(),
        std::env::var("PATH").unwrap_or_default()
    );
    let mut ran = 0;
    for block in blocks(&text_of_page) {
        if let Some(name) = block.info.strip_prefix("submit file=") {
            fs::write(pool.work().join(name), &block.body).unwrap();
        } else if block.info == "sh" {
            let out = Command::new("sh")
                .args(["-eux", "-c", &block.body])
                .env("UPDRAFT_HOME", pool.home())
                .env("PATH", &path)
                .current_dir(pool.work())
                .stdin(Stdio::null())
                .output()
                .unwrap();
            assert!(out.status.success(), "{page}:\n{}{}", block.body, text(&out));
            ran += 1;
        }
    }
    ran
}

#[test]
fn every_page_says_what_works() {
    let mut ran = 0;
    for page in [
        "first-pool.md",
        "submitting.md",
        "watching.md",
        "acting.md",
        "files.md",
        "events.md",
        "troubleshooting.md",
        "from-pbs.md",
    ] {
        ran += run_page(page);
    }
    assert!(ran >= 15, "only {ran} blocks were run");
}

#[test]
fn every_page_is_in_the_table_of_contents_and_no_other() {
    let summary = fs::read_to_string(guide().join("SUMMARY.md")).unwrap();
    let mut pages: Vec<String> = fs::read_dir(guide())
        .unwrap()
        .map(|entry| entry.unwrap().file_name().to_string_lossy().into_owned())
        .filter(|name| name.ends_with(".md") && name != "SUMMARY.md")
        .collect();
    pages.sort();
    let mut listed: Vec<String> = summary
        .split("](")
        .skip(1)
        .filter_map(|rest| rest.split_once(')').map(|(page, _)| page.to_owned()))
        .collect();
    listed.sort();
    assert_eq!(listed, pages);
}
