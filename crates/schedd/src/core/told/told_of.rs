//! Attributes that an entry tells because somebody asked for them, as ClassAd text.

use classad::{ClassAd, Value};
use model::Now;

use crate::core::job::description::env;

/// The names in a list of the job's.
pub(crate) fn listed(ad: &ClassAd, list: &str, now: Now) -> Vec<String> {
    let names = ad.eval(list, None, &env(now));
    let names = names.as_str().unwrap_or_default().to_owned();
    let separator = |c: char| c == ',' || c.is_whitespace();
    names.split(separator).filter(|name| !name.is_empty()).map(str::to_owned).collect()
}

/// What these attributes of an ad come to, where they come to anything that stands on one line.
pub(crate) fn told_of(
    ad: &ClassAd,
    other: Option<&ClassAd>,
    names: &[String],
    now: Now,
) -> Vec<(String, String)> {
    let env = env(now);
    let value = |name: &String| match ad.eval(name, other, &env) {
        Value::Undefined | Value::Error | Value::List(_) | Value::Ad(_) => None,
        value @ (Value::Boolean(_)
        | Value::Integer(_)
        | Value::Real(_)
        | Value::String(_)
        | Value::AbsTime(_)
        | Value::RelTime(_)) => Some((name.clone(), value.to_new())),
    };
    names.iter().filter_map(value).collect()
}
