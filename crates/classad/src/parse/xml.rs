//! Ads from XML: the few elements that `print::xml` prints, and nothing else of XML.

use crate::limits::{MAX_NESTING, MAX_TEXT_BYTES};
use crate::parse::lexer::undo_escapes;
use crate::parse::{ParseError, Syntax, parse_expression};
use crate::stack::with_room;
use crate::{AttrName, ClassAd, Expr, Value, time_text};

/// Reads every `<c>` of a document, or one that stands alone.
pub(crate) fn parse_xml_ads(text: &str) -> Result<Vec<ClassAd>, ParseError> {
    if text.len() > MAX_TEXT_BYTES {
        let message = format!("the text has {} bytes", text.len());
        return Err(ParseError::new(text, 0, message, format!("at most {MAX_TEXT_BYTES} bytes")));
    }
    let mut reader = Reader { text, position: 0 };
    let mut ads = Vec::new();
    loop {
        reader.skip_blanks();
        if reader.rest().is_empty() {
            return Ok(ads);
        }
        if reader.skip("<c>") {
            ads.push(reader.ad(0)?);
        } else if !reader.skip("<classads>")
            && !reader.skip("</classads>")
            && !reader.skip_prologue()
        {
            return Err(reader.error("`<c>`"));
        }
    }
}

struct Reader<'t> {
    text: &'t str,
    position: usize,
}

impl<'t> Reader<'t> {
    fn rest(&self) -> &'t str {
        &self.text[self.position..]
    }

    fn error(&self, expected: &str) -> ParseError {
        let found: String = self.rest().chars().take(20).collect();
        let message = if found.is_empty() {
            "the document ends too early".to_owned()
        } else {
            format!("`{found}` is not possible here")
        };
        ParseError::new(self.text, self.position, message, expected.to_owned())
    }

    fn skip_blanks(&mut self) {
        self.position += self.rest().len() - self.rest().trim_ascii_start().len();
    }

    fn skip(&mut self, text: &str) -> bool {
        let found = self.rest().starts_with(text);
        self.position += if found { text.len() } else { 0 };
        found
    }

    /// `<?xml ...?>` and `<!DOCTYPE ...>`.
    fn skip_prologue(&mut self) -> bool {
        if !self.rest().starts_with("<?") && !self.rest().starts_with("<!") {
            return false;
        }
        let Some(end) = self.rest().find('>') else { return false };
        self.position += end + 1;
        true
    }

    /// Everything up to `end`, which is passed too, with its entities undone.
    fn text_until(&mut self, end: &str) -> Result<String, ParseError> {
        let Some(length) = self.rest().find(end) else {
            return Err(self.error(&format!("`{end}`")));
        };
        let raw = &self.rest()[..length];
        self.position += length + end.len();
        Ok(unescaped(raw))
    }

    /// The same for a string or a name, in which C's escapes are undone too: so HTCondor 25.14
    /// prints them.
    fn string_until(&mut self, end: &str) -> Result<String, ParseError> {
        let start = self.position;
        let raw = self.text_until(end)?;
        if raw.contains('\0') {
            let message = "a string cannot hold the character NUL".to_owned();
            return Err(ParseError::new(self.text, start, message, "none".to_owned()));
        }
        undo_escapes(&raw)
            .map_err(|error| ParseError::new(self.text, start, error.message, error.expected))
    }

    fn ad(&mut self, depth: usize) -> Result<ClassAd, ParseError> {
        let mut attributes: Vec<(AttrName, Expr)> = Vec::new();
        loop {
            self.skip_blanks();
            if self.skip("</c>") {
                return Ok(attributes.into_iter().collect());
            }
            if !self.skip("<a n=\"") {
                return Err(self.error("`<a n=\"Name\">` or `</c>`"));
            }
            let name = self.string_until("\">")?;
            let expr = self.value(depth + 1)?;
            attributes.push((AttrName::from(name), expr));
            self.skip_blanks();
            if !self.skip("</a>") {
                return Err(self.error("`</a>`"));
            }
        }
    }

    fn value(&mut self, depth: usize) -> Result<Expr, ParseError> {
        with_room(|| self.value_with_room(depth))
    }

    fn value_with_room(&mut self, depth: usize) -> Result<Expr, ParseError> {
        if depth > MAX_NESTING {
            return Err(self.error(&format!("at most {MAX_NESTING} levels")));
        }
        self.skip_blanks();
        let start = self.position;
        let wrong = |reader: &Reader<'_>, expected: &str| {
            ParseError::new(
                reader.text,
                start,
                "the value cannot be read".to_owned(),
                expected.to_owned(),
            )
        };
        let literals = [
            ("<un/>", Value::Undefined),
            ("<er/>", Value::Error),
            ("<b v=\"t\"/>", Value::Boolean(true)),
            ("<b v=\"f\"/>", Value::Boolean(false)),
        ];
        for (element, value) in literals {
            if self.skip(element) {
                return Ok(Expr::from(value));
            }
        }
        if self.skip("<i>") {
            let text = self.text_until("</i>")?;
            text.trim().parse::<i64>().map(Expr::from).map_err(|_| wrong(self, "a whole number"))
        } else if self.skip("<r>") {
            let text = self.text_until("</r>")?;
            text.trim().parse::<f64>().map(Expr::from).map_err(|_| wrong(self, "a number"))
        } else if self.skip("<s/>") {
            Ok(Expr::from(""))
        } else if self.skip("<s>") {
            self.string_until("</s>").map(Expr::from)
        } else if self.skip("<e>") {
            let text = self.text_until("</e>")?;
            parse_expression(&text, Syntax::New)
                .map_err(|error| wrong(self, &format!("an expression ({error})")))
        } else if self.skip("<at>") {
            let text = self.text_until("</at>")?;
            let time = time_text::parse_abs_time(&text).ok_or_else(|| wrong(self, "a time"))?;
            Ok(Expr::from(Value::AbsTime(time)))
        } else if self.skip("<rt>") {
            let text = self.text_until("</rt>")?;
            let length =
                time_text::parse_rel_time(&text).ok_or_else(|| wrong(self, "a length of time"))?;
            Ok(Expr::from(Value::RelTime(length)))
        } else if self.skip("<c>") {
            self.ad(depth).map(Expr::from)
        } else if self.skip("<l>") {
            self.list(depth)
        } else {
            Err(self.error("an element such as `<i>`, `<s>` or `<e>`"))
        }
    }

    fn list(&mut self, depth: usize) -> Result<Expr, ParseError> {
        let mut items = Vec::new();
        loop {
            self.skip_blanks();
            if self.skip("</l>") {
                return Ok(Expr::list(items));
            }
            items.push(self.value(depth + 1)?);
        }
    }
}

fn unescaped(raw: &str) -> String {
    let mut text = String::with_capacity(raw.len());
    let mut rest = raw;
    while let Some(start) = rest.find('&') {
        text.push_str(&rest[..start]);
        rest = &rest[start..];
        let entities =
            [("&amp;", '&'), ("&lt;", '<'), ("&gt;", '>'), ("&quot;", '"'), ("&apos;", '\'')];
        let known = entities.iter().find(|(entity, _)| rest.starts_with(entity));
        let (length, character) =
            known.map_or((1, '&'), |(entity, character)| (entity.len(), *character));
        text.push(character);
        rest = &rest[length..];
    }
    text.push_str(rest);
    text
}
