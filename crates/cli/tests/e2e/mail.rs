//! `notification`: a letter arrives, even if the mail server and the schedd were away when it was
//! written.

use std::io::{BufRead, BufReader, Write};
use std::net::{SocketAddr, TcpListener};

use crate::harness::{Pool, eventually};

/// Takes one letter as a mail server does, and gives its envelope and its text.
fn take_a_letter(server: &TcpListener) -> String {
    let (stream, _) = server.accept().unwrap();
    let mut out = stream.try_clone().unwrap();
    let mut lines = BufReader::new(stream).lines().map(|line| line.unwrap());
    let mut letter = String::new();
    out.write_all(b"220 test\r\n").unwrap();
    while let Some(line) = lines.next() {
        letter += &format!("{line}\n");
        let answer: &[u8] = match line.split(' ').next().unwrap_or_default() {
            "DATA" => {
                out.write_all(b"354 go on\r\n").unwrap();
                letter.extend(lines.by_ref().take_while(|line| line != ".").map(|l| l + "\n"));
                b"250 taken\r\n"
            }
            "QUIT" => break,
            _ => b"250 ok\r\n",
        };
        out.write_all(answer).unwrap();
    }
    letter
}

/// An address where nobody listens yet.
fn address() -> SocketAddr {
    TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap()
}

#[test]
fn a_letter_survives_an_absent_server_and_a_killed_schedd() {
    let address = address();
    let pool = Pool::start_with_mail(1, &format!("smtp://{address}"));
    pool.submit(
        "executable = /bin/sh\narguments = \"-c 'exit 3'\"\nnotification = complete\n\
         notify_user = alice@example.org\nemail_attributes = RequestCpus, Project\n+Project = \"x\"\nqueue\n",
    );
    pool.until("1.0", "JobStatus", "4");
    pool.kill_and_see_it_return("schedd");
    let mut server = None;
    eventually("the port is free again", || {
        server = TcpListener::bind(address).ok();
        server.is_some()
    });
    // The body is quoted-printable.
    let letter = take_a_letter(&server.unwrap()).replace("=3D", "=");
    for wanted in [
        "RCPT TO:<alice@example.org>",
        "Subject: Job 1.0 ended with exit code 3",
        "Project = \"x\"",
        "RequestCpus = 1",
    ] {
        assert!(letter.contains(wanted), "no {wanted:?} in {letter}");
    }
}

#[test]
fn a_setting_that_is_no_way_to_send_mail_is_refused_at_the_start() {
    let dir = tempfile::tempdir().unwrap();
    let out = std::process::Command::new(crate::harness::updraft())
        .args(["pool", "start"])
        .env("UPDRAFT_HOME", dir.path())
        .env("UPDRAFT_MAIL", "pigeon")
        .output()
        .unwrap();
    assert_eq!(out.status.code(), Some(1));
    let said = String::from_utf8_lossy(&out.stderr);
    assert!(said.contains("'pigeon' is no way to send mail"), "{said}");
}
