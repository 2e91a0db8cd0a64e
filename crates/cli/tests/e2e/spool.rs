//! Jobs whose files are copied to the schedd (`submit -spool`) and fetched from there
//! (`transfer_data`). Which files these are, and where they go, is tested in `model`; that none
//! leads elsewhere, in `proto`.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;

use client::{AskError, Schedd};
use proto::files::Pieces;

use crate::harness::{Pool, events, eventually, text, updraft};

/// Submits with `-spool`, and gives the cluster's number.
fn spool(pool: &Pool, description: &str) -> String {
    fs::write(pool.work().join("job.sub"), description).unwrap();
    let said = pool.ok(&["submit", "-spool", "-terse", "job.sub"]);
    said.split('.').next().unwrap().to_owned()
}

/// The folder that the schedd has for a job.
fn folder(pool: &Pool, job: &str) -> PathBuf {
    pool.home().join("schedd/spool").join(job)
}

const PROGRAM: &str = "#!/bin/sh\nread line\necho \"$line $1 $(cat data) $(cat deep/inner) $(ls contents* | tr '\\n' ' ')\"\necho oops >&2\n\
                       echo made > made; mkdir out; echo two > out/two; echo changed > data\n";

fn make_inputs(pool: &Pool) {
    let path = |name: &str| pool.work().join(name);
    for made in ["in/deep", "in/contents"] {
        fs::create_dir_all(path(made)).unwrap();
    }
    fs::create_dir_all(path("bin")).unwrap();
    for (name, content) in [
        ("bin/program", PROGRAM),
        ("in/line", "from-the-submitter\n"),
        ("in/data", "data"),
        ("in/deep/inner", "inner"),
        ("in/contents/contents1", ""),
    ] {
        fs::write(path(name), content).unwrap();
    }
    // Whatever it is there, it is executable where it runs.
    fs::set_permissions(path("bin/program"), fs::Permissions::from_mode(0o644)).unwrap();
}

const DESCRIPTION: &str = "executable = bin/program\narguments = $(Process)\ninput = in/line\noutput = said/out.$(Process)\nerror = err.$(Process)\n\
                           log = job.log\ntransfer_input_files = in/data, in/deep, in/contents/\n\
                           transfer_output_files = made, out, data\n\
                           transfer_output_remaps = \"made=results/made.$(Process);data=data.$(Process)\"\n";

#[test]
fn a_spooled_job_needs_nothing_of_its_submitter_until_what_it_made_is_fetched() {
    let pool = Pool::start(2);
    make_inputs(&pool);
    let cluster = spool(&pool, &format!("{DESCRIPTION}queue 2\n"));
    for made in ["in", "bin"] {
        fs::remove_dir_all(pool.work().join(made)).unwrap();
    }
    let path = |name: &str| pool.work().join(name);
    eventually("both jobs are done", || pool.attribute(&cluster, "JobStatus") == ["4", "4"]);
    assert_eq!(pool.ok(&["q", &cluster, "-af", "ProcId"]), "0\n1\n", "they wait in the queue");
    assert!(!path("said").exists() && !path("job.log").exists() && !path("results").exists());
    let job = format!("{cluster}.0");
    let iwd = folder(&pool, &job).join("files");
    assert_eq!(pool.attribute(&job, "Iwd"), [iwd.to_str().unwrap()]);
    assert_eq!(pool.attribute(&job, "SUBMIT_Iwd"), [pool.work().to_str().unwrap()]);
    assert_eq!(pool.attribute(&job, "Cmd"), ["program"]);
    assert_eq!(pool.attribute(&job, "LastHoldReasonCode"), ["16"]);
    assert_eq!(pool.attribute(&job, "ReleaseReason"), ["Data files spooled"]);
    assert_eq!(pool.attribute(&job, "StageOutFinish"), ["undefined"]);

    pool.kill_and_see_it_return("schedd");
    // Twice: the second time changes nothing.
    for _ in 0..2 {
        let said = pool.ok(&["transfer_data", &cluster]);
        assert_eq!(said.lines().count(), 2, "{said}");
        let read = |name: &str| fs::read_to_string(path(name)).unwrap();
        let expected = "from-the-submitter 1 data inner contents1 \n";
        assert_eq!((read("said/out.1").as_str(), read("err.1").as_str()), (expected, "oops\n"));
        assert_eq!((read("results/made.0"), read("out/two")), ("made\n".into(), "two\n".into()));
        assert_eq!(read("data.1"), "changed\n");
        assert!(!path("deep").exists() && !path("program").exists(), "it came from there");
        for event in ["000", "012", "013", "001", "005"] {
            assert_eq!(events(&path("job.log"), event), 2, "{event}: {}", read("job.log"));
        }
    }
    let times = ["StageInStart", "StageInFinish", "StageOutStart", "StageOutFinish"]
        .map(|name| pool.attribute(&job, name)[0].parse::<i64>().unwrap());
    assert!(times.is_sorted(), "{times:?}");
    assert_eq!(pool.attribute(&job, "JobStatus"), ["4"], "it stays, as in HTCondor");
    assert!(iwd.join("made").exists());
    pool.ok(&["rm", &cluster]);
    eventually("nothing is left of it", || !folder(&pool, &job).exists());
    let none = pool.updraft(&["transfer_data", &cluster]);
    assert!(text(&none).contains("there is nothing to fetch: no such job is in the queue"));
    assert_eq!(none.status.code(), Some(1), "{}", text(&none));
    let none = pool.updraft(&["condor_transfer_data", &cluster]);
    assert_eq!(text(&none), "exit status: 0\nFetching data files...\n");
}

