//! Where the attributes that an expression reads stand in ads of one shape.
//!
//! The ads of a pool have few shapes, and ads in a table share them; so a name is looked up once
//! per shape and not once per ad.

use std::sync::Arc;

use crate::ad::Shape;
use crate::{AttrName, ClassAd, Expr, Value};

/// Shapes remembered: more than the sorts of machines that take turns in a pool, and few enough to
/// search.
const MAX_LAYOUTS: usize = 8;

/// Attributes of an ad that are looked at before the evaluation begins. Most expressions name
/// fewer.
const MAX_GATHERED: usize = 12;

/// The shapes seen last.
#[derive(Default)]
pub(crate) struct Layouts {
    known: Vec<Layout>,
    /// The one that the last ad had.
    last: usize,
    /// The one to forget next.
    oldest: usize,
}

struct Layout {
    /// Held, so that no other shape can come to stand at its address.
    shape: Arc<Shape>,
    /// For each name, its place in ads of this shape.
    places: Box<[Option<usize>]>,
}

/// The attributes of one ad, by the numbers of their names.
pub(crate) struct Places<'p> {
    ad: &'p ClassAd,
    names: &'p [AttrName],
    /// The first of the attributes. They are all looked at before any of them is needed, because an
    /// ad is seldom in the processor's cache: so memory is waited for once, and not once for each
    /// attribute.
    gathered: [Option<&'p Value>; MAX_GATHERED],
}

/// What an attribute is that the ad does not have.
static UNDEFINED: Value = Value::Undefined;

impl Layouts {
    /// Looks at the attributes of an ad. Their names must be the same in every call.
    #[inline]
    pub(crate) fn gather(&mut self, places: &mut Places<'_>) {
        let ad = places.ad;
        let is_last =
            self.known.get(self.last).is_some_and(|layout| Arc::ptr_eq(&layout.shape, ad.shape()));
        if !is_last {
            self.last = self.index_of(ad, places.names);
        }
        let absent = if ad.parent().is_none() { Some(&UNDEFINED) } else { None };
        for (value, place) in places.gathered.iter_mut().zip(&self.known[self.last].places) {
            *value = match place {
                Some(place) => ad.at_place(*place).as_literal(),
                None => absent,
            };
        }
    }

    fn index_of(&mut self, ad: &ClassAd, names: &[AttrName]) -> usize {
        let same = |layout: &Layout| Arc::ptr_eq(&layout.shape, ad.shape());
        if let Some(index) = self.known.iter().position(same) {
            return index;
        }
        let places = names.iter().map(|name| ad.place_of(name)).collect();
        let layout = Layout { shape: Arc::clone(ad.shape()), places };
        if self.known.len() < MAX_LAYOUTS {
            self.known.push(layout);
            return self.known.len() - 1;
        }
        let index = self.oldest;
        self.known[index] = layout;
        self.oldest = (index + 1) % MAX_LAYOUTS;
        index
    }
}

impl<'p> Places<'p> {
    /// The attributes of an ad that have these names, not yet looked at.
    #[inline]
    pub(crate) fn new(ad: &'p ClassAd, names: &'p [AttrName]) -> Places<'p> {
        Places { ad, names, gathered: [None; MAX_GATHERED] }
    }

    pub(crate) fn ad(&self) -> &'p ClassAd {
        self.ad
    }

    /// The value of an attribute, if it is a literal.
    #[inline]
    pub(crate) fn literal(&self, number: usize) -> Option<&'p Value> {
        match self.gathered.get(number) {
            Some(Some(value)) => Some(value),
            Some(None) | None => self.look_up(number)?.as_literal(),
        }
    }

    /// The expression of an attribute, wherever it is: the ad's own, else its parent's.
    pub(crate) fn look_up(&self, number: usize) -> Option<&'p Expr> {
        self.ad.lookup(&self.names[number])
    }
}
