//! Tokens into expressions: one pass, by precedence.
//!
//! Hand-written for speed (docs/adr/0010-classad-parser.md); the language is defined by
//! `grammar/classad.pest`.

use std::borrow::Cow;
use std::sync::Arc;

use crate::expr::{BinaryOp, Node, Repr, UnaryOp};
use crate::limits::{MAX_NESTING, MAX_TEXT_BYTES};
use crate::parse::lexer::{Lexer, Token};
use crate::parse::{ParseError, Syntax};
use crate::stack::with_room;
use crate::time_text;
use crate::{AttrName, ClassAd, Expr, Value};

/// Reads a whole text as one expression.
pub(crate) fn parse_expression(text: &str, syntax: Syntax) -> Result<Expr, ParseError> {
    let mut parser = Parser::new(text, syntax)?;
    let expr = parser.expression()?;
    match parser.token {
        Token::End => Ok(expr),
        _ => Err(parser.unexpected("an operator or the end of the text")),
    }
}

pub(crate) struct Parser<'t> {
    text: &'t str,
    lexer: Lexer<'t>,
    /// The token being looked at.
    pub(crate) token: Token<'t>,
    /// Where it begins.
    start: usize,
    depth: usize,
}

impl<'t> Parser<'t> {
    pub(crate) fn new(text: &'t str, syntax: Syntax) -> Result<Parser<'t>, ParseError> {
        if text.len() > MAX_TEXT_BYTES {
            let message = format!("the text has {} bytes", text.len());
            return Err(ParseError::new(
                text,
                0,
                message,
                format!("at most {MAX_TEXT_BYTES} bytes"),
            ));
        }
        let mut lexer = Lexer::new(text, syntax);
        let (start, token) = lexer.next(&Token::End)?;
        Ok(Parser { text, lexer, token, start, depth: 0 })
    }

    /// Moves to the next token and returns the one left behind.
    pub(crate) fn advance(&mut self) -> Result<Token<'t>, ParseError> {
        let (start, token) = self.lexer.next(&self.token)?;
        self.start = start;
        Ok(std::mem::replace(&mut self.token, token))
    }

    pub(crate) fn at(&self, symbol: &str) -> bool {
        matches!(&self.token, Token::Symbol(found) if *found == symbol)
    }

    /// Passes the symbol if it is the next token.
    pub(crate) fn skip(&mut self, symbol: &str) -> Result<bool, ParseError> {
        let found = self.at(symbol);
        if found {
            self.advance()?;
        }
        Ok(found)
    }

    pub(crate) fn unexpected(&self, expected: &str) -> ParseError {
        let found = self.token.describe();
        let message = match (&self.token, self.text[self.start..].starts_with('=')) {
            (Token::Symbol("="), true) => "`=` sets an attribute".to_owned(),
            _ => format!("{found} is not possible here"),
        };
        let expected = match &self.token {
            Token::Symbol("=") => "`==` or `=?=` to compare",
            Token::Name(name) if name.eq_ignore_ascii_case("and") => "`&&`",
            Token::Name(name) if name.eq_ignore_ascii_case("or") => "`||`",
            _ => expected,
        };
        ParseError::new(self.text, self.start, message, expected.to_owned())
    }

    fn close(
        &mut self,
        symbol: &'static str,
        opened_at: usize,
        what: &str,
    ) -> Result<(), ParseError> {
        if self.skip(symbol)? {
            return Ok(());
        }
        if self.token == Token::End {
            let message = format!("this {what} is not closed");
            return Err(ParseError::new(self.text, opened_at, message, format!("`{symbol}`")));
        }
        Err(self.unexpected(&format!("an operator or `{symbol}`")))
    }

    /// Runs one level deeper, unless that is too deep.
    fn nested<T>(
        &mut self,
        parse: impl FnOnce(&mut Self) -> Result<T, ParseError>,
    ) -> Result<T, ParseError> {
        if self.depth >= MAX_NESTING {
            let message = "the expression is nested too deeply".to_owned();
            let expected = format!("at most {MAX_NESTING} levels");
            return Err(ParseError::new(self.text, self.start, message, expected));
        }
        self.depth += 1;
        let result = with_room(|| parse(self));
        self.depth -= 1;
        result
    }

    pub(crate) fn expression(&mut self) -> Result<Expr, ParseError> {
        self.nested(Parser::ternary)
    }

    fn ternary(&mut self) -> Result<Expr, ParseError> {
        let condition = self.binary(1)?;
        let opened_at = self.start;
        if !self.skip("?")? {
            return Ok(condition);
        }
        let then = self.expression()?;
        if !self.at(":") {
            let message = "this `?` has no `:`".to_owned();
            return Err(ParseError::new(
                self.text,
                opened_at,
                message,
                "`condition ? a : b`".to_owned(),
            ));
        }
        self.advance()?;
        let otherwise = self.expression()?;
        Ok(Expr::tree(Node::Ternary(condition, then, otherwise)))
    }

