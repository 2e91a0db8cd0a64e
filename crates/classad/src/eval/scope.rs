//! Where names are looked up.
//!
//! A scope is one of the two ads of a match, or an ad nested inside one. An unscoped name is looked
//! for in the ad, then outwards in the ads around it, and then (from the two outermost ads only) in
//! the other ad of the match.

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
    /// The ad around it; `None` for an ad that a function made.
    pub(crate) parent: Option<Scope>,
    /// Whether names that are not found outwards are looked for in the other ad of the match, as
    /// from an outermost ad: so it is for the ads that `evalInEachContext` goes through, and what
    /// they hold.
    falls_through: bool,
}

impl Scope {
    pub(crate) fn nested(ad: Arc<ClassAd>, parent: Scope) -> Scope {
        let falls_through = matches!(&parent, Scope::Nested(outer) if outer.falls_through);
        Scope::Nested(Rc::new(Nested { ad, parent: Some(parent), falls_through }))
    }

    /// An ad that a function made, with nothing around it.
    pub(crate) fn orphan(ad: Arc<ClassAd>) -> Scope {
        Scope::Nested(Rc::new(Nested { ad, parent: None, falls_through: false }))
    }

    /// The same scope, as one of the contexts of `evalInEachContext`.
    pub(crate) fn as_context(&self) -> Scope {
        match self {
            Scope::My | Scope::Target => self.clone(),
            Scope::Nested(nested) => Scope::Nested(Rc::new(Nested {
                ad: Arc::clone(&nested.ad),
                parent: nested.parent.clone(),
                falls_through: true,
            })),
        }
    }

    /// Whether an unscoped name that is not found from here outwards is looked for in the other ad.
    pub(crate) fn falls_through(&self) -> bool {
        match self {
            Scope::My | Scope::Target => true,
            Scope::Nested(nested) => nested.falls_through,
        }
    }

    /// The scope around this one; `None` for an outermost ad.
    pub(crate) fn outer(&self) -> Option<&Scope> {
        match self {
            Scope::My | Scope::Target => None,
            Scope::Nested(nested) => nested.parent.as_ref(),
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
