//! The job's Requirements: the user's expression, and what HTCondor 25.14 adds to it.
//!
//! A clause is added only where the user's expression does not already talk about its subject:
//! naming `Arch` or `OpSys`, `Cpus`, `GPUs` or a custom resource, whichever ad it is looked for in,
//! leaves that clause out. `Memory` and `Disk` are different: their clauses stay, and a warning
//! says that naming them is obsolete.

use classad::{Expr, RefScope};
use model::{CheckpointEnd, JobId, Universe, attr};

use super::Job;
use super::timing::DEFERRAL_CLAUSES;
use super::transfer::Transfer;
use crate::htcondor::submission::schedd_attributes;
use model::diagnostic::Diagnostic;

/// Attributes of a machine that tell its operating system; naming any leaves out the clause about
/// it.
const OS_ATTRS: [&str; 6] = [
    attr::OP_SYS,
    attr::OP_SYS_AND_VER,
    attr::OP_SYS_LEGACY,
    attr::OP_SYS_LONG_NAME,
    attr::OP_SYS_NAME,
    attr::OP_SYS_SHORT_NAME,
];

/// Machines from this version on count disk themselves when they make a slot (HTCondor 25.14).
const DISK_CLAUSE: &str =
    r#"(versionGE(split(TARGET.CondorVersion)[1], "25.12.0") || (TARGET.Disk >= RequestDisk))"#;
const PLAIN_DISK_CLAUSE: &str = "(TARGET.Disk >= RequestDisk)";

/// What the user's expression names.
struct Named(Vec<(RefScope, String)>);

impl Named {
    fn any(&self, name: &str) -> bool {
        self.0.iter().any(|(_, named)| named.eq_ignore_ascii_case(name))
    }
}

