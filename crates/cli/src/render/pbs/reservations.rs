//! Advance reservations as `pbs_rstat` shows them: a table, and all that is known of each.

use std::fmt::Write as _;

use jobspec::pbs::clock;
use jobspec::pbs::shown::{MAIL_POINTS, MAIL_USERS};
use model::attr::RESERVE_NAME;
use model::queues::{Attributes, Reserved, ReservedPlace, Stage};

use crate::render::pbs::Here;
use crate::render::pbs::full::{date, zoned};

/// How a reservation stands: in two letters, in words, and as OpenPBS 23.06 numbers it inside.
struct Standing {
    letters: &'static str,
    words: &'static str,
    number: u32,
}

fn standing(reserved: &Reserved, now: i64) -> Standing {
    let (letters, words, number) = match &reserved.stage {
        Stage::Unconfirmed => ("UN", "RESV_UNCONFIRMED", 1),
        Stage::Altering { .. } => ("AL", "RESV_BEING_ALTERED", 11),
        Stage::Over if now >= reserved.window.end.as_secs() => ("FN", "RESV_FINISHED", 6),
        Stage::Over => ("BD", "RESV_BEING_DELETED", 7),
        Stage::Running(_) => ("RN", "RESV_RUNNING", 5),
        Stage::Confirmed(_) => ("CO", "RESV_CONFIRMED", 2),
    };
    Standing { letters, words, number }
}

/// What stands above the table.
pub const HEAD: &str = "\
Resv ID    Queue    User     State             Start / Duration / End              
---------------------------------------------------------------------
";

/// The identifier, with its server.
pub fn identifier(name: &str, here: &Here) -> String {
    format!("{name}.{}", here.server)
}

/// A reservation's line of the table.
pub fn line(name: &str, reserved: &Reserved, here: &Here) -> String {
    let cut = |text: &str, width: usize| text.chars().take(width).collect::<String>();
    let id = cut(&identifier(name, here), 10);
    let user = cut(&owner(reserved, here), 8);
    let window = reserved.window;
    let moment = |seconds| moment(seconds, here);
    let (start, end) = (moment(window.start.as_secs()), moment(window.end.as_secs()));
    let span = format!("{start:>17} / {} / {end:<17}", window.seconds());
    let letters = standing(reserved, here.now).letters;
    format!("{id:<10} {:<8} {user:<8} {letters}    {span}\n", cut(name, 8))
}

/// `Today 23:50`, or another day's `Mon Nov 23 00:10`.
fn moment(seconds: i64, here: &Here) -> String {
    let (at, now) = (zoned(seconds, &here.zone), zoned(here.now, &here.zone));
    if at.date() == now.date() {
        at.strftime("Today %H:%M").to_string()
    } else if at.year() == now.year() {
        at.strftime("%a %b %d %H:%M").to_string()
    } else {
        at.strftime("%a %b %d %Y %H:%M").to_string()
    }
}

fn owner(reserved: &Reserved, here: &Here) -> String {
    format!("{}@{}", reserved.owner, here.server)
}

/// All that is known of a reservation, as `pbs_rstat -f` lists it.
pub fn full(name: &str, reserved: &Reserved, here: &Here) -> String {
    let said = Attributes(reserved.shown.clone());
    let shown = |wanted: &str| said.get(wanted).map(str::to_owned);
    let moment = |seconds| Some(date(seconds, &here.zone));
    let standing = standing(reserved, here.now);
    let seconds = reserved.window.seconds();
    let mut out = format!("Resv ID: {}\n", identifier(name, here));
    let mut say = |attribute: &str, value: Option<String>| {
        if let Some(value) = value {
            let _ = writeln!(out, "{attribute} = {value}");
        }
    };
    say(RESERVE_NAME, Some(shown(RESERVE_NAME).unwrap_or_else(|| "NULL".to_owned())));
    say("Reserve_Owner", Some(owner(reserved, here)));
    say("reserve_state", Some(standing.words.to_owned()));
    say("reserve_substate", Some(standing.number.to_string()));
    say("reserve_start", moment(reserved.window.start.as_secs()));
    say("reserve_end", moment(reserved.window.end.as_secs()));
    say("reserve_duration", Some(seconds.to_string()));
    say("queue", Some(name.to_owned()));
    let is_last = |name: &str| ["select", "place"].contains(&name);
    let listed = || said.resources("Resource_List");
    for (name, value) in listed().filter(|(name, _)| !is_last(name)) {
        say(&format!("Resource_List.{name}"), Some(value.to_owned()));
    }
    for name in ["select", "place"] {
        let value = listed().find(|(known, _)| *known == name);
        say(&format!("Resource_List.{name}"), value.map(|(_, value)| value.to_owned()));
    }
    say("Resource_List.walltime", Some(clock(u64::try_from(seconds).unwrap_or(0))));
    say("resv_nodes", nodes(reserved.places()));
    say("Authorized_Users", shown("Authorized_Users"));
    say("Authorized_Hosts", shown("Authorized_Hosts"));
    say("server", Some(here.server.clone()));
    say("ctime", moment(reserved.created.as_secs()));
    say(MAIL_POINTS, shown(MAIL_POINTS));
    say(MAIL_USERS, shown(MAIL_USERS));
    say("mtime", moment(reserved.changed.as_secs()));
    say("Variable_List", shown("Variable_List"));
    say("reserve_count", Some("1".to_owned()));
    say("Submit_Host", Some(here.server.clone()));
    say("partition", Some("pbs-default".to_owned()));
    out + "\n"
}

