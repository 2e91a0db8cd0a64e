//! The ad: a set of named expressions, with an optional parent whose attributes show through.
//!
//! Knows how ads are stored so that a pool of 100,000 machine ads fits in memory: the names of ads
//! that have the same attributes are stored once, and literals sit in the ad itself. Does not
//! parse, print or evaluate.

use std::fmt;
use std::sync::Arc;

use crate::name::{compare_ignoring_case, sort_key};
use crate::{AttrName, Expr, Value};

/// A ClassAd: attributes and their expressions.
///
/// ```
/// use classad::{ClassAd, Env, Value};
/// let mut job = ClassAd::new();
/// job.set("RequestMemory", 512);
/// job.set("Requirements", "TARGET.Memory >= RequestMemory".parse::<classad::Expr>().unwrap());
/// let machine = ClassAd::parse_old("Memory = 1024\n").unwrap();
/// assert_eq!(job.eval("requirements", Some(&machine), &Env::at(0)), Value::Boolean(true));
/// ```
#[derive(Clone, Default)]
pub struct ClassAd {
    shape: Arc<Shape>,
    exprs: Vec<Expr>,
    parent: Option<Arc<ClassAd>>,
}

/// The names of an ad's attributes, in the order of their keys. Shared by ads that have the same
/// ones.
#[derive(Clone, Default, PartialEq, Eq)]
pub(crate) struct Shape {
    keys: Vec<u64>,
    names: Vec<AttrName>,
}

impl Shape {
    /// Whether the names are also written alike.
    pub(crate) fn same_spelling(&self, names: &[AttrName]) -> bool {
        let spellings = self.names.iter().map(AttrName::as_str);
        spellings.eq(names.iter().map(AttrName::as_str))
    }

    fn position(&self, name: &str) -> Result<usize, usize> {
        self.position_by_key(sort_key(name), |stored| compare_ignoring_case(stored.as_str(), name))
    }

    fn position_of(&self, name: &AttrName) -> Result<usize, usize> {
        self.position_by_key(name.key(), |stored| {
            if stored.is_same_copy(name) {
                std::cmp::Ordering::Equal
            } else {
                compare_ignoring_case(stored.as_str(), name.as_str())
            }
        })
    }

    fn position_by_key(
        &self,
        key: u64,
        compare: impl Fn(&AttrName) -> std::cmp::Ordering,
    ) -> Result<usize, usize> {
        let start = self.keys.partition_point(|stored| *stored < key);
        for index in start..self.keys.len() {
            if self.keys[index] != key {
                return Err(index);
            }
            match compare(&self.names[index]) {
                std::cmp::Ordering::Less => {}
                std::cmp::Ordering::Equal => return Ok(index),
                std::cmp::Ordering::Greater => return Err(index),
            }
        }
        Err(self.keys.len())
    }
}

impl ClassAd {
    /// An ad without attributes.
    pub fn new() -> ClassAd {
        ClassAd::default()
    }

    /// Makes room for so many more attributes: an ad that gets many one by one is not moved again
    /// and again.
    pub fn reserve(&mut self, more: usize) {
        let shape = Arc::make_mut(&mut self.shape);
        shape.keys.reserve(more);
        shape.names.reserve(more);
        self.exprs.reserve(more);
    }

    /// Sets an attribute, replacing one of the same name in whatever case. The new spelling of the
    /// name is kept.
    pub fn set(&mut self, name: impl Into<AttrName>, expr: impl Into<Expr>) {
        let (name, expr) = (name.into(), expr.into());
        match self.shape.position_of(&name) {
            Ok(index) => {
                self.exprs[index] = expr;
                if self.shape.names[index].as_str() != name.as_str() {
                    Arc::make_mut(&mut self.shape).names[index] = name;
                }
            }
            Err(index) => {
                let shape = Arc::make_mut(&mut self.shape);
                shape.keys.insert(index, name.key());
                shape.names.insert(index, name);
                self.exprs.insert(index, expr);
            }
        }
    }

    /// The expression of an attribute: this ad's own, else its parent's.
    pub fn get(&self, name: &str) -> Option<&Expr> {
        let mut ad = self;
        loop {
            if let Ok(index) = ad.shape.position(name) {
                return Some(&ad.exprs[index]);
            }
            ad = ad.parent.as_deref()?;
        }
    }

    /// As [`ClassAd::get`], for a name that is already an [`AttrName`].
    pub fn lookup(&self, name: &AttrName) -> Option<&Expr> {
        let mut ad = self;
        loop {
            if let Ok(index) = ad.shape.position_of(name) {
                return Some(&ad.exprs[index]);
            }
            ad = ad.parent.as_deref()?;
        }
    }

    /// The expression of an attribute of this ad itself, whatever the parent has.
    pub fn get_own(&self, name: &str) -> Option<&Expr> {
        self.shape.position(name).ok().map(|index| &self.exprs[index])
    }

