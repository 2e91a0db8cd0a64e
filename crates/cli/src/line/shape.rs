//! The options by which `q`, `history` and `status` show whole ads or chosen values instead of
//! their tables.

use model::attr;
use std::collections::BTreeSet;

use anyhow::{Context, Result, bail};
use clap::{ArgMatches, Args, Command, FromArgMatches};
use classad::{AttrName, ClassAd, Expr};

use crate::line::connect;
use crate::render::dialect::Dialect;
use crate::render::jobs::queue;
use crate::render::values::ads::{self, Form};
use crate::render::values::autoformat::Style;
use crate::render::values::mask::{Growth, Mask};
use crate::render::values::printf::Format;
use crate::render::values::view::Moment;

/// How ads are shown, if not as a table.
#[derive(Clone, Debug, Default)]
pub struct Shape {
    options: Options,
    /// What adds columns, in the order in which it stands.
    columns: Vec<Added>,
}

/// The options.
#[derive(Clone, Debug, Default, Args)]
#[command(next_help_heading = "Show whole ads or chosen values")]
struct Options {
    /// Whole ads, an attribute a line.
    #[arg(long, short = 'l')]
    long: bool,
    #[arg(long, hide = true, value_name = "FORM")]
    long_form: Option<String>,
    /// Whole ads as a JSON array.
    #[arg(long)]
    json: bool,
    /// Whole ads as JSON, one a line.
    #[arg(long)]
    jsonl: bool,
    /// Whole ads as XML.
    #[arg(long)]
    xml: bool,
    /// Only these attributes of whole ads: A,B,C.
    #[arg(long, value_name = "NAMES")]
    attributes: Vec<String>,
    /// The values of these attributes or expressions, an ad a line. Letters after a colon
    /// (-af:jlhVrTY,tng) choose how.
    #[arg(long, alias = "af", num_args = 1.., action = clap::ArgAction::Append, value_name = "EXPR",
          allow_hyphen_values = true)]
    autoformat: Vec<String>,
    /// Stands before the values of each `autoformat`, whether or not it has letters.
    #[arg(long, hide = true, action = clap::ArgAction::Append, value_name = "LETTERS")]
    autoformat_form: Vec<String>,
    /// A value in a printf format; may be repeated.
    #[arg(long, short = 'f', num_args = 2, action = clap::ArgAction::Append, value_names = ["FORMAT", "EXPR"],
          allow_hyphen_values = true)]
    format: Vec<String>,
    /// A table that this file describes, in HTCondor's print-format language.
    #[arg(long, alias = "pr", action = clap::ArgAction::Append, value_name = "FILE")]
    print_format: Vec<String>,
}

/// What one option adds to a line.
#[derive(Clone, Debug)]
enum Added {
    /// Values without a format, and the letters that say how.
    Auto(String, Vec<String>),
    /// A value in a format.
    Printf(String, String),
    /// What a file describes.
    File(String),
}

impl FromArgMatches for Shape {
    fn from_arg_matches(matches: &ArgMatches) -> Result<Self, clap::Error> {
        let options = Options::from_arg_matches(matches)?;
        let columns = in_order(matches, &options);
        Ok(Self { options, columns })
    }

    fn update_from_arg_matches(&mut self, matches: &ArgMatches) -> Result<(), clap::Error> {
        *self = Self::from_arg_matches(matches)?;
        Ok(())
    }
}

impl Args for Shape {
    fn augment_args(command: Command) -> Command {
        Options::augment_args(command)
    }

    fn augment_args_for_update(command: Command) -> Command {
        Options::augment_args_for_update(command)
    }
}

