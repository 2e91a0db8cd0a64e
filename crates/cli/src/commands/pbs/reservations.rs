//! `pbs_rsub`, `pbs_rstat`, `pbs_rdel`, `pbs_ralter`: advance reservations. Where one is the
//! negotiator decides, and the schedd keeps it; here it is asked for and shown.

use std::collections::BTreeMap;
use std::thread::sleep;
use std::time::Duration;

use client::Schedd;
use jobspec::pbs::{self, Moment, Refusal, code};
use model::Timestamp;
use model::attr::RESERVE_NAME;
use model::queues::{Authorized, Denied, QueueSettings, Reserved, Stage, Window};
use proto::client::{Arrange, BookAsk};
use proto::clock;

use super::acting::{Refused, usage_of};
use super::placing::{arrange, denied};
use super::words::Line;
use crate::line::moments;
use crate::line::output::complain;
use crate::render::pbs::Here;
use crate::render::pbs::full::zoned;
use crate::render::pbs::reservations as render;

/// Long options of `pbs_rsub`, and what to do instead.
const NOT_BUILT: [(&str, &str); 2] = [
    ("--hosts", "take machines out of use with pbsnodes -o, or reserve with -l select=1:host=NAME"),
    ("--job", "reserve with -l what the job has, and submit to the reservation's queue"),
];

/// How often it is looked whether a reservation is settled (`-I`).
const LOOK_EVERY: Duration = Duration::from_millis(100);

/// `pbs_rsub`.
pub(super) fn submit(words: &[String], here: &Here) -> u8 {
    let long = |word: &String| {
        let name = word.split('=').next().unwrap_or_default();
        NOT_BUILT.into_iter().find(|(known, _)| *known == name)
    };
    if let Some((name, why)) = words.iter().find_map(long) {
        here.say(format_args!("{name} is not supported yet: {why}"));
        return code::NOT_SUPPORTED;
    }
    let line = match Line::read(words, "D:E:I:l:m:M:N:q:r:R:u:U:g:G:H:W:") {
        Ok(line) if line.operands.is_empty() && line.options().next().is_some() => line,
        other => return usage_of(here, other.err()),
    };
    if let Some(exit) = refused(here, &line, "rGgW") {
        return exit;
    }
    let booked = book(here, &line).map_err(|refusal| {
        for problem in &refusal.problems {
            here.say(&problem.message);
        }
        if refusal.exit == code::USAGE && !refusal.problems.is_empty() {
            complain(here.usage());
        }
        refusal.exit
    });
    match booked {
        Err(exit) => exit,
        Ok((mut schedd, name)) => {
            let state = match line.value('I').and_then(|seconds| seconds.parse().ok()) {
                Some(most) => settled(&mut schedd, &name, Duration::from_secs(most)),
                None => "UNCONFIRMED",
            };
            println!("{} {state}", render::identifier(&name, here));
            0
        }
    }
}

/// What is not there.
fn refused(here: &Here, line: &Line, options: &str) -> Option<u8> {
    let (option, why) = line.options().find_map(|(option, _)| {
        let why = match option {
            'r' => "a reservation has one window",
            'G' | 'g' => "say -U with the names of users",
            'W' => "-D, -R and -E say when it is",
            _ => "delete the reservation and make another",
        };
        options.contains(option).then_some((option, why))
    })?;
    here.say(format_args!("-{option} is not supported yet: {why}"));
    Some(code::NOT_SUPPORTED)
}

