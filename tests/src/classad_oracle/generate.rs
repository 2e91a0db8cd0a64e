//! Expressions and ads from a seed.
//!
//! Covers every operator, type and function, with arguments that are mostly of the right type and
//! sometimes not. Leaves out what cannot be compared (the clock, chance, the users of the machine)
//! and the deliberate differences that `docs/user/classads.md` lists.

use super::compare::Question;

/// How deep generated expressions nest.
const MAX_DEPTH: u32 = 4;

/// A small generator of random numbers (SplitMix64): the same seed gives the same cases for ever.
pub struct Chance(u64);

impl Chance {
    /// Begins at a seed.
    pub fn new(seed: u64) -> Chance {
        Chance(seed)
    }

    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut bits = self.0;
        bits = (bits ^ (bits >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        bits = (bits ^ (bits >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        bits ^ (bits >> 31)
    }

    pub(crate) fn below(&mut self, limit: usize) -> usize {
        usize::try_from(self.next() % limit as u64).unwrap_or(0)
    }

    fn one_in(&mut self, times: usize) -> bool {
        self.below(times) == 0
    }

    pub(crate) fn pick<'p>(&mut self, pool: &[&'p str]) -> &'p str {
        pool[self.below(pool.len())]
    }
}

const INTEGERS: &[&str] = &[
    "0",
    "1",
    "2",
    "3",
    "-1",
    "5",
    "7",
    "-7",
    "10",
    "64",
    "100",
    "1024",
    "-128",
    "9223372036854775807",
    "-9223372036854775808",
    "4611686018427387904",
    "2147483647",
    "1000000007",
];
const REALS: &[&str] = &[
    "0.0",
    "1.0",
    "1.5",
    "2.5",
    "-2.5",
    "3.5",
    "0.1",
    "-0.0",
    "1e3",
    "1E-5",
    "1e300",
    "-1e300",
    "123456.789",
    "0.5",
    "99.99",
];
const STRINGS: &[&str] = &[
    r#""""#,
    r#""a""#,
    r#""A""#,
    r#""abc""#,
    r#""b,c d""#,
    r#""a,b,c""#,
    r#""1,2,3""#,
    r#""x=1""#,
    r#""12""#,
    r#""1.5""#,
    r#""true""#,
    r#""LINUX""#,
    r#""linux""#,
    r#""user@host""#,
    r#""a b 'c d'""#,
    r#""8.9.11""#,
    r#""8.10.2""#,
    r#""q\"q""#,
    r#""a\\b""#,
    r#""tab\there""#,
    r#""line\nbreak""#,
    r#""slot1@node7""#,
    r#""1+1""#,
    r#""Zeta""#,
    r#""é""#,
];
const PATTERNS: &[&str] = &[
    r#""a""#,
    r#""^a""#,
    r#""b$""#,
    r#""[a-c]+""#,
    r#""(a)(b)?""#,
    r#""\\d+""#,
    r#"".*""#,
    r#""x|a""#,
    r#""(""#,
    r#""LIN""#,
    r#""^slot(\\d+)@""#,
    r#""[^,]+""#,
];
const NAMES: &[&str] =
    &["a", "b", "c", "d", "n", "l", "s", "t", "u", "r", "x1", "y_2", "Memory", "Owner", "nope"];
const UNARY: &[&str] = &["-", "+", "!", "~"];
const BINARY: &[&str] = &[
    "||", "&&", "|", "^", "&", "==", "!=", "=?=", "=!=", "is", "isnt", "<", "<=", ">", ">=", "<<",
    ">>", ">>>", "+", "-", "*", "/", "%",
];

