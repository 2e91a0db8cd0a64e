//! Advance reservations, from the request to the end of their jobs.

use model::queues::{
    Authorized, Denied, Reserved, ReservedChunk, ReservedParts, ReservedPlace, Spread, Stage,
    Window,
};
use model::{MachineName, Resources};
use proto::client::{Arrange, BookAsk};
use proto::matchmaking::{BookingAnswer, ToSchedd};

use crate::core::MailNews;
use crate::core::tests::*;

const TOKEN: SubmitToken = SubmitToken([77; 16]);

/// A reservation from so many seconds on until so many seconds on, asked for by alice.
fn book(trial: &mut Trial, from: i64, until: i64) -> Answer {
    book_as(trial, TOKEN, from, until)
}

fn book_as(trial: &mut Trial, token: SubmitToken, from: i64, until: i64) -> Answer {
    book_these(trial, token, (from, until), one())
}

/// One part of one processor.
fn one() -> Vec<ReservedChunk> {
    let part = Resources { cpus: 1, ..Resources::default() };
    vec![ReservedChunk { count: 1, part, machine: None }]
}

fn book_these(
    trial: &mut Trial,
    token: SubmitToken,
    (from, until): (i64, i64),
    chunks: Vec<ReservedChunk>,
) -> Answer {
    let ask = asked(trial, token, (from, until), chunks);
    arrange(trial, "alice", Arrange::Book(Box::new(ask)))
}

fn asked(
    trial: &mut Trial,
    token: SubmitToken,
    (from, until): (i64, i64),
    chunks: Vec<ReservedChunk>,
) -> BookAsk {
    let by = user("alice");
    let reserved = trial.take(&[Input::Reserve { by, token }]).answers.remove(0);
    let Some(Answer::Reserved(number)) = reserved else { panic!("{reserved:?}") };
    let now = trial.now.wall.as_secs();
    BookAsk {
        number,
        token,
        window: window(now + from, now + until),
        parts: ReservedParts { chunks, spread: Spread::Free, is_exclusive: false },
        who: Authorized { users: Some("alice@*".to_owned()), hosts: None },
        shown: Default::default(),
    }
}

fn rebook(queue: &str, window: Window) -> Arrange {
    let (queue, shown) = (queue.to_owned(), Default::default());
    Arrange::Rebook { queue, window, shown, users: None }
}

fn window(start: i64, end: i64) -> Window {
    Window { start: Timestamp::from_secs(start), end: Timestamp::from_secs(end) }
}

fn arrange(trial: &mut Trial, by: &str, what: Arrange) -> Answer {
    let input = Input::Arrange { by: user(by), what };
    trial.take(&[input]).answers.remove(0).unwrap()
}

fn stage(trial: &Trial) -> Option<&Stage> {
    trial.core.settings.reservations.values().next().map(|reserved| &reserved.stage)
}

fn places() -> Vec<ReservedPlace> {
    let part = Resources { cpus: 1, ..Resources::default() };
    vec![ReservedPlace { machine: MachineName::new("m"), part }]
}

/// The negotiator has a place for it, or none.
fn answer(trial: &mut Trial, places: Option<Vec<ReservedPlace>>) {
    let name = trial.core.settings.reservations.keys().next().unwrap().clone();
    let question = trial.core.settings.reservations[&name].question;
    answer_to(trial, name, question, places);
}

fn answer_to(trial: &mut Trial, queue: String, question: u32, places: Option<Vec<ReservedPlace>>) {
    let answer = BookingAnswer { queue, question, places };
    trial.take(&[Input::FromNegotiator(ToSchedd::Booked(vec![answer]))]);
}

fn submit(trial: &mut Trial, token: u8, by: &str) -> Answer {
    let name = trial.core.settings.reservations.keys().next().unwrap().clone();
    submit_to(trial, &name, token, by)
}

