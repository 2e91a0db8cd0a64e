//! Text into tokens.
//!
//! Knows literals, comments, and the two ways to escape a character in a string. Knows nothing of
//! how tokens combine. `grammar/classad.pest` says the same as this file, readably;
//! `tests/grammar.rs` proves that the two agree.

use std::borrow::Cow;

use crate::parse::ParseError;

/// How strings are escaped: the one difference between the two syntaxes inside an expression.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Syntax {
    /// `[ a = "x\\y"; ]`: the escapes of C, and adjacent strings are joined.
    New,
    /// One `a = "x\y"` a line: a backslash is itself, except in `\"`.
    Old,
}

#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Token<'t> {
    End,
    Integer(i64),
    Real(f64),
    String(Cow<'t, str>),
    /// A plain or a quoted name.
    Name(Cow<'t, str>),
    True,
    False,
    Undefined,
    Error,
    /// Punctuation and operators; `is` and `=?=` are both `"=?="`.
    Symbol(&'static str),
}

impl Token<'_> {
    /// What a person would call the token.
    pub(crate) fn describe(&self) -> String {
        match self {
            Token::End => "the end of the text".to_owned(),
            Token::Integer(value) => format!("the number {value}"),
            Token::Real(value) => format!("the number {value}"),
            Token::String(_) => "a string".to_owned(),
            Token::Name(name) => format!("the name `{name}`"),
            Token::True => "`true`".to_owned(),
            Token::False => "`false`".to_owned(),
            Token::Undefined => "`undefined`".to_owned(),
            Token::Error => "`error`".to_owned(),
            Token::Symbol(symbol) => format!("`{symbol}`"),
        }
    }

    /// Whether a `-` right after this token subtracts, rather than beginning a negative number.
    fn ends_operand(&self) -> bool {
        match self {
            Token::Integer(_)
            | Token::Real(_)
            | Token::String(_)
            | Token::Name(_)
            | Token::True
            | Token::False
            | Token::Undefined
            | Token::Error => true,
            Token::Symbol(symbol) => matches!(*symbol, ")" | "]" | "}" | "."),
            Token::End => false,
        }
    }
}

pub(crate) struct Lexer<'t> {
    text: &'t str,
    bytes: &'t [u8],
    /// Where the next token begins to be looked for.
    position: usize,
    syntax: Syntax,
}

/// The symbol that the bytes begin with, if any; the longest one wins.
fn symbol_at(bytes: &[u8]) -> Option<&'static str> {
    let second = bytes.get(1).copied().unwrap_or(0);
    let third = bytes.get(2).copied().unwrap_or(0);
    Some(match (bytes.first()?, second, third) {
        (b'=', b'?', b'=') => "=?=",
        (b'=', b'!', b'=') => "=!=",
        (b'=', b'=', _) => "==",
        (b'=', ..) => "=",
        (b'!', b'=', _) => "!=",
        (b'!', ..) => "!",
        (b'<', b'=', _) => "<=",
        (b'<', b'<', _) => "<<",
        (b'<', ..) => "<",
        (b'>', b'=', _) => ">=",
        (b'>', b'>', b'>') => ">>>",
        (b'>', b'>', _) => ">>",
        (b'>', ..) => ">",
        (b'&', b'&', _) => "&&",
        (b'&', ..) => "&",
        (b'|', b'|', _) => "||",
        (b'|', ..) => "|",
        (b'.', b'.', _) => "..",
        (b'.', ..) => ".",
        (b'(', ..) => "(",
        (b')', ..) => ")",
        (b'[', ..) => "[",
        (b']', ..) => "]",
        (b'{', ..) => "{",
        (b'}', ..) => "}",
        (b',', ..) => ",",
        (b';', ..) => ";",
        (b'?', ..) => "?",
        (b':', ..) => ":",
        (b'+', ..) => "+",
        (b'-', ..) => "-",
        (b'*', ..) => "*",
        (b'/', ..) => "/",
        (b'%', ..) => "%",
        (b'^', ..) => "^",
        (b'~', ..) => "~",
        _ => return None,
    })
}

/// A text without the escapes of C that it holds.
pub(crate) fn undo_escapes(text: &str) -> Result<String, ParseError> {
    let mut lexer = Lexer::new(text, Syntax::New);
    let mut bytes = Vec::with_capacity(text.len());
    while let Some(byte) = lexer.bytes.get(lexer.position) {
        if *byte == b'\\' {
            bytes.push(lexer.escape(lexer.position, b'"')?);
        } else {
            bytes.push(*byte);
            lexer.position += 1;
        }
    }
    Ok(text_of(bytes))
}

