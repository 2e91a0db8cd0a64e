//! What the job asks a machine for: cpus, memory, disk, GPUs, and whatever else the pool's machines
//! offer.

use model::attr;

use super::Job;
use crate::htcondor::keywords;
use crate::language::evaluate;
use model::diagnostic::Diagnostic;

pub(super) const KIB: f64 = 1024.0;

/// What a job gets that asks for no memory, in MiB (HTCondor 25.14).
const DEFAULT_MEMORY_MIB: i64 = 128;

/// What a job gets that asks for no disk, in KiB: room for its input and a quarter more (HTCondor
/// 25.14).
const DEFAULT_DISK: &str = "MAX({ 1024,(TransferInputSizeMB + 1) * 1.25 }) * 1024";

/// Without a unit, fewer MiB of memory than this look like a forgotten `GB`.
const SUSPICIOUS_MEMORY_MIB: i64 = 16;

/// Without a unit, fewer KiB of disk than this look like a forgotten `GB`.
const SUSPICIOUS_DISK_KIB: i64 = 1024;

impl Job<'_> {
    pub(super) fn set_resources(&mut self) -> Result<(), Diagnostic> {
        if let Some(text) = self.text("request_cpus")? {
            self.set_request("request_cpus", attr::REQUEST_CPUS, &text)?;
        } else {
            self.ad.set(attr::REQUEST_CPUS, 1);
        }
        self.set_sized("request_memory", attr::REQUEST_MEMORY, KIB * KIB)?;
        if self.text("request_memory")?.is_none() {
            self.ad.set(attr::REQUEST_MEMORY, DEFAULT_MEMORY_MIB);
        }
        self.set_sized("request_disk", attr::REQUEST_DISK, KIB)?;
        if self.text("request_disk")?.is_none() {
            self.set_expression("request_disk", attr::REQUEST_DISK, DEFAULT_DISK)?;
        }
        self.set_gpus()?;
        self.set_custom_requests()?;
        self.set_growing()?;
        self.set_sizes()?;
        self.point_out_forgotten_units()?;
        self.point_out_no_processors()?;
        self.set_rank()
    }

    /// An expression, or nothing for `undefined`.
    fn set_request(&mut self, keyword: &str, attr: &str, text: &str) -> Result<(), Diagnostic> {
        if !text.eq_ignore_ascii_case("undefined") {
            self.set_expression(keyword, attr, text)?;
        }
        Ok(())
    }

    /// A size with a unit in units of `unit_bytes`, rounded up; or an expression.
    pub(super) fn set_sized(
        &mut self,
        keyword: &str,
        attr: &str,
        unit_bytes: f64,
    ) -> Result<(), Diagnostic> {
        let Some(text) = self.text(keyword)? else { return Ok(()) };
        let first = first_of_list(&text, unit_bytes).map_or(&*text, |(first, _)| first);
        match size(first, unit_bytes) {
            Some(size) => self.ad.set(attr, size),
            // What begins as a number was meant to be a size.
            None if text.trim_start().starts_with(|c: char| c.is_ascii_digit()) => {
                let with_units =
                    |error: Diagnostic| error.hint("a size is a number and K, M, G or T: 5 GB");
                self.set_request(keyword, attr, &text).map_err(with_units)?;
            }
            None => self.set_request(keyword, attr, &text)?,
        }
        Ok(())
    }

    fn set_gpus(&mut self) -> Result<(), Diagnostic> {
        if let Some(text) = self.text("cuda_version")? {
            let version = runtime_version(&text).filter(|version| *version > 0);
            let version = version.ok_or_else(|| {
                let message = "cuda_version must be of the form 'x' or 'x.y', where x and y are positive integers.";
                Diagnostic::error(message).at(self.place("cuda_version"))
            })?;
            self.ad.set(attr::CUDA_VERSION, version);
        }
        let Some(count) = self.text("request_gpus")? else { return Ok(()) };
        self.set_request("request_gpus", attr::REQUEST_GPUS, &count)?;
        let mut clauses: Vec<String> = self.text("require_gpus")?.into_iter().collect();
        let named = |clauses: &[String], property: &str| {
            clauses.first().is_some_and(|user| {
                user.to_ascii_lowercase().contains(&property.to_ascii_lowercase())
            })
        };
        for (keyword, attr, property, comparison) in [
            ("gpus_minimum_capability", attr::GPUS_MIN_CAPABILITY, "Capability", ">="),
            ("gpus_maximum_capability", attr::GPUS_MAX_CAPABILITY, "Capability", "<="),
            ("gpus_minimum_memory", attr::GPUS_MIN_MEMORY, attr::GLOBAL_MEMORY_MB, ">="),
            ("gpus_minimum_runtime", attr::GPUS_MIN_RUNTIME, attr::MAX_SUPPORTED_VERSION, ">="),
        ] {
            let Some(text) = self.text(keyword)? else { continue };
            let size_mib =
                (keyword == "gpus_minimum_memory").then(|| size(&text, KIB * KIB)).flatten();
            let version =
                (keyword == "gpus_minimum_runtime").then(|| runtime_version(&text)).flatten();
            match size_mib.or(version) {
                Some(number) => self.ad.set(attr, number),
                None => self.set_expression(keyword, attr, &text)?,
            }
            if !named(&clauses, property) {
                clauses.push(format!("{property} {comparison} {attr}"));
            }
        }
        if let [users, _, ..] = &mut clauses[..]
            && users.contains(['|', '?'])
        {
            // What binds less than `&&` is one clause all the same.
            *users = format!("({users})");
        }
        if !clauses.is_empty() {
            self.set_expression("require_gpus", attr::REQUIRE_GPUS, &clauses.join(" && "))?;
        }
        Ok(())
    }

    fn set_custom_requests(&mut self) -> Result<(), Diagnostic> {
        for name in self.custom_requests()? {
            let keyword = format!("request_{name}");
            let attr = format!("{}{name}", attr::REQUEST_PREFIX);
            if let Some(text) = self.text(&keyword)? {
                self.set_expression(&keyword, &attr, &text)?;
            }
        }
        Ok(())
    }

    /// The `NAME` of each `request_NAME` that is none of the standard ones, as it is spelt.
    pub(super) fn custom_requests(&self) -> Result<Vec<String>, Diagnostic> {
        let mut found = Vec::new();
        for (key, entry) in self.scope.macros.entries() {
            let Some(name) = key.strip_prefix("request_") else { continue };
            // HTCondor 25.14 warns of these two as of any unused line
            let is_slip = matches!(name, "cpu" | "gpu");
            if name.is_empty() || is_slip || keywords::find(key).is_some() {
                continue;
            }
            if self.text(key)?.is_some() {
                found.push(entry.name[entry.name.len() - name.len()..].to_owned());
            }
        }
        Ok(found)
    }

    /// What the job is known to need before it has run: its executable, or what the description
    /// says.
    fn set_sizes(&mut self) -> Result<(), Diagnostic> {
        let executable =
            self.ad.literal(attr::EXECUTABLE_SIZE).and_then(classad::Value::as_i64).unwrap_or(0);
        let image = match self.word("image_size")? {
            None => executable,
            Some(text) => {
                let kib = size(&text, KIB);
                let place = self.place("image_size");
                if kib.is_none() {
                    let message = format!("'{text}' is not valid for Image Size");
                    self.warnings.push(Diagnostic::error(message).at(place.clone()));
                }
                kib.filter(|kib| *kib > 0).ok_or_else(|| {
                    Diagnostic::error("Image Size must be positive")
                        .at(place)
                        .hint("a positive size, for example 100MB")
                })?
            }
        };
        self.ad.set(attr::IMAGE_SIZE, image);
        Ok(())
    }

    fn point_out_forgotten_units(&mut self) -> Result<(), Diagnostic> {
        for (keyword, unit, suspicious) in [
            ("request_memory", "MiB", SUSPICIOUS_MEMORY_MIB),
            ("request_disk", "KiB", SUSPICIOUS_DISK_KIB),
        ] {
            let Some(number) = self.text(keyword)?.and_then(|text| text.parse::<i64>().ok()) else {
                continue;
            };
            if number < 0 {
                let message = format!("{keyword} = {number} asks for less than nothing");
                let advice = Diagnostic::advice(message).at(self.place(keyword));
                self.warnings.push(advice.hint("a size is a number and K, M, G or T: 5 GB"));
            }
            if (1..suspicious).contains(&number) {
                let message = format!("{keyword} = {number} asks for {number} {unit}");
                let advice = Diagnostic::advice(message).at(self.place(keyword));
                self.warnings.push(advice.hint(format!("write {number}GB if gigabytes are meant")));
            }
        }
        Ok(())
    }

    fn point_out_no_processors(&mut self) -> Result<(), Diagnostic> {
        const KEYWORD: &str = "request_cpus";
        let Some(number) = self.text(KEYWORD)?.and_then(|text| text.parse::<i64>().ok()) else {
            return Ok(());
        };
        if number < 1 {
            let message = format!("{KEYWORD} = {number} asks for no processor, and gets one");
            self.warnings.push(Diagnostic::advice(message).at(self.place(KEYWORD)));
        }
        Ok(())
    }

    fn set_rank(&mut self) -> Result<(), Diagnostic> {
        match self.text("rank")? {
            Some(text) => self.set_expression("rank", attr::RANK, &text),
            None => {
                self.ad.set(attr::RANK, 0.0);
                Ok(())
            }
        }
    }
}

