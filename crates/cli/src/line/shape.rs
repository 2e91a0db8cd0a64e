//! The options by which `q`, `history` and `status` show whole ads or chosen values instead of
//! their tables.

use model::attr;
use std::collections::BTreeSet;

use anyhow::{Context, Result};
use clap::Args;
use classad::{AttrName, ClassAd, Expr};

use crate::line::connect;
use crate::render::dialect::Dialect;
use crate::render::jobs::queue;
use crate::render::values::ads::{self, Form};
use crate::render::values::autoformat::{self, Style};
use crate::render::values::print_format::Table;
use crate::render::values::printf::Format;
use crate::render::values::view::{Moment, View};

/// How ads are shown, if not as a table.
#[derive(Clone, Debug, Default, Args)]
#[command(next_help_heading = "Show whole ads or chosen values")]
pub struct Shape {
    /// Whole ads, an attribute a line.
    #[arg(long, short = 'l')]
    pub long: bool,
    #[arg(long, hide = true, value_name = "FORM")]
    long_form: Option<String>,
    /// Whole ads as a JSON array.
    #[arg(long)]
    pub json: bool,
    /// Whole ads as JSON, one a line.
    #[arg(long)]
    pub jsonl: bool,
    /// Whole ads as XML.
    #[arg(long)]
    pub xml: bool,
    /// Only these attributes of whole ads: A,B,C.
    #[arg(long, value_name = "NAMES")]
    pub attributes: Vec<String>,
    /// The values of these attributes or expressions, an ad a line. Letters after a colon
    /// (-af:jlhVrTY,tng) choose how.
    #[arg(long, alias = "af", num_args = 1.., action = clap::ArgAction::Append, value_name = "EXPR",
          allow_hyphen_values = true)]
    pub autoformat: Vec<String>,
    #[arg(long, hide = true, value_name = "LETTERS")]
    autoformat_form: Option<String>,
    /// A value in a printf format; may be repeated.
    #[arg(long, short = 'f', num_args = 2, action = clap::ArgAction::Append, value_names = ["FORMAT", "EXPR"],
          allow_hyphen_values = true)]
    pub format: Vec<String>,
    /// A table that this file describes, in HTCondor's print-format language.
    #[arg(long, alias = "pr", value_name = "FILE")]
    pub print_format: Option<String>,
}

/// What is shown instead of a table.
#[derive(Clone, Debug)]
pub enum Instead {
    Ads(Form, Vec<AttrName>),
    /// Values in columns.
    Auto(Style, Vec<(String, Expr)>),
    /// Values in formats.
    Printf(Vec<(Format, Expr)>),
    /// A table of the user's own.
    Table(Table),
}

impl Shape {
    /// What the options ask for; `None` is the table.
    ///
    /// # Errors
    ///
    /// If an expression or a form is none.
    pub fn instead(&self, dialect: Dialect) -> Result<Option<Instead>> {
        if !self.autoformat.is_empty() {
            let letters = self.autoformat_form.as_deref().unwrap_or_default();
            let columns = columns(self.autoformat.iter().map(String::as_str))?;
            return Ok(Some(Instead::Auto(Style::parse(letters)?, columns)));
        }
        if !self.format.is_empty() {
            let pairs = self
                .format
                .chunks(2)
                .map(|pair| Ok((Format::parse(&pair[0]), expression(&pair[1])?)));
            return Ok(Some(Instead::Printf(pairs.collect::<Result<_>>()?)));
        }
        if let Some(path) = &self.print_format {
            let text = client::site::read_text(path)
                .with_context(|| format!("read the print format {path}"))?;
            return Ok(Some(Instead::Table(Table::parse(&text).with_context(|| path.clone())?)));
        }
        let form = self.form(dialect)?;
        Ok(form.map(|form| Instead::Ads(form, connect::attribute_names(&self.attributes))))
    }

    fn form(&self, dialect: Dialect) -> Result<Option<Form>> {
        // There names of attributes alone change no table.
        let names_are_enough = dialect != Dialect::HtCondor && !self.attributes.is_empty();
        Ok(match self.long_form.as_deref() {
            Some("json") => Some(Form::Json),
            Some("jsonl") => Some(Form::JsonLines),
            Some("xml") => Some(Form::Xml),
            Some("new") => Some(Form::New),
            Some("long" | "auto" | "sort" | "nosort") => Some(Form::Long),
            Some(other) => {
                anyhow::bail!("-long:{other}: the forms are long, json, jsonl, xml and new")
            }
            None if self.jsonl => Some(Form::JsonLines),
            None if self.json => Some(Form::Json),
            None if self.xml => Some(Form::Xml),
            None if self.long || names_are_enough => Some(Form::Long),
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

impl Instead {
    /// The attributes that are needed of each ad; none means all.
    pub fn projection(&self) -> Vec<AttrName> {
        let (exprs, beside): (Vec<&Expr>, Vec<&str>) = match self {
            Self::Ads(_, names) => return names.clone(),
            Self::Auto(_, columns) => (
                columns.iter().map(|(_, expr)| expr).collect(),
                vec![attr::CLUSTER_ID, attr::PROC_ID],
            ),
            Self::Printf(pairs) => {
                (pairs.iter().map(|(_, expr)| expr).collect(), vec![attr::PROC_ID])
            }
            Self::Table(table) => {
                let (exprs, needs) = table.needs();
                (exprs, [&needs[..], &queue::SUMMARY_ATTRS].concat())
            }
        };
        if exprs.iter().any(|expr| expr.reads_text()) {
            return Vec::new();
        }
        let named = exprs.iter().flat_map(|expr| expr.references()).map(|(_, name)| name);
        let all: BTreeSet<AttrName> = named.chain(beside.into_iter().map(AttrName::from)).collect();
        all.into_iter().collect()
    }

    /// The same for ads of daemons: HTCondor 25.14's `condor_status` has an empty line behind each
    /// ad in XML, `condor_q` has none.
    pub fn of_status(self) -> Self {
        match self {
            Self::Ads(Form::Xml, names) => Self::Ads(Form::XmlApart, names),
            other @ (Self::Ads(..) | Self::Auto(..) | Self::Printf(_) | Self::Table(_)) => other,
        }
    }

    /// What the shape itself demands of an ad.
    pub fn filter(&self) -> Option<&Expr> {
        match self {
            Self::Table(table) => table.filter.as_ref(),
            Self::Ads(..) | Self::Auto(..) | Self::Printf(_) => None,
        }
    }

    /// The ads in this shape.
    pub fn render(&self, ads: &[ClassAd], moment: &Moment, dialect: Dialect) -> String {
        match self {
            Self::Ads(form, names) => ads::render(ads, *form, names, dialect == Dialect::Updraft),
            Self::Auto(style, columns) => autoformat::render(ads, columns, *style, moment),
            Self::Table(table) => table.render(ads, moment),
            Self::Printf(pairs) => {
                let row = |ad: &ClassAd| {
                    let view = View::new(ad, moment);
                    pairs.iter().map(|(format, expr)| format.apply(expr, view)).collect::<String>()
                };
                ads.iter().map(row).collect()
            }
        }
    }
}