#[test]
fn a_job_that_wants_to_go_when_it_is_fetched_goes_and_one_in_the_folder_itself_runs_there() {
    let pool = Pool::start(1);
    fs::write(pool.work().join("program"), "#!/bin/sh\necho made > made; cat in; pwd").unwrap();
    fs::write(pool.work().join("in"), "in\n").unwrap();
    let stays = "leave_in_queue = JobStatus == 4 && (StageOutFinish ?: 0) == 0";
    for (n, kind) in ["should_transfer_files = no", "universe = local"].into_iter().enumerate() {
        let cluster = spool(
            &pool,
            &format!("executable = program\ninput = in\noutput = out{n}\n{kind}\n{stays}\nqueue\n"),
        );
        let job = format!("{cluster}.0");
        pool.until(&job, "JobStatus", "4");
        let iwd = folder(&pool, &job).join("files");
        pool.ok(&["transfer_data", "-all"]);
        let said = fs::read_to_string(pool.work().join(format!("out{n}"))).unwrap();
        assert_eq!(said, format!("in\n{}\n", iwd.display()), "{kind}");
        assert!(pool.work().join("made").exists(), "{kind}");
        eventually("it has left the queue", || {
            let these = format!("ClusterId == {cluster}");
            pool.ok(&["q", "-constraint", &these, "-af", "ProcId"]).is_empty()
        });
        eventually("nothing is left of it", || !iwd.exists());
        fs::remove_file(pool.work().join("made")).unwrap();
    }
    let plain = pool.submit("executable = /bin/true\nhold = true\nqueue\n");
    let none = pool.updraft(&["transfer_data", &plain]);
    assert!(text(&none).contains("no such job was submitted with -spool"), "{}", text(&none));
    for (line, told) in [
        ("hold = true", "Cannot set 'hold' to 'true' when using -remote or -spool"),
        ("max_materialize = 2", "max_materialize cannot be used with -spool"),
        ("transfer_input_files = nowhere", "nowhere: No such file or directory"),
    ] {
        fs::write(pool.work().join("job.sub"), format!("executable = program\n{line}\nqueue\n"))
            .unwrap();
        let refused = pool.updraft(&["submit", "-spool", "job.sub"]);
        assert!(text(&refused).contains(told), "{line}: {}", text(&refused));
        assert_eq!(refused.status.code(), Some(1), "{line}: {}", text(&refused));
    }
    eventually("no job waits for files that never come, and no folder is left", || {
        pool.ok(&["q", "-constraint", "HoldReasonCode == 16", "-af", "ClusterId"]).is_empty()
            && fs::read_dir(pool.home().join("schedd/spool")).unwrap().count() == 0
    });
}

