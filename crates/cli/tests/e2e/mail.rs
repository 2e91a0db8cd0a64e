//! `notification`: a letter arrives, even if the mail server and the schedd were away when it was
//! written.

use std::io::{BufRead, BufReader, Write};
use std::net::TcpListener;

use crate::harness::{HeldPort, Pool, eventually};

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

#[test]
fn a_letter_survives_an_absent_server_and_a_killed_schedd() {
    let port = HeldPort::any();
    let pool = Pool::start_with_mail(1, &format!("smtp://{}", port.address()));
    pool.submit(
        "executable = /bin/sh\narguments = \"-c 'exit 3'\"\nnotification = complete\n\
         notify_user = alice@example.org\nemail_attributes = RequestCpus, Project\n+Project = \"x\"\nqueue\n",
    );
    pool.until("1.0", "JobStatus", "4");
    pool.kill_and_see_it_return("schedd");
    // The body is quoted-printable.
    let letter = take_a_letter(&port.listen()).replace("=3D", "=");
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

/// What a sendmail of ours has taken, a letter after the other.
fn sent(pool: &Pool) -> String {
    std::fs::read_to_string(pool.work().join("sent")).unwrap_or_default().replace("=3D", "=")
}

/// A pool whose letters a program of ours takes, after this line of shell.
fn pool_with_sendmail(first: &str) -> Pool {
    let folder = tempfile::tempdir().unwrap().keep();
    let program = folder.join("sendmail");
    let pool = Pool::start_with_mail(2, &format!("sendmail:{}", program.display()));
    let sent = pool.work().join("sent");
    let script = format!("#!/bin/sh\n{first}\ncat >> {}\n", sent.display());
    std::fs::write(&program, script).unwrap();
    let mode = std::os::unix::fs::PermissionsExt::from_mode(0o755);
    std::fs::set_permissions(&program, mode).unwrap();
    pool
}

#[test]
fn pbs_tells_in_its_words_when_a_job_begins_ends_and_is_aborted() {
    let pool = pool_with_sendmail("");
    let words = ["qsub", "-N", "mailed", "-m", "abe", "-M", "eve@example.org", "--"];
    pool.ok(&[&words[..], &["/bin/sh", "-c", "exit 7"]].concat());
    eventually("it is told that the job has ended", || sent(&pool).contains("Exit_status=7\r\n"));
    // Each letter has a program of its own that writes it.
    for wanted in [
        "To: eve@example.org",
        "Subject: PBS JOB 1.",
        "PBS Job Id: 1.",
        "Job Name:   mailed\r\nBegun execution",
        "Job Name:   mailed\r\nExecution terminated\r\nExit_status=7\r\nresources_used.cpupercent=",
        "resources_used.ncpus=1",
    ] {
        eventually(&format!("{wanted:?} is told"), || sent(&pool).contains(wanted));
    }
    pool.ok(&["qsub", "-J", "1-2", "-N", "array", "-m", "be", "--", "/bin/true"]);
    eventually("the array has ended", || sent(&pool).matches("Job Name:   array").count() == 2);
    pool.ok(&["qsub", "-N", "late", "-l", "walltime=1", "--", "/bin/sleep", "60"]);
    eventually("it was aborted", || sent(&pool).contains("Job exceeded resource walltime"));
    assert_eq!(sent(&pool).matches("Subject: PBS JOB 2[]").count(), 2);
    assert_eq!(sent(&pool).matches("Job Name:   late").count(), 1);
}

#[test]
fn a_mail_program_that_never_ends_holds_up_no_job() {
    let pool = pool_with_sendmail("sleep 600");
    for _ in 0..5 {
        pool.ok(&["qsub", "-W", "block=true", "-m", "abe", "--", "/bin/true"]);
    }
}
