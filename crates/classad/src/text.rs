//! Reading and printing, as methods of the types.

use std::fmt;
use std::str::FromStr;

use crate::parse::{self, Syntax};
use crate::{ClassAd, Expr, ParseError, print};

impl Expr {
    /// Reads an expression as submit files, constraints and the lines of an ad in the old syntax hold it: in a string,
    /// a backslash is itself (`regexp("^node\d+$", Machine)`) except before a quote.
    ///
    /// # Errors
    /// Says where the text leaves the language, and what would be right there.
    pub fn parse(text: &str) -> Result<Expr, ParseError> {
        parse::parse_expression(text, Syntax::Old)
    }

    /// Reads an expression as it stands in an ad in the new syntax, where strings have the escapes of C (`"^node\\d+$"`).
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

/// As it stands in an ad in the old syntax, one blank on each side of an operator; [`Expr::parse`] reads it back.
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

    /// Every visible attribute, one `Name = expression` a line.
    pub fn to_old(&self) -> String {
        let mut text = String::new();
        print::ad_old(&mut text, self.iter_all());
        text
    }

    /// `[ Owner = "alice"; Rank = 0.0 ]`, with every visible attribute.
    pub fn to_new(&self) -> String {
        let mut text = String::new();
        match self.parent() {
            None => print::ad_new(&mut text, self, print::Style::New),
            Some(_) => print::ad_new(&mut text, &self.collapsed(), print::Style::New),
        }
        text
    }
}
