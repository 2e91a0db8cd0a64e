//! Whose the job is for accounting, who is told of it, and which limits count it.

use model::attr;
use std::collections::BTreeSet;

use super::{Job, words};
use model::diagnostic::Diagnostic;

/// The group of jobs that only want what nobody else does.
const NICE_GROUP: &str = "nice-user";

impl Job<'_> {
    pub(super) fn set_identity(&mut self) -> Result<(), Diagnostic> {
        self.set_accounting_group()?;
        self.set_concurrency_limits()?;
        self.set_what_holds_in_any_case()?;
        self.set_notification()
    }

    /// What is so whether the job says it or not: it may say so, and nothing else.
    fn set_what_holds_in_any_case(&mut self) -> Result<(), Diagnostic> {
        for (keyword, attribute, otherwise) in [
            ("run_as_owner", attr::RUN_AS_OWNER, "jobs always run as who submitted them"),
            (
                "want_job_networking",
                attr::WANT_JOB_NETWORKING,
                "no machine can keep a job from its network",
            ),
        ] {
            match self.truth(keyword)? {
                Some(true) => self.ad.set(attribute, true),
                Some(false) => {
                    let message = format!("{keyword} = false is not supported yet");
                    let hint = format!("{otherwise}; remove the line to submit without");
                    return Err(Diagnostic::error(message).at(self.place(keyword)).hint(hint));
                }
                None => {}
            }
        }
        Ok(())
    }

    fn set_accounting_group(&mut self) -> Result<(), Diagnostic> {
        let nice = self.truth("nice_user")?.unwrap_or(false);
        let mut group = self.word("accounting_group")?;
        let user = self.word("accounting_group_user")?;
        if nice {
            self.ad.set(attr::MAX_JOB_RETIREMENT_TIME, 0);
            if group.is_some() {
                self.warn(
                    "nice_user",
                    "nice_user conflicts with accounting_group. nice_user will be ignored",
                );
            } else {
                group = Some(NICE_GROUP.to_owned());
            }
        }
        for (keyword, name) in [("accounting_group", &group), ("accounting_group_user", &user)] {
            let Some(name) = name.as_ref().filter(|name| !is_submitter_name(name)) else {
                continue;
            };
            let message = format!("Invalid {keyword}: {name}");
            let hint = "a name has no blanks";
            return Err(Diagnostic::error(message).at(self.place(keyword)).hint(hint));
        }
        if group.is_none() && user.is_none() {
            return Ok(());
        }
        let user = user.unwrap_or_else(|| self.scope.site.host().user.clone());
        if let Some(group) = &group {
            self.ad.set("AcctGroup", group.as_str());
        }
        self.ad.set(attr::ACCT_GROUP_USER, user.as_str());
        self.ad.set(
            attr::ACCOUNTING_GROUP,
            group.map_or(user.clone(), |group| format!("{group}.{user}")),
        );
        Ok(())
    }

    fn set_concurrency_limits(&mut self) -> Result<(), Diagnostic> {
        let limits = self.word("concurrency_limits")?;
        let expression = self.text("concurrency_limits_expr")?;
        match (limits, expression) {
            (Some(_), Some(_)) => Err(Diagnostic::error(
                "concurrency_limits and concurrency_limits_expr can't be used together",
            )
            .at(self.place("concurrency_limits_expr"))),
            (None, Some(text)) => {
                self.set_expression("concurrency_limits_expr", attr::CONCURRENCY_LIMITS, &text)
            }
            (Some(limits), None) => {
                let limits: BTreeSet<String> =
                    words(&limits).map(str::to_ascii_lowercase).collect();
                if let Some(bad) = limits.iter().find(|limit| !is_limit(limit)) {
                    let error = Diagnostic::error(format!("Invalid concurrency limit '{bad}'"));
                    return Err(error
                        .at(self.place("concurrency_limits"))
                        .hint("for example license, or license:2"));
                }
                self.ad.set(
                    attr::CONCURRENCY_LIMITS,
                    limits.into_iter().collect::<Vec<_>>().join(","),
                );
                Ok(())
            }
            (None, None) => Ok(()),
        }
    }

    fn set_notification(&mut self) -> Result<(), Diagnostic> {
        let when = self.word("notification")?.unwrap_or_else(|| "never".to_owned());
        let number = match when.to_ascii_lowercase().as_str() {
            "never" => 0,
            "always" => 1,
            "complete" => 2,
            "error" => 3,
            "start" => 4,
            _ => {
                let message =
                    "Notification must be 'Never', 'Always', 'Complete', 'Start', or 'Error'";
                return Err(Diagnostic::error(message).at(self.place("notification")));
            }
        };
        self.ad.set(attr::JOB_NOTIFICATION, number);
        if let Some(user) = self.text("notify_user")? {
            if user.eq_ignore_ascii_case("never") || user.eq_ignore_ascii_case("false") {
                let domain = &self.scope.site.host().uid_domain;
                let message = format!(
                    "You used  notify_user={user}  in your submit file.\n\
                     This means notification email will go to user \"{user}@{domain}\".\n\
                     This is probably not what you expect!\n\
                     If you do not want notification email, put \"notification = never\"\n\
                     into your submit file, instead."
                );
                self.warn("notify_user", message);
            }
            self.ad.set(attr::NOTIFY_USER, user);
        }
        Ok(())
    }
}

fn is_submitter_name(name: &str) -> bool {
    !name.contains(|c: char| c.is_whitespace() || c.is_control())
}

/// `NAME`, `GROUP.NAME`, each as an attribute may be called, with `:COUNT` or without.
fn is_limit(limit: &str) -> bool {
    let name = limit.split(':').next().unwrap_or_default();
    let is_name = |part: &str| {
        part.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_')
            && part.chars().all(|c| c.is_ascii_alphanumeric() || c == '_')
    };
    name.splitn(2, '.').all(is_name)
}