/// Strings are UTF-8; escapes that are not become U+FFFD.
fn text_of(bytes: Vec<u8>) -> String {
    String::from_utf8(bytes)
        .unwrap_or_else(|bad| String::from_utf8_lossy(bad.as_bytes()).into_owned())
}

impl<'t> Lexer<'t> {
    pub(crate) fn new(text: &'t str, syntax: Syntax) -> Lexer<'t> {
        Lexer { text, bytes: text.as_bytes(), position: 0, syntax }
    }

    pub(crate) fn position(&self) -> usize {
        self.position
    }

    fn peek(&self) -> u8 {
        self.peek_at(0)
    }

    /// The byte so far ahead; 0 past the end.
    fn peek_at(&self, ahead: usize) -> u8 {
        self.bytes.get(self.position + ahead).copied().unwrap_or(0)
    }

    /// Reads the next token, given the one before it. Also returns where the token begins.
    pub(crate) fn next(&mut self, previous: &Token<'_>) -> Result<(usize, Token<'t>), ParseError> {
        self.skip_blanks()?;
        let start = self.position;
        let token = match self.peek() {
            0 if start >= self.bytes.len() => Token::End,
            b'0'..=b'9' => self.number()?,
            b'.' if self.peek_at(1).is_ascii_digit() => self.number()?,
            b'-' if !previous.ends_operand() && self.number_follows() => self.number()?,
            b'a'..=b'z' | b'A'..=b'Z' | b'_' => self.word(),
            b'"' => Token::String(self.string(b'"')?),
            b'\'' => Token::Name(self.string(b'\'')?),
            _ => self.symbol()?,
        };
        Ok((start, token))
    }

    fn number_follows(&self) -> bool {
        let next = self.peek_at(1);
        next.is_ascii_digit() || (next == b'.' && self.peek_at(2).is_ascii_digit())
    }

    fn skip_blanks(&mut self) -> Result<(), ParseError> {
        loop {
            match self.peek() {
                b' ' | b'\t' | b'\n' | b'\r' | 0x0b | 0x0c => self.position += 1,
                b'/' if self.peek_at(1) == b'/' => {
                    let rest = &self.bytes[self.position..];
                    let length = rest.iter().position(|byte| *byte == b'\n');
                    self.position += length.unwrap_or(rest.len());
                }
                b'/' if self.peek_at(1) == b'*' => {
                    let body = self.position + 2;
                    let Some(length) = self.text[body..].find("*/") else {
                        return Err(self.error(
                            self.position,
                            "the comment is not closed",
                            "`*/` at its end",
                        ));
                    };
                    self.position = body + length + 2;
                }
                _ => return Ok(()),
            }
        }
    }

    fn error(&self, at: usize, message: &str, expected: &str) -> ParseError {
        ParseError::new(self.text, at, message.to_owned(), expected.to_owned())
    }

    fn digits(&mut self) -> usize {
        let start = self.position;
        while self.peek().is_ascii_digit() {
            self.position += 1;
        }
        self.position - start
    }

    fn number(&mut self) -> Result<Token<'t>, ParseError> {
        let start = self.position;
        if self.peek() == b'-' {
            self.position += 1;
        }
        let leading_zero = self.peek() == b'0';
        let whole_digits = self.digits();
        let mut is_real = false;
        if self.peek() == b'.' {
            is_real = true;
            self.position += 1;
            if self.digits() == 0 {
                let found = &self.text[start..self.position];
                return Err(self.error(
                    start,
                    &format!("`{found}` has no digit after the point"),
                    &format!("`{found}0`"),
                ));
            }
        }
        if matches!(self.peek(), b'e' | b'E') {
            is_real = true;
            self.position += 1;
            if matches!(self.peek(), b'+' | b'-') {
                self.position += 1;
            }
            if self.digits() == 0 {
                return Err(self.error(
                    start,
                    "the exponent has no digits",
                    "a number such as `1.5e3`",
                ));
            }
        }
        if matches!(self.peek(), b'a'..=b'z' | b'A'..=b'Z' | b'_') {
            return Err(self.number_with_letters(start));
        }
        let text = &self.text[start..self.position];
        if is_real {
            // Rust reads what the grammar above admits, and rounds as C does.
            return Ok(Token::Real(text.parse().unwrap_or(f64::INFINITY)));
        }
        if leading_zero && whole_digits > 1 {
            let decimal = text.replacen('0', "", 1);
            return Err(self.error(
                start,
                &format!("`{text}` begins with a zero; octal numbers do not exist"),
                &format!("`{decimal}`"),
            ));
        }
        // HTCondor 25.14 reads an integer that does not fit 64 bits as 0.
        Ok(Token::Integer(text.parse().unwrap_or(0)))
    }

