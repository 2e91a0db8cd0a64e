//! Where names are looked up.
//!
//! A scope is one of the two ads of a match, or an ad nested inside one. An unscoped name is looked for in the ad, then
//! outwards in the ads around it, and then (from the two outermost ads only) in the other ad of the match.

use std::rc::Rc;
use std::sync::Arc;

use crate::ClassAd;

#[derive(Clone, Debug)]
pub(crate) enum Scope {
    My,
    Target,
    Nested(Rc<Nested>),
}

/// An ad inside another.
#[derive(Debug)]
pub(crate) struct Nested {
    pub(crate) ad: Arc<ClassAd>,
    pub(crate) parent: Scope,
}

impl Scope {
    pub(crate) fn nested(ad: Arc<ClassAd>, parent: Scope) -> Scope {
        Scope::Nested(Rc::new(Nested { ad, parent }))
    }

    /// The scope around this one; `None` for an outermost ad.
    pub(crate) fn outer(&self) -> Option<&Scope> {
        match self {
            Scope::My | Scope::Target => None,
            Scope::Nested(nested) => Some(&nested.parent),
        }
    }

    /// The outermost ad that this scope is in.
    pub(crate) fn side(&self) -> &Scope {
        let mut scope = self;
        while let Some(outer) = scope.outer() {
            scope = outer;
        }
        scope
    }
}
