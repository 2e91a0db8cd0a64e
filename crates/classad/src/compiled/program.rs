//! One expression of one ad, prepared once and asked of other ads one after the other.
//!
//! What the ad decides alone is a constant, names of the other ad are places in its list of
//! expressions (see `layout`), and values are compared where they are stored. What is neither an
//! operator nor such a name is left to the evaluator, so the values are the evaluator's own, type
//! and all. (`flatten` keeps only the truth, and so is not used here.)

use std::cmp::Ordering;
use std::sync::Arc;

use crate::compiled::layout::{Layouts, Places};
use crate::compiled::predicate::{column_of, mirrored};
use crate::eval::{Env, Evaluator, Truth, Val, combine, compare_in_place, holds, logical, unary};
use crate::expr::{BinaryOp, Node, OpKind, RefScope, UnaryOp, is_special, scope_of};
use crate::flatten::local_value;
use crate::{AttrName, ClassAd, Expr, Value};

/// Parts nested deeper are left to the evaluator, which minds the stack. What people write nests
/// less than ten levels.
const MAX_COMPILED_DEPTH: u32 = 64;

/// A longer expression is left to the evaluator as a whole, which counts its steps. A long
/// Requirements has a hundred parts.
const MAX_COMPILED_PARTS: usize = 10_000;

/// Ads whose attributes are looked at before the first of them is evaluated: as many as a processor
/// waits for at once.
const BLOCK_ADS: usize = 8;

/// An expression of one ad, to be evaluated against one ad after the other, several times faster
/// than by [`ClassAd::eval_expr`] and with the same values. Only the limits of an evaluation are
/// more generous: what the ad decides alone is paid for once, when it is compiled.
///
/// ```
/// use std::sync::Arc;
/// use classad::{ClassAd, Env, Expr, Value};
/// use classad::compiled::CompiledExpr;
///
/// let job = ClassAd::parse_old("RequestMemory = 100\n").unwrap();
/// let expr = Expr::parse("TARGET.Memory - RequestMemory").unwrap();
/// let mut compiled = CompiledExpr::new(Arc::new(job), &expr, &Env::at(0));
/// let machine = ClassAd::parse_old("Memory = 512\n").unwrap();
/// assert_eq!(compiled.eval(&machine), Value::Integer(412));
/// ```
pub struct CompiledExpr {
    program: Program,
    layouts: Layouts,
}

impl CompiledExpr {
    /// Compiles an expression whose `MY` is `my`. The world is the same for every evaluation.
    pub fn new(my: Arc<ClassAd>, expr: &Expr, env: &Env) -> CompiledExpr {
        CompiledExpr { program: Program::new(my, expr, env), layouts: Layouts::default() }
    }

    /// The value in a match with `target`.
    pub fn eval(&mut self, target: &ClassAd) -> Value {
        let mut places = Places::new(target, &self.program.names);
        self.layouts.gather(&mut places);
        self.program.eval(&places)
    }