/// Lists in a text.
const TEXT_LISTS: &[&str] = &[
    r#""a,b,c""#,
    r#""1, 2, 3""#,
    r#""1.5,2""#,
    r#""""#,
    r#"" a ,, b ""#,
    r#""x;y;z""#,
    r#""A b C""#,
    r#""-3,-4""#,
    r#""1,x""#,
];
/// Options of a regular expression.
const OPTION_SETS: &[&str] =
    &[r#""""#, r#""i""#, r#""f""#, r#""g""#, r#""fg""#, r#""im""#, r#""sx""#];
/// Operators as `anyCompare` takes them.
const COMPARISONS: &[&str] = &[
    r#""<""#,
    r#""<=""#,
    r#""==""#,
    r#""!=""#,
    r#"">""#,
    r#"">=""#,
    r#""is""#,
    r#""isnt""#,
    r#""?""#,
];
/// Versions, and what is none.
const VERSIONS: &[&str] = &[
    r#""8.9.11""#,
    r#""8.10.2""#,
    r#""8.9.2""#,
    r#""1.0""#,
    r#""1.00""#,
    r#""1""#,
    r#""a1""#,
    r#""a10b2""#,
    r#""010""#,
    r#""0""#,
    r#""00""#,
    "25",
    "1.5",
    r#""25.14.1-rc""#,
];
const MOMENTS: &[&str] = &[
    r#"absTime("2020-02-29T12:34:56Z")"#,
    r#"absTime("1999-12-31T23:59:59+05:30")"#,
    "0",
    "86400",
    "1595430000",
    "1e9",
    r#"absTime("2026-11-22T19:00:00-08:00")"#,
];
/// Lengths of time.
const LENGTHS: &[&str] = &[
    "relTime(93784)",
    "relTime(-93784)",
    "relTime(0)",
    "59",
    "3600",
    "90061",
    "-61",
    r#"relTime("1+02:03:04")"#,
    "relTime(61)",
    "relTime(-5)",
];
/// For `formatTime`.
const FORMATS: &[&str] = &[
    r#""%Y-%m-%d %H:%M:%S""#,
    r#""%c""#,
    r#""%a %b %e %j %U %W %V %G""#,
    r#""%I %p %D %T %R %F""#,
    r#""%%x%n%q""#,
    r#""%-d %_H %05Y %^a""#,
];
/// Lists of ads, and what is none.
const AD_LISTS: &[&str] = &[
    "{[a=1;b=2],[a=3;b=1]}",
    "{}",
    "{[a=a],[b=a]}",
    "{[],5,undefined}",
    "undefined",
    "5",
    "{[x=[a=2]]}",
];
/// What is asked, of an ad or at all.
const CONDITIONS: &[&str] = &[
    "a > b",
    "a == 1",
    "true",
    "a + b",
    "b < 2 || a > 2",
    "false",
    "1",
    "0.0",
    "isUndefined(a)",
    "(undefined)",
    "a == MY.a",
];
/// Places in a text.
const PLACES: &[&str] = &["0", "1", "2", "-1", "-3", "100", "-100", "undefined", "1.0"];
/// For `eval`.
const CODES: &[&str] = &[
    r#""1+2""#,
    r#""a""#,
    r#""a + b""#,
    r#""1 +""#,
    r#""{1,a}[1]""#,
    r#""TARGET.a""#,
    r#""strcat(\"x\",s)""#,
    "5",
];

/// What a parameter of a function is.
#[derive(Clone, Copy)]
enum ParameterKind {
    Any,
    Number,
    List,
    /// One of the texts of a pool, and now and then something else.
    OneOf(&'static [&'static str]),
    /// One of the texts of a pool: the differences of other things are known and listed, or cannot
    /// be compared.
    Only(&'static [&'static str]),
}

use ParameterKind::{Any, List, Number, OneOf, Only};

const TEXT: ParameterKind = OneOf(STRINGS);
const PATTERN: ParameterKind = OneOf(PATTERNS);
const ATTR: ParameterKind = Only(NAMES);
const TEXT_LIST: ParameterKind = OneOf(TEXT_LISTS);
const OPTIONS: ParameterKind = OneOf(OPTION_SETS);
const COMPARE: ParameterKind = OneOf(COMPARISONS);
const VERSION: ParameterKind = OneOf(VERSIONS);
const MOMENT: ParameterKind = Only(MOMENTS);
const LENGTH: ParameterKind = Only(LENGTHS);
const FORMAT: ParameterKind = Only(FORMATS);
const AD_LIST: ParameterKind = Only(AD_LISTS);
const CONDITION: ParameterKind = OneOf(CONDITIONS);
const PLACE: ParameterKind = Only(PLACES);
const CODE: ParameterKind = Only(CODES);
const QUESTION: ParameterKind = Only(CONDITIONS);