/// What adds columns, as it follows each other on the command line.
fn in_order(matches: &ArgMatches, options: &Options) -> Vec<Added> {
    let at = |name: &str| matches.indices_of(name).into_iter().flatten().collect::<Vec<usize>>();
    let mut parts: Vec<(usize, Added)> = Vec::new();
    let letters = at("autoformat_form").into_iter().zip(&options.autoformat_form);
    parts.extend(letters.map(|(at, letters)| (at, Added::Auto(letters.clone(), Vec::new()))));
    let values = at("autoformat").into_iter().zip(&options.autoformat);
    parts.extend(values.map(|(at, value)| (at, Added::Auto(String::new(), vec![value.clone()]))));
    let pairs = at("format").into_iter().step_by(2).zip(options.format.chunks(2));
    parts.extend(pairs.filter_map(|(at, pair)| match pair {
        [format, value] => Some((at, Added::Printf(format.clone(), value.clone()))),
        _ => None,
    }));
    let files = at("print_format").into_iter().zip(&options.print_format);
    parts.extend(files.map(|(at, file)| (at, Added::File(file.clone()))));
    parts.sort_by_key(|(at, _)| *at);
    let mut columns: Vec<Added> = Vec::new();
    for (_, part) in parts {
        match (columns.last_mut(), part) {
            (Some(Added::Auto(_, values)), Added::Auto(_, more)) if !more.is_empty() => {
                values.extend(more);
            }
            (_, part) => columns.push(part),
        }
    }
    columns
}

/// Of which ads the shape is: HTCondor's commands that show them differ in what several options
/// together mean.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Shown {
    Queue,
    History,
    Machines,
    /// What no other command has in files.
    Others,
}

/// What is shown instead of a table.
#[derive(Clone, Debug)]
pub enum Instead {
    Ads(Form, Vec<AttrName>),
    /// Chosen values.
    Values(Mask, Growth),
}

impl Shape {
    /// Whether a JSON array is asked for.
    pub fn json(&self) -> bool {
        self.options.json
    }

    /// What the options ask for; `None` is the table.
    ///
    /// # Errors
    ///
    /// If an expression or a form is none.
    pub fn instead(&self, dialect: Dialect, shown: Shown) -> Result<Option<Instead>> {
        let of_htcondor = dialect == Dialect::HtCondor;
        let mask = self.mask(of_htcondor, shown)?;
        let Options { json, jsonl, xml, .. } = self.options;
        let several = [json, jsonl, xml].into_iter().filter(|given| *given).count() > 1;
        match shown {
            Shown::Queue if of_htcondor && several => bail!("Cannot print as both XML and JSON"),
            Shown::History if of_htcondor && several => {
                bail!("Cannot use more than one of XML and JSON[L]")
            }
            _ => {}
        }
        let form = self.form(dialect)?;
        // There whole ads are, whatever values are asked for too.
        if !mask.is_empty() && (form.is_none() || !of_htcondor) {
            let growth = match shown {
                Shown::History if of_htcondor => Growth::Met,
                Shown::Machines if of_htcondor => Growth::Values,
                Shown::Queue | Shown::History | Shown::Machines | Shown::Others => Growth::Foreseen,
            };
            return Ok(Some(Instead::Values(mask, growth)));
        }
        let Some(form) = form else { return Ok(None) };
        let mut names = connect::attribute_names(&self.options.attributes);
        let is_printf = |added: &Added| matches!(added, Added::Printf(..));
        let narrows = match shown {
            Shown::Queue => !mask.is_empty(),
            Shown::History => !self.columns.is_empty() && !self.columns.iter().all(is_printf),
            Shown::Machines | Shown::Others => false,
        };
        if narrows {
            let beside = [attr::CLUSTER_ID, attr::PROC_ID].map(AttrName::from);
            names.extend(read_by(&mask.needs().0));
            names.extend(beside.into_iter().filter(|_| shown == Shown::Queue));
        }
        // `condor_q` leaves no empty lines (HTCondor 25.14).
        let form = match (form, shown) {
            (Form::Xml, Shown::Machines) => Form::XmlApart,
            (Form::Xml, Shown::History) if of_htcondor => Form::XmlWide,
            (form, _) => form,
        };
        Ok(Some(Instead::Ads(form, names)))
    }