fn submit_to(trial: &mut Trial, name: &str, token: u8, by: &str) -> Answer {
    let spec = spec(3, &format!("PbsQueue = \"{name}\""));
    let input = Input::Reserve { by: user(by), token: SubmitToken([token; 16]) };
    let Some(Answer::Reserved(cluster)) = trial.take(&[input]).answers.remove(0) else {
        panic!("no number")
    };
    let (by, token) = (user(by), SubmitToken([token; 16]));
    let spec = Arc::new(spec);
    let input = Input::Submit { by, token, cluster, spec };
    trial.take(&[input]).answers.remove(0).unwrap()
}

#[test]
fn a_reservation_is_confirmed_opens_and_closes_and_takes_its_jobs_with_it() {
    let mut trial = Trial::new();
    assert_eq!(book(&mut trial, 100, 200), Answer::Done);
    assert_eq!(stage(&trial), Some(&Stage::Unconfirmed));
    answer(&mut trial, Some(places()));
    assert_eq!(stage(&trial), Some(&Stage::Confirmed(places())));
    assert!(matches!(submit(&mut trial, 1, "alice"), Answer::Submitted { .. }));
    let denied = submit(&mut trial, 2, "bob");
    assert_eq!(denied, Answer::Refused(Refusal::Denied(Denied::NotPermitted)));
    let queue = |trial: &Trial| trial.core.settings.queues.last().unwrap().1.is("started");
    assert!(!queue(&trial));
    trial.waits(100);
    assert_eq!(stage(&trial), Some(&Stage::Running(places())));
    assert!(queue(&trial));
    trial.waits(100);
    assert_eq!(stage(&trial), Some(&Stage::Over));
    trial.take(&[Input::ActOn]);
    assert_eq!(stage(&trial), None);
    assert!(trial.core.clusters.is_empty(), "its jobs are removed");
    assert_eq!(trial.core.settings.queues.len(), 1);
}

#[test]
fn what_nobody_has_room_for_is_forgotten_and_a_window_must_be_one() {
    let mut trial = Trial::new();
    let denied = |denied| Answer::Refused(Refusal::Denied(denied));
    assert_eq!(book(&mut trial, 200, 100), denied(Denied::BadTimes));
    assert_eq!(book(&mut trial, -200, -100), denied(Denied::BadTimes));
    assert_eq!(book(&mut trial, 100, 200), Answer::Done);
    answer(&mut trial, None);
    assert_eq!(stage(&trial), None);
}

#[test]
fn a_window_is_moved_if_the_negotiator_agrees_and_only_its_owner_may() {
    let mut trial = Trial::new();
    book(&mut trial, 100, 200);
    answer(&mut trial, Some(places()));
    let name = trial.core.settings.reservations.keys().next().unwrap().clone();
    let now = trial.now.wall.as_secs();
    let rebook = |end| rebook(&name, window(now + 100, now + end));
    let denied = |denied| Answer::Refused(Refusal::Denied(denied));
    assert_eq!(arrange(&mut trial, "bob", rebook(300)), denied(Denied::NotPermitted));
    let end = |trial: &Trial| trial.core.settings.reservations[&name].window.end.as_secs() - now;
    assert_eq!(arrange(&mut trial, "alice", rebook(300)), Answer::Done);
    answer(&mut trial, None);
    assert_eq!((end(&trial), stage(&trial)), (200, Some(&Stage::Confirmed(places()))));
    assert_eq!(arrange(&mut trial, "alice", rebook(400)), Answer::Done);
    answer(&mut trial, Some(places()));
    assert_eq!(end(&trial), 400);
    let unknown = Arrange::Unbook { queue: "R999".to_owned() };
    assert_eq!(arrange(&mut trial, "alice", unknown), denied(Denied::UnknownReservation));
    let unbook = || Arrange::Unbook { queue: name.clone() };
    assert_eq!(arrange(&mut trial, "bob", unbook()), denied(Denied::NotPermitted));
    assert_eq!(arrange(&mut trial, "alice", unbook()), Answer::Done);
    assert_eq!(stage(&trial), None);
}

