//! `updraft help`: what the commands are, as text, as manual pages, and as completions for a shell.
//! All of it comes from the same definitions as the commands themselves; nothing is written twice.

use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};
use clap::{Args, Command};
use clap_complete::Shell;
use clap_mangen::Man;
use serde::Serialize;

use crate::line::exit::Exit;
use crate::line::outcome::Outcome;
use crate::render::said;
use crate::verbs::{self, VERBS, examples};

/// Say what the commands are.
#[derive(Debug, Args)]
pub struct HelpArgs {
    /// The command to tell of (default: all, a line for each)
    #[arg(value_name = "COMMAND")]
    command: Option<String>,
    /// List the commands as JSON, with all their names
    #[arg(long, conflicts_with_all = ["command", "man", "completions"])]
    json: bool,
    /// Write manual pages into the folder DIR/man1: one for each command, under its own name and
    /// HTCondor's
    #[arg(long, value_name = "DIR", conflicts_with_all = ["command", "completions"])]
    man: Option<PathBuf>,
    /// Print a script that completes command lines in this shell
    #[arg(long, value_name = "SHELL", conflicts_with = "command")]
    completions: Option<Shell>,
}

/// Does it.
///
/// # Errors
///
/// If there is no such command, or the pages cannot be written.
pub fn run(args: HelpArgs) -> Result<Outcome> {
    if args.json {
        return Ok(Outcome::done(said::json(&list())));
    }
    let text = match (args.man, args.completions, args.command) {
        (Some(dir), _, _) => format!("{} pages in {}\n", write_pages(&dir)?, dir.display()),
        (None, Some(shell), _) => completions(shell),
        (None, None, Some(name)) => one(&name)?,
        (None, None, None) => verbs::program().render_long_help().to_string(),
    };
    Ok(Outcome::done(text))
}

/// All commands: their names and what they are for.
fn list() -> Vec<Listed> {
    let row = |verb: &verbs::Verb| Listed {
        name: verb.name,
        also: verb.htcondor,
        about: verbs::whole_command(verb).get_about().map(ToString::to_string),
    };
    VERBS.iter().map(row).collect()
}

/// A command in the list of all.
#[derive(Serialize)]
struct Listed {
    name: &'static str,
    also: &'static [&'static str],
    about: Option<String>,
}

/// The help of all commands as a page of the user guide.
pub fn reference() -> String {
    let mut page = String::from(
        "# Commands\n\nWhat each command's `--help` says. This page is made from the commands themselves. Under their own names\n\
         commands take options in either spelling (`--long`, `-long`), and any beginning of a name that fits one option only.\n",
    );
    for verb in VERBS {
        let (mut command, also) = (verbs::whole_command(verb), verb.htcondor.join(", "));
        page += &format!("\n## updraft {}\n\n", verb.name);
        if !also.is_empty() {
            page += &format!("Also called {also}.\n\n");
        }
        page += &format!("```text\n{}```\n", plain(&mut command));
        for sub in command.get_subcommands_mut().filter(|sub| sub.get_name() != "help") {
            page += &format!("\n```text\n{}```\n", plain(sub));
        }
    }
    page
}

/// Its help, whatever the terminal is, without blanks at the ends of lines.
fn plain(command: &mut Command) -> String {
    let help = command.clone().term_width(REFERENCE_COLUMNS).render_long_help().to_string();
    help.lines().map(|line| line.trim_end().to_owned() + "\n").collect()
}

/// The width of the reference: that of a terminal that nobody has widened.
const REFERENCE_COLUMNS: usize = 100;

fn one(name: &str) -> Result<String> {
    let Some(verb) = VERBS.iter().find(|verb| verb.name == name || verb.htcondor.contains(&name))
    else {
        bail!("there is no command {name}; updraft help lists them all");
    };
    Ok(verbs::whole_command(verb).render_long_help().to_string())
}

fn completions(shell: Shell) -> String {
    let mut script = Vec::new();
    clap_complete::generate(shell, &mut verbs::program(), "updraft", &mut script);
    let mut script = String::from_utf8_lossy(&script).into_owned();
    for verb in VERBS {
        let command = verbs::whole_command(verb);
        let options: Vec<(&str, String)> = command
            .get_arguments()
            .filter(|arg| !arg.is_hide_set())
            .filter_map(|arg| {
                let what = arg.get_help().map(ToString::to_string).unwrap_or_default();
                Some((arg.get_long()?, what.lines().next().unwrap_or_default().to_owned()))
            })
            .collect();
        for name in verb.htcondor {
            script += &completion(shell, name, &options);
        }
    }
    script
}

/// How one of HTCondor's names is completed: its options are spelt with one dash.
fn completion(shell: Shell, name: &str, options: &[(&str, String)]) -> String {
    let words: Vec<String> = options.iter().map(|(long, _)| format!("-{long}")).collect();
    let words = words.join(" ");
    match shell {
        Shell::Bash => format!("complete -o default -W '{words}' {name}\n"),
        Shell::Zsh => format!(
            "_updraft_{name}() {{ [[ $PREFIX == -* ]] && compadd -- {words} || _files }}\ncompdef _updraft_{name} {name}\n"
        ),
        Shell::Fish => options
            .iter()
            .map(|(long, what)| {
                let what = what.replace(['\\', '\''], "");
                format!("complete -c {name} -o {long} -d '{what}'\n")
            })
            .collect(),
        // They are not where HTCondor's users are.
        _ => String::new(),
    }
}

