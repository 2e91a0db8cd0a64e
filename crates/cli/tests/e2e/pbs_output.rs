//! Where PBS's jobs print to, who may read it, what arrays stage, and what the books say of
//! reservations.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;

use crate::harness::{Pool, eventually};
use crate::pbs::{full, number, run, submit, until, written};

fn mode(pool: &Pool, name: &str) -> u32 {
    fs::metadata(pool.work().join(name)).unwrap().permissions().mode() & 0o777
}

/// Where the home keeps what could not be brought to its folder.
fn kept(id: &str, ending: &str) -> PathBuf {
    let user = nix::unistd::User::from_uid(nix::unistd::Uid::current()).unwrap().unwrap();
    user.dir.join("pbs_undelivered").join(format!("{id}.{ending}"))
}

#[test]
fn a_job_may_make_the_folder_of_its_output_itself_and_without_one_it_is_kept_at_home() {
    let pool = Pool::start(1);
    let script = "cd $PBS_O_WORKDIR; mkdir later; echo well; echo badly >&2; exit 3";
    let id = submit(&pool, &["-o", "later/out", "-e", "later/err"], script);
    until(&pool, &id, "F");
    let job = full(&pool, &id);
    assert_eq!(job["Exit_status"], 3);
    assert!(job["Output_Path"].as_str().unwrap().ends_with("/later/out"), "{job}");
    assert_eq!(written(&pool, "later/out"), "well\n");
    assert_eq!(written(&pool, "later/err"), "badly\n");

    let id = submit(&pool, &["-j", "oe", "-o", "nowhere/out"], "echo kept");
    until(&pool, &id, "F");
    let kept = kept(&id, "OU");
    let said = fs::read_to_string(&kept).unwrap();
    fs::remove_file(kept).unwrap();
    assert!(said.starts_with("kept\npbs: cannot bring output to "), "{said}");
}

#[test]
fn what_a_job_prints_is_read_by_whom_its_umask_lets() {
    let pool = Pool::start(1);
    for (umask, expected) in [(None, 0o600), (Some("umask=022"), 0o644), (Some("umask=002"), 0o664)]
    {
        let options: Vec<&str> = umask.into_iter().flat_map(|mask| ["-W", mask]).collect();
        let id = submit(&pool, &[&options[..], &["-N", "m"]].concat(), "echo said");
        until(&pool, &id, "F");
        for letter in ['o', 'e'] {
            let name = format!("m.{letter}{}", number(&id));
            assert_eq!(mode(&pool, &name), expected, "{umask:?} {name}");
        }
    }
}

#[test]
fn each_subjob_stages_the_files_of_its_index() {
    let pool = Pool::start(1);
    let work = pool.work().display().to_string();
    for index in [1, 2] {
        fs::write(pool.work().join(format!("in.{index}")), format!("{index}\n")).unwrap();
    }
    let stage_in = format!("stagein=here@localhost:{work}/in.^array_index^");
    let stage_out = format!("stageout=made.^array_index^@localhost:{work}/out.^array_index^");
    let words = ["-J", "1-2", "-W", "sandbox=PRIVATE", "-W", &stage_in, "-W", &stage_out];
    let id = submit(&pool, &words, "cp here made.$PBS_ARRAY_INDEX");
    until(&pool, &id, "F");
    assert_eq!([written(&pool, "out.1"), written(&pool, "out.2")], ["1\n", "2\n"]);
}

#[test]
fn the_books_say_what_became_of_a_reservation() {
    let pool = Pool::start(2);
    let words = ["pbs_rsub", "-D", "600", "-l", "select=1:ncpus=1", "-N", "mine", "-I", "30"];
    let said = run(&pool, 0, &words);
    let id = said.strip_suffix(" CONFIRMED\n").unwrap_or_else(|| panic!("{said}"));
    eventually("its window is open", || run(&pool, 0, &["pbs_rstat"]).contains(" RN "));
    run(&pool, 0, &["pbs_rdel", id]);
    let books = pool.work().join("books");
    let folder = books.to_str().unwrap();
    run(&pool, 0, &["pbs_accounting", "-d", folder]);
    let days = fs::read_dir(&books).unwrap().flatten().map(|entry| entry.path());
    let day = days.filter(|path| !path.ends_with(".position")).max().unwrap();
    let text = fs::read_to_string(day).unwrap();
    let of_it = text.lines().filter_map(|line| {
        let (letter, rest) = line.split_once(';')?.1.split_once(';')?;
        let (name, said) = rest.split_once(';')?;
        (name == id).then(|| (letter.to_owned(), said.to_owned()))
    });
    let of_it: Vec<(String, String)> = of_it.collect();
    let letters: String = of_it.iter().map(|(letter, _)| letter.as_str()).collect();
    assert_eq!(letters, "UYBk", "{text}");
    let queue = id.split('.').next().unwrap();
    let began = &of_it[2].1;
    for part in [
        " name=mine ",
        &format!(" queue={queue} "),
        " duration=600 ",
        ":ncpus=1) ",
        "Resource_List.select=1:ncpus=1",
    ] {
        assert!(began.contains(part), "{part}: {began}");
    }
}
