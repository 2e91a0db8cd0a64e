//! What a machine that lies, or is in a hurry, reaches: what the job names, by whatever way it
//! asks.

use std::os::unix::fs::symlink;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;

use tempfile::TempDir;

use super::*;

/// A home with a job's folder in it, and somebody's keys.
struct Home(TempDir);

impl Home {
    fn new() -> Self {
        let home = Self(TempDir::new().unwrap());
        for folder in [".ssh", "work/data", "work/results/deep", "big"] {
            fs::create_dir_all(home.path(folder)).unwrap();
        }
        for file in [".ssh/id", ".profile", "work/run.sh", "work/data/in", "big/ref"] {
            fs::write(home.path(file), file).unwrap();
        }
        symlink(home.path("big/ref"), home.path("work/ref")).unwrap();
        symlink("run.sh", home.path("work/alias")).unwrap();
        home
    }

    fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    /// What a job submitted in a folder is given.
    fn reach(&self, iwd: &str, lines: &str) -> Reach {
        let iwd = self.path(iwd);
        let ad = format!("Iwd = \"{}\"\nCmd = \"run.sh\"\n{lines}", iwd.display());
        let job = classad::ClassAd::parse_old(&ad).unwrap();
        Reach::of(&Granted::of(&job), Some(self.0.path()))
    }

    /// Which of these may be read, and which written.
    fn check(&self, reach: &Reach, read: &[&str], written: &[&str]) {
        let all = [
            ".profile",
            ".ssh/id",
            ".ssh/new",
            "new",
            "big/ref",
            "big/new",
            "work/run.sh",
            "work/alias",
            "work/ref",
            "work/data/in",
            "work/data/new",
            "work/new",
            "work/.new",
            "work/results/r",
            "work/results/deep/r",
            "work/results",
            "work/up/../run.sh",
        ];
        let of = |may: &dyn Fn(&Path) -> bool| {
            all.iter().copied().filter(|name| may(&self.path(name))).collect::<Vec<_>>()
        };
        assert_eq!(of(&|path| reach.readable(path).is_ok()), read, "read");
        assert_eq!(of(&|path| reach.target(path).is_ok()), written, "written");
    }
}

#[test]
fn what_a_job_names_is_read_and_not_written_and_nothing_beside_it_is_either() {
    let home = Home::new();
    let reach = home.reach("work", "TransferInput = \"data, ref\"\nTransferOutput = \"results\"");
    let read = ["big/ref", "work/run.sh", "work/alias", "work/ref", "work/data/in"];
    home.check(&reach, &read, &["work/results/r", "work/results/deep/r"]);
    assert!(reach.changeable(&home.path("work/data/in")).is_err());
    assert!(reach.changeable(&home.path("work/results")).is_ok());
    // What is brought and comes back again under its name is written.
    let both = "TransferInput = \"data/in\"\nTransferOutputRemaps = \"in=data/in\"";
    let reach = home.reach("work", &format!("{both}\nTransferOutput = \"in\""));
    assert!(reach.target(&home.path("work/data/in")).is_ok());
    assert!(reach.target(&home.path("work/data/new")).is_err());
}

#[test]
fn a_job_that_names_no_outputs_gives_its_folder_and_not_its_inputs_or_what_is_below() {
    let home = Home::new();
    let reach = home.reach("work", "TransferInput = \"data/in\"");
    let read = ["work/run.sh", "work/alias", "work/data/in"];
    home.check(&reach, &read, &["work/new", "work/.new"]);
    assert!(reach.linkable(&home.path("work/link"), Path::new("new")).is_err());
    assert!(reach.make_folder(&home.path("work")).is_ok_and(|is_new| !is_new));
    assert!(reach.make_folder(&home.path("work/other")).is_err());
}

