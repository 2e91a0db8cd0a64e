//! `updraft pool invite | nodes | revoke | rotate`: who is in the pool. The negotiator decides;
//! this asks it.

use anyhow::{Result, bail};
use client::AskError;
use client::home::Home;
use proto::client::{Answer, AskNegotiator};
use proto::joining::{AskTrust, NodeLine};

/// Asks the negotiator something about the machines of the pool.
///
/// # Errors
///
/// If it cannot be asked, or refuses.
fn ask(home: &Home, ask: AskTrust) -> Result<Answer> {
    Ok(home.negotiator()?.ask(AskNegotiator::Trust(ask))?)
}

/// A token that lets machines join.
///
/// # Errors
///
/// If the pool cannot be asked, or refuses.
pub fn token(home: &Home, invite: AskTrust) -> Result<String> {
    match ask(home, invite)? {
        Answer::Token(token) => Ok(token),
        other => Err(AskError::unexpected("a token", &other).into()),
    }
}

/// The machines of the pool.
///
/// # Errors
///
/// If the pool cannot be asked, or refuses.
pub fn nodes(home: &Home) -> Result<Vec<NodeLine>> {
    match ask(home, AskTrust::Nodes)? {
        Answer::Nodes(nodes) => Ok(nodes),
        other => Err(AskError::unexpected("its machines", &other).into()),
    }
}

/// Does what is only done.
///
/// # Errors
///
/// If the pool cannot be asked, or refuses.
pub fn change(home: &Home, change: AskTrust) -> Result<()> {
    match ask(home, change)? {
        Answer::Done => Ok(()),
        other => Err(AskError::unexpected("a change", &other).into()),
    }
}

/// A time as people write it: `90s`, `15m`, `1h`, `7d`; a number alone is seconds.
///
/// # Errors
///
/// If it is none, or longer than can be.
pub fn duration_s(text: &str) -> Result<u32> {
    let (number, unit_s) = match text.char_indices().last() {
        Some((at, 's')) => (&text[..at], 1),
        Some((at, 'm')) => (&text[..at], 60),
        Some((at, 'h')) => (&text[..at], 3600),
        Some((at, 'd')) => (&text[..at], 86_400),
        _ => (text, 1),
    };
    let seconds = number.parse::<u32>().ok().and_then(|number| number.checked_mul(unit_s));
    match seconds {
        Some(seconds) if seconds > 0 => Ok(seconds),
        _ => bail!("take '{text}' for a time: expected a number with s, m, h or d, such as 1h"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_time_has_a_unit_and_an_end() {
        for (text, expected) in [
            ("90", Some(90)),
            ("90s", Some(90)),
            ("15m", Some(900)),
            ("1h", Some(3600)),
            ("7d", Some(604_800)),
            ("0h", None),
            ("", None),
            ("h", None),
            ("-1h", None),
            ("1y", None),
            ("99999d", None),
        ] {
            assert_eq!(duration_s(text).ok(), expected, "{text}");
        }
    }
}