    /// Operators that bind at least as tightly as `minimum`.
    fn binary(&mut self, minimum: u8) -> Result<Expr, ParseError> {
        let mut left = self.unary()?;
        while let Some(op) = self.binary_op() {
            let precedence = op.precedence();
            if precedence < minimum {
                break;
            }
            self.advance()?;
            let right = self.binary(precedence + 1)?;
            if self.binary_op().is_none_or(|next| next.precedence() != precedence) {
                left = Expr::tree(Node::Binary(op, left, right));
                continue;
            }
            let mut rest = vec![(op, right)];
            while let Some(op) = self.binary_op() {
                if op.precedence() != precedence {
                    break;
                }
                self.advance()?;
                rest.push((op, self.binary(precedence + 1)?));
            }
            left = Expr::tree(Node::Chain(left, rest.into()));
        }
        Ok(left)
    }

    fn binary_op(&self) -> Option<BinaryOp> {
        let Token::Symbol(symbol) = &self.token else { return None };
        Some(match symbol.as_bytes() {
            b"||" => BinaryOp::Or,
            b"&&" => BinaryOp::And,
            b"|" => BinaryOp::BitOr,
            b"^" => BinaryOp::BitXor,
            b"&" => BinaryOp::BitAnd,
            b"==" => BinaryOp::Equal,
            b"!=" => BinaryOp::NotEqual,
            b"=?=" => BinaryOp::Is,
            b"=!=" => BinaryOp::Isnt,
            b"<" => BinaryOp::Less,
            b"<=" => BinaryOp::LessOrEqual,
            b">" => BinaryOp::Greater,
            b">=" => BinaryOp::GreaterOrEqual,
            b"<<" => BinaryOp::ShiftLeft,
            b">>" => BinaryOp::ShiftRight,
            b">>>" => BinaryOp::ShiftRightUnsigned,
            b"+" => BinaryOp::Add,
            b"-" => BinaryOp::Subtract,
            b"*" => BinaryOp::Multiply,
            b"/" => BinaryOp::Divide,
            b"%" => BinaryOp::Modulus,
            _ => return None,
        })
    }

    fn unary(&mut self) -> Result<Expr, ParseError> {
        let op = match &self.token {
            Token::Symbol("-") => UnaryOp::Minus,
            Token::Symbol("+") => UnaryOp::Plus,
            Token::Symbol("!") => UnaryOp::Not,
            Token::Symbol("~") => UnaryOp::BitNot,
            _ => return self.elvis(),
        };
        self.advance()?;
        let operand = self.nested(Parser::unary)?;
        Ok(Expr::tree(Node::Unary(op, operand)))
    }

    /// `a ?: b` binds tighter than every other operator, and its right side takes no prefix
    /// operator: so HTCondor 25.14 reads it, whatever its manual says.
    fn elvis(&mut self) -> Result<Expr, ParseError> {
        let mut left = self.postfix()?;
        let mut levels = 0;
        while self.at("?") && self.elvis_follows() {
            self.advance()?;
            self.advance()?;
            let right = self.postfix()?;
            levels += 1;
            self.check_depth(levels)?;
            left = Expr::tree(Node::Elvis(left, right));
        }
        Ok(left)
    }

    /// Whether the `?` being looked at is the first half of `?:`.
    fn elvis_follows(&self) -> bool {
        let mut ahead = Lexer::new(&self.text[self.lexer.position()..], Syntax::New);
        matches!(ahead.next(&Token::Symbol("?")), Ok((_, Token::Symbol(":"))))
    }

    /// Selections and subscripts are grouped from the left, so a long run of them is a deep tree.
    fn check_depth(&self, levels: usize) -> Result<(), ParseError> {
        if self.depth + levels <= MAX_NESTING {
            return Ok(());
        }
        let message = "the expression is nested too deeply".to_owned();
        let expected = format!("at most {MAX_NESTING} levels");
        Err(ParseError::new(self.text, self.start, message, expected))
    }

    fn postfix(&mut self) -> Result<Expr, ParseError> {
        let mut base = self.primary()?;
        let mut levels = 0;
        loop {
            let opened_at = self.start;
            if self.skip(".")? {
                let name = self.name("the name of an attribute after the `.`")?;
                base = Expr::tree(Node::Select(base, name));
            } else if self.skip("[")? {
                let index = self.expression()?;
                self.close("]", opened_at, "`[`")?;
                base = Expr::tree(Node::Index(base, index));
            } else {
                return Ok(base);
            }
            levels += 1;
            self.check_depth(levels)?;
        }
    }