    /// Whether this ad itself has this attribute, in the same spelling, with this expression.
    pub fn has_own(&self, name: &AttrName, expr: &Expr) -> bool {
        self.shape.position_of(name).is_ok_and(|index| {
            self.exprs[index] == *expr && self.shape.names[index].as_str() == name.as_str()
        })
    }

    /// The value of an attribute that is a literal; `None` if it is absent or must be evaluated.
    pub fn literal(&self, name: &str) -> Option<&Value> {
        self.get(name).and_then(Expr::as_literal)
    }

    /// Removes an attribute of this ad. One of the same name in the parent shows through again.
    pub fn remove(&mut self, name: &str) -> Option<Expr> {
        let index = self.shape.position(name).ok()?;
        let shape = Arc::make_mut(&mut self.shape);
        shape.keys.remove(index);
        shape.names.remove(index);
        Some(self.exprs.remove(index))
    }

    /// This ad's own attributes, shorter names first and then by letter: the order in which ads are
    /// printed.
    pub fn iter(&self) -> impl DoubleEndedIterator<Item = (&AttrName, &Expr)> + ExactSizeIterator {
        self.shape.names.iter().zip(&self.exprs)
    }

    /// Every attribute that is visible in this ad, its own and the chain's, in the order of
    /// [`ClassAd::iter`].
    pub fn iter_all(&self) -> impl Iterator<Item = (&AttrName, &Expr)> {
        let mut all: Vec<_> = self.iter().collect();
        let mut ad = self.parent.as_deref();
        while let Some(above) = ad {
            all.extend(above.iter());
            ad = above.parent.as_deref();
        }
        if self.parent.is_some() {
            // A stable sort keeps the nearest ad's attribute first among equals.
            all.sort_by(|(left, _), (right, _)| {
                (left.key().cmp(&right.key())).then_with(|| left.cmp(right))
            });
            all.dedup_by(|(later, _), (earlier, _)| later == earlier);
        }
        all.into_iter()
    }

    /// How many attributes the ad itself has.
    pub fn len(&self) -> usize {
        self.exprs.len()
    }

    /// Whether the ad itself has no attribute.
    pub fn is_empty(&self) -> bool {
        self.exprs.is_empty()
    }

    /// Chains this ad to another, whose attributes show through where this ad has none: a job's ad
    /// to its cluster's.
    pub fn set_parent(&mut self, parent: Arc<ClassAd>) {
        self.parent = Some(parent);
    }

    /// The ad that this one is chained to.
    #[inline]
    pub fn parent(&self) -> Option<&Arc<ClassAd>> {
        self.parent.as_ref()
    }

    /// Cuts the chain.
    pub fn clear_parent(&mut self) -> Option<Arc<ClassAd>> {
        self.parent.take()
    }

    /// Sets every attribute that the other ad itself has.
    pub fn update(&mut self, other: &ClassAd) {
        if self.is_empty() {
            self.shape = Arc::clone(&other.shape);
            self.exprs.clone_from(&other.exprs);
            return;
        }
        for (name, expr) in other.iter() {
            self.set(name, expr);
        }
    }

    /// One ad with every visible attribute and no parent.
    pub fn collapsed(&self) -> ClassAd {
        let mut ad: ClassAd =
            self.iter_all().map(|(name, expr)| (name.clone(), expr.clone())).collect();
        ad.parent = None;
        ad
    }

    /// The attributes `names`, and whatever else of the ad their values depend on: enough to
    /// evaluate them, and to print them. Where an expression reads text as an expression (`eval`),
    /// it may name anything: then it is the whole ad.
    pub fn projected<'n>(&self, names: impl IntoIterator<Item = &'n AttrName>) -> ClassAd {
        let mut some = ClassAd::new();
        let mut more: Vec<AttrName> = Vec::new();
        for name in names {
            let Some(expr) = self.lookup(name) else { continue };
            some.set(name, expr);
            if !expr.tells_needs(&mut more) {
                return self.collapsed();
            }
        }
        while let Some(name) = more.pop() {
            let Some(expr) = self.lookup(&name) else { continue };
            if some.lookup(&name).is_none() {
                some.set(name, expr);
                if !expr.tells_needs(&mut more) {
                    return self.collapsed();
                }
            }
        }
        some
    }

    /// The place of an attribute of this ad itself, the same in every ad of its shape.
    pub(crate) fn place_of(&self, name: &AttrName) -> Option<usize> {
        self.shape.position_of(name).ok()
    }

    /// The expression at a place that [`ClassAd::place_of`] gave for an ad of this shape.
    #[inline]
    pub(crate) fn at_place(&self, place: usize) -> &Expr {
        &self.exprs[place]
    }

    #[inline]
    pub(crate) fn shape(&self) -> &Arc<Shape> {
        &self.shape
    }

    /// Makes this ad use `shape`, which must equal its own.
    pub(crate) fn adopt_shape(&mut self, shape: &Arc<Shape>) {
        assert!(*self.shape == **shape, "an ad may only adopt a shape equal to its own");
        self.shape = Arc::clone(shape);
    }

    pub(crate) fn exprs_mut(&mut self) -> &mut [Expr] {
        &mut self.exprs
    }
}

