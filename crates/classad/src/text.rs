//! Reading and printing, as methods of the types.

use std::fmt;
use std::str::FromStr;

use crate::parse::{self, Syntax};
use crate::{AttrName, ClassAd, Expr, ParseError, print};

impl Expr {
    /// Reads an expression as submit files, constraints and the lines of an ad in the old syntax
    /// hold it: in a string, a backslash is itself (`regexp("^node\d+$", Machine)`) except before a
    /// quote.
    ///
    /// # Errors
    /// Says where the text leaves the language, and what would be right there.
    pub fn parse(text: &str) -> Result<Expr, ParseError> {
        parse::parse_expression(text, Syntax::Old)
    }

    /// Reads an expression as it stands in an ad in the new syntax, where strings have the escapes
    /// of C (`"^node\\d+$"`).
    ///
    /// # Errors
    /// As [`Expr::parse`].
    pub fn parse_new(text: &str) -> Result<Expr, ParseError> {
        parse::parse_expression(text, Syntax::New)
    }

    /// The expression as it stands in an ad in the new syntax; [`Expr::parse_new`] reads it back.
    pub fn to_new(&self) -> String {
        let mut text = String::new();
        print::expr(&mut text, self, print::Style::New);
        text
    }
}

/// As [`Expr::parse`].
impl FromStr for Expr {
    type Err = ParseError;
    fn from_str(text: &str) -> Result<Expr, ParseError> {
        Expr::parse(text)
    }
}

/// As it stands in an ad in the old syntax, one blank on each side of an operator; [`Expr::parse`]
/// reads it back.
impl fmt::Display for Expr {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut text = String::new();
        print::expr(&mut text, self, print::Style::Old);
        f.write_str(&text)
    }
}

impl ClassAd {
    /// Reads an ad of one `Name = expression` a line, as `-long` prints.
    ///
    /// ```
    /// let ad = classad::ClassAd::parse_old("Owner = \"alice\"\nRank = 0.0\n").unwrap();
    /// assert_eq!(ad.literal("owner").and_then(|owner| owner.as_str()), Some("alice"));
    /// ```
    ///
    /// # Errors
    /// The first line that is not in the language.
    pub fn parse_old(text: &str) -> Result<ClassAd, ParseError> {
        parse::parse_old(text)
    }

    /// Reads several ads in the old syntax with empty lines between them.
    ///
    /// # Errors
    /// As [`ClassAd::parse_old`].
    pub fn parse_old_ads(text: &str) -> Result<Vec<ClassAd>, ParseError> {
        parse::parse_ads_old(text)
    }

    /// Reads `[ Owner = "alice"; Rank = 0.0 ]`.
    ///
    /// # Errors
    /// Says where the text leaves the language, and what would be right there.
    pub fn parse_new(text: &str) -> Result<ClassAd, ParseError> {
        parse::parse_new(text)
    }

    /// Reads several ads in brackets, one behind the other, as plug-ins and `-long:new` write them.
    ///
    /// # Errors
    /// As [`ClassAd::parse_new`].
    pub fn parse_new_ads(text: &str) -> Result<Vec<ClassAd>, ParseError> {
        parse::parse_new_ads(text)
    }

    /// Reads a JSON object as [`ClassAd::to_json`] prints it, or a plain one.
    ///
    /// # Errors
    /// Text that is not JSON, or an expression in it that is not in the language.
    pub fn parse_json(text: &str) -> Result<ClassAd, ParseError> {
        parse::parse_json(text)
    }

    /// Reads an array of JSON objects, or JSON lines.
    ///
    /// # Errors
    /// As [`ClassAd::parse_json`].
    pub fn parse_json_ads(text: &str) -> Result<Vec<ClassAd>, ParseError> {
        parse::parse_json_ads(text)
    }