    /// The columns that are asked for.
    fn mask(&self, of_htcondor: bool, shown: Shown) -> Result<Mask> {
        let mut mask = Mask::default();
        let is_file = |added: &&Added| matches!(added, Added::File(_));
        let files_first = of_htcondor && shown == Shown::Queue;
        let (files, others): (Vec<&Added>, Vec<&Added>) =
            self.columns.iter().partition(|added| files_first && is_file(added));
        for added in files.into_iter().chain(others) {
            match added {
                Added::Auto(letters, texts) => {
                    let columns = columns(texts.iter().map(String::as_str))?;
                    mask.add_auto(&Style::parse(letters)?, columns, shown == Shown::Machines);
                }
                Added::Printf(format, text) => {
                    mask.add_printf(Format::parse(format), text, expression(text)?);
                }
                Added::File(path) => {
                    let text = client::site::read_text(path)
                        .with_context(|| format!("read the print format {path}"))?;
                    mask.add_table(&text).with_context(|| path.clone())?;
                }
            }
        }
        let is_file_alone = matches!(self.columns[..], [Added::File(_)]);
        if !is_file_alone {
            (mask.title, mask.summary) = (false, false);
        }
        // The last that has something to say about headings.
        let hides = self.columns.iter().rev().find_map(|added| match added {
            Added::Printf(..) => Some(true),
            Added::Auto(letters, _) if letters.contains('h') => Some(false),
            Added::Auto(..) | Added::File(_) => None,
        });
        match shown {
            _ if !of_htcondor => {}
            Shown::Queue if is_file_alone => {}
            Shown::Queue | Shown::History => mask.show_headings(true),
            Shown::Others => {}
            Shown::Machines => hides.into_iter().for_each(|hides| mask.show_headings(!hides)),
        }
        Ok(mask)
    }

    fn form(&self, dialect: Dialect) -> Result<Option<Form>> {
        // There names of attributes alone change no table.
        let names_are_enough = dialect != Dialect::HtCondor && !self.options.attributes.is_empty();
        let options = &self.options;
        Ok(match options.long_form.as_deref() {
            Some("json") => Some(Form::Json),
            Some("jsonl") => Some(Form::JsonLines),
            Some("xml") => Some(Form::Xml),
            Some("new") => Some(Form::New),
            Some("long" | "auto" | "sort" | "nosort") => Some(Form::Long),
            Some(other) => {
                anyhow::bail!("-long:{other}: the forms are long, json, jsonl, xml and new")
            }
            None if options.jsonl => Some(Form::JsonLines),
            None if options.json => Some(Form::Json),
            None if options.xml => Some(Form::Xml),
            None if options.long || names_are_enough => Some(Form::Long),
            None => None,
        })
    }
}

/// The first of the options that is given; `otherwise` if none is. Which of several tables is
/// shown, if more are asked for.
pub fn first<T>(options: impl IntoIterator<Item = (bool, T)>, otherwise: T) -> T {
    options.into_iter().find_map(|(given, what)| given.then_some(what)).unwrap_or(otherwise)
}

/// Expressions with their texts as headings.
///
/// # Errors
///
/// If one is none.
pub fn columns<'t>(texts: impl Iterator<Item = &'t str>) -> Result<Vec<(String, Expr)>> {
    texts.map(|text| Ok((text.to_owned(), expression(text)?))).collect()
}

fn expression(text: &str) -> Result<Expr> {
    connect::constraint(text).with_context(|| format!("read '{text}'"))
}

/// The attributes that expressions name.
fn read_by(exprs: &[&Expr]) -> Vec<AttrName> {
    exprs.iter().flat_map(|expr| expr.references()).map(|(_, name)| name).collect()
}

impl Instead {
    /// The attributes that are needed of each ad; none means all.
    pub fn projection(&self) -> Vec<AttrName> {
        let mask = match self {
            Self::Ads(_, names) => return names.clone(),
            Self::Values(mask, _) => mask,
        };
        let (exprs, mut beside) = mask.needs();
        if exprs.iter().any(|expr| expr.reads_text()) {
            return Vec::new();
        }
        beside.push(attr::PROC_ID);
        if mask.title || mask.summary {
            beside.extend(queue::SUMMARY_ATTRS);
        }
        let named = read_by(&exprs).into_iter();
        let all: BTreeSet<AttrName> = named.chain(beside.into_iter().map(AttrName::from)).collect();
        all.into_iter().collect()
    }

    /// What the shape itself demands of an ad.
    pub fn filter(&self) -> Option<&Expr> {
        match self {
            Self::Values(mask, _) => mask.filter.as_ref(),
            Self::Ads(..) => None,
        }
    }

    /// The ads in this shape.
    pub fn render(&self, ads: &[ClassAd], moment: &Moment, dialect: Dialect) -> String {
        match self {
            Self::Ads(form, names) => ads::render(ads, *form, names, dialect == Dialect::Updraft),
            Self::Values(mask, growth) => mask.render(ads, moment, *growth),
        }
    }
}
