//! The token that lets a machine join: one word, which `updraft pool invite` prints and `updraft
//! join` takes. It says where the pool is and which authority is its own, so that the newcomer
//! knows whom it talks to before it says the secret.
//!
//! It is for joining only, and begins with that: nobody takes it for a user's or a node's own.

use std::fmt;
use std::str::FromStr;

use super::{Fingerprint, NodeRole, from_hex, hex};

/// What every token begins with; the number is that of the form.
const BEGINS: &str = "updraft-join/1";

/// The secret of an invitation. It cannot be printed but as part of a token.
#[derive(Clone, PartialEq, Eq)]
pub struct Secret([u8; 16]);

impl Secret {
    /// These bytes, which nobody can guess.
    pub fn new(bytes: [u8; 16]) -> Self {
        Self(bytes)
    }

    /// What is kept of it: it cannot be found again from that.
    pub fn fingerprint(&self) -> Fingerprint {
        Fingerprint::of(&self.0)
    }

    /// For a message to the pool.
    pub fn bytes(&self) -> [u8; 16] {
        self.0
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret(..)")
    }
}

/// Where a pool is, and the right to join it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Token {
    /// Where the pool listens: `HOST:PORT`.
    pub address: String,
    /// What the machine will be.
    pub role: NodeRole,
    /// Until when it is good, seconds since 1970 by the pool's clock. For people: the pool decides.
    pub until_s: i64,
    /// Of the key of the pool's authority.
    pub authority: Fingerprint,
    pub secret: Secret,
}

impl Token {
    /// The word itself.
    pub fn reveal(&self) -> String {
        let Self { address, role, until_s, authority, secret } = self;
        format!("{BEGINS}/{address}/{role}/{until_s}/{authority}/{}", hex(&secret.0))
    }
}

/// Why a word is no token.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NoToken {
    #[error(
        "read the token: it does not begin with '{BEGINS}/', as what 'updraft pool invite' prints \
         does"
    )]
    Begins,
    #[error("read the token: {0}; it was cut off or changed, copy it whole")]
    Part(&'static str),
}

impl FromStr for Token {
    type Err = NoToken;

    fn from_str(text: &str) -> Result<Self, NoToken> {
        let inside = text.trim().strip_prefix(BEGINS).and_then(|rest| rest.strip_prefix('/'));
        let parts: Vec<&str> = inside.ok_or(NoToken::Begins)?.split('/').collect();
        let [address, role, until, authority, secret] = parts[..] else {
            return Err(NoToken::Part("it does not have five parts after that"));
        };
        if !is_host_and_port(address) {
            return Err(NoToken::Part("the first part is no address (HOST:PORT)"));
        }
        Ok(Self {
            address: address.to_owned(),
            role: NodeRole::from_name(role)
                .filter(|role| *role != NodeRole::Manager)
                .ok_or(NoToken::Part("the second part is no role"))?,
            until_s: until.parse().map_err(|_| NoToken::Part("the third part is no time"))?,
            authority: authority
                .parse()
                .map_err(|_| NoToken::Part("the fourth part is no hash of an authority"))?,
            secret: from_hex(secret).map(Secret).ok_or(NoToken::Part("it has no secret"))?,
        })
    }
}

/// Whether a text is the address of a daemon on another machine: a name or an IP address, and a
/// port.
pub fn is_host_and_port(text: &str) -> bool {
    let Some((host, port)) = text.rsplit_once(':') else { return false };
    let is_host = |byte: u8| byte.is_ascii_alphanumeric() || b"-._:[]%".contains(&byte);
    port.parse::<u16>().is_ok_and(|port| port != 0) && !host.is_empty() && host.bytes().all(is_host)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn token() -> Token {
        Token {
            address: "[fe80::1%eth0]:9618".to_owned(),
            role: NodeRole::Execute,
            until_s: 1_800_000_000,
            authority: Fingerprint::of(b"authority"),
            secret: Secret::new(*b"0123456789abcdef"),
        }
    }

    #[test]
    fn a_token_is_one_word_that_is_read_back() {
        let word = token().reveal();
        assert_eq!(format!(" {word}\n").parse(), Ok(token()));
        assert!(!word.contains(char::is_whitespace), "{word}");
    }

    #[test]
    fn what_was_cut_off_or_changed_says_what_is_wrong() {
        let word = token().reveal();
        for (text, said) in [
            ("", "does not begin"),
            ("a-password", "does not begin"),
            (&word[..word.len() - 1], "no secret"),
            (&word[..60], "five parts"),
            (&word.replace(":9618", ""), "no address"),
            (&word.replace(":9618", ":0"), "no address"),
            (&word.replace("execute", "manager"), "no role"),
            (&word.replace("/18", "/x"), "no time"),
        ] {
            let error = text.parse::<Token>().unwrap_err().to_string();
            assert!(error.contains(said), "{text}: {error}");
        }
    }

    #[test]
    fn the_secret_is_not_printed() {
        let shown = format!("{:?}", token());
        assert!(!shown.contains(&hex(b"0123456789abcdef")), "{shown}");
    }
}