fn book(here: &Here, line: &Line) -> Result<(Schedd, String), Refusal> {
    let failed = |error: &dyn std::fmt::Display| Refusal::new(code::FAILED, error);
    let lists: Vec<&str> = line
        .options()
        .filter(|(option, _)| *option == 'l')
        .filter_map(|(_, value)| value)
        .collect();
    if lists.is_empty() {
        return Err(Refusal::told(usage_of(here, None)));
    }
    let mut schedd = here.connect().map_err(Refusal::told)?;
    let settings = schedd.queues().map_err(|error| Refusal::told(here.cannot_connect(&error)))?;
    let asked = pbs::reservation(&lists, &settings)?;
    let walltime = asked.walltime_s.and_then(|seconds| i64::try_from(seconds).ok());
    let window = window(here, line, walltime, None).map_err(bad_times)?;
    let user = client::site::me();
    let mut shown: Vec<(String, String)> = Vec::new();
    for (name, value) in asked.listed {
        shown.push((format!("Resource_List.{name}"), value));
    }
    let users = line.value('U').map_or_else(|| format!("{user}@{}", here.server), str::to_owned);
    shown.extend(said_of(line));
    shown.push(("Authorized_Users".to_owned(), users.clone()));
    let mail = std::env::var("MAIL").map(|mail| format!(",PBS_O_MAIL={mail}")).unwrap_or_default();
    let variables = format!("PBS_O_LOGNAME={user},PBS_O_HOST={}{mail}", here.server);
    shown.push(("Variable_List".to_owned(), variables));
    let token = client::new_token().map_err(|error| failed(&error))?;
    let connect = |error: client::AskError| Refusal::told(here.cannot_connect(&error));
    let number = schedd.reserve(token).map_err(connect)?;
    let ask = BookAsk {
        number,
        token,
        window,
        parts: asked.parts,
        who: Authorized { users: Some(users), hosts: line.value('H').map(str::to_owned) },
        shown: shown.into_iter().collect(),
    };
    match schedd.arrange(Arrange::Book(Box::new(ask))) {
        Ok(()) => Ok((schedd, format!("R{number}"))),
        Err(error) => Err(match denied(&error) {
            Some(denied) => Refusal::new(denied.exit(), denied),
            None => connect(error),
        }),
    }
}

/// One that cannot be read, or times that are no window.
#[derive(Clone, Copy)]
enum BadTime {
    Illegal(char),
    NoWindow,
}

fn bad_times(wrong: BadTime) -> Refusal {
    match wrong {
        BadTime::Illegal(option) => {
            Refusal::new(code::USAGE, format!("illegal -{option} time value"))
        }
        BadTime::NoWindow => Refusal::new(Denied::BadTimes.exit(), Denied::BadTimes),
    }
}

/// From when until when: two of start, end and duration say it; the start is now if nothing does.
fn window(
    here: &Here,
    line: &Line,
    walltime: Option<i64>,
    before: Option<Window>,
) -> Result<Window, BadTime> {
    const BAD: BadTime = BadTime::NoWindow;
    let now = zoned(here.now, &here.zone);
    let moment = |option: char| match line.value(option) {
        None => Ok(None),
        Some(text) => {
            let read = Moment::read(text).and_then(|at| moments::next(at, &now));
            read.map(Some).ok_or(BadTime::Illegal(option))
        }
    };
    let (start, end) = (moment('R')?, moment('E')?);
    let said =
        line.value('D').map(|text| pbs::duration(text).ok_or(BadTime::Illegal('D'))).transpose()?;
    let duration = said.or(walltime);
    let after = |start: i64, duration: i64| start.checked_add(duration).ok_or(BAD);
    let (start, end) = match (start, end, duration) {
        (Some(start), Some(end), _) => (start, end),
        (Some(start), None, Some(duration)) => (start, after(start, duration)?),
        (None, Some(end), Some(duration)) => (end.checked_sub(duration).ok_or(BAD)?, end),
        (start, end, duration) => match (before, duration) {
            (Some(before), Some(duration)) => {
                let start = start.unwrap_or(before.start.as_secs());
                (start, end.map_or_else(|| after(start, duration), Ok)?)
            }
            (Some(before), None) => {
                let moved = start.map_or(0, |start| start - before.start.as_secs());
                let start = before.start.as_secs() + moved;
                (start, end.unwrap_or(before.end.as_secs() + moved))
            }
            (None, Some(duration)) => (here.now, after(here.now, duration)?),
            (None, None) => return Err(BAD),
        },
    };
    if start >= end || end <= here.now || end > here.now.saturating_add(Window::AHEAD_S) {
        return Err(BAD);
    }
    Ok(Window { start: Timestamp::from_secs(start), end: Timestamp::from_secs(end) })
}

/// How the reservation stands when it is settled, or after so long.
fn settled(schedd: &mut Schedd, name: &str, most: Duration) -> &'static str {
    let until = clock::now().deadline(most);
    loop {
        match schedd.queues().ok().map(|settings| settings.reservations.get(name).cloned()) {
            Some(None) => return "DENIED",
            Some(Some(Reserved { stage: Stage::Over, .. })) => return "DENIED",
            Some(Some(Reserved { stage: Stage::Confirmed(_) | Stage::Running(_), .. })) => {
                return "CONFIRMED";
            }
            Some(Some(_)) | None if clock::now().boot_ms >= until => return "UNCONFIRMED",
            Some(Some(_)) | None => sleep(LOOK_EVERY),
        }
    }
}