/// The first of several sizes, and the others: what to ask for at first, and when that was not
/// enough (HTCondor 25.14 takes `request_memory = 1GB, 2GB` so).
pub(super) fn first_of_list(text: &str, unit_bytes: f64) -> Option<(&str, &str)> {
    let (first, rest) = text.split_once(',')?;
    size(first.trim_ascii(), unit_bytes).map(|_| (first.trim_ascii(), rest.trim_ascii()))
}

/// A number with a unit (`K`, `M`, `G`, `T`, with or without `B`), in units of `unit_bytes`,
/// rounded up as HTCondor 25.14 rounds: towards zero after adding almost a unit. `None` if it is
/// something else, such as an expression.
pub(super) fn size(text: &str, unit_bytes: f64) -> Option<i64> {
    let number_end = text.find(|c: char| !(c.is_ascii_digit() || matches!(c, '.' | '-' | '+')));
    let (number, unit) = text.split_at(number_end.unwrap_or(text.len()));
    let number: f64 = number.parse().ok()?;
    let scale = match unit.trim().to_ascii_uppercase().as_str() {
        "" => unit_bytes,
        "K" | "KB" => KIB,
        "M" | "MB" => KIB.powi(2),
        "G" | "GB" => KIB.powi(3),
        "T" | "TB" => KIB.powi(4),
        "P" | "PB" => KIB.powi(5),
        _ => return None,
    };
    evaluate::whole(((number * scale + unit_bytes - 1.0) / unit_bytes).trunc())
}

/// `12.1` as CUDA counts versions: 12010.
fn runtime_version(text: &str) -> Option<i64> {
    match text.split_once('.') {
        Some((major, minor)) => {
            Some(major.parse::<i64>().ok()? * 1000 + minor.parse::<i64>().ok()? * 10)
        }
        None => text
            .parse()
            .ok()
            .map(|version: i64| if version < 1000 { version * 1000 } else { version }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_round_up_to_whole_units() {
        for (text, mib) in [
            ("128", Some(128)),
            ("1.5GB", Some(1536)),
            ("300K", Some(1)),
            ("2T", Some(2_097_152)),
            ("2048m", Some(2048)),
            ("307.2", Some(308)),
            ("2 GB", Some(2048)),
            ("0", Some(0)),
            ("-5", Some(-4)),
            ("5 B", None),
            ("2 XB", None),
            ("RequestCpus * 10", None),
            ("lots", None),
        ] {
            assert_eq!(size(text, KIB * KIB), mib, "{text}");
        }
    }
}
