//! Text into expressions and ads.

mod ad_text;
mod error;
mod expression;
mod json;
mod lexer;
mod xml;

pub(crate) use ad_text::{parse_ads_old, parse_new, parse_new_ads, parse_old};
pub use error::ParseError;
pub(crate) use expression::parse_expression;
pub(crate) use json::{parse_json, parse_json_ads};
pub use lexer::Syntax;
pub(crate) use xml::parse_xml_ads;
