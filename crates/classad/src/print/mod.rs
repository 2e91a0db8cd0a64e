//! Expressions, values and ads into text.

mod real;
mod syntax;

pub(crate) use real::{c_exponent, c_general};
pub(crate) use syntax::{Style, ad_new, ad_old, expr, pretty, value};
