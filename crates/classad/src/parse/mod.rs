//! Text into expressions and ads.

mod ad_text;
mod error;
mod expression;
mod lexer;

pub(crate) use ad_text::{parse_ads_old, parse_new, parse_old};
pub use error::ParseError;
pub(crate) use expression::parse_expression;
pub use lexer::Syntax;