    /// Calls `each` with the value in a match with each of the ads, in their order. Much faster
    /// than one by one where the ads do not fit the processor's cache: several are waited for at
    /// once.
    pub fn eval_each<'t>(
        &mut self,
        targets: impl IntoIterator<Item = &'t ClassAd>,
        mut each: impl FnMut(Value),
    ) {
        let CompiledExpr { program, layouts } = self;
        let mut targets = targets.into_iter().fuse();
        loop {
            let mut block = [const { None::<Places<'_>> }; BLOCK_ADS];
            for (places, target) in block.iter_mut().zip(&mut targets) {
                layouts.gather(places.insert(Places::new(target, &program.names)));
            }
            for places in block.iter().flatten() {
                each(program.eval(places));
            }
            if block[BLOCK_ADS - 1].is_none() {
                break;
            }
        }
    }

    /// Whether the value, as a condition, holds in a match with `target`.
    pub fn holds(&mut self, target: &ClassAd) -> bool {
        self.program.holds(target, &mut self.layouts)
    }
}

/// What does not change between evaluations.
pub(crate) struct Program {
    my: Arc<ClassAd>,
    env: Env,
    root: Part,
    /// The attributes of the other ad that are read, by number.
    names: Vec<AttrName>,
}

enum Part {
    /// What the ad decides alone; neither a list nor an ad.
    Constant(Value),
    /// An attribute of the other ad, by number, and how deep in the expression it is named.
    Column(usize, u32),
    /// A comparison, or a test of identity.
    Compare(Box<Compared>),
    /// A comparison of an attribute of the other ad, by number, with a constant, as nearly all are:
    /// quick for values of the constant's type.
    Test(usize, Test, Box<Compared>),
    /// `a && b && c`, or the same of `||`: two operands or more.
    Logic(BinaryOp, Box<[Part]>),
    Not(Box<Part>),
    /// Another prefix operator.
    Unary(UnaryOp, Box<Part>),
    /// Other operators of one precedence, from the left.
    Chain(Box<Part>, Box<[(BinaryOp, Part)]>),
    Elvis(Box<(Part, Part)>),
    Ternary(Box<[Part; 3]>),
    /// Anything else, and how deep in the expression it stands.
    Tree(Expr, u32),
}

struct Compared {
    op: BinaryOp,
    left: Part,
    right: Part,
}

enum Test {
    /// Equal without regard to case, or not.
    Text {
        wanted: Arc<str>,
        wants_equal: bool,
    },
    Integer {
        bound: i64,
        less: bool,
        equal: bool,
        greater: bool,
    },
}

impl Program {
    pub(crate) fn new(my: Arc<ClassAd>, expr: &Expr, env: &Env) -> Program {
        let mut parts = 0_usize;
        expr.visit(&mut |_| parts += 1);
        let mut compiler = Compiler { my: &my, env, names: Vec::new() };
        let root = if parts > MAX_COMPILED_PARTS {
            Part::Tree(expr.clone(), 0)
        } else {
            compiler.compile(expr, 0)
        };
        let names = compiler.names;
        Program { my, env: env.clone(), root, names }
    }

    fn eval(&self, places: &Places<'_>) -> Value {
        let mut run = Run { program: self, places, evaluator: None };
        match run.eval(&self.root) {
            Val::Boolean(value) => Value::Boolean(value),
            value => run.evaluator().value(value),
        }
    }

    pub(crate) fn holds(&self, target: &ClassAd, layouts: &mut Layouts) -> bool {
        let mut places = Places::new(target, &self.names);
        layouts.gather(&mut places);
        let mut run = Run { program: self, places: &places, evaluator: None };
        run.truth(&self.root).is_true()
    }
}

/// One evaluation. What is left to the evaluator is left to the same one, which counts steps and
/// random numbers.
struct Run<'r> {
    program: &'r Program,
    places: &'r Places<'r>,
    evaluator: Option<Evaluator<'r>>,
}

impl<'r> Run<'r> {
    fn eval(&mut self, part: &'r Part) -> Val {
        match part {
            Part::Constant(value) => Val::from(value),
            Part::Column(number, depth) => match self.places.literal(*number) {
                Some(literal) => Val::from(literal),
                None => match self.places.look_up(*number) {
                    Some(found) => self.evaluator().eval_of_target(found, *depth),
                    None => Val::Undefined,
                },
            },
            Part::Compare(_) | Part::Test(..) | Part::Logic(..) | Part::Not(_) => {
                Val::from(self.truth(part))
            }
            Part::Unary(op, operand) => unary(*op, self.eval(operand)),
            Part::Chain(first, rest) => {
                let mut value = self.eval(first);
                for (op, operand) in rest {
                    let operand = self.eval(operand);
                    value = combine(*op, &value, &operand);
                }
                value
            }
            Part::Elvis(sides) => match self.eval(&sides.0) {
                Val::Undefined => self.eval(&sides.1),
                value => value,
            },
            Part::Ternary(parts) => {
                let [condition, then, otherwise] = parts.as_ref();
                match self.truth(condition) {
                    Truth::Is(true) => self.eval(then),
                    Truth::Is(false) => self.eval(otherwise),
                    Truth::Undefined => Val::Undefined,
                    Truth::Error => Val::Error,
                }
            }
            Part::Tree(expr, depth) => self.evaluator().eval_part(expr, *depth),
        }
    }