    /// Reads the ads of an XML document as [`xml_document`] prints it.
    ///
    /// # Errors
    /// An element that ads do not have, or an expression that is not in the language.
    pub fn parse_xml_ads(text: &str) -> Result<Vec<ClassAd>, ParseError> {
        parse::parse_xml_ads(text)
    }

    /// Every visible attribute, one `Name = expression` a line, in alphabetical order, as the tools
    /// print it.
    pub fn to_old(&self) -> String {
        self.to_old_in(AttributeOrder::Alphabetical)
    }

    /// As [`ClassAd::to_old`], in the order asked for.
    pub fn to_old_in(&self, order: AttributeOrder) -> String {
        let mut text = String::new();
        print::ad_old(&mut text, self.ordered(order));
        text
    }

    /// `[ Owner = "alice"; Rank = 0.0 ]`, with every visible attribute, shorter names first.
    pub fn to_new(&self) -> String {
        let mut text = String::new();
        match self.parent() {
            None => print::ad_new(&mut text, self, print::Style::New),
            Some(_) => print::ad_new(&mut text, &self.collapsed(), print::Style::New),
        }
        text
    }

    /// A JSON object over several lines, in alphabetical order, as the tools print it; without a
    /// newline at the end.
    ///
    /// ```
    /// let ad = classad::ClassAd::parse_old("Rank = 0.0\nCmd = \"/bin/true\"\nStart = Owner == \"al\"\n").unwrap();
    /// assert_eq!(ad.to_json(), r#"{
    ///   "Cmd": "/bin/true",
    ///   "Rank": 0.0,
    ///   "Start": "\/Expr(Owner == \"al\")\/"
    /// }"#);
    /// ```
    pub fn to_json(&self) -> String {
        self.to_json_in(AttributeOrder::Alphabetical)
    }

    /// As [`ClassAd::to_json`], in the order asked for.
    pub fn to_json_in(&self, order: AttributeOrder) -> String {
        print::ad_json(self.ordered(order))
    }

    /// The JSON object on one line, in alphabetical order; without a newline at the end.
    pub fn to_jsonl(&self) -> String {
        self.to_jsonl_in(AttributeOrder::Alphabetical)
    }

    /// As [`ClassAd::to_jsonl`], in the order asked for.
    pub fn to_jsonl_in(&self, order: AttributeOrder) -> String {
        print::ad_json_line(self.ordered(order))
    }

    /// The `<c>` element of the ad, in alphabetical order, as the tools print it, with a newline at
    /// the end.
    pub fn to_xml(&self) -> String {
        self.to_xml_in(AttributeOrder::Alphabetical)
    }

    /// As [`ClassAd::to_xml`], in the order asked for.
    pub fn to_xml_in(&self, order: AttributeOrder) -> String {
        print::ad_xml(self.ordered(order))
    }

    fn ordered(&self, order: AttributeOrder) -> impl Iterator<Item = (&AttrName, &Expr)> {
        let mut attributes: Vec<_> = self.iter_all().collect();
        match order {
            AttributeOrder::Alphabetical => attributes.sort_by_key(|(name, _)| *name),
            AttributeOrder::ShorterFirst => {}
        }
        attributes.into_iter()
    }
}

/// In which order the attributes of an ad are printed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AttributeOrder {
    /// By letter, without regard to case: what the tools print.
    Alphabetical,
    /// By length and then by letter: how an ad is stored, and what is written into event logs.
    ShorterFirst,
}

/// Ads as a JSON array, as the tools print a list of ads.
pub fn json_document<'a>(ads: impl IntoIterator<Item = &'a ClassAd>) -> String {
    print::json_document(ads.into_iter(), ClassAd::to_json)
}

/// Ads as an XML document, as the tools print a list of ads.
pub fn xml_document<'a>(ads: impl IntoIterator<Item = &'a ClassAd>) -> String {
    let mut text = print::XML_HEADER.to_owned();
    text.extend(ads.into_iter().map(ClassAd::to_xml));
    text.push_str(print::XML_FOOTER);
    text
}