/// `R12` of `R12.host`.
fn name_of(here: &Here, word: &str) -> Option<String> {
    let (name, server) = word.split_once('.').unwrap_or((word, &here.server));
    let is_number = |rest: &str| !rest.is_empty() && rest.bytes().all(|b| b.is_ascii_digit());
    let is_name = name.strip_prefix(['R', 'S', 'M']).is_some_and(is_number);
    (is_name && here.is_server(server)).then(|| name.to_owned())
}

/// Of these words each, or all that there are.
fn named<'s>(
    here: &Here,
    words: &[String],
    settings: &'s QueueSettings,
) -> Vec<(String, &'s Reserved)> {
    if words.is_empty() {
        let all = settings.reservations.iter();
        return all.map(|(name, reserved)| (name.clone(), reserved)).collect();
    }
    let mut found = Vec::new();
    for word in words {
        let name = name_of(here, word);
        let known = name.and_then(|name| Some((name.clone(), settings.reservations.get(&name)?)));
        match known {
            Some(known) => found.push(known),
            // OpenPBS 23.06 says it and ends well.
            None => drop(unknown(here, word)),
        }
    }
    found
}

/// There is no reservation of this name: the exit code.
fn unknown(here: &Here, word: &str) -> u8 {
    let denied = Denied::UnknownReservation;
    here.say(format_args!("{denied} {}", whole(here, word)));
    denied.exit()
}

fn whole(here: &Here, word: &str) -> String {
    if word.contains('.') { word.to_owned() } else { format!("{word}.{}", here.server) }
}

/// `pbs_rstat`.
pub(super) fn show(words: &[String], here: &Here) -> u8 {
    let line = match Line::read(words, "fFBS") {
        Ok(line) => line,
        other => return usage_of(here, other.err()),
    };
    let shown = || -> Result<(), u8> {
        let mut schedd = here.connect()?;
        let settings = schedd.queues().map_err(|error| here.cannot_connect(&error))?;
        let found = named(here, &line.operands, &settings);
        let mut out = String::new();
        for (nth, (name, reserved)) in found.iter().enumerate() {
            if line.any("fF") {
                out += &render::full(name, reserved, here);
            } else if line.has('B') {
                out += &format!("Resv ID: {}\n", render::identifier(name, here));
            } else {
                if nth == 0 {
                    out += render::HEAD;
                }
                out += &render::line(name, reserved, here);
            }
        }
        here.print(&out)
    };
    shown().err().unwrap_or(0)
}

/// `pbs_rdel`.
pub(super) fn delete(words: &[String], here: &Here) -> u8 {
    let line = match Line::read(words, "q:") {
        Ok(line) if !line.operands.is_empty() => line,
        other => return usage_of(here, other.err()),
    };
    let mut schedd = match here.connect() {
        Ok(schedd) => schedd,
        Err(exit) => return exit,
    };
    let mut exit = 0;
    for word in &line.operands {
        let done = change(here, &mut schedd, word, |queue| Arrange::Unbook { queue });
        exit = done.err().unwrap_or(exit);
    }
    exit
}

/// Changes the reservation that a word names.
fn change(
    here: &Here,
    schedd: &mut Schedd,
    word: &str,
    what: impl FnOnce(String) -> Arrange,
) -> Result<(), u8> {
    let id = whole(here, word);
    let queue = name_of(here, word).ok_or_else(|| {
        here.say(format_args!("illegally formed reservation identifier: {word}"));
        code::FAILED
    })?;
    arrange(here, schedd, what(queue)).map_err(|refused| {
        let refused = match refused {
            Refused::Because(exit, said) => Refused::because(exit, said.trim_end()),
            told @ Refused::Told(_) => told,
        };
        refused.say(here, id)
    })
}