/// Writes all pages; returns how many.
fn write_pages(dir: &Path) -> Result<usize> {
    let dir = dir.join("man1");
    fs::create_dir_all(&dir).with_context(|| format!("make {}", dir.display()))?;
    let mut count = 0;
    let mut write = |name: &str, page: &[u8]| {
        let path = dir.join(format!("{name}.1"));
        count += 1;
        fs::write(&path, page).with_context(|| format!("write {}", path.display()))
    };
    write("updraft", &page(verbs::program(), "updraft")?)?;
    for verb in VERBS {
        let name = format!("updraft-{}", verb.name);
        write(&name, &page(verbs::whole_command(verb), &name)?)?;
        for also in verb.htcondor {
            write(also, format!(".so man1/{name}.1\n").as_bytes())?;
        }
    }
    Ok(count)
}

fn page(command: Command, name: &str) -> Result<Vec<u8>> {
    let mut page = Vec::new();
    let source = concat!("Updraft ", env!("CARGO_PKG_VERSION"));
    let verb = name.strip_prefix("updraft-").unwrap_or_default();
    let has_subcommands = command.has_subcommands();
    // Its examples have a section of their own.
    let command = command.after_help("");
    let man = Man::new(command).title(name).source(source).manual("Updraft's commands");
    let sections = |page: &mut Vec<u8>| {
        man.render_title(page)?;
        man.render_name_section(page)?;
        man.render_synopsis_section(page)?;
        man.render_description_section(page)?;
        man.render_options_section(page)?;
        if has_subcommands {
            man.render_subcommands_section(page)?;
        }
        page.write_all(examples_section(verb).as_bytes())?;
        page.write_all(exit_status_section().as_bytes())?;
        page.write_all(files_section().as_bytes())
    };
    sections(&mut page).with_context(|| format!("render the manual page {name}"))?;
    Ok(page)
}

fn examples_section(verb: &str) -> String {
    let examples = examples::of(verb);
    if examples.is_empty() {
        return String::new();
    }
    let one = |(what, words): &(&str, &str)| {
        let line = format!("updraft {verb} {words}");
        format!(".TP\n{}:\n{}\n", roff(what), roff(line.trim_end()))
    };
    format!(".SH EXAMPLES\n{}", examples.iter().map(one).collect::<String>())
}

fn exit_status_section() -> String {
    let line = |(exit, when): &(Exit, &str)| format!(".TP\n{}\n{}\n", exit.code(), roff(when));
    let lines: String = examples::EXIT_STATUS.iter().map(line).collect();
    format!(".SH \"EXIT STATUS\"\n{lines}")
}

fn files_section() -> String {
    let line = |(path, what): &(&str, &str)| format!(".TP\n{}\n{}\n", roff(path), roff(what));
    format!(".SH FILES\n{}", examples::FILES.iter().map(line).collect::<String>())
}

/// A line that roff takes as it stands.
fn roff(line: &str) -> String {
    let line = line.replace('\\', "\\e").replace('-', "\\-");
    if line.starts_with(['.', '\'']) { format!("\\&{line}") } else { line }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_command_has_a_manual_page_under_each_of_its_names() {
        let dir = tempfile::tempdir().unwrap();
        let count = write_pages(dir.path()).unwrap();
        let names = VERBS.iter().flat_map(|verb| {
            verb.htcondor
                .iter()
                .map(|name| (*name).to_owned())
                .chain([format!("updraft-{}", verb.name)])
        });
        let all: Vec<String> = names.chain(["updraft".to_owned()]).collect();
        assert_eq!(count, all.len());
        for name in all {
            let page = fs::read_to_string(dir.path().join(format!("man1/{name}.1"))).unwrap();
            assert!(page.starts_with(".so man1/") || page.contains(".SH NAME"), "{name}: {page}");
        }
        let page = fs::read_to_string(dir.path().join("man1/updraft-q.1")).unwrap();
        assert!(page.contains("\\-\\-nobatch"), "{page}");
        for section in ["EXAMPLES\n", "\"EXIT STATUS\"\n", "FILES\n"] {
            assert!(page.contains(&format!(".SH {section}")), "{section}: {page}");
        }
        assert!(page.contains("updraft q 12 \\-nobatch\n"), "{page}");
    }

    #[test]
    fn the_guide_s_reference_is_what_the_commands_say() {
        expect_test::expect_file!["../../../../../docs/user/commands.md"].assert_eq(&reference());
    }

    #[test]
    fn every_shell_gets_completions_of_every_command() {
        for shell in [Shell::Bash, Shell::Zsh, Shell::Fish] {
            let script = completions(shell);
            assert!(script.contains("nobatch"), "{shell}");
            for verb in VERBS {
                assert!(script.contains(verb.name), "{shell}: {}", verb.name);
                for name in verb.htcondor {
                    assert!(
                        script.contains(&format!("{name}\n"))
                            || script.contains(&format!(" {name} ")),
                        "{shell}: {name}"
                    );
                }
            }
        }
    }
}