    /// The value as a condition. What has no other use, comparisons and logic, is never made into a
    /// value.
    fn truth(&mut self, part: &'r Part) -> Truth {
        match part {
            Part::Compare(compared) => self.compare(compared),
            Part::Test(number, test, compared) => match (self.places.literal(*number), test) {
                (Some(Value::String(text)), Test::Text { wanted, wants_equal }) => {
                    Truth::Is(text.eq_ignore_ascii_case(wanted) == *wants_equal)
                }
                (Some(Value::Integer(value)), Test::Integer { bound, less, equal, greater }) => {
                    Truth::Is(match value.cmp(bound) {
                        Ordering::Less => *less,
                        Ordering::Equal => *equal,
                        Ordering::Greater => *greater,
                    })
                }
                _ => self.compare(compared),
            },
            Part::Logic(op, operands) => self.logic(*op, operands),
            Part::Not(inner) => match self.truth(inner) {
                Truth::Is(truth) => Truth::Is(!truth),
                unknown @ (Truth::Undefined | Truth::Error) => unknown,
            },
            Part::Constant(_)
            | Part::Column(..)
            | Part::Unary(..)
            | Part::Chain(..)
            | Part::Elvis(_)
            | Part::Ternary(_)
            | Part::Tree(..) => match self.peek(part) {
                Some(Value::Boolean(value)) => Truth::Is(*value),
                Some(_) | None => Truth::from(&self.eval(part)),
            },
        }
    }

    fn logic(&mut self, op: BinaryOp, operands: &'r [Part]) -> Truth {
        let decides = op == BinaryOp::Or;
        let mut known = Truth::Is(!decides);
        for operand in operands {
            let truth = self.truth(operand);
            if truth == Truth::Is(!decides) {
                // It changes nothing, whatever is known.
                continue;
            }
            known = logical(op, known, truth);
            if known == Truth::Is(decides) {
                break;
            }
        }
        known
    }

    fn compare(&mut self, compared: &'r Compared) -> Truth {
        let Compared { op, left, right } = compared;
        if let (Some(left), Some(right)) = (self.peek(left), self.peek(right))
            && let Some(holds) = compare_in_place(*op, left, right)
        {
            return Truth::Is(holds);
        }
        let left = self.eval(left);
        let right = self.eval(right);
        Truth::from(&combine(*op, &left, &right))
    }

    fn evaluator(&mut self) -> &mut Evaluator<'r> {
        let (program, target) = (self.program, self.places.ad());
        self.evaluator
            .get_or_insert_with(|| Evaluator::new(&program.my, Some(target), &program.env))
    }

    /// The value, if it is stored as it is.
    fn peek(&self, part: &'r Part) -> Option<&'r Value> {
        match part {
            Part::Constant(value) => Some(value),
            Part::Column(number, _) => self.places.literal(*number),
            Part::Compare(_)
            | Part::Test(..)
            | Part::Logic(..)
            | Part::Not(_)
            | Part::Unary(..)
            | Part::Chain(..)
            | Part::Elvis(_)
            | Part::Ternary(_)
            | Part::Tree(..) => None,
        }
    }
}

struct Compiler<'c> {
    my: &'c ClassAd,
    env: &'c Env,
    names: Vec<AttrName>,
}

