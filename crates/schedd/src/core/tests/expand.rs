//! What jobs take from the machine that they are matched with.

use crate::core::tests::*;

/// The ad of the run that starts, if one does.
fn run_of(batch: &Batch) -> Option<Arc<ClassAd>> {
    batch.effects.iter().find_map(|effect| match effect {
        Effect::ToStartd { message: ToStartd::StartRun(start), .. } => Some(Arc::clone(&start.ad)),
        Effect::ToStartd { .. }
        | Effect::ToNegotiator(_)
        | Effect::Connect { .. }
        | Effect::Disconnect { .. }
        | Effect::MakeSpool { .. }
        | Effect::RemoveSpool { .. } => None,
    })
}

/// A claim number `n` on a machine with this slot.
fn given(trial: &mut Trial, n: u64, slot: &str) -> Batch {
    trial.matched_as(MatchId { life: 9, number: n });
    let FromStartd::ClaimGranted(mut granted) = granted(trial) else { unreachable!() };
    granted.claim = ClaimId { journal: 7, number: n };
    granted.matched = MatchId { life: 9, number: n };
    granted.ad = Arc::new(ClassAd::parse_old(slot).unwrap());
    trial.hears(FromStartd::ClaimGranted(granted))
}

const SLOT: &str =
    "Arch = \"X86_64\"\nMemory = 512\nCpus = 2\nDouble = Cpus * 2\nMachine = \"m1\"\n";

#[test]
fn texts_are_expanded_with_what_the_machine_has() {
    for (text, expected) in [
        ("bin.$$(Arch)", Some("bin.X86_64")),
        ("$$(arch)-$$(Memory)-$$(Double)", Some("X86_64-512-4")),
        ("$$(Nothing:none)$$(Memory:1)", Some("none512")),
        ("$$(Nothing:)", Some("")),
        (
            "$$([ TARGET.Cpus + MY.RequestCpus ]) $$([strcat(\\\"a\\\", TARGET.Arch)])",
            Some("3 aX86_64"),
        ),
        ("100 $$ $$(DOLLARDOLLAR)(x) $$(open", Some("100 $$ $$(x) $$(open")),
        ("$$(CondorScratchDir)/x", Some("$$(CondorScratchDir)/x")),
        ("$$(Nothing)", None),
        ("$$([ TARGET.Nothing ])", None),
    ] {
        let mut trial = Trial::with_jobs(1, &format!("Args = \"{text}\""));
        let run = run_of(&given(&mut trial, 1, SLOT));
        let args = run.as_ref().and_then(|ad| ad.literal("Args")).and_then(classad::Value::as_str);
        assert_eq!(args, expected, "{text}");
        let ad = trial.core.job_ad(trial.now, JOB).unwrap();
        if expected.is_none() {
            assert_eq!(trial.stands(), (5, Some(0)), "{text}");
            let name = text.trim_start_matches("$$(").trim_end_matches(')');
            let reason = ad.literal(attr::HOLD_REASON).and_then(classad::Value::as_str);
            assert_eq!(reason, Some(&*format!("Cannot expand $$ expression ({name}).")));
        }
    }
}

#[test]
fn what_was_expanded_is_kept_and_a_repeated_order_is_the_same() {
    let mut trial = Trial::with_jobs(1, "Args = \"$$(Memory)\"");
    given(&mut trial, 1, SLOT);
    let ad = trial.core.job_ad(trial.now, JOB).unwrap();
    let value = |name: &str| ad.literal(name).map(classad::Value::to_new).unwrap_or_default();
    assert_eq!(
        [value("Args"), value("MATCH_Memory"), value("MATCH_EXP_Args")],
        ["\"$$(Memory)\"", "512", "\"512\""]
    );
    trial.core = Core::load(config(), trial.core.rows(), trial.now);
    trial.now.boot_ms += 10;
    let claim = proto::claiming::ClaimStatus {
        claim: ClaimId { journal: 7, number: 1 },
        secret: ClaimSecret::new([3; 16]),
        matched: MATCH,
        last_ordinal: 0,
        run: None,
    };
    let again = trial.hears(status(&trial, vec![claim]));
    let args = run_of(&again).unwrap();
    assert_eq!(args.literal("Args").and_then(classad::Value::as_str), Some("512"));
}

#[test]
fn a_claim_whose_slot_is_not_known_any_more_is_given_back() {
    let mut trial = Trial::with_jobs(1, "");
    trial.matched();
    trial.hears(granted(&trial));
    trial.submit(SubmitToken([2; 16]), spec(1, "Args = \"$$(Arch)\""));
    trial.ends(exited(0));
    assert!(trial.core.claims.is_empty(), "its class is that of the claim");
    assert_eq!(trial.core.totals().all.idle, 1);
}

#[test]
fn the_machines_that_a_job_ran_on_are_remembered() {
    let lines = "JobMachineAttrs = \"Machine, Cpus\"\nJobMachineAttrsHistoryLength = 2\nOnExitRemove = false";
    let mut trial = Trial::with_jobs(1, lines);
    for (n, machine) in [(1, "m1"), (2, "m2"), (3, "m3")] {
        given(&mut trial, n, &format!("Machine = \"{machine}\"\nCpus = {n}\n"));
        let claim = ClaimId { journal: 7, number: n };
        trial.hears(FromStartd::ClaimGone { claim, reason: "gone".to_owned() });
        trial.waits(700);
    }
    let ad = trial.core.job_ad(trial.now, JOB).unwrap();
    let value = |name: &str| ad.literal(name).map(classad::Value::to_new).unwrap_or_default();
    assert_eq!([value("MachineAttrMachine0"), value("MachineAttrMachine1")], ["\"m3\"", "\"m2\""]);
    assert_eq!([value("MachineAttrCpus0"), value("MachineAttrMachine2")], ["3", ""]);
}
