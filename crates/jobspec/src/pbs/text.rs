//! Texts taken apart by `grammar/pbs.pest`. The rules stay below this module's siblings; what a
//! text means is their matter.

use pest::Parser;
use pest::iterators::Pair;

/// The parser that pest makes of the grammar.
#[derive(pest_derive::Parser)]
#[grammar = "../../grammar/pbs.pest"]
pub(super) struct PbsParser;

/// What a text has inside; `None` if it is not what `rule` says.
pub(super) fn read(rule: Rule, text: &str) -> Option<Vec<Pair<'_, Rule>>> {
    let whole = PbsParser::parse(rule, text).ok()?.next()?;
    Some(whole.into_inner().filter(|pair| pair.as_rule() != Rule::EOI).collect())
}

/// A word or a value without its quotes.
pub(super) fn plain(pair: Pair<'_, Rule>) -> String {
    let part = |part: Pair<'_, Rule>| match part.as_rule() {
        Rule::double | Rule::single | Rule::escaped | Rule::kept => {
            part.into_inner().map(|inner| inner.as_str()).collect()
        }
        _ => part.as_str().to_owned(),
    };
    pair.into_inner().map(part).collect()
}

/// The words of a directive.
pub(super) fn words(text: &str) -> Option<Vec<String>> {
    Some(read(Rule::words, text)?.into_iter().map(plain).collect())
}

/// `name=value` pairs of `-W`.
pub(super) fn attributes(text: &str) -> Option<Vec<(String, String)>> {
    let named = |pair: Pair<'_, Rule>| {
        let mut inner = pair.into_inner();
        let name = inner.next()?.as_str().to_owned();
        let value = inner.next()?;
        let value = match value.as_rule() {
            Rule::attribute_quoted => plain(value),
            _ => value.as_str().trim_end().to_owned(),
        };
        Some((name, value))
    };
    read(Rule::attributes, text)?.into_iter().map(named).collect()
}

/// `name=value` pairs of `-l`; a resource may have no value.
pub(super) fn resources(text: &str) -> Option<Vec<(String, Option<String>)>> {
    let named = |pair: Pair<'_, Rule>| {
        let mut inner = pair.into_inner();
        Some((inner.next()?.as_str().to_owned(), inner.next().map(plain)))
    };
    read(Rule::resources, text)?.into_iter().map(named).collect()
}

/// A number of a rule that is one.
pub(super) fn number<T: std::str::FromStr>(pair: &Pair<'_, Rule>) -> Option<T> {
    pair.as_str().parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(text: &str, expected: Option<&[&str]>) {
        let expected = expected.map(|words| words.iter().map(|word| (*word).to_owned()).collect());
        assert_eq!(words(text), expected, "{text:?}");
    }

    #[test]
    fn quotes_keep_blanks_and_end() {
        check(" -N a  -l\tselect=1 ", Some(&["-N", "a", "-l", "select=1"]));
        check("-v 'A=a b',B=\"x 'y'\"", Some(&["-v", "A=a b,B=x 'y'"]));
        check(r#"-v A=\"x\",B=c:\d"#, Some(&["-v", r#"A="x",B=c:\d"#]));
        check("", Some(&[]));
        check("-N 'a", None);
    }

    #[test]
    fn a_comma_goes_on_with_an_attribute_unless_a_name_follows() {
        let read = attributes("depend=afterok:1:2,afterany:3,umask=022").unwrap();
        let pairs: Vec<_> = read.iter().map(|(n, v)| (n.as_str(), v.as_str())).collect();
        assert_eq!(pairs, [("depend", "afterok:1:2,afterany:3"), ("umask", "022")]);
        let read = attributes("depend=\"afterok:1:2\", umask = 022 ,stageout='a@h:b,c=d'").unwrap();
        let pairs: Vec<_> = read.iter().map(|(n, v)| (n.as_str(), v.as_str())).collect();
        assert_eq!(pairs, [("depend", "afterok:1:2"), ("umask", "022"), ("stageout", "a@h:b,c=d")]);
        assert_eq!(attributes("depend="), None);
        assert_eq!(attributes("foo"), None);
    }
}