#[test]
fn what_is_said_of_an_earlier_window_is_no_answer_for_this_one() {
    let mut trial = Trial::new();
    book(&mut trial, 100, 200);
    let name = trial.core.settings.reservations.keys().next().unwrap().clone();
    let now = trial.now.wall.as_secs();
    let rebook = |until| rebook(&name, window(now + 100, now + until));
    assert_eq!(arrange(&mut trial, "alice", rebook(300)), Answer::Done);
    answer_to(&mut trial, name.clone(), 0, Some(places()));
    assert_eq!(stage(&trial), Some(&Stage::Unconfirmed), "that was about the first window");
    answer_to(&mut trial, name.clone(), 0, None);
    assert_eq!(stage(&trial), Some(&Stage::Unconfirmed), "so was that, and no job goes for it");
    answer(&mut trial, Some(places()));
    assert_eq!(arrange(&mut trial, "alice", rebook(400)), Answer::Done);
    answer_to(&mut trial, name.clone(), 1, Some(places()));
    assert!(matches!(stage(&trial), Some(Stage::Altering { .. })));
    answer(&mut trial, Some(places()));
    assert_eq!(stage(&trial), Some(&Stage::Confirmed(places())));
}

#[test]
fn what_came_of_many_is_one_change_of_the_settings() {
    let mut trial = Trial::new();
    let names: Vec<String> = (0..3)
        .map(|nth| {
            assert_eq!(book_as(&mut trial, SubmitToken([70 + nth; 16]), 100, 200), Answer::Done);
            trial.core.settings.reservations.keys().next_back().unwrap().clone()
        })
        .collect();
    let answers = names.iter().zip([Some(places()), None, Some(places())]);
    let answers = answers
        .map(|(queue, places)| BookingAnswer { queue: queue.clone(), question: 0, places })
        .collect();
    trial.take(&[Input::FromNegotiator(ToSchedd::Booked(answers))]);
    let stages: Vec<_> =
        names.iter().map(|name| trial.core.settings.reservations.get(name)).collect();
    assert!(matches!(stages[..], [Some(_), None, Some(_)]), "{stages:?}");
    let confirmed = |one: &Reserved| one.stage == Stage::Confirmed(places());
    assert!(stages.into_iter().flatten().all(confirmed));
}

#[test]
fn what_is_denied_at_once_takes_all_its_jobs_with_it() {
    let mut trial = Trial::new();
    for token in [70, 71] {
        assert_eq!(book_as(&mut trial, SubmitToken([token; 16]), 100, 200), Answer::Done);
    }
    let names: Vec<String> = trial.core.settings.reservations.keys().cloned().collect();
    for (token, name) in (1..).zip(&names) {
        let submitted = submit_to(&mut trial, name, token, "alice");
        assert!(matches!(submitted, Answer::Submitted { .. }), "{submitted:?}");
    }
    let denied = |queue| BookingAnswer { queue, question: 0, places: None };
    let answers: Vec<_> = names.into_iter().map(denied).collect();
    assert_eq!(answers.len(), 2);
    trial.take(&[Input::FromNegotiator(ToSchedd::Booked(answers))]);
    for _ in 0..2 {
        trial.take(&[Input::ActOn]);
    }
    assert!(trial.core.clusters.is_empty(), "their jobs are removed");
    assert!(trial.core.settings.reservations.is_empty());
}