/// Every function that can be compared, the parameters it must have, and those it may have.
const FUNCTIONS: &[(&str, &[ParameterKind], &[ParameterKind])] = &[
    ("isUndefined", &[Any], &[]),
    ("isError", &[Any], &[]),
    ("isBoolean", &[Any], &[]),
    ("isInteger", &[Any], &[]),
    ("isReal", &[Any], &[]),
    ("isString", &[Any], &[]),
    ("isAbstime", &[Any], &[]),
    ("isReltime", &[Any], &[]),
    ("isList", &[Any], &[]),
    ("isClassAd", &[Any], &[]),
    ("ifThenElse", &[CONDITION, Any, Any], &[]),
    ("int", &[Any], &[]),
    ("real", &[Any], &[]),
    ("string", &[Any], &[]),
    ("bool", &[Any], &[]),
    ("floor", &[Number], &[]),
    ("ceil", &[Number], &[]),
    ("ceiling", &[Number], &[]),
    ("round", &[Number], &[]),
    ("pow", &[Number, Number], &[]),
    ("quantize", &[Number, Number], &[]),
    ("quantize", &[Number, List], &[]),
    ("strcat", &[Any], &[Any, Any, Any]),
    ("join", &[TEXT, TEXT], &[Any, Any]),
    ("join", &[TEXT, List], &[]),
    ("join", &[List], &[]),
    ("substr", &[TEXT, PLACE], &[PLACE]),
    ("strcmp", &[TEXT, TEXT], &[]),
    ("stricmp", &[TEXT, TEXT], &[]),
    ("toUpper", &[TEXT], &[]),
    ("toLower", &[TEXT], &[]),
    ("size", &[Any], &[]),
    ("split", &[TEXT_LIST], &[TEXT]),
    ("splitUserName", &[TEXT], &[]),
    ("splitSlotName", &[TEXT], &[]),
    ("regexp", &[PATTERN, TEXT], &[OPTIONS]),
    ("regexps", &[PATTERN, TEXT, TEXT], &[OPTIONS]),
    ("replace", &[PATTERN, TEXT, TEXT], &[OPTIONS]),
    ("replaceAll", &[PATTERN, TEXT, TEXT], &[OPTIONS]),
    ("regexpMember", &[PATTERN, List], &[OPTIONS]),
    ("stringList_regexpMember", &[PATTERN, TEXT_LIST], &[TEXT, OPTIONS]),
    ("member", &[Any, List], &[]),
    ("identicalMember", &[Any, List], &[]),
    ("anyCompare", &[COMPARE, List, Any], &[]),
    ("allCompare", &[COMPARE, List, Any], &[]),
    ("sum", &[List], &[]),
    ("avg", &[List], &[]),
    ("min", &[List], &[]),
    ("max", &[List], &[]),
    ("stringListSize", &[TEXT_LIST], &[TEXT]),
    ("stringListSum", &[TEXT_LIST], &[TEXT]),
    ("stringListAvg", &[TEXT_LIST], &[TEXT]),
    ("stringListMin", &[TEXT_LIST], &[TEXT]),
    ("stringListMax", &[TEXT_LIST], &[TEXT]),
    ("stringListMember", &[TEXT, TEXT_LIST], &[TEXT]),
    ("stringListIMember", &[TEXT, TEXT_LIST], &[TEXT]),
    ("stringListSubsetMatch", &[TEXT_LIST, TEXT_LIST], &[TEXT]),
    ("stringListISubsetMatch", &[TEXT_LIST, TEXT_LIST], &[TEXT]),
    ("stringListsIntersect", &[TEXT_LIST, TEXT_LIST], &[TEXT]),
    ("versioncmp", &[VERSION, VERSION], &[]),
    ("versionGT", &[VERSION, VERSION], &[]),
    ("versionGE", &[VERSION, VERSION], &[]),
    ("versionLT", &[VERSION, VERSION], &[]),
    ("versionLE", &[VERSION, VERSION], &[]),
    ("versionEQ", &[VERSION, VERSION], &[]),
    ("version_in_range", &[VERSION, VERSION, VERSION], &[]),
    ("absTime", &[MOMENT], &[]),
    ("relTime", &[LENGTH], &[]),
    ("interval", &[LENGTH], &[]),
    ("splitTime", &[MOMENT], &[]),
    ("splitTime", &[LENGTH], &[]),
    ("formatTime", &[MOMENT], &[FORMAT]),
    ("getYear", &[MOMENT], &[]),
    ("getMonth", &[MOMENT], &[]),
    ("getDayOfYear", &[MOMENT], &[]),
    ("getDayOfMonth", &[MOMENT], &[]),
    ("getDayOfWeek", &[MOMENT], &[]),
    ("getDays", &[LENGTH], &[]),
    ("getHours", &[LENGTH], &[]),
    ("getMinutes", &[MOMENT], &[]),
    ("getSeconds", &[LENGTH], &[]),
    ("unparse", &[ATTR], &[]),
    ("unresolved", &[ATTR], &[Only(PATTERNS)]),
    ("eval", &[CODE], &[]),
    ("evalInEachContext", &[QUESTION, AD_LIST], &[]),
    ("countMatches", &[QUESTION, AD_LIST], &[]),
    ("envV1ToV2", &[TEXT], &[]),
    ("mergeEnvironment", &[TEXT], &[TEXT, TEXT]),
    ("argsToList", &[TEXT], &[]),
    ("listToArgs", &[List], &[]),
    ("noSuchFunction", &[Any], &[Any]),
];

