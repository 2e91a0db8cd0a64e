//! What went wrong where others let machines join (a survey of nine systems): here it must not.
//! Each row is the name of a test; those without processes stand where their rules are.
//!
//! | what users met | test |
//! |---|---|
//! | identities that were not renewed put all nodes out at one minute | `registrar`: all that are due are renewed together; what a machine has is renewed from half of its life |
//! | an identity that expired in a long partition could not be renewed | `roll`: never out for a date; `registrar`: also years after it |
//! | a node removed as garbage could not come back | `registrar`: a machine that was away for years is still in |
//! | the operator's token and a node's were taken for each other | [`a_token_lets_join_and_nothing_else_and_one_that_is_refused_says_why`] |
//! | TLS turned on in a running cluster lost nodes | [`a_pool_that_runs_is_opened_to_others_and_its_authority_is_replaced_while_jobs_go_on`] |
//! | rotating while tokens exist degraded the cluster; a deleted node cannot come back | `registrar`: a token that was given before a rotation; a machine that was put out comes back |
//! | one key at a time, read at the start only | the same e2e test as for TLS; `tls`: both are believed at both ends |
//! | changing authentication means draining all jobs | the same |
//! | the pool's signing key lies on every node | [`no_machine_that_joined_has_anything_that_signs`] |
//! | approval by network lets anybody in | `tls`: who is not on the roll does not come in; only who is invited joins |
//! | a token is ignored and nothing says why | [`a_token_lets_join_and_nothing_else_and_one_that_is_refused_says_why`] |
//! | a host's name on 127.0.1.1 ends daemons silently | [`what_a_machine_is_called_need_not_lead_to_it`]; the doctor names what is wrong |
//! | stopping the server stops all jobs | `joined`: a machine's jobs go on while every daemon at both ends is killed |
//! | a lost worker that comes back confuses the books | `xtask hosts`: each job's record once |

use std::fs;
use std::process::Command;

use crate::harness::{Pool, events, eventually, text};
use crate::joined::{Node, invite, listening, nodes};

#[test]
fn a_pool_that_runs_is_opened_to_others_and_its_authority_is_replaced_while_jobs_go_on() {
    let pool = Pool::start(1);
    let go = pool.work().join("go");
    let waiting = |log: &str, more: &str| {
        pool.submit(&format!(
            "executable = /bin/sh\narguments = -c 'while [ ! -e {} ]; do sleep 0.05; done'\n\
             log = {log}\n{more}queue\n",
            go.display()
        ));
        let log = pool.work().join(log);
        eventually("it runs", || events(&log, "001") == 1);
        log
    };
    let here = waiting("here.log", "");
    crate::joined::open(&pool);
    let _node = Node::joined(&pool, "exec1");
    let there = waiting("there.log", "requirements = Machine == \"exec1\"\n");
    pool.ok(&["pool", "rotate"]);
    eventually("the machine has heard of it", || nodes(&pool)["nodes"][0]["is_newest"] == true);
    pool.ok(&["pool", "rotate", "--finish"]);
    eventually("it is there", || nodes(&pool)["nodes"][0]["is_here"] == true);
    fs::write(&go, "").unwrap();
    for log in [here, there] {
        eventually("it has ended, and has begun once", || events(&log, "005") == 1);
        assert_eq!((events(&log, "001"), events(&log, "004"), events(&log, "022")), (1, 0, 0));
    }
}

#[test]
fn no_machine_that_joined_has_anything_that_signs() {
    let pool = listening(1);
    let node = Node::joined(&pool, "exec1");
    let names = fs::read_dir(node.home().join("trust")).unwrap();
    let names: Vec<_> = names.map(|entry| entry.unwrap().file_name()).collect();
    assert_eq!(names, ["papers.json"]);
    let papers = fs::read_to_string(node.home().join("trust/papers.json")).unwrap();
    assert_eq!(papers.matches("PRIVATE KEY-----").count(), 2, "the beginning and end of its own");
    // What it has makes it no pool: nobody is invited from there, put out or drained.
    let dir = node.home();
    for words in
        [&["pool", "invite"][..], &["pool", "revoke", "exec1"], &["pool", "drain", "exec1"]]
    {
        let out = pool.updraft(&[words, &["--dir", dir.to_str().unwrap()]].concat());
        assert!(!out.status.success(), "{words:?}: {}", text(&out));
    }
}

#[test]
fn a_token_lets_join_and_nothing_else_and_one_that_is_refused_says_why() {
    let pool = listening(1);
    let token = invite(&pool, &[]);
    assert!(token.starts_with("updraft-join/1/"), "it says what it is for: {token}");
    let node = Node::new(&pool);
    let out = node.join(&token, "exec1");
    assert!(out.status.success(), "{}", text(&out));
    // Used up, or for other machines: each with what to do.
    let again = Node::new(&pool).join(&token, "exec2");
    assert!(text(&again).contains("ask for a new one"), "{}", text(&again));
    let other = listening(1);
    let foreign = Node::new(&pool).join(&invite(&other, &["--name", "x*"]), "exec3");
    assert!(text(&foreign).contains("for machines called 'x*'"), "{}", text(&foreign));
}

#[test]
fn what_a_machine_is_called_need_not_lead_to_it() {
    let pool = listening(1);
    let named = "no-such-host.invalid";
    let looked_up = Command::new("getent").args(["hosts", named]).output();
    assert!(!looked_up.is_ok_and(|out| out.status.success()), "{named} leads somewhere");
    let _node = Node::joined(&pool, named);
    pool.submit(&format!(
        "executable = /bin/true\nlog = log\nrequirements = Machine == \"{named}\"\nqueue\n"
    ));
    eventually("it runs jobs", || events(&pool.work().join("log"), "005") == 1);
}
