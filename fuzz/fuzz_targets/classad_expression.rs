//! Any text is an expression or is refused; what is printed reads back as the same expression.
#![no_main]

use classad::Expr;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|text: &str| {
    drop(Expr::parse(text));
    if let Ok(expr) = Expr::parse_new(text) {
        let printed = expr.to_new();
        // U+FFFD stands for bytes that are no text, and NaN is not equal to itself.
        if !printed.contains("NaN") {
            assert_eq!(Expr::parse_new(&printed), Ok(expr), "{printed}");
        }
    }
});
