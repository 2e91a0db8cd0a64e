//! Where the attributes that an expression reads stand in ads of one shape.
//!
//! The ads of a pool have few shapes, and ads in a table share them; so a name is looked up once per shape and not once per ad.

use std::sync::Arc;

use crate::ad::Shape;
use crate::{AttrName, ClassAd, Expr, Value};

/// Shapes remembered: more than the sorts of machines that take turns in a pool, and few enough to search.
const MAX_LAYOUTS: usize = 8;

/// Attributes of an ad that are looked at before the evaluation begins. Most expressions name fewer.
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
    /// The first of the attributes. They are all looked at before any of them is needed, because an ad is seldom in the
    /// processor's cache: so memory is waited for once, and not once for each attribute.
    gathered: [Found<'p>; MAX_GATHERED],
}

#[derive(Clone, Copy)]
enum Found<'p> {
    /// Not in the ad itself.
    Nowhere,
    Literal(&'p Value),
    /// Something that must be evaluated.
    Tree(&'p Expr),
}

impl Layouts {
    /// The attributes of an ad that have these names, which must be the same in every call.
    #[inline]
    pub(crate) fn places<'p>(&mut self, ad: &'p ClassAd, names: &'p [AttrName]) -> Places<'p> {
        let is_last =
            self.known.get(self.last).is_some_and(|layout| Arc::ptr_eq(&layout.shape, ad.shape()));
        if !is_last {
            self.last = self.index_of(ad, names);
        }
        let mut gathered = [Found::Nowhere; MAX_GATHERED];
        for (found, place) in gathered.iter_mut().zip(&self.known[self.last].places) {
            if let Some(place) = place {
                let expr = ad.at_place(*place);
                *found = expr.as_literal().map_or(Found::Tree(expr), Found::Literal);
            }
        }
        Places { ad, names, gathered }
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
    /// The value of an attribute, if it is a literal.
    #[inline]
    pub(crate) fn literal(&self, number: usize) -> Option<&'p Value> {
        match self.gathered.get(number) {
            Some(Found::Literal(value)) => Some(value),
            Some(Found::Tree(_)) => None,
            Some(Found::Nowhere) | None => self.look_up(number)?.as_literal(),
        }
    }

    /// The expression of an attribute that is no literal: the ad's own, else its parent's.
    pub(crate) fn tree(&self, number: usize) -> Option<&'p Expr> {
        match self.gathered.get(number) {
            Some(Found::Tree(expr)) => Some(expr),
            Some(Found::Literal(_)) => None,
            Some(Found::Nowhere) | None => {
                self.look_up(number).filter(|expr| expr.node().is_some())
            }
        }
    }

    /// An attribute that was not gathered: one of the parent, or one too many.
    fn look_up(&self, number: usize) -> Option<&'p Expr> {
        let ad = if number < MAX_GATHERED { self.ad.parent()? } else { self.ad };
        ad.lookup(&self.names[number])
    }
}