/// `(n1:ncpus=1)+(n2:ncpus=2:mem=1048576kb)`.
pub(crate) fn nodes(places: &[ReservedPlace]) -> Option<String> {
    let one = |place: &ReservedPlace| {
        let machine = place.machine.as_str();
        let host = machine.split('.').next().unwrap_or(machine);
        let mem = match place.part.memory_mib {
            0 => String::new(),
            mib => format!(":mem={}kb", mib * 1024),
        };
        format!("({host}:ncpus={}{mem})", place.part.cpus)
    };
    (!places.is_empty()).then(|| places.iter().map(one).collect::<Vec<_>>().join("+"))
}

#[cfg(test)]
mod tests {
    use expect_test::expect;
    use jiff::tz::TimeZone;
    use model::queues::{ReservedParts, Window};
    use model::{MachineName, Resources, Timestamp};

    use super::*;

    /// What OpenPBS 23.06 showed of one (golden/pbs).
    fn known() -> (Reserved, Here) {
        let at =
            |text: &str| Timestamp::from_secs(text.parse::<jiff::Timestamp>().unwrap().as_second());
        let here = Here {
            command: "pbs_rstat".to_owned(),
            server: "pbshost".to_owned(),
            zone: TimeZone::UTC,
            now: at("2026-11-22T16:35:00Z").as_secs(),
        };
        let shown = [
            ("Resource_List.ncpus", "1"),
            ("Resource_List.nodect", "1"),
            ("Resource_List.select", "1:ncpus=1"),
            ("Resource_List.place", "free"),
            ("Authorized_Users", "alice@pbshost"),
            ("Variable_List", "PBS_O_LOGNAME=alice,PBS_O_HOST=pbshost,PBS_O_MAIL=/var/mail/alice"),
        ];
        let shown = shown.map(|(name, value)| (name.to_owned(), value.to_owned()));
        let part = Resources { cpus: 1, ..Resources::default() };
        let places = vec![ReservedPlace { machine: MachineName::new("pbshost.site"), part }];
        let reserved = Reserved {
            owner: "alice".to_owned(),
            window: Window { start: at("2026-11-22T23:50:00Z"), end: at("2026-11-22T23:51:00Z") },
            parts: ReservedParts::default(),
            stage: Stage::Confirmed(places),
            created: at("2026-11-22T16:34:56Z"),
            question: 0,
            changed: at("2026-11-22T16:34:56Z"),
            shown: shown.into(),
        };
        (reserved, here)
    }

    #[test]
    fn a_reservation_is_shown_as_openpbs_shows_it() {
        let (reserved, here) = known();
        let expected =
            "R3877.pbsh R3877    alice@pb CO          Today 23:50 / 60 / Today 23:51      \n";
        assert_eq!(line("R3877", &reserved, &here), expected);
        expect![[r#"
            Resv ID: R3877.pbshost
            Reserve_Name = NULL
            Reserve_Owner = alice@pbshost
            reserve_state = RESV_CONFIRMED
            reserve_substate = 2
            reserve_start = Sun Nov 22 23:50:00 2026
            reserve_end = Sun Nov 22 23:51:00 2026
            reserve_duration = 60
            queue = R3877
            Resource_List.ncpus = 1
            Resource_List.nodect = 1
            Resource_List.select = 1:ncpus=1
            Resource_List.place = free
            Resource_List.walltime = 00:01:00
            resv_nodes = (pbshost:ncpus=1)
            Authorized_Users = alice@pbshost
            server = pbshost
            ctime = Sun Nov 22 16:34:56 2026
            mtime = Sun Nov 22 16:34:56 2026
            Variable_List = PBS_O_LOGNAME=alice,PBS_O_HOST=pbshost,PBS_O_MAIL=/var/mail/alice
            reserve_count = 1
            Submit_Host = pbshost
            partition = pbs-default

        "#]]
        .assert_eq(&full("R3877", &reserved, &here));
    }

    #[test]
    fn each_stage_has_its_letters() {
        let (reserved, here) = known();
        let places = reserved.places().to_vec();
        let letters = |stage| {
            let reserved = Reserved { stage, ..reserved.clone() };
            standing(&reserved, here.now).letters
        };
        assert_eq!(letters(Stage::Unconfirmed), "UN");
        assert_eq!(letters(Stage::Running(places)), "RN");
        assert_eq!(letters(Stage::Over), "BD");
        let over = Reserved { stage: Stage::Over, ..reserved.clone() };
        assert_eq!(standing(&over, reserved.window.end.as_secs()).letters, "FN");
    }
}
