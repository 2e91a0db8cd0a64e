//! `updraft curl_plugin`: what the startd calls to fetch and store files by URL where no other
//! plug-in speaks their protocol; not for people. It does the work with `curl`, and speaks as
//! HTCondor's file-transfer plug-ins do (see startd's `plugins`).

use model::attr;
use std::ffi::OsString;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode, Output};

use anyhow::{Context, Result, bail};
use clap::Args;
use classad::{ClassAd, Value};

use crate::line::exit::Exit;
use crate::line::output;

/// The protocols that are offered of those that `curl` speaks.
const METHODS: [&str; 5] = ["file", "ftp", "ftps", "http", "https"];

/// A server that is away for a moment is asked again: so often, and for so long, seconds.
const RETRIES: [&str; 5] = ["--retry", "5", "--retry-connrefused", "--retry-max-time", "120"];

/// Fetch and store files by URL, for the startd.
#[derive(Debug, Args)]
#[command(hide = true)]
pub struct CurlPluginArgs {
    /// `-classad`, or `-infile IN -outfile OUT [-upload]`.
    #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
    words: Vec<String>,
}

/// Does it.
///
/// # Errors
///
/// If the words make no sense, `curl` is not there, or a file of orders or results cannot be used.
pub fn run(args: &CurlPluginArgs) -> Result<ExitCode> {
    let words: Vec<&str> = args.words.iter().map(String::as_str).collect();
    match words[..] {
        ["-classad"] => {
            output::put(&capabilities()?)?;
            Ok(Exit::Done.into())
        }
        ["-infile", orders, "-outfile", report] => serve(orders.as_ref(), report.as_ref(), false),
        ["-infile", orders, "-outfile", report, "-upload"] => {
            serve(orders.as_ref(), report.as_ref(), true)
        }
        _ => bail!(
            "move files: expected -classad or -infile IN -outfile OUT [-upload], and not {}",
            args.words.join(" ")
        ),
    }
}

fn capabilities() -> Result<String> {
    let curl = Command::new("curl").arg("--version").output().context("run curl --version")?;
    let said = String::from_utf8_lossy(&curl.stdout).into_owned();
    let spoken = said.lines().find_map(|line| line.strip_prefix("Protocols:")).unwrap_or_default();
    let spoken: Vec<&str> = spoken.split_whitespace().collect();
    let methods: Vec<&str> = METHODS.into_iter().filter(|m| spoken.contains(m)).collect();
    Ok(format!(
        "MultipleFileSupport = true\nPluginType = \"FileTransfer\"\nPluginVersion = \"{}\"\nSupportedMethods = \"{}\"\n",
        env!("CARGO_PKG_VERSION"),
        methods.join(",")
    ))
}

/// Carries out the orders one by one; after one that fails the rest are not tried.
fn serve(orders: &Path, report: &Path, upload: bool) -> Result<ExitCode> {
    let text = fs::read_to_string(orders).with_context(|| format!("read {}", orders.display()))?;
    let orders = ClassAd::parse_new_ads(&text).context("read the orders")?;
    let (mut results, mut exit) = (String::new(), Exit::Done.into());
    for order in &orders {
        let text = |name| order.literal(name).and_then(Value::as_str).map(str::to_owned);
        let (Some(url), Some(local)) = (text("Url"), text(attr::LOCAL_FILE_NAME)) else {
            bail!("move files: an order has no Url or no LocalFileName");
        };
        let local = PathBuf::from(local);
        let end = Command::new("curl").args(curl_words(&url, &local, upload)).output();
        let end = end.context("run curl")?;
        results += &result(&url, &local, &end);
        if !end.status.success() {
            exit = ExitCode::from(u8::try_from(end.status.code().unwrap_or(1)).unwrap_or(1));
            break;
        }
    }
    fs::write(report, results).with_context(|| format!("write {}", report.display()))?;
    Ok(exit)
}

fn curl_words(url: &str, local: &Path, upload: bool) -> Vec<OsString> {
    let how = ["--fail", "--silent", "--show-error", "--location"];
    let which = if upload { "--upload-file" } else { "--output" };
    let mut words: Vec<OsString> = how.into_iter().chain(RETRIES).map(OsString::from).collect();
    words.extend([which.into(), local.into(), "--".into(), url.into()]);
    words
}

fn result(url: &str, local: &Path, end: &Output) -> String {
    let mut ad = ClassAd::new();
    ad.set(attr::TRANSFER_URL, url);
    ad.set(attr::TRANSFER_SUCCESS, end.status.success());
    if end.status.success() {
        let bytes = fs::metadata(local).map_or(0, |found| found.len());
        ad.set("TransferFileBytes", i64::try_from(bytes).unwrap_or(i64::MAX));
    } else {
        ad.set(attr::TRANSFER_ERROR, String::from_utf8_lossy(&end.stderr).trim());
    }
    format!("{}\n", ad.to_new())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_url_looks_like_cannot_become_an_option_of_curl() {
        let words = curl_words("--output", Path::new("/s/x"), false);
        let end: Vec<_> = words.iter().rev().take(4).rev().collect();
        assert_eq!(end, ["--output", "/s/x", "--", "--output"]);
        assert!(curl_words("ftp://x", Path::new("/s/x"), true).contains(&"--upload-file".into()));
    }
}