impl Job<'_> {
    pub(super) fn set_requirements(&mut self) -> Result<(), Diagnostic> {
        let user = self.text("requirements")?;
        let parsed = user.as_ref().map(|text| Expr::parse(text));
        let named = match &parsed {
            Some(Ok(expr)) => Named(
                expr.references()
                    .into_iter()
                    .map(|(scope, name)| (scope, name.to_string()))
                    .collect(),
            ),
            _ => Named(Vec::new()),
        };
        let mut clauses: Vec<String> = user.iter().map(|text| format!("({text})")).collect();
        self.add_platform(&named, &mut clauses);
        self.add_resources(&named, &mut clauses)?;
        self.add_transfer(&named, &mut clauses)?;
        if self.ad.get(CheckpointEnd::EXIT_CODE).is_some() {
            clauses.push("TARGET.HasSelfCheckpointTransfers".to_owned());
        }
        self.add_deferral(&mut clauses);
        if let Some(cuda) =
            self.ad.get(attr::CUDA_VERSION).map(|_| "CUDAVersion <= TARGET.CUDAMaxSupportedVersion")
        {
            clauses.push(cuda.to_owned());
        }
        let text = clauses.join(" && ");
        if let (Some(user), Some(Err(error))) = (&user, &parsed) {
            self.warn(
                "requirements",
                format!("Could not get attribute references from Requirements: ({user})"),
            );
            let message = format!("Parse error in expression: \n\tRequirements = {text}\n\t");
            let place = self
                .parsed(attr::REQUIREMENTS, user, self.place("requirements"))
                .err()
                .and_then(|error| error.location)
                .map(|location| *location);
            let hint = format!("{}; expected {}", error.message, error.expected);
            return Err(Diagnostic::error(message).at(place).hint(hint));
        }
        self.warn_of_obsolete(&named);
        self.set_expression("requirements", attr::REQUIREMENTS, &text)
    }

    fn add_platform(&self, named: &Named, clauses: &mut Vec<String>) {
        let host = self.scope.site.host();
        if !named.any(attr::ARCH) {
            clauses.push(format!("(TARGET.Arch == \"{}\")", host.arch));
        }
        if !OS_ATTRS.iter().any(|attr| named.any(attr)) {
            clauses.push(format!("(TARGET.OpSys == \"{}\")", host.opsys));
        }
    }

    fn add_resources(&self, named: &Named, clauses: &mut Vec<String>) -> Result<(), Diagnostic> {
        let plain = named.any(attr::DISK) || self.universe != Universe::Vanilla;
        match self.asks_for_more_than(attr::REQUEST_DISK, 0.0)? {
            Some(true) if plain => clauses.push(PLAIN_DISK_CLAUSE.to_owned()),
            Some(true) => clauses.push(DISK_CLAUSE.to_owned()),
            // HTCondor 25.14: without a request, what the job is known to use.
            None if !named.any(attr::DISK) => {
                clauses.push("(TARGET.Disk >= DiskUsage)".to_owned());
            }
            Some(false) | None => {}
        }
        // HTCondor 25.14: one MiB counts as nothing
        if self.asks_for_more_than(attr::REQUEST_MEMORY, 1.0)? == Some(true) {
            clauses.push("(TARGET.Memory >= RequestMemory)".to_owned());
        }
        if !named.any(attr::CPUS) && self.asks_for_processors()? {
            clauses.push("(TARGET.Cpus >= RequestCpus)".to_owned());
        }
        for name in self.custom_requests()? {
            let attr = format!("{}{name}", attr::REQUEST_PREFIX);
            if !named.any(&name) {
                clauses.extend(self.clause_about(&name, &attr));
            }
        }
        if !named.any(attr::GPUS)
            && let Some(clause) = self.clause_about(attr::GPUS, attr::REQUEST_GPUS)
        {
            clauses.push(match self.ad.get(attr::REQUIRE_GPUS) {
                Some(_) => {
                    "(countMatches(MY.RequireGPUs, TARGET.AvailableGPUs) >= RequestGPUs)".to_owned()
                }
                None => clause,
            });
        }
        Ok(())
    }

    /// What a machine must have of a resource that is counted, or named: what the request comes to
    /// in the job's own ad decides. Nothing where that is no number above 0 and no text, but for
    /// what only the machine will tell (HTCondor 25.14).
    fn clause_about(&self, name: &str, attr: &str) -> Option<String> {
        let request = self.ad.get(attr)?;
        let now = self.scope.site.host().now;
        let env = classad::Env::at(now);
        let mut value = self.ad.eval_expr(request, None, &env);
        if value.is_undefined() {
            // What the schedd sets is known: NumJobStarts is 0.
            let new = schedd_attributes(JobId::new(0, 0), now);
            value = new.eval_expr(request, None, &env);
        }
        if value.as_str().is_some() {
            return Some(format!("regexp({attr}, TARGET.{name})"));
        }
        let counts = value.is_undefined() || value.as_f64().is_some_and(|number| number > 0.0);
        counts.then(|| format!("(TARGET.{name} >= {attr})"))
    }

    /// Whether it asks for more than the one processor that every machine has (HTCondor 25.14), be
    /// it by `+RequestCpus`.
    fn asks_for_processors(&self) -> Result<bool, Diagnostic> {
        let forced = self.text("MY.RequestCpus")?;
        let literal = match &forced {
            Some(text) => Expr::parse(text).ok().and_then(|expr| expr.as_literal().cloned()),
            None if self.ad.get(attr::REQUEST_CPUS).is_none() => return Ok(false),
            None => self.ad.literal(attr::REQUEST_CPUS).cloned(),
        };
        let is_given = forced.is_some() || self.text("request_cpus")?.is_some();
        // What is no number may ask for anything.
        let is_one = |value: classad::Value| {
            value.as_bool().is_some() || value.as_f64().is_some_and(|n| n <= 1.0)
        };
        Ok(is_given && !literal.is_some_and(is_one))
    }

    /// Whether a request, be it by `+RequestMemory`, is no constant that asks for nothing: what is
    /// no number may ask for anything. `None` if there is no request.
    fn asks_for_more_than(&self, attr: &str, nothing: f64) -> Result<Option<bool>, Diagnostic> {
        let forced = self.text(&format!("MY.{attr}"))?.and_then(|text| Expr::parse(&text).ok());
        let Some(request) = forced.as_ref().or_else(|| self.ad.get(attr)) else { return Ok(None) };
        let number = request.as_literal().and_then(|constant| {
            let truth = constant.as_bool().map(|truth| f64::from(u8::from(truth)));
            constant.as_f64().or(truth)
        });
        Ok(Some(number.is_none_or(|number| number > nothing)))
    }

    fn add_transfer(&self, named: &Named, clauses: &mut Vec<String>) -> Result<(), Diagnostic> {
        if self.universe != Universe::Vanilla {
            return Ok(());
        }
        let shared = (!named.any(attr::FILE_SYSTEM_DOMAIN))
            .then_some("(TARGET.FileSystemDomain == MY.FileSystemDomain)");
        let methods = self.transfer_capabilities()?;
        let ability = match self.ad.get(attr::TRANSFER_PLUGINS) {
            Some(_) => attr::HAS_JOB_TRANSFER_PLUGINS,
            None => attr::HAS_FILE_TRANSFER,
        };
        let transferred =
            (!named.any(attr::HAS_FILE_TRANSFER)).then(|| format!("(TARGET.{ability}{methods})"));
        let clause = match (self.transfer, shared, transferred) {
            (Transfer::Always, _, transferred) => transferred,
            (Transfer::Never, shared, _) => shared.map(str::to_owned),
            (Transfer::IfNeeded, Some(shared), Some(transferred)) => {
                Some(format!("({shared} || {transferred})"))
            }
            // one of the two was named: HTCondor 25.14 leaves the other one out only if it is the
            // shared file system
            (Transfer::IfNeeded, None, transferred) => transferred,
            (Transfer::IfNeeded, Some(_), None) => None,
        };
        clauses.extend(clause);
        Ok(())
    }

    fn add_deferral(&self, clauses: &mut Vec<String>) {
        if self.is_deferred() {
            let (by_machine, in_time) = DEFERRAL_CLAUSES;
            if self.universe != Universe::Local {
                clauses.push(by_machine.to_owned());
            }
            clauses.push(in_time.to_owned());
        }
    }

    fn warn_of_obsolete(&mut self, named: &Named) {
        for (name, keyword, start) in
            [("Disk", "request_disk", "Your"), ("Memory", "request_memory", "your")]
        {
            if named.any(name) {
                let message = format!(
                    "{start} Requirements expression refers to TARGET.{name}. This is obsolete. Set {keyword} and \
                     condor_submit will modify the Requirements expression as needed."
                );
                self.warn("requirements", message);
            }
        }
    }
}