/// `pbs_ralter`.
pub(super) fn alter(words: &[String], here: &Here) -> u8 {
    let line = match Line::read(words, "E:I:m:M:N:R:q:U:G:D:l:W:") {
        Ok(line) if line.operands.len() == 1 => line,
        other => return usage_of(here, other.err()),
    };
    if let Some(exit) = refused(here, &line, "GlW") {
        return exit;
    }
    let alter = || -> Result<(), u8> {
        let word = &line.operands[0];
        let mut schedd = here.connect()?;
        let settings = schedd.queues().map_err(|error| here.cannot_connect(&error))?;
        let name = name_of(here, word);
        let known = name.as_ref().and_then(|name| settings.reservations.get(name));
        let before = known.ok_or_else(|| unknown(here, word))?.window;
        let window = window(here, &line, None, Some(before)).map_err(|wrong| {
            let refusal = bad_times(wrong);
            refusal.problems.iter().for_each(|problem| here.say(&problem.message));
            refusal.exit
        })?;
        let users = line.value('U').map(str::to_owned);
        let shown: BTreeMap<String, String> = said_of(&line).collect();
        let rebook = |queue| Arrange::Rebook { queue, window, shown, users };
        change(here, &mut schedd, word, rebook)?;
        let name = name.unwrap_or_default();
        let most = line.value('I').and_then(|seconds| seconds.parse().ok());
        let how = match most {
            _ if window == before => "CONFIRMED",
            Some(most) => altered(&mut schedd, &name, window, Duration::from_secs(most)),
            None => "ALTER REQUESTED",
        };
        let id = render::identifier(&name, here);
        here.print(&format!("pbs_ralter: {id} {how}\n"))
    };
    alter().err().unwrap_or(0)
}

/// How the alteration stands when it is settled, or after so long.
fn altered(schedd: &mut Schedd, name: &str, window: Window, most: Duration) -> &'static str {
    let until = clock::now().deadline(most);
    loop {
        let known = schedd.queues().ok().map(|mut all| all.reservations.remove(name));
        match known {
            Some(Some(Reserved { stage: Stage::Altering { .. } | Stage::Unconfirmed, .. }))
            | None
                if clock::now().boot_ms >= until =>
            {
                return "ALTER REQUESTED";
            }
            Some(Some(Reserved { stage: Stage::Altering { .. } | Stage::Unconfirmed, .. }))
            | None => sleep(LOOK_EVERY),
            Some(Some(reserved)) if reserved.window == window => return "ALTER CONFIRMED",
            Some(Some(_) | None) => return "ALTER DENIED",
        }
    }
}

/// What options say of a reservation that is only shown, or of its mail.
fn said_of(line: &Line) -> impl Iterator<Item = (String, String)> {
    let of = |(option, name): (char, &str)| Some((name.to_owned(), line.value(option)?.to_owned()));
    let all = [
        ('N', RESERVE_NAME),
        ('H', "Authorized_Hosts"),
        ('m', pbs::shown::MAIL_POINTS),
        ('M', pbs::shown::MAIL_USERS),
        ('U', "Authorized_Users"),
    ];
    all.into_iter().filter_map(of)
}

#[cfg(test)]
mod tests {
    use jiff::tz::TimeZone;

    use super::*;

    fn check(words: &[&str], expected: Result<(i64, i64), u8>) {
        let now: jiff::Timestamp = "2026-11-22T16:00:00Z".parse().unwrap();
        let here = Here {
            command: "pbs_rsub".to_owned(),
            server: "pbshost".to_owned(),
            zone: TimeZone::UTC,
            now: now.as_second(),
        };
        let words: Vec<String> = words.iter().map(|word| (*word).to_owned()).collect();
        let line = Line::read(&words, "D:E:R:").unwrap();
        let found = window(&here, &line, None, None);
        let from_now = |at: Timestamp| at.as_secs() - here.now;
        let found = found.map(|found| (from_now(found.start), from_now(found.end)));
        let found = found.map_err(|wrong| bad_times(wrong).exit);
        assert_eq!(found, expected, "{words:?}");
    }

    #[test]
    fn two_of_start_end_and_duration_make_a_window() {
        let bad = Err(238);
        check(&["-R", "1700", "-D", "60"], Ok((3600, 3660)));
        check(&["-R", "1700", "-E", "1730"], Ok((3600, 5400)));
        check(&["-E", "1700", "-D", "0:10:00"], Ok((3000, 3600)));
        check(&["-D", "60"], Ok((0, 60)));
        check(&["-R", "1700"], bad);
        check(&["-R", "1700", "-E", "1630"], bad);
        check(&["-R", "soon", "-D", "60"], Err(2));
        check(&["-R", "202001010000", "-D", "60"], bad);
    }

    #[test]
    fn a_reservation_is_named_with_its_server_or_without() {
        let here = Here {
            command: String::new(),
            server: "pbshost".to_owned(),
            zone: TimeZone::UTC,
            now: 0,
        };
        assert_eq!(name_of(&here, "R12.pbshost").as_deref(), Some("R12"));
        assert_eq!(name_of(&here, "R12").as_deref(), Some("R12"));
        for wrong in ["12", "R", "Rx", "R12.elsewhere", ""] {
            assert_eq!(name_of(&here, wrong), None, "{wrong}");
        }
    }
}
