//! Which files travel between the submitter's folder and the scratch directory, and when.

use model::job_ad::OwnPlugin;
use model::{CheckpointEnd, attr, stays_inside, url_scheme};

use super::command::kib;
use super::{Job, comma_items, unquoted};
use crate::site::FileKind;
use model::diagnostic::{About, Diagnostic};

/// `should_transfer_files`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Transfer {
    /// Only if the machine does not see the same files.
    IfNeeded,
    Always,
    Never,
}

impl Transfer {
    fn name(self) -> &'static str {
        match self {
            Self::IfNeeded => "IF_NEEDED",
            Self::Always => "YES",
            Self::Never => "NO",
        }
    }
}

const WHEN: &str = "when_to_transfer_output";

/// What only machines from HTCondor 8.9.7 on can transfer.
const NEWER_TRANSFER: &str = " && versioncmp( split(TARGET.CondorVersion)[1], \"8.9.7\" ) >= 0";

impl Job<'_> {
    pub(super) fn set_transfer(&mut self) -> Result<(), Diagnostic> {
        self.set_when()?;
        self.ad.set(attr::SHOULD_TRANSFER_FILES, self.transfer.name());
        if self.transfer != Transfer::Always {
            self.ad
                .set(attr::FILE_SYSTEM_DOMAIN, self.scope.site.host().filesystem_domain.as_str());
        }
        let inputs = self.set_lists()?;
        self.set_input_size(&inputs)
    }

    fn set_when(&mut self) -> Result<(), Diagnostic> {
        let given_text = self.word("should_transfer_files")?;
        let given = match &given_text {
            None => None,
            Some(text) => Some(match text.to_ascii_uppercase().as_str() {
                "YES" | "TRUE" | "ALWAYS" => Transfer::Always,
                "NO" | "FALSE" | "NEVER" => Transfer::Never,
                "IF_NEEDED" | "AUTO" | "AUTOMATIC" => Transfer::IfNeeded,
                _ => {
                    return Err(self.wrapped(
                        "should_transfer_files",
                        &format!(
                            "invalid value ({text}) for ShouldTransferFiles. Please either specify YES, NO, or IF_NEEDED \
                             and try again."
                        ),
                    ));
                }
            }),
        };
        let when_text = self.word(WHEN)?.map(|when| (when.to_ascii_uppercase(), when));
        let (when, written) = match &when_text {
            None => (None, ""),
            Some((upper, written)) => match upper.as_str() {
                // HTCondor 25.14 takes NEVER for no answer
                "NEVER" => (None, ""),
                "ON_EXIT" | "ON_EXIT_OR_EVICT" | "ON_SUCCESS" => {
                    (Some(upper.as_str()), written.as_str())
                }
                _ => {
                    return Err(self.wrapped(
                        WHEN,
                        &format!(
                            "invalid value ({written}) for WhenToTransferOutput. Please either specify ON_EXIT, or \
                             ON_EXIT_OR_EVICT and try again."
                        ),
                    ));
                }
            },
        };
        self.transfer = match (given, when) {
            (Some(Transfer::Never), Some(_)) => {
                let given = given_text.unwrap_or_default();
                return Err(self.wrapped(
                    WHEN,
                    &format!(
                        "WhenToTransferOutput specified as {written} yet ShouldTransferFiles defined as {given}. Please remove \
                         this contradiction from your submit file and try again."
                    ),
                ));
            }
            (Some(Transfer::IfNeeded), Some("ON_EXIT_OR_EVICT")) => {
                return Err(self.wrapped(WHEN, INCOMPATIBLE));
            }
            (None, Some("ON_EXIT_OR_EVICT")) => Transfer::Always,
            // The schedd's copy is on no disk that a machine is asked about.
            (Some(Transfer::IfNeeded) | None, _) if self.spool => Transfer::Always,
            (Some(given), _) => given,
            (None, _) => Transfer::IfNeeded,
        };
        if self.transfer != Transfer::Never {
            self.ad.set(attr::WHEN_TO_TRANSFER_OUTPUT, when.unwrap_or("ON_EXIT"));
        }
        Ok(())
    }

    /// The lists of files; gives back the inputs.
    fn set_lists(&mut self) -> Result<Vec<String>, Diagnostic> {
        let inputs = self.text("transfer_input_files")?;
        let outputs = self.text("transfer_output_files")?;
        let listed = [("transfer_input_files", &inputs), ("transfer_output_files", &outputs)];
        if self.transfer == Transfer::Never
            && let Some((keyword, _)) = listed.into_iter().find(|(_, list)| list.is_some())
        {
            return Err(self.wrapped(
                keyword,
                &format!(
                    "you specified files you want Condor to transfer via \"{keyword}\", but you disabled \
                     should_transfer_files."
                ),
            ));
        }
        let split =
            |text: &String| comma_items(unquoted(text)).map(str::to_owned).collect::<Vec<_>>();
        let mut inputs = inputs.as_ref().map(split);
        if self.transfer != Transfer::Never {
            for input in self.tool_inputs()? {
                let listed = inputs.get_or_insert_default();
                if !listed.contains(&input) {
                    listed.push(input);
                }
            }
        }
        if let Some(inputs) = inputs.as_ref().filter(|inputs| !inputs.is_empty()) {
            self.ad.set(attr::TRANSFER_INPUT, inputs.join(","));
        }
        if let Some(outputs) = outputs.as_ref().map(split) {
            self.ad.set(attr::TRANSFER_OUTPUT, outputs.join(","));
        }
        self.set_plugins()?;
        self.set_proxy()?;
        self.set_checkpoint()?;
        self.set_manifest_folder()?;
        Ok(inputs.unwrap_or_default())
    }

    /// Plug-ins that the job brings along.
    fn set_plugins(&mut self) -> Result<(), Diagnostic> {
        const KEYWORD: &str = "transfer_plugins";
        let Some(text) = self.text(KEYWORD)? else { return Ok(()) };
        let text = unquoted(&text);
        self.scope.check_mark(text);
        let written = text.split(';').filter(|item| !item.trim().is_empty()).count();
        if OwnPlugin::list(text).len() != written {
            let message = format!("{KEYWORD} = {text} is no list of plug-ins");
            let hint = "PROTOCOL,PROTOCOL = PROGRAM; PROTOCOL = PROGRAM";
            return Err(Diagnostic::error(message).at(self.place(KEYWORD)).hint(hint));
        }
        self.ad.set(attr::TRANSFER_PLUGINS, text);
        Ok(())
    }

    /// Whether the job brings a plug-in for a protocol along.
    fn has_plugin_for(&self, scheme: &str) -> bool {
        let list = self.ad.literal(attr::TRANSFER_PLUGINS).and_then(classad::Value::as_str);
        OwnPlugin::list(list.unwrap_or_default())
            .iter()
            .any(|plugin| plugin.methods.iter().any(|method| method.eq_ignore_ascii_case(scheme)))
    }

    /// The user's proxy: a file that only has to be there and readable. With `use_x509userproxy`
    /// it is where grid tools look for it.
    fn set_proxy(&mut self) -> Result<(), Diagnostic> {
        let wanted = self.truth("use_x509userproxy")? == Some(true);
        let (keyword, path) = match self.word("x509userproxy")? {
            Some(path) => ("x509userproxy", unquoted(&path).to_owned()),
            None if wanted => ("use_x509userproxy", self.scope.site.users_proxy()),
            None => return Ok(()),
        };
        let path = self.absolute(&path);
        if !matches!(self.scope.site.file_kind(&path), Ok(FileKind::File { .. })) {
            let hint =
                format!("there is no plain file {path}; make it with your grid's proxy command");
            let error = Diagnostic::error("unable to read proxy file");
            return Err(error.at(self.place(keyword)).hint(hint));
        }
        self.ad.set(attr::X509_USER_PROXY, path);
        Ok(())
    }

    /// How the job says that it has taken a checkpoint, and which files are that (HTCondor 25.14).
    fn set_checkpoint(&mut self) -> Result<(), Diagnostic> {
        if let Some(code) = self.integer("checkpoint_exit_code")? {
            self.ad.set(CheckpointEnd::EXIT_CODE, code);
            self.ad.set("WantFTOnCheckpoint", true);
        }
        if let Some(files) = self.text("transfer_checkpoint_files")? {
            // As it is written (HTCondor 25.14); who reads it takes the quotes off.
            self.ad.set(attr::TRANSFER_CHECKPOINT, files);
        }
        Ok(())
    }

    /// Where the machine tells what the job found and left.
    fn set_manifest_folder(&mut self) -> Result<(), Diagnostic> {
        const KEYWORD: &str = "manifest_dir";
        let Some(text) = self.text(KEYWORD)? else { return Ok(()) };
        let folder = text.as_str();
        if !stays_inside(folder) {
            let message = format!("{KEYWORD} = {folder} names no folder below the job's own");
            let hint = "a relative path without .., where the manifest is made and comes back to";
            return Err(Diagnostic::error(message).at(self.place(KEYWORD)).hint(hint));
        }
        self.ad.set(attr::MANIFEST_DIR, folder);
        Ok(())
    }

    /// What the executable and the inputs take, as far as they are there already.
    fn set_input_size(&mut self, inputs: &[String]) -> Result<(), Diagnostic> {
        let mut total =
            self.ad.literal(attr::EXECUTABLE_SIZE).and_then(classad::Value::as_i64).unwrap_or(0);
        for input in inputs.iter().filter(|input| url_scheme(input).is_none()) {
            self.scope.check_mark(input);
            let path = self.absolute(input);
            match self.scope.site.file_kind(&path) {
                Ok(FileKind::File { size_bytes, .. }) => total += kib(size_bytes),
                Ok(FileKind::Directory) => total += kib(self.scope.site.folder_bytes(&path)),
                Ok(FileKind::Other) => return Err(self.endless("transfer_input_files", input)),
                Err(_) => {}
            }
        }
        if let Some(input) = self.word("input")? {
            let path = self.absolute(unquoted(&input));
            if matches!(self.scope.site.file_kind(&path), Ok(FileKind::Directory)) {
                total += kib(self.scope.site.folder_bytes(&path));
            }
        }
        match self.word("disk_usage")? {
            None => {
                self.ad.set(attr::DISK_USAGE, total);
                self.ad.set("TransferInputSizeMB", (total + 1023) / 1024);
            }
            Some(text) => {
                let usage = super::resources::size(&text, 1024.0)
                    .filter(|usage| *usage > 0)
                    .ok_or_else(|| {
                        let message =
                            format!("'{text}' is not valid for disk_usage. It must be >= 1");
                        Diagnostic::error(message)
                            .at(self.place("disk_usage"))
                            .hint("a positive size, for example 100MB")
                    })?;
                self.ad.set(attr::DISK_USAGE, usage);
            }
        }
        self.advise_of_urls(inputs);
        let destination = self.word("output_destination")?;
        if destination.as_ref().is_some_and(|text| url_scheme(text).is_none()) {
            let message = "output_destination must be a URL, did you mean output_directory ?";
            self.warn("output_destination", message);
        }
        let remaps = self.text("transfer_output_remaps")?.unwrap_or_default();
        let remapped: Vec<String> = model::output_remaps(unquoted(&remaps)).into_values().collect();
        let named = inputs.iter().chain(&destination).chain(&remapped);
        // As they are written (HTCondor 25.14); compared without regard to case.
        let mut schemes: Vec<&str> = named
            .filter(|named| url_scheme(named).is_some())
            .filter_map(|url| url.split_once("://").map(|(scheme, _)| scheme))
            .filter(|scheme| !self.has_plugin_for(scheme))
            .collect();
        schemes.sort_unstable_by_key(|scheme| scheme.to_ascii_lowercase());
        schemes.dedup_by_key(|scheme| scheme.to_ascii_lowercase());
        if !schemes.is_empty() {
            self.ad.set("WantTransferPluginMethods", schemes.join(","));
        }
        Ok(())
    }

    /// A URL is fetched where files are transferred, and with `IF_NEEDED` they are not where the
    /// disk is the same. A device or a FIFO has no end that a copy could come to.
    pub(super) fn endless(&self, keyword: &'static str, path: &str) -> Diagnostic {
        let message = format!("{keyword}: {path} is neither a plain file nor a folder");
        Diagnostic::error(message).at(self.place(keyword)).hint("name a file that has an end")
    }

    fn advise_of_urls(&mut self, inputs: &[String]) {
        let url =
            inputs.iter().find(|input| url_scheme(input).is_some_and(|scheme| scheme != "file"));
        if let (Some(url), Transfer::IfNeeded) = (url, self.transfer) {
            let message = format!("{url} is fetched only where files are transferred");
            let advice = Diagnostic::advice(message).at(self.place("transfer_input_files"));
            let hint = "write should_transfer_files = YES to have it fetched everywhere";
            self.warnings.push(advice.hint(hint));
        }
    }

    /// What a machine must be able to do besides plain transfer, as further terms of the clause
    /// about it.
    pub(super) fn transfer_capabilities(&self) -> Result<String, Diagnostic> {
        let mut terms = String::new();
        let on_success =
            self.ad.literal(attr::WHEN_TO_TRANSFER_OUTPUT).and_then(classad::Value::as_str);
        let keeps_paths = self.truth("preserve_relative_paths")? == Some(true);
        let lists_checkpoint = self.ad.get(attr::TRANSFER_CHECKPOINT).is_some();
        if on_success == Some("ON_SUCCESS") || keeps_paths || lists_checkpoint {
            terms.push_str(NEWER_TRANSFER);
        }
        if let Some(schemes) =
            self.ad.literal("WantTransferPluginMethods").and_then(classad::Value::as_str)
        {
            for scheme in schemes.split(',') {
                terms.push_str(" && stringListIMember(\"");
                terms.push_str(scheme);
                terms.push_str("\", TARGET.HasFileTransferPluginMethods)");
            }
        }
        Ok(terms)
    }

    /// An error that `condor_submit` breaks into lines.
    fn wrapped(&self, keyword: &str, message: &str) -> Diagnostic {
        Diagnostic::error(wrap(message)).about(About::Submission).at(self.place(keyword))
    }
}

const INCOMPATIBLE: &str = "\"when_to_transfer_output = ON_EXIT_OR_EVICT\" and \"should_transfer_files = IF_NEEDED\" are incompatible. The \
     behavior of these two settings together would produce incorrect file access in some cases. Please decide which one of \
     those two settings you're more interested in. If you really want \"IF_NEEDED\", set \"when_to_transfer_output = \
     ON_EXIT\". If you really want \"ON_EXIT_OR_EVICT\", please set \"should_transfer_files = YES\". After you have \
     corrected this incompatibility, please try running condor_submit again.\n";

/// Breaks a message as `condor_submit` 25.14 does: every word with a blank behind it, lines of at
/// most 77 columns, the first of at most 76.
fn wrap(message: &str) -> String {
    const COLUMNS: usize = 77;
    let mut wrapped = String::new();
    // The line break before it counts.
    let mut column = "\nERROR: ".len();
    for word in message.split(' ') {
        let width = word.chars().count();
        if column + width > COLUMNS {
            wrapped.push('\n');
            column = 0;
        }
        wrapped.push_str(word);
        wrapped.push(' ');
        column += width + 1;
    }
    wrapped
}