/// Cases in a row that share their ads, which keeps recorded cases small.
const CASES_PER_PAIR: u64 = 16;

/// The `index`th case of a seed. Cases do not depend on each other.
pub fn question(seed: u64, index: u64) -> Question {
    let start = |salt: u64, index: u64| {
        Chance::new(seed.wrapping_mul(salt).wrapping_add(index.wrapping_mul(0x2545_f491_4f6c_dd1d)))
    };
    let mut chance = start(0xd134_2543_de82_ef95, index / CASES_PER_PAIR);
    let has_target = chance.below(3) > 0;
    let my = Some(ad(&mut chance));
    let target = has_target.then(|| ad(&mut chance));
    let mut chance = start(0xaef1_7502_108e_f2d9, index);
    let mut writer = Writer { chance: &mut chance, text: String::new() };
    writer.expr(MAX_DEPTH);
    Question { expr: writer.text, my, target }
}

fn ad(chance: &mut Chance) -> String {
    let mut text = "[".to_owned();
    for name in NAMES {
        if *name == "nope" || chance.one_in(3) {
            continue;
        }
        let mut writer = Writer { chance, text: String::new() };
        writer.attribute(name);
        text.push_str(&format!(" {name} = {};", writer.text));
    }
    text.push_str(" ]");
    text
}

struct Writer<'c> {
    chance: &'c mut Chance,
    text: String,
}

