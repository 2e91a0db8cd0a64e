//! Requests that grow: what a job asks for when it is run again because it used more than it had
//! been given. It becomes a transform in the job's ad, in the words of HTCondor 25.14; the schedd
//! applies it.

use classad::Expr;
use model::attr;

use super::resources::{KIB, first_of_list, size};
use super::{Job, comma_items};
use model::diagnostic::Diagnostic;

/// Stands between the lines of a transform that is kept in an attribute (HTCondor 25.14).
const TRANSFORM_NEWLINE: char = '\u{1e}';

/// A request that can grow.
struct Growing {
    attr: &'static str,
    keyword: &'static str,
    retry: &'static str,
    increase: &'static str,
    max: &'static str,
    unit_bytes: f64,
    /// The subcode with which the run was evicted.
    subcode: u32,
}

const GROWING: [Growing; 2] = [
    Growing {
        attr: attr::REQUEST_MEMORY,
        keyword: "request_memory",
        retry: "retry_request_memory",
        increase: "retry_request_memory_increase",
        max: "retry_request_memory_max",
        unit_bytes: KIB * KIB,
        subcode: 102,
    },
    // HTCondor 25.14 knows the first of these only; the others mean what they mean for memory.
    Growing {
        attr: attr::REQUEST_DISK,
        keyword: "request_disk",
        retry: "retry_request_disk",
        increase: "retry_request_disk_increase",
        max: "retry_request_disk_max",
        unit_bytes: KIB,
        subcode: 104,
    },
];