    pub(crate) fn name(&mut self, expected: &str) -> Result<AttrName, ParseError> {
        let Token::Name(name) = &self.token else { return Err(self.unexpected(expected)) };
        let name = AttrName::from(name.as_ref());
        self.advance()?;
        Ok(name)
    }

    fn primary(&mut self) -> Result<Expr, ParseError> {
        let opened_at = self.start;
        let literal = match &self.token {
            Token::Integer(value) => Value::Integer(*value),
            Token::Real(value) => Value::Real(*value),
            Token::True => Value::Boolean(true),
            Token::False => Value::Boolean(false),
            Token::Undefined => Value::Undefined,
            Token::Error => Value::Error,
            Token::String(text) => Value::String(Arc::from(text.as_ref())),
            Token::Name(_) => return self.name_or_call(),
            Token::Symbol(".") => {
                self.advance()?;
                return Ok(Expr::tree(Node::Root(
                    self.name("the name of an attribute after the `.`")?,
                )));
            }
            Token::Symbol("(") => {
                self.advance()?;
                let inner = self.expression()?;
                self.close(")", opened_at, "`(`")?;
                return Ok(Expr::tree(Node::Paren(inner)));
            }
            Token::Symbol("{") => {
                self.advance()?;
                let items = self.separated("}", opened_at, "list")?;
                return Ok(Expr::tree(Node::List(items.into())));
            }
            Token::Symbol("[") => return Ok(Expr::tree(Node::Ad(Arc::new(self.nested_ad()?)))),
            Token::End | Token::Symbol(_) => {
                return Err(self.unexpected("a value, a name or `(`"));
            }
        };
        self.advance()?;
        Ok(Expr(Repr::Literal(literal)))
    }

    fn name_or_call(&mut self) -> Result<Expr, ParseError> {
        let opened_at = self.start;
        let Token::Name(spelling) = self.advance()? else {
            return Err(self.unexpected("a name"));
        };
        if !self.skip("(")? {
            return Ok(Expr::attr(spelling.as_ref()));
        }
        let args = self.separated(")", opened_at, "call")?;
        if let [only] = args.as_slice()
            && let Some(Value::String(text)) = only.as_literal()
        {
            if let Some(value) = time_text::literal(&spelling, text) {
                return Ok(Expr::from(value));
            }
            if let Some(form) = time_text::expected_literal(&spelling) {
                let message = format!("`{spelling}(\"{}\")` is no time", text.escape_debug());
                return Err(ParseError::new(self.text, opened_at, message, form.to_owned()));
            }
        }
        Ok(Expr::call(spelling.as_ref(), args))
    }

    /// Expressions up to the closing bracket, with commas between them (or, in a call, semicolons).
    fn separated(
        &mut self,
        close: &'static str,
        opened_at: usize,
        what: &str,
    ) -> Result<Vec<Expr>, ParseError> {
        let mut items = Vec::new();
        if self.skip(close)? {
            return Ok(items);
        }
        loop {
            items.push(self.expression()?);
            if self.skip(",")? || (close == ")" && self.skip(";")?) {
                continue;
            }
            if self.token == Token::End || self.at(close) {
                self.close(close, opened_at, what)?;
                return Ok(items);
            }
            return Err(self.unexpected(&format!("`,` or `{close}`")));
        }
    }

    fn nested_ad(&mut self) -> Result<ClassAd, ParseError> {
        self.nested(Parser::ad)
    }

    /// `[ a = 1; b = 2; ]`.
    pub(crate) fn ad(&mut self) -> Result<ClassAd, ParseError> {
        let opened_at = self.start;
        if !self.skip("[")? {
            return Err(self.unexpected("`[` to begin an ad"));
        }
        let mut attributes: Vec<(AttrName, Expr)> = Vec::new();
        loop {
            while self.skip(";")? {}
            if self.at("]") {
                break;
            }
            if self.token == Token::End {
                self.close("]", opened_at, "ad")?;
            }
            let name = self.attribute_name()?;
            if !self.skip("=")? {
                return Err(self.unexpected("`=` after the name of the attribute"));
            }
            attributes.push((name, self.expression()?));
            if !self.at(";") && !self.at("]") {
                if self.token == Token::End {
                    self.close("]", opened_at, "ad")?;
                }
                return Err(self.unexpected("`;` or `]` after the attribute"));
            }
        }
        self.advance()?;
        Ok(attributes.into_iter().collect())
    }

    fn attribute_name(&mut self) -> Result<AttrName, ParseError> {
        if let Token::Name(name) = &self.token
            && name == &Cow::Borrowed("")
        {
            return Err(self.unexpected("a name with at least one letter"));
        }
        self.name("the name of an attribute")
    }
}