    /// `10K`, `0x10`, `5min`: a number that runs into letters, with what its writer probably meant.
    fn number_with_letters(&mut self, start: usize) -> ParseError {
        let digits = &self.text[start..self.position];
        while matches!(self.peek(), b'a'..=b'z' | b'A'..=b'Z' | b'_' | b'0'..=b'9') {
            self.position += 1;
        }
        let whole = &self.text[start..self.position];
        let expected = match &whole[digits.len()..] {
            "x" | "X" => "a decimal number".to_owned(),
            hex if hex.starts_with(['x', 'X']) => match i64::from_str_radix(&hex[1..], 16) {
                Ok(value) => format!("`{value}`"),
                Err(_) => "a decimal number".to_owned(),
            },
            "K" | "k" => format!("`{digits} * 1024`"),
            "M" | "m" => format!("`{digits} * 1024 * 1024`"),
            "G" | "g" => format!("`{digits} * 1024 * 1024 * 1024`"),
            _ => format!("`{digits}` and an operator"),
        };
        self.error(start, &format!("`{whole}` is not a number: numbers have no unit"), &expected)
    }

    fn word(&mut self) -> Token<'t> {
        let start = self.position;
        while matches!(self.peek(), b'a'..=b'z' | b'A'..=b'Z' | b'_' | b'0'..=b'9') {
            self.position += 1;
        }
        let word = &self.text[start..self.position];
        match word.len() {
            2 if word.eq_ignore_ascii_case("is") => Token::Symbol("=?="),
            4 if word.eq_ignore_ascii_case("true") => Token::True,
            4 if word.eq_ignore_ascii_case("isnt") => Token::Symbol("=!="),
            5 if word.eq_ignore_ascii_case("false") => Token::False,
            5 if word.eq_ignore_ascii_case("error") => Token::Error,
            9 if word.eq_ignore_ascii_case("undefined") => Token::Undefined,
            _ => Token::Name(Cow::Borrowed(word)),
        }
    }

    fn symbol(&mut self) -> Result<Token<'t>, ParseError> {
        if let Some(symbol) = symbol_at(&self.bytes[self.position..]) {
            self.position += symbol.len();
            // Two points in a row select once: a quirk of the reference's lexer.
            return Ok(Token::Symbol(if symbol == ".." { "." } else { symbol }));
        }
        let found = self.text[self.position..].chars().next().unwrap_or('?');
        let expected = match found {
            '$' => "macros such as `$(name)` to be expanded by submit before",
            '#' => "`//` to begin a comment",
            '\u{201c}' | '\u{201d}' => "a plain `\"`",
            _ => "a name, a value or an operator",
        };
        Err(self.error(
            self.position,
            &format!("`{}` has no meaning here", found.escape_debug()),
            expected,
        ))
    }

    fn string(&mut self, quote: u8) -> Result<Cow<'t, str>, ParseError> {
        match self.syntax {
            Syntax::New => self.string_new(quote),
            Syntax::Old => self.string_old(quote),
        }
    }

    /// The end of the text was reached inside a string.
    fn unclosed(&self, start: usize, quote: u8) -> ParseError {
        let (what, quote) = if quote == b'"' { ("string", '"') } else { ("name", '\'') };
        self.error(start, &format!("the {what} is not closed"), &format!("`{quote}` at its end"))
    }

    fn string_new(&mut self, quote: u8) -> Result<Cow<'t, str>, ParseError> {
        let start = self.position;
        let mut whole: Option<String> = None;
        loop {
            let part = self.string_part(start, quote)?;
            whole = match (whole, part) {
                (None, Cow::Borrowed(part)) if !self.another_string_follows(quote) => {
                    return Ok(Cow::Borrowed(part));
                }
                (None, part) => Some(part.into_owned()),
                (Some(before), part) => Some(before + &part),
            };
            if !self.another_string_follows(quote) {
                return Ok(Cow::Owned(whole.unwrap_or_default()));
            }
            while self.peek() != quote {
                self.position += 1;
            }
        }
    }

    /// Whether only blanks stand between here and the next opening quote: such strings are joined.
    fn another_string_follows(&self, quote: u8) -> bool {
        let rest = &self.bytes[self.position..];
        let blanks = rest.iter().take_while(|byte| matches!(byte, b' ' | 0x09..=0x0d)).count();
        rest.get(blanks) == Some(&quote)
    }

    /// One quoted part, its escapes undone.
    fn string_part(&mut self, start: usize, quote: u8) -> Result<Cow<'t, str>, ParseError> {
        self.position += 1;
        let body = self.position;
        loop {
            match self.bytes.get(self.position) {
                None => return Err(self.unclosed(start, quote)),
                Some(byte) if *byte == quote => {
                    let text = &self.text[body..self.position];
                    self.position += 1;
                    return Ok(Cow::Borrowed(text));
                }
                Some(b'\\') => break,
                Some(0) => {
                    return Err(self.error(
                        self.position,
                        "a string cannot hold the character NUL",
                        "none",
                    ));
                }
                Some(_) => self.position += 1,
            }
        }
        let mut bytes = self.bytes[body..self.position].to_vec();
        loop {
            match self.bytes.get(self.position) {
                None => return Err(self.unclosed(start, quote)),
                Some(byte) if *byte == quote => {
                    self.position += 1;
                    return Ok(Cow::Owned(text_of(bytes)));
                }
                Some(b'\\') => bytes.push(self.escape(start, quote)?),
                Some(0) => {
                    return Err(self.error(
                        self.position,
                        "a string cannot hold the character NUL",
                        "none",
                    ));
                }
                Some(byte) => {
                    bytes.push(*byte);
                    self.position += 1;
                }
            }
        }
    }

    /// `\n`, `\101`, ...; a backslash before any other character stands for that character.
    fn escape(&mut self, start: usize, quote: u8) -> Result<u8, ParseError> {
        self.position += 1;
        let Some(byte) = self.bytes.get(self.position).copied() else {
            return Err(self.unclosed(start, quote));
        };
        self.position += 1;
        let value = match byte {
            b'a' => 0x07,
            b'b' => 0x08,
            b'f' => 0x0c,
            b'n' => b'\n',
            b'r' => b'\r',
            b't' => b'\t',
            b'v' => 0x0b,
            b'0'..=b'7' => {
                // Three digits only where the value stays below 256.
                let mut value = byte - b'0';
                let more = if byte <= b'3' { 2 } else { 1 };
                for _ in 0..more {
                    let digit = self.peek();
                    if !(b'0'..=b'7').contains(&digit) {
                        break;
                    }
                    value = value * 8 + (digit - b'0');
                    self.position += 1;
                }
                value
            }
            other => other,
        };
        if value == 0 {
            return Err(self.error(
                self.position,
                "a string cannot hold the character NUL",
                "another character code",
            ));
        }
        Ok(value)
    }

    /// In the old syntax only `\"` (and `\'` in a name) is an escape, and not at the end of a line:
    /// there the backslash is the last character of the string (`"C:\dir\"`).
    fn string_old(&mut self, quote: u8) -> Result<Cow<'t, str>, ParseError> {
        let start = self.position;
        self.position += 1;
        let body = self.position;
        let mut owned: Option<String> = None;
        let mut piece = body;
        loop {
            match self.bytes.get(self.position) {
                None => return Err(self.unclosed(start, quote)),
                Some(0) => {
                    return Err(self.error(
                        self.position,
                        "a string cannot hold the character NUL",
                        "none",
                    ));
                }
                Some(byte) if *byte != quote => self.position += 1,
                Some(_) => {
                    let escaped = self.position > body && self.bytes[self.position - 1] == b'\\';
                    let at_end = matches!(self.bytes.get(self.position + 1), None | Some(b'\n'));
                    if escaped && !at_end {
                        let text = owned.get_or_insert_default();
                        text.push_str(&self.text[piece..self.position - 1]);
                        text.push(char::from(quote));
                        self.position += 1;
                        piece = self.position;
                        continue;
                    }
                    let last = &self.text[piece..self.position];
                    self.position += 1;
                    return Ok(match owned {
                        None => Cow::Borrowed(last),
                        Some(text) => Cow::Owned(text + last),
                    });
                }
            }
        }
    }
}
