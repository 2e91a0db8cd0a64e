//! Expressions, values and ads into text.

mod json;
mod real;
mod syntax;
mod xml;

pub(crate) use json::{ad_json, ad_json_line, document as json_document, expression_text};
pub(crate) use real::{c_exponent, c_general};
pub(crate) use syntax::{Style, ad_new, ad_old, c_escaped, expr, pretty, value};
pub(crate) use xml::{FOOTER as XML_FOOTER, HEADER as XML_HEADER, ad_xml};
