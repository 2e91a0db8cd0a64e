//! What an expression depends on: attributes of the ad that it stands in, attributes of the other
//! ad, or something that no ad holds, such as the time. Evaluates nothing.

use model::attr;
use std::collections::BTreeSet;

use classad::{AttrName, ClassAd, Expr, RefScope};

/// Functions whose value differs from call to call, or whose references cannot be seen in the
/// expression.
const UNSTEADY: [&str; 3] = ["time(", "random(", "eval("];

/// What an expression depends on.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Dependence {
    /// Attributes of its own ad that it reaches, directly or through others.
    pub(crate) own: BTreeSet<AttrName>,
    /// Attributes of the other ad that it reaches directly.
    pub(crate) other: BTreeSet<AttrName>,
    /// Whether its value may change while both ads stay the same.
    pub(crate) unsteady: bool,
}

impl Dependence {
    /// What `expr` depends on when it stands in `ad`.
    pub(crate) fn of(expr: &Expr, ad: &ClassAd) -> Self {
        let mut found = Self::default();
        found.add(expr, ad);
        found
    }

    /// Adds what `expr` depends on.
    pub(crate) fn add(&mut self, expr: &Expr, ad: &ClassAd) {
        let mut waiting = vec![expr];
        while let Some(expr) = waiting.pop() {
            if expr.as_literal().is_some() {
                continue;
            }
            self.unsteady |= is_unsteady(expr);
            for (scope, name) in expr.references() {
                let own = ad.lookup(&name);
                let reaches_other = match scope {
                    RefScope::Unscoped => own.is_none(),
                    RefScope::My => false,
                    RefScope::Target => true,
                    RefScope::Other => {
                        self.unsteady = true;
                        true
                    }
                };
                self.unsteady |= name == attr::CURRENT_TIME;
                if reaches_other {
                    self.other.insert(name);
                } else if self.own.insert(name) {
                    waiting.extend(own);
                }
            }
        }
    }
}

fn is_unsteady(expr: &Expr) -> bool {
    let text = expr.to_string().to_ascii_lowercase();
    UNSTEADY.iter().any(|call| text.contains(call))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(expr: &str, own: &[&str], other: &[&str], unsteady: bool) {
        let mut job = ClassAd::new();
        job.set("RequestMemory", "Base * 2".parse::<Expr>().unwrap());
        job.set("Base", 100);
        let found = Dependence::of(&expr.parse().unwrap(), &job);
        assert_eq!(found.own.iter().map(AttrName::as_str).collect::<Vec<_>>(), own, "{expr}");
        assert_eq!(found.other.iter().map(AttrName::as_str).collect::<Vec<_>>(), other, "{expr}");
        assert_eq!(found.unsteady, unsteady, "{expr}");
    }

    #[test]
    fn references_are_followed_through_the_own_ad_and_stop_at_the_other() {
        check("TARGET.Memory >= RequestMemory", &["Base", "RequestMemory"], &["Memory"], false);
        check("Arch == \"X86_64\"", &[], &["Arch"], false);
        check("MY.Nowhere is undefined", &["Nowhere"], &[], false);
        check("TARGET.Base > 3", &[], &["Base"], false);
        check("time() > 100", &[], &[], true);
        check("CurrentTime > 100", &[], &["CurrentTime"], true);
    }
}