/// A command that dies at any moment leaves a job that does not run.
#[test]
fn a_job_whose_files_did_not_all_come_waits_through_restarts_until_it_is_removed() {
    let pool = Pool::start(1);
    make_inputs(&pool);
    // The last input does not end before its submission is killed: it is long, and takes no room.
    let endless = fs::File::create(pool.work().join("in/endless")).unwrap();
    endless.set_len(1 << 35).unwrap();
    let description = DESCRIPTION.replace("in/deep,", "in/deep, in/endless,");
    fs::write(pool.work().join("job.sub"), format!("{description}queue\n")).unwrap();
    let mut submitting =
        pool.command(&updraft(), &["submit", "-spool", "job.sub"]).spawn().unwrap();
    let job = "1.0";
    let files = folder(&pool, job).join("files");
    eventually("the first files have come", || files.join("deep/inner").exists());
    assert_eq!(pool.attribute(job, "HoldReasonCode"), ["16"]);
    let released = pool.updraft(&["release", job]);
    assert!(
        text(&released).contains("1.0 is held, and not for you to release: "),
        "{}",
        text(&released)
    );
    submitting.kill().unwrap();
    submitting.wait().unwrap();
    pool.kill_and_see_it_return("schedd");
    assert_eq!(pool.attribute(job, "HoldReason"), ["Spooling input data files"]);
    assert!(files.join("deep/inner").exists());
    let early = pool.updraft(&["transfer_data", job]);
    assert!(text(&early).contains("it waits for its input files itself"), "{}", text(&early));

    // What came is not taken for all, and what is begun again begins anew.
    let mut schedd = Schedd::at(&pool.home().join("run/schedd.sock")).unwrap();
    let id: model::JobId = job.parse().unwrap();
    assert!(schedd.release_files(id.cluster).is_err(), "its files are not all there");
    assert!(schedd.begin_files(id).unwrap());
    assert!(!files.join("deep").exists());
    let pieces =
        |name: &str| Pieces::of_file(name.into(), fs::File::open("/bin/sh").unwrap()).unwrap();
    for name in ["../escaped", "/tmp/escaped", "a/../../escaped"] {
        let piece = pieces(name).next().unwrap().unwrap();
        let refused = schedd.send_piece(piece).unwrap_err().to_string();
        assert!(refused.contains("no name below the folder"), "{refused}");
        assert!(schedd.begin_files(id).unwrap());
    }
    assert!(!folder(&pool, job).join("escaped").exists());
    let fetched = schedd.fetch_files(id, |_| Ok::<_, AskError>(()));
    assert!(fetched.is_err() && schedd.have_fetched(id).is_err());
    assert!(schedd.begin_files(model::JobId::new(9, 0)).is_err(), "there is no such job");

    pool.ok(&["rm", job]);
    eventually("nothing is left of it", || !folder(&pool, job).exists());
    assert_eq!(pool.attribute(job, "NumJobStarts"), ["0"]);
}

#[test]
fn a_schedd_that_dies_while_files_come_gets_them_again() {
    let pool = Pool::start(1);
    let large = fs::File::create(pool.work().join("large")).unwrap();
    large.set_len(LARGE_BYTES).unwrap();
    let description = "executable = /bin/sh\ntransfer_executable = false\narguments = \"-c 'wc -c < large'\"\n\
                       getenv = PATH\ntransfer_input_files = large\noutput = out\nqueue\n";
    fs::write(pool.work().join("job.sub"), description).unwrap();
    let mut submitting =
        pool.command(&updraft(), &["submit", "-spool", "job.sub"]).spawn().unwrap();
    let files = folder(&pool, "1.0").join("files");
    eventually("the file is on its way", || {
        let entries = fs::read_dir(&files).into_iter().flatten().flatten();
        entries.filter_map(|entry| entry.metadata().ok()).any(|found| found.len() > 0)
    });
    pool.kill_and_see_it_return("schedd");
    assert!(submitting.wait().unwrap().success());
    pool.until("1.0", "JobStatus", "4");
    let names: Vec<_> = fs::read_dir(&files).unwrap().map(|e| e.unwrap().file_name()).collect();
    assert_eq!(names.len(), 2, "the file and what was said, and nothing torn: {names:?}");
    pool.ok(&["transfer_data", "1"]);
    let counted = fs::read_to_string(pool.work().join("out")).unwrap();
    assert_eq!(counted.trim(), LARGE_BYTES.to_string());
}

/// A file that takes a moment to come, in many pieces.
const LARGE_BYTES: u64 = 16 << 20;
