//! What is said of a whole DAG: its files of settings and records, its environment, and what
//! `condor_submit_dag` is told.

use super::dag::{Kind, Maker};

/// Settings that both have, and what they change can be seen.
const SETTINGS: [&str; 10] = [
    "DAGMAN_ALWAYS_RUN_POST = True",
    "DAGMAN_MAX_RESCUE_NUM = 1",
    "DAGMAN_USE_JOIN_NODES = False",
    "DAGMAN_DEFAULT_APPEND_VARS = (1 == 1)",
    "DAGMAN_RESET_RETRIES_UPON_RESCUE = false",
    "DAGMAN_MAX_SUBMIT_ATTEMPTS = 1",
    "DAGMAN_PROHIBIT_MULTI_JOBS = True",
    "DAGMAN_MAX_JOBS_IDLE = 2 * 3",
    "DAGMAN_REPORT_GRAPH_METRICS = True",
    "DAGMAN_NO_SUCH_SETTING = 1",
];

impl Maker<'_> {
    /// What is said of a whole DAG.
    pub(super) fn settings(&mut self) -> String {
        let mut text = String::new();
        if self.rng.percent(40) {
            text += "JOBSTATE_LOG states.log\n";
        }
        if self.rng.percent(40) {
            text += "NODE_STATUS_FILE status.txt 1\n";
        }
        if self.rng.percent(20) {
            text += &format!("SET_JOB_ATTR {}\n", self.attribute());
        }
        if self.rng.percent(20) {
            text +=
                self.rng.pick(&["ENV SET ORACLE=1;SECOND=two\n", "ENV SET |ORACLE=a;b|SECOND=2\n"]);
        }
        if self.rng.percent(20) {
            self.case.files.insert("more.inc".to_owned(), "# nothing more\n".to_owned());
            text += "INCLUDE more.inc\n";
        }
        if self.rng.percent(20) {
            text += &self.config("main.conf");
        }
        text + &self.dot()
    }

    /// What a sub-DAG says of its own job.
    pub(super) fn settings_of_subdag(&mut self) -> String {
        let mut text = String::new();
        if self.rng.percent(25) {
            text += self.rng.pick(&[
                "ENV SET INNER=in;SECOND=3\n",
                "ENV GET HOME,USER\n",
                "ENV SET NOTHING\n",
            ]);
        }
        if self.rng.percent(25) {
            text += &format!("SET_JOB_ATTR {}\n", self.attribute());
        }
        if self.rng.percent(25) {
            let file = format!("inner{}.conf", self.case.files.len());
            text += &self.config(&file);
        }
        text
    }

    fn attribute(&mut self) -> String {
        self.rng
            .pick(&["Kind = \"case\"", "kind = 3 + 4", "Kind = strcat(\"a\", \"b\")"])
            .to_owned()
    }

    fn config(&mut self, file: &str) -> String {
        let mut lines: Vec<&str> = SETTINGS.into_iter().filter(|_| self.rng.percent(20)).collect();
        if self.rng.percent(4) {
            lines.push("this line is none");
        }
        self.case.files.insert(file.to_owned(), lines.join("\n") + "\n");
        format!("CONFIG {file}\n")
    }

    fn dot(&mut self) -> String {
        if !self.rng.percent(25) {
            return String::new();
        }
        let update = self.rng.pick(&["", " UPDATE", " DONT-UPDATE"]);
        let overwrite = self.rng.pick(&["", " OVERWRITE", " DONT-OVERWRITE"]);
        let include = if self.rng.percent(40) {
            self.case.files.insert("head.dot".to_owned(), "rankdir = LR;\n".to_owned());
            " INCLUDE head.dot"
        } else {
            ""
        };
        format!("DOT g.dot{update}{overwrite}{include}\n")
    }

    /// Where what a script says goes, before its kind.
    pub(super) fn debug(&mut self) -> &'static str {
        let streams = ["DEBUG said.dbg ALL ", "DEBUG said.dbg STDOUT ", "DEBUG said.dbg STDERR "];
        // The order of those that run beside each other is chance.
        if self.kind == Kind::Serial || self.rng.percent(10) { self.rng.pick(&streams) } else { "" }
    }

    /// What `condor_submit_dag` is told.
    pub(super) fn rounds(&mut self) {
        let mut flags: Vec<String> = Vec::new();
        let mut flag = |words: &str| flags.extend(words.split(' ').map(str::to_owned));
        if self.kind == Kind::Serial {
            flag("-maxjobs 1 -maxpre 1 -maxpost 1");
        }
        for (words, percent) in [
            ("-AlwaysRunPost", 15),
            ("-priority 5", 10),
            ("-maxidle 40", 5),
            ("-maxidle -3 -maxhold 2", 5),
            ("-insert_env ORACLE=flag;INNER=f", 8),
            ("-suppress_notification -notification never", 5),
            ("-autorescue 1", 5),
            ("-update_submit", 5),
        ] {
            if self.rng.percent(percent) {
                flag(words);
            }
        }
        let mut again = flags.clone();
        let more = match self.rng.below(100) {
            0..10 => "-DoRescueFrom 1",
            10..15 => "-force",
            15..18 => "-autorescue 0",
            18..20 => "-dumprescue",
            _ => "",
        };
        again.extend(more.split_whitespace().map(str::to_owned));
        let third = flags.clone();
        self.case.rounds = vec![flags, again, third];
    }
}
