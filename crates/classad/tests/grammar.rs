//! The hand-written parser accepts exactly the language of `grammar/classad.pest`.
//!
//! Compared on the corpus in `grammar/corpus/classad/`, and on a great many texts put together from
//! pieces at random, most of them wrong.

use classad::{ClassAd, Expr, ParseError};
use pest::Parser;

/// What pest makes of the grammar.
mod grammar {
    #[derive(pest_derive::Parser)]
    #[grammar = "../../grammar/classad.pest"]
    pub(crate) struct Grammar;
}

use grammar::{Grammar, Rule};

fn in_grammar(text: &str) -> bool {
    Grammar::parse(Rule::whole_new, text).is_ok()
}

/// Whether the parser takes the text for one of the language. That the text of `absTime("...")` is
/// a time is beyond a grammar.
fn in_language<T>(read: &Result<T, ParseError>) -> bool {
    read.as_ref().err().is_none_or(|error| error.message.ends_with("is no time"))
}

fn check(text: &str) {
    let ours = Expr::parse_new(text);
    assert_eq!(
        in_language(&ours),
        in_grammar(text),
        "{text:?}: the parser says {ours:?}, the grammar otherwise"
    );
}

#[test]
fn every_text_that_is_right_is_accepted_by_both() {
    for text in include_str!("../../../grammar/corpus/classad/ok.txt").lines() {
        assert!(in_grammar(text), "{text:?} is not in the grammar");
        check(text);
    }
}

#[test]
fn every_text_that_is_wrong_is_refused_by_both() {
    for text in include_str!("../../../grammar/corpus/classad/err.txt").lines() {
        assert!(!in_grammar(text), "{text:?} is in the grammar");
        check(text);
    }
}

const PIECES: &[&str] = &[
    "a",
    "b",
    "x_1",
    "'q r'",
    "''",
    "1",
    "-1",
    "0",
    "00",
    "1.5",
    ".5",
    "1.",
    "1e3",
    "1e",
    "\"s\"",
    "\"a\\\"b\"",
    "\"\\101\"",
    "\"\\0\"",
    "\"",
    "true",
    "is",
    "isnt",
    "undefined",
    "error",
    "+",
    "-",
    "*",
    "/",
    "%",
    "<",
    "<=",
    ">",
    ">=",
    "<<",
    ">>",
    ">>>",
    "==",
    "!=",
    "=?=",
    "=!=",
    "=",
    "!",
    "~",
    "&",
    "&&",
    "|",
    "||",
    "^",
    "?",
    ":",
    "?:",
    "(",
    ")",
    "(",
    ")",
    "[",
    "]",
    "{",
    "}",
    ",",
    ";",
    ".",
    "..",
    " ",
    " ",
    " ",
    "f(",
    "a.",
    "/*c*/",
    "//c\n",
    "\n",
    "é",
    "$",
];

/// A generator of random numbers that is the same for ever.
fn next(state: &mut u64) -> usize {
    *state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
    usize::try_from(*state >> 33).unwrap()
}

#[test]
fn texts_from_random_pieces_are_judged_alike() {
    let mut state = 7;
    let mut accepted = 0;
    for _ in 0..20_000 {
        let length = 1 + next(&mut state) % 9;
        let text: String = (0..length).map(|_| PIECES[next(&mut state) % PIECES.len()]).collect();
        check(&text);
        accepted += usize::from(in_grammar(&text));
    }
    assert!(
        accepted > 700,
        "only {accepted} of the random texts are right: the test proves too little"
    );
}

#[test]
fn right_texts_with_one_piece_changed_are_judged_alike() {
    let mut state = 11;
    let corpus: Vec<&str> =
        include_str!("../../../grammar/corpus/classad/ok.txt").lines().collect();
    for _ in 0..12_000 {
        let text = corpus[next(&mut state) % corpus.len()];
        let place = next(&mut state) % (text.len() + 1);
        if text.is_char_boundary(place) {
            let piece = PIECES[next(&mut state) % PIECES.len()];
            check(&format!("{}{piece}{}", &text[..place], &text[place..]));
        }
    }
}

#[test]
fn ads_are_judged_alike() {
    let mut state = 13;
    let pieces = [
        "a",
        "'b c'",
        "=",
        "=",
        ";",
        ";",
        "1",
        "\"s\"",
        "[",
        "]",
        " ",
        "a=1",
        "b = {1,2}",
        "==",
        "true",
        "''",
    ];
    for _ in 0..12_000 {
        let length = 1 + next(&mut state) % 8;
        let inside: String = (0..length).map(|_| pieces[next(&mut state) % pieces.len()]).collect();
        let text = format!("[{inside}]");
        let ours = ClassAd::parse_new(&text);
        assert_eq!(
            ours.is_ok(),
            Grammar::parse(Rule::whole_ad, &text).is_ok(),
            "{text:?}: {ours:?}"
        );
    }
}

#[test]
fn strings_of_the_old_syntax_are_judged_alike() {
    let mut state = 17;
    let pieces = ["\"", "\"", "\\", "\\\"", "a", " ", "\n", "é", "\\n"];
    for _ in 0..12_000 {
        let length = 1 + next(&mut state) % 8;
        let text: String = (0..length).map(|_| pieces[next(&mut state) % pieces.len()]).collect();
        if !text.trim_start().starts_with('"') || text.contains('a') && !text.contains('"') {
            continue;
        }
        let ours = Expr::parse(&text);
        let theirs = Grammar::parse(Rule::whole_string_old, &text).is_ok();
        // The text may also go on with more of an expression; then only the grammar's refusal is
        // expected.
        if theirs {
            assert!(ours.is_ok(), "{text:?}: {ours:?}");
        }
    }
}