#[test]
fn nobody_fills_all_and_each_part_asks_for_something() {
    let one = Resources { cpus: 1, ..Resources::default() };
    let cases = [
        (Resources::default(), 1, 1, Some("Illegal attribute or resource value")),
        (one.clone(), 10_000, 1, None),
        (one.clone(), 10_001, 1, Some("Illegal attribute or resource value")),
        (one.clone(), 10_000, 3, Some("20000 parts of machines in all reservations are the most")),
        (one.clone(), 1, 50, None),
        (one, 1, 51, Some("50 reservations of one user are the most")),
    ];
    for (part, count, times, expected) in cases {
        let mut trial = Trial::new();
        let chunks = vec![ReservedChunk { count, part, machine: None }];
        let answers: Vec<Answer> = (0..times)
            .map(|n| book_these(&mut trial, SubmitToken([n; 16]), (100, 200), chunks.clone()))
            .collect();
        let refused = match answers.last() {
            Some(Answer::Refused(Refusal::Denied(denied))) => Some(denied.to_string()),
            _ => None,
        };
        assert_eq!(refused.as_deref(), expected, "{count} parts, {times} times");
        let queues = trial.core.settings.queues.len();
        assert_eq!(queues, answers.iter().filter(|one| **one == Answer::Done).count() + 1);
    }
}

/// The letters of a batch: to whom, and what they say of the reservation.
fn letters(batch: &Batch) -> Vec<(String, &'static str)> {
    let said = batch.mail.iter().filter_map(|entry| {
        let MailNews::Reservation { said, .. } = &entry.news else { return None };
        Some((entry.to.clone(), *said))
    });
    said.collect()
}

#[test]
fn who_wants_to_know_is_told_what_becomes_of_a_reservation() {
    let confirmed = "Reservation transitioned from state UNCONFIRMED to CONFIRMED";
    let (begun, ended) = ("Reservation period starting", "Reservation period ended");
    for (points, expected) in [
        (None, vec![confirmed]),
        (Some("abce"), vec![confirmed, begun, ended]),
        (Some("be"), vec![begun, ended]),
        (Some("n"), vec![]),
    ] {
        let mut trial = Trial::new();
        let mut ask = asked(&mut trial, TOKEN, (100, 200), one());
        ask.shown.extend(points.map(|points| ("Mail_Points".to_owned(), points.to_owned())));
        ask.shown.insert("Mail_Users".to_owned(), "bob".to_owned());
        arrange(&mut trial, "alice", Arrange::Book(Box::new(ask)));
        let queue = trial.core.settings.reservations.keys().next().unwrap().clone();
        let settled = BookingAnswer { queue, question: 0, places: Some(places()) };
        let answer = trial.take(&[Input::FromNegotiator(ToSchedd::Booked(vec![settled]))]);
        let mut told = letters(&answer);
        told.extend(letters(&trial.waits(100)));
        told.extend(letters(&trial.waits(100)));
        let expected: Vec<_> = expected.into_iter().map(|said| ("bob".to_owned(), said)).collect();
        assert_eq!(told, expected, "{points:?}");
    }
    let mut trial = Trial::new();
    book(&mut trial, 100, 200);
    let queue = trial.core.settings.reservations.keys().next().unwrap().clone();
    let what = Arrange::Unbook { queue };
    let deleted = trial.take(&[Input::Arrange { by: user("alice"), what }]);
    assert_eq!(letters(&deleted), [("alice".to_owned(), "Reservation removed")]);
}

#[test]
fn what_is_said_of_a_reservation_and_its_users_change_without_anybody_being_asked() {
    let mut trial = Trial::new();
    book(&mut trial, 100, 200);
    answer(&mut trial, Some(places()));
    let name = trial.core.settings.reservations.keys().next().unwrap().clone();
    let window = trial.core.settings.reservations[&name].window;
    let shown = [("Reserve_Name".to_owned(), "trip".to_owned())].into();
    let users = Some("bob@*".to_owned());
    let what = Arrange::Rebook { queue: name.clone(), window, shown, users };
    assert_eq!(arrange(&mut trial, "alice", what), Answer::Done);
    assert_eq!(stage(&trial), Some(&Stage::Confirmed(places())));
    assert_eq!(trial.core.settings.reservations[&name].shown["Reserve_Name"], "trip");
    assert!(matches!(submit(&mut trial, 1, "bob"), Answer::Submitted { .. }));
    let denied = Answer::Refused(Refusal::Denied(Denied::NotPermitted));
    assert_eq!(submit(&mut trial, 2, "alice"), denied);
}