impl Job<'_> {
    pub(super) fn set_growing(&mut self) -> Result<(), Diagnostic> {
        GROWING.iter().try_for_each(|growing| self.set_steps(growing))
    }

    fn set_steps(&mut self, growing: &Growing) -> Result<(), Diagnostic> {
        let Growing { attr, retry, increase, max, .. } = growing;
        let by = self.word(increase)?;
        let steps = self.steps(growing, by.is_some())?;
        // HTCondor 25.14 reads a most that stands alone only where the request is a whole number.
        let grows = !steps.is_empty() || by.is_some();
        let is_whole = self.ad.literal(attr).and_then(classad::Value::as_i64).is_some();
        let most = if grows || is_whole { self.word(max)? } else { None };
        if by.is_some() && self.word(retry)?.is_some() {
            let message = format!("{increase} will be ignored because {retry} was used");
            self.warn(increase, message);
        }
        let newline = TRANSFORM_NEWLINE;
        let transform = match (steps.as_slice(), by) {
            ([], None) => match most {
                None => return Ok(()),
                // HTCondor 25.14: the most, alone, is what is asked for next.
                Some(most) => match size(&most, growing.unit_bytes) {
                    Some(most) => format!("SET {attr} {most}"),
                    None => format!("EVALSET {attr} {}", self.most(max, &most)?),
                },
            },
            ([], Some(by)) => self.increased(growing, &by)?,
            ([one], _) if one.parse::<i64>().is_ok() => format!("SET {attr} {one}"),
            ([one], _) => format!("EVALSET {attr} {one}"),
            (several, _) => {
                let list = format!("{{ {} }}", several.join(","));
                let name = format!("Retry{attr}");
                self.set_expression(retry, &name, &list)?;
                format!(
                    "EVALSET {attr} {name}[{name}Index?:0]{newline}\
                     EVALSET {name}Index MIN({{size({name})-1, ({name}Index?:0)+1}})"
                )
            }
        };
        let when = format!(
            "REQUIREMENTS (VacateReasonCode==21 || VacateReasonCode == 34) && VacateReasonSubCode == {}",
            growing.subcode
        );
        self.ad
            .set(format!("TransformBody_{attr}").as_str(), format!("{when}{newline}{transform}"));
        let others = self.ad.literal(attr::TRANSFORM_ON_EVICT).and_then(classad::Value::as_str);
        let all = others.map_or_else(|| (*attr).to_owned(), |others| format!("{others} {attr}"));
        self.ad.set(attr::TRANSFORM_ON_EVICT, all);
        Ok(())
    }

    /// What is asked for one after the other: sizes, each larger than the one before, or one
    /// expression.
    fn steps(&self, growing: &Growing, increases: bool) -> Result<Vec<String>, Diagnostic> {
        let asked = self.word(growing.keyword)?;
        let rest = asked.as_deref().and_then(|text| first_of_list(text, growing.unit_bytes));
        let is_whole = self.ad.literal(growing.attr).and_then(classad::Value::as_i64).is_some();
        let (keyword, text) = match (rest, self.word(growing.retry)?) {
            (Some((_, rest)), _) => (growing.keyword, rest.to_owned()),
            (None, Some(text)) => (growing.retry, text),
            (None, None) if increases || is_whole => match self.word(growing.max)? {
                // HTCondor 25.14: several are no most, but what is asked for one after the other.
                Some(several) if comma_items(&several).count() > 1 => (growing.max, several),
                Some(_) | None => return Ok(Vec::new()),
            },
            (None, None) => return Ok(Vec::new()),
        };
        let mut last = None;
        let is_alone = comma_items(&text).count() == 1;
        let step = |item: &str| match size(item, growing.unit_bytes) {
            Some(now) if last.is_some_and(|last| now <= last) => Err(format!(
                "{keyword} must have an increasing sequence of values, but {now} is not greater than {}",
                last.unwrap_or_default()
            )),
            Some(now) => {
                last = Some(now);
                Ok(now.to_string())
            }
            None => match Expr::parse(item) {
                Ok(expr) if is_alone => Ok(expr.to_string()),
                Ok(_) | Err(_) => {
                    Err(format!("{keyword}={text} is invalid. must be an expression or number"))
                }
            },
        };
        let steps: Result<Vec<_>, _> = comma_items(&text).map(step).collect();
        steps.map_err(|message| Diagnostic::error(message).at(self.place(keyword)))
    }

    /// What comes after the first request, if both are numbers. HTCondor 25.14 lets a request
    /// without a most grow that one time.
    fn once(&self, attr: &str, next: &str) -> Option<i64> {
        let mut ad = classad::ClassAd::new();
        ad.set(attr, self.ad.literal(attr).and_then(classad::Value::as_i64)?);
        let next = Expr::parse(next).ok()?;
        ad.eval_expr(&next, None, &classad::Env::at(0)).as_i64()
    }

    /// The most that is asked for, as an expression.
    fn most(&self, keyword: &str, text: &str) -> Result<Expr, Diagnostic> {
        Expr::parse(text).map_err(|_| {
            let message = format!("{keyword}={text} is invalid. must be an expression or number");
            Diagnostic::error(message).at(self.place(keyword))
        })
    }

    /// A size that is added each time, or an expression of the request.
    fn increased(&mut self, growing: &Growing, by: &str) -> Result<String, Diagnostic> {
        let Growing { attr, increase, max, unit_bytes, .. } = growing;
        let wrong = |job: &Self| {
            let message = format!(
                "{attr} retry increment must be a positive number or an expression that references {attr}"
            );
            Err(Diagnostic::error(message).at(job.place(increase)))
        };
        let next = match size(by, *unit_bytes) {
            Some(by) if by > 0 => format!("{attr} + {by}"),
            Some(_) => return wrong(self),
            None => by.to_owned(),
        };
        let names_request = |expr: &Expr| expr.references().iter().any(|(_, name)| *name == **attr);
        if !Expr::parse(&next).is_ok_and(|next| names_request(&next)) {
            return wrong(self);
        }
        if let Some(most) = self.text(max)?
            && size(&most, *unit_bytes).is_none()
        {
            self.most(max, &most)?;
        }
        if self.text(max)?.is_none()
            && let Some(next) = self.once(attr, &next)
        {
            return Ok(format!("SET {attr} {next}"));
        }
        self.set_expression(increase, &format!("Next{attr}"), &next)?;
        if self.text(max)?.is_none() {
            return Ok(format!("EVALSET {attr} Next{attr}"));
        }
        self.set_sized(max, &format!("Max{attr}"), *unit_bytes)?;
        Ok(format!("EVALSET {attr} MIN({{Next{attr}, Max{attr}}})"))
    }
}