impl Writer<'_> {
    fn push(&mut self, text: &str) {
        self.text.push_str(text);
    }

    /// The value of an attribute: its usual type, or now and then an expression.
    fn attribute(&mut self, name: &str) {
        match (name, self.chance.below(8)) {
            (_, 0) => self.expr(2),
            ("l" | "r", _) => self.list(1),
            ("n", _) => self.nested_ad(1),
            ("s" | "Owner", _) => self.pick(STRINGS),
            ("t", _) => self.of_kind(MOMENT, 0),
            ("u", _) => self.push("undefined"),
            ("b" | "x1", _) => self.number(0),
            (_, 1..4) => self.expr(1),
            (_, _) => self.pick(INTEGERS),
        }
    }

    fn pick(&mut self, pool: &[&str]) {
        let chosen = self.chance.pick(pool);
        self.push(chosen);
    }

    fn expr(&mut self, depth: u32) {
        if depth == 0 {
            return self.leaf();
        }
        match self.chance.below(20) {
            0..=1 => self.leaf(),
            2..=3 => self.reference(),
            4..=8 => {
                self.operand(depth - 1);
                let op = self.chance.pick(BINARY);
                self.push(&format!(" {op} "));
                self.operand(depth - 1);
            }
            9 => {
                let op = self.chance.pick(UNARY);
                self.push(op);
                self.push("(");
                self.expr(depth - 1);
                self.push(")");
            }
            10 => {
                self.operand(depth - 1);
                self.push(" ? ");
                self.operand(depth - 1);
                self.push(" : ");
                self.operand(depth - 1);
            }
            11 => {
                self.push("(");
                self.expr(depth - 1);
                self.push(") ?: (");
                self.expr(depth - 1);
                self.push(")");
            }
            12 => {
                self.of_kind(List, depth - 1);
                self.push("[");
                self.pick(&[
                    "0",
                    "1",
                    "2",
                    "-1",
                    "7",
                    "true",
                    "1.0",
                    "undefined",
                    "\"a\"",
                    "size(l) - 1",
                    "b - b",
                ]);
                self.push("]");
            }
            13 => self.list(depth - 1),
            14 => self.nested_ad(depth - 1),
            _ => self.call(depth - 1),
        }
    }

    /// An operand: sometimes a bare chain of operators, so that precedence is compared too.
    fn operand(&mut self, depth: u32) {
        if self.chance.one_in(3) {
            self.expr(depth);
        } else if self.chance.one_in(2) {
            self.leaf();
        } else {
            self.push("(");
            self.expr(depth);
            self.push(")");
        }
    }

    fn leaf(&mut self) {
        match self.chance.below(12) {
            0..=2 => self.pick(INTEGERS),
            3 => self.pick(REALS),
            4..=5 => self.pick(STRINGS),
            6 => self.pick(&["true", "false"]),
            7 => self.pick(&["undefined", "error"]),
            _ => self.reference(),
        }
    }

    fn reference(&mut self) {
        let scope =
            self.chance.pick(&["", "", "", "MY.", "TARGET.", "my.", "n.", "TARGET.n.", "other."]);
        self.push(scope);
        self.pick(NAMES);
    }

    fn number(&mut self, depth: u32) {
        match self.chance.below(5) {
            0 if depth > 0 => self.expr(depth - 1),
            0..=2 => self.pick(INTEGERS),
            _ => self.pick(REALS),
        }
    }

    fn list(&mut self, depth: u32) {
        self.push("{");
        for index in 0..self.chance.below(4) {
            self.push(if index > 0 { "," } else { "" });
            match self.chance.below(4) {
                0 => self.expr(depth.saturating_sub(1)),
                1 => self.pick(STRINGS),
                _ => self.number(0),
            }
        }
        self.push("}");
    }

    fn nested_ad(&mut self, depth: u32) {
        self.push("[");
        for index in 0..self.chance.below(4) {
            self.push(if index > 0 { ";" } else { "" });
            let name = self.chance.pick(&["a", "x", "yy", "Zed"]);
            self.push(&format!("{name}="));
            self.expr(depth.saturating_sub(1));
        }
        self.push("]");
    }

    fn call(&mut self, depth: u32) {
        let (name, required, optional) = FUNCTIONS[self.chance.below(FUNCTIONS.len())];
        // Now and then an argument is missing.
        let missing =
            usize::from(self.chance.one_in(40) && !name.ends_with("Time")).min(required.len());
        let extra = if optional.is_empty() { 0 } else { self.chance.below(optional.len() + 1) };
        self.push(name);
        self.push("(");
        let kinds = required[..required.len() - missing].iter().chain(&optional[..extra]);
        for (index, kind) in kinds.enumerate() {
            self.push(if index > 0 { "," } else { "" });
            if !matches!(kind, Only(_)) && self.chance.one_in(8) {
                self.expr(depth.saturating_sub(1));
            } else {
                self.of_kind(*kind, depth);
            }
        }
        self.push(")");
    }

    fn of_kind(&mut self, kind: ParameterKind, depth: u32) {
        match kind {
            Any => self.expr(depth.saturating_sub(1)),
            Number => self.number(depth),
            List if self.chance.one_in(3) => self.push("l"),
            List => self.list(depth),
            OneOf(pool) | Only(pool) => self.pick(pool),
        }
    }
}