/// Of attributes that are given twice, the last one counts.
impl<N: Into<AttrName>, E: Into<Expr>> FromIterator<(N, E)> for ClassAd {
    fn from_iter<I: IntoIterator<Item = (N, E)>>(attributes: I) -> ClassAd {
        let mut all: Vec<(AttrName, Expr)> =
            attributes.into_iter().map(|(name, expr)| (name.into(), expr.into())).collect();
        all.sort_by(|(left, _), (right, _)| {
            (left.key().cmp(&right.key())).then_with(|| left.cmp(right))
        });
        // `dedup_by` drops the later of two equals: let it carry the later value over first.
        all.dedup_by(|later, earlier| {
            let same = later.0 == earlier.0;
            if same {
                std::mem::swap(later, earlier);
            }
            same
        });
        let mut shape =
            Shape { keys: Vec::with_capacity(all.len()), names: Vec::with_capacity(all.len()) };
        let mut exprs = Vec::with_capacity(all.len());
        for (name, expr) in all {
            shape.keys.push(name.key());
            shape.names.push(name);
            exprs.push(expr);
        }
        ClassAd { shape: Arc::new(shape), exprs, parent: None }
    }
}

/// Equal when both have the same attributes with the same expressions, and equal parents.
impl PartialEq for ClassAd {
    fn eq(&self, other: &ClassAd) -> bool {
        let same_names =
            Arc::ptr_eq(&self.shape, &other.shape) || self.shape.names == other.shape.names;
        same_names && self.exprs == other.exprs && self.parent == other.parent
    }
}

impl fmt::Debug for ClassAd {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.to_new())?;
        match &self.parent {
            Some(parent) => write!(f, " chained to {parent:?}"),
            None => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_of_two_equal_names_counts_and_keeps_its_spelling() {
        let ad: ClassAd = [("Owner", 1), ("b", 2), ("OWNER", 3)].into_iter().collect();
        assert_eq!(ad.len(), 2);
        assert_eq!(ad.get("owner"), Some(&Expr::from(3)));
        assert_eq!(ad.iter().map(|(name, _)| name.as_str()).collect::<Vec<_>>(), ["b", "OWNER"]);
    }

    #[test]
    fn a_projection_holds_what_its_values_depend_on() {
        let cluster: ClassAd =
            ClassAd::parse_new("[ Size = 3; Unit = Kilo * 2; Kilo = 1024 ]").unwrap();
        for (own, names, expected) in [
            ("[ A = 1; B = 2 ]", &["a"][..], "[ a = 1 ]"),
            ("[ A = 1 ]", &["Nothing"], "[]"),
            (
                "[ A = Size * Unit ]",
                &["A"],
                "[ A = Size * Unit; Kilo = 1024; Size = 3; Unit = Kilo * 2 ]",
            ),
            ("[ A = B; B = A ]", &["A"], "[ A = B; B = A ]"),
            ("[ A = TARGET.B; B = 2 ]", &["A"], "[ A = TARGET.B; B = 2 ]"),
            (
                "[ A = eval(B); B = \"C\"; C = 1 ]",
                &["A"],
                "[ A = eval(B); B = \"C\"; C = 1; Kilo = 1024; Size = 3; Unit = Kilo * 2 ]",
            ),
        ] {
            let mut ad: ClassAd = ClassAd::parse_new(own).unwrap();
            ad.set_parent(Arc::new(cluster.clone()));
            let names: Vec<AttrName> = names.iter().map(|name| AttrName::from(*name)).collect();
            assert_eq!(ad.projected(&names), ClassAd::parse_new(expected).unwrap(), "{own}");
        }
    }

    #[test]
    fn a_parent_shows_through_until_it_is_overridden() {
        let cluster: ClassAd = [("Cmd", "/bin/true"), ("Owner", "alice")].into_iter().collect();
        let mut job = ClassAd::new();
        job.set_parent(Arc::new(cluster));
        job.set("Cmd", "/bin/false");
        assert_eq!(job.get("cmd"), Some(&Expr::from("/bin/false")));
        assert_eq!(job.get("owner"), Some(&Expr::from("alice")));
        assert_eq!(job.iter_all().count(), 2);
        job.remove("Cmd");
        assert_eq!(job.get("cmd"), Some(&Expr::from("/bin/true")));
        assert_eq!(job.collapsed().len(), 2);
    }
}