#[test]
fn who_submits_at_home_gives_away_no_keys_and_no_start_up_files() {
    let home = Home::new();
    for lines in ["", "TransferOutput = \"made/\""] {
        let reach = home.reach("", lines);
        for name in [".profile", ".ssh/id", ".ssh/new", ".new", ".ssh", "run.sh"] {
            assert!(reach.target(&home.path(name)).is_err(), "{lines}: {name}");
        }
        assert!(reach.readable(&home.path(".ssh/id")).is_err(), "{lines}");
        assert!(reach.make_folder(&home.path(".config")).is_err(), "{lines}");
        assert!(reach.target(&home.path("new")).is_ok(), "{lines}");
    }
    let reach = home.reach("", "TransferOutput = \".RData\"");
    assert!(reach.target(&home.path(".RData")).is_ok(), "it is named");
    assert!(reach.target(&home.path(".profile")).is_err());
}

#[test]
fn a_link_leads_down_in_what_may_be_written_wherever_it_is_made() {
    let home = Home::new();
    let reach = home.reach("work", "TransferOutput = \"results\"");
    for (name, leads_to, may) in [
        ("work/results/a", "deep", true),
        ("work/results/deep/a", "../b", true),
        ("work/results/deep/a", "..", true),
        ("work/results/a", "../data", false),
        ("work/results/deep/a", "../../data", false),
        // Down through a link and up again is somewhere else.
        ("work/results/a", "deep/../..", false),
        ("work/results/a", "/etc", false),
        ("work/results", "deep", false),
        ("work/a", "results", false),
    ] {
        let made = reach.linkable(&home.path(name), Path::new(leads_to));
        assert_eq!(made.is_ok(), may, "{name} -> {leads_to}");
    }
    // It counts where a link really is: this one is higher than it looks.
    symlink("..", home.path("work/results/deep/up")).unwrap();
    let path = home.path("work/results/deep/up/a");
    assert!(reach.linkable(&path, Path::new("..")).is_err());
}

#[test]
fn folders_are_made_on_the_way_to_an_output_and_nowhere_else() {
    let home = Home::new();
    let reach =
        home.reach("work", "TransferOutputRemaps = \"r=new/deep/r\"\nTransferOutput = \"r\"");
    assert!(reach.make_folder(&home.path("work/new/other")).is_err());
    assert!(reach.make_folder(&home.path("work/new/deep")).unwrap());
    assert!(!reach.make_folder(&home.path("work/new/deep")).unwrap());
    assert!(reach.target(&home.path("work/new/deep/r")).is_ok());
    assert!(reach.target(&home.path("work/new/deep/s")).is_err());
    // Somebody puts a link where the folder was to be: what was granted was granted elsewhere.
    let reach = home.reach("work", "TransferOutput = \"late\"");
    symlink(home.path(".ssh"), home.path("work/late")).unwrap();
    assert!(reach.target(&home.path("work/late/authorized_keys")).is_err());
    assert!(reach.make_folder(&home.path("work/late/x")).is_err());
}

/// One walks and opens while another turns the way: a folder of the outputs is now a folder, now a
/// link to somebody's keys.
#[test]
fn who_turns_the_way_while_somebody_goes_it_reaches_nothing_else() {
    let home = Home::new();
    let reach = home.reach("work", "TransferInput = \"results\"\nTransferOutput = \"results\"");
    let (way, aside) = (home.path("work/results/way"), home.path("work/aside"));
    fs::create_dir(&aside).unwrap();
    fs::write(aside.join("id"), "open").unwrap();
    symlink(home.path(".ssh"), home.path("work/link")).unwrap();
    let over = AtomicBool::new(false);
    thread::scope(|scope| {
        scope.spawn(|| {
            while !over.load(Ordering::Relaxed) {
                for other in [&aside, &home.path("work/link")] {
                    fs::rename(other, &way).unwrap();
                    fs::rename(&way, other).unwrap();
                }
            }
        });
        for _ in 0..3000 {
            if let Ok(held) = reach.readable(&way.join("id")) {
                assert_eq!(fs::read_to_string(held.way()).unwrap(), "open");
            }
            if let Ok(Target::Replaced(entry)) = reach.target(&way.join("authorized_keys")) {
                fs::write(entry.way(), "mine").unwrap();
            }
        }
        over.store(true, Ordering::Relaxed);
    });
    assert_eq!(fs::read_dir(home.path(".ssh")).unwrap().count(), 1, "nobody may come in");
}
