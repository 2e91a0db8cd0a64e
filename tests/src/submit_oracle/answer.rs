//! What a `condor_submit -dry-run` said, without what differs from host to host and from second to
//! second. Reads it; judges nothing.

use std::collections::BTreeSet;

use model::attr;

/// Attributes whose values are the host's or the moment's.
const OF_THE_HOST: &[&str] = &[
    attr::Q_DATE,
    attr::ENTERED_CURRENT_STATUS,
    attr::SCHEDD_INTERVAL,
    attr::CONDOR_VERSION,
    attr::SUBMIT_VERSION,
    attr::CONDOR_PLATFORM,
    attr::FILE_SYSTEM_DOMAIN,
];

/// What came of a description.
#[derive(Clone, Debug, Default, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct Answer {
    /// The exit code; -1 for a signal.
    pub code: i32,
    /// Standard output.
    pub out: String,
    /// Standard error.
    pub err: String,
    /// The attributes of each ad, a line each, sorted: first all of the first job, then what each
    /// other has of its own.
    pub ads: Vec<BTreeSet<String>>,
}

/// Where it was asked: what is written in its stead.
#[derive(Clone, Debug)]
pub struct Scene {
    /// The folder of the description; `@` is written for it.
    pub own: String,
    /// The current folder; `.../d` is written for it.
    pub current: String,
    /// The folder of the program, with its slash; nothing is written for it.
    pub program: String,
    /// The user; `USER` is written where it stands for the accounting group's.
    pub user: String,
}

impl Answer {
    /// From what it wrote.
    pub fn read(code: i32, out: &str, err: &str, ads: &str, scene: &Scene) -> Self {
        let ads = scene.plain(ads);
        let mut all = Vec::new();
        for ad in ads.split("\n\n") {
            let lines: BTreeSet<String> = ad
                .lines()
                .filter(|line| !line.trim().is_empty())
                .map(|line| attribute(line, &scene.user))
                .collect();
            if !lines.is_empty() {
                all.push(lines);
            }
        }
        Self { code, out: scene.plain(out), err: scene.plain(err), ads: all }
    }

    /// The same in few words: of the first ad only what another has not.
    #[must_use]
    pub fn beside(&self, usual: &BTreeSet<String>) -> Self {
        let mut brief = self.clone();
        if let Some(first) = brief.ads.first_mut() {
            let more = first.difference(usual).map(|line| format!("+{line}"));
            let less = usual.difference(first).map(|line| format!("-{line}"));
            *first = more.chain(less).collect();
        }
        brief
    }
}

impl Scene {
    fn plain(&self, text: &str) -> String {
        let text = text.replace(&self.own, "@").replace(&self.current, ".../d");
        text.replace(&self.program, "")
    }
}

fn attribute(line: &str, user: &str) -> String {
    let Some((name, value)) = line.split_once('=') else { return line.to_owned() };
    if OF_THE_HOST.contains(&name) {
        return format!("{name}=");
    }
    match name {
        // Only the domain is the host's.
        attr::NOTIFY_USER => format!("{name}={}", value.split('@').next().unwrap_or_default()),
        attr::ACCOUNTING_GROUP | attr::ACCT_GROUP_USER => {
            let own = format!("{user}\"");
            match value.strip_suffix(&own) {
                Some(front) if front.ends_with(['"', '.']) => format!("{name}={front}USER\""),
                _ => line.to_owned(),
            }
        }
        _ => line.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn scene() -> Scene {
        Scene {
            own: "/tmp/w/0".into(),
            current: "/tmp/w/d".into(),
            program: "/tmp/w/bin/".into(),
            user: "alice".into(),
        }
    }

    fn lines(ad: &BTreeSet<String>) -> Vec<&str> {
        ad.iter().map(String::as_str).collect()
    }

    #[test]
    fn what_is_the_hosts_is_left_out_and_all_else_stays() {
        let ads = "QDate=17\nIwd=\"/tmp/w/d\"\nAcctGroupUser=\"alice\"\nAccountingGroup=\"g.malice\"\nNotifyUser=\"x@h\"\n\nProcId=1\n\n";
        let answer = Answer::read(0, "", "on /tmp/w/0/job.sub", ads, &scene());
        assert_eq!(answer.err, "on @/job.sub");
        assert_eq!(answer.ads.len(), 2);
        let first = [
            "AccountingGroup=\"g.malice\"",
            "AcctGroupUser=\"USER\"",
            "Iwd=\".../d\"",
            "NotifyUser=\"x",
            "QDate=",
        ];
        assert_eq!(lines(&answer.ads[0]), first);
        assert_eq!(lines(&answer.ads[1]), ["ProcId=1"]);
    }

    #[test]
    fn beside_another_ad_only_the_difference_is_told() {
        let usual: BTreeSet<String> = ["A=1", "B=2"].map(str::to_owned).into();
        let answer = Answer::read(0, "", "", "A=1\nB=3\n\nProcId=1\n", &scene());
        let brief = answer.beside(&usual);
        assert_eq!(lines(&brief.ads[0]), ["+B=3", "-B=2"]);
        assert_eq!(lines(&brief.ads[1]), ["ProcId=1"]);
    }
}