impl Compiler<'_> {
    /// `depth` is how many levels of the expression are around this one, as the evaluator counts
    /// them.
    fn compile(&mut self, expr: &Expr, depth: u32) -> Part {
        let Some(node) = expr.node() else {
            return expr.as_literal().map_or_else(
                || Part::Tree(expr.clone(), depth),
                |literal| Part::Constant(literal.clone()),
            );
        };
        if depth >= MAX_COMPILED_DEPTH {
            return Part::Tree(expr.clone(), depth);
        }
        if let Some(constant) = self.constant(expr, depth) {
            return Part::Constant(constant);
        }
        if !matches!(node, Node::Paren(_))
            && let Some(name) = column_of(expr, self.my)
        {
            return Part::Column(self.number(name), depth + 1);
        }
        self.node(node, depth + 1).unwrap_or_else(|| Part::Tree(expr.clone(), depth))
    }

    /// The value, if the ad decides it alone, or has no such attribute.
    fn constant(&self, expr: &Expr, depth: u32) -> Option<Value> {
        if let Some(Node::Select(base, name)) = expr.node()
            && let Some(Node::Attr(base)) = base.node()
            && scope_of(base.as_str()) == Some(RefScope::My)
            && scope_of(name.as_str()).is_none()
            && !is_special(name)
            && self.my.lookup(name).is_none()
        {
            return Some(Value::Undefined);
        }
        local_value(expr, self.my, self.env, depth)
    }

    /// An operator, its operands compiled `depth` levels deep; `None` for anything else.
    fn node(&mut self, node: &Node, depth: u32) -> Option<Part> {
        Some(match node {
            Node::Paren(inner) => self.compile(inner, depth),
            Node::Unary(UnaryOp::Not, operand) => Part::Not(Box::new(self.compile(operand, depth))),
            Node::Unary(op, operand) => Part::Unary(*op, Box::new(self.compile(operand, depth))),
            Node::Binary(op, left, right) => {
                let (left, right) = (self.compile(left, depth), self.compile(right, depth));
                match op.kind() {
                    OpKind::Logic => Part::Logic(*op, [left, right].into()),
                    OpKind::Comparison | OpKind::Identity => {
                        Part::comparison(Compared { op: *op, left, right })
                    }
                    OpKind::Bit | OpKind::Arithmetic => {
                        Part::Chain(Box::new(left), [(*op, right)].into())
                    }
                }
            }
            Node::Chain(first, rest) => self.chain(first, rest, depth),
            Node::Elvis(left, right) => {
                Part::Elvis(Box::new((self.compile(left, depth), self.compile(right, depth))))
            }
            Node::Ternary(condition, then, otherwise) => Part::Ternary(Box::new(
                [condition, then, otherwise].map(|part| self.compile(part, depth)),
            )),
            Node::Attr(_)
            | Node::Root(_)
            | Node::Select(..)
            | Node::Index(..)
            | Node::Call(..)
            | Node::List(_)
            | Node::Ad(_) => return None,
        })
    }

    fn chain(&mut self, first: &Expr, rest: &[(BinaryOp, Expr)], depth: u32) -> Part {
        let first = self.compile(first, depth);
        let rest = rest.iter().map(|(op, operand)| (*op, self.compile(operand, depth)));
        let rest: Vec<(BinaryOp, Part)> = rest.collect();
        match rest.first() {
            Some((op, _)) if op.kind() == OpKind::Logic => {
                let op = *op;
                let rest = rest.into_iter().map(|(_, operand)| operand);
                Part::Logic(op, std::iter::once(first).chain(rest).collect())
            }
            Some(_) | None => Part::Chain(Box::new(first), rest.into()),
        }
    }

    fn number(&mut self, name: AttrName) -> usize {
        self.names.iter().position(|known| *known == name).unwrap_or_else(|| {
            self.names.push(name);
            self.names.len() - 1
        })
    }
}

impl Part {
    fn comparison(compared: Compared) -> Part {
        let (column, op, constant) = match &compared {
            Compared { op, left: Part::Column(column, _), right: Part::Constant(constant) } => {
                (*column, Some(*op), constant)
            }
            Compared { op, left: Part::Constant(constant), right: Part::Column(column, _) } => {
                (*column, mirrored(*op), constant)
            }
            _ => return Part::Compare(Box::new(compared)),
        };
        match op.and_then(|op| Test::new(op, constant)) {
            Some(test) => Part::Test(column, test, Box::new(compared)),
            None => Part::Compare(Box::new(compared)),
        }
    }
}

impl Test {
    /// The test of `attribute op constant`, if it is a frequent one.
    fn new(op: BinaryOp, constant: &Value) -> Option<Test> {
        match constant {
            Value::String(text) if matches!(op, BinaryOp::Equal | BinaryOp::NotEqual) => {
                let wanted = Arc::clone(text);
                Some(Test::Text { wanted, wants_equal: op == BinaryOp::Equal })
            }
            Value::Integer(bound) if op.kind() == OpKind::Comparison => Some(Test::Integer {
                bound: *bound,
                less: holds(op, Some(Ordering::Less)),
                equal: holds(op, Some(Ordering::Equal)),
                greater: holds(op, Some(Ordering::Greater)),
            }),
            _ => None,
        }
    }
}
