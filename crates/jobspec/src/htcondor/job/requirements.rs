//! The job's Requirements: the user's expression, and what HTCondor 25.14 adds to it.
//!
//! A clause is added only where the user's expression does not already talk about its subject:
//! naming `Arch` or `OpSys`, `Cpus`, `GPUs` or a custom resource, whichever ad it is looked for in,
//! leaves that clause out. `Memory` and `Disk` are different: their clauses stay, and a warning
//! says that naming them is obsolete.

use classad::{Expr, RefScope};
use model::{CheckpointEnd, Universe, attr};

use super::Job;
use super::timing::DEFERRAL_CLAUSES;
use super::transfer::Transfer;
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
        if self.asks_for_more_than(attr::REQUEST_DISK, 0.0) {
            let plain = named.any(attr::DISK) || self.universe != Universe::Vanilla;
            clauses.push(if plain { PLAIN_DISK_CLAUSE } else { DISK_CLAUSE }.to_owned());
        }
        // HTCondor 25.14: one MiB counts as nothing
        if self.asks_for_more_than(attr::REQUEST_MEMORY, 1.0) {
            clauses.push("(TARGET.Memory >= RequestMemory)".to_owned());
        }
        if !named.any(attr::CPUS) && self.asks_for_processors()? {
            clauses.push("(TARGET.Cpus >= RequestCpus)".to_owned());
        }
        for request in self.custom_requests()? {
            let (name, attr) = (&request.name, format!("{}{}", attr::REQUEST_PREFIX, request.name));
            if named.any(name) || !request.is_string && !self.counts_some(&attr) {
                continue;
            }
            clauses.push(match request.is_string {
                true => format!("regexp({attr}, TARGET.{name})"),
                false => format!("(TARGET.{name} >= {attr})"),
            });
        }
        if !named.any(attr::GPUS) && self.counts_some(attr::REQUEST_GPUS) {
            clauses.push(match self.ad.get(attr::REQUIRE_GPUS) {
                Some(_) => {
                    "(countMatches(MY.RequireGPUs, TARGET.AvailableGPUs) >= RequestGPUs)".to_owned()
                }
                None => "(TARGET.GPUs >= RequestGPUs)".to_owned(),
            });
        }
        Ok(())
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
        Ok(is_given && literal.is_none_or(|value| value.as_f64().is_some_and(|n| n > 1.0)))
    }

    /// Whether a request is there, and not a constant that asks for nothing: for memory and disk
    /// that is a number, or nothing at all.
    fn asks_for_more_than(&self, attr: &str, nothing: f64) -> bool {
        self.ad.get(attr).is_some_and(|request| match request.as_literal() {
            Some(constant) if constant.is_undefined() => false,
            Some(constant) => constant.as_f64().is_none_or(|number| number > nothing),
            None => true,
        })
    }

    /// The same of what is counted: there every constant but a number asks for nothing (HTCondor
    /// 25.14).
    fn counts_some(&self, attr: &str) -> bool {
        self.ad.get(attr).is_some_and(|request| match request.as_literal() {
            Some(constant) => constant.as_f64().is_some_and(|number| number > 0.0),
            None => true,
        })
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
