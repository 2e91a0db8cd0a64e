//! A journal that ends anywhere, read again: what had been begun is begun again, and nothing else.

use super::super::*;
use super::world::World;

/// Plays a script, and after each event of its journal starts another core from what was written so
/// far: it must stand where the first stood, and its own next steps must be those of the first.
fn check(dag: &str, script: &str) {
    let mut whole = World::new(dag, Options::default());
    whole.play(script);
    let whole_end = whole.core.progress().finished;
    assert!(whole_end.is_some(), "the script is played to the end:\n{}", whole.said());
    for length in 0..=whole.journal.len() {
        let mut again = World::new(dag, Options::default());
        let mut expected = World::new(dag, Options::default());
        for event in &whole.journal[..length] {
            let text = serde_json::to_string(event).unwrap();
            again.core.apply(&serde_json::from_str(&text).unwrap());
            expected.core.apply(event);
            again.core.check();
        }
        assert_eq!(again.core.counts(), expected.core.counts());
        let begun = |core: &Core| {
            let states = core.workflow().nodes().map(|node| core.state(node.index()).clone());
            states
                .filter(|state| match state {
                    NodeState::Pre(ScriptState::Running)
                    | NodeState::Post(ScriptState::Running, _)
                    | NodeState::Submitting { until_ms: None, .. } => true,
                    NodeState::Queued(cluster) => cluster.is_leaving,
                    NodeState::Pre(ScriptState::Waiting { .. } | ScriptState::Deferred { .. })
                    | NodeState::Post(
                        ScriptState::Waiting { .. } | ScriptState::Deferred { .. },
                        _,
                    )
                    | NodeState::Submitting { until_ms: Some(_), .. }
                    | NodeState::Waiting { .. }
                    | NodeState::Resting { .. }
                    | NodeState::Ready { .. }
                    | NodeState::Done
                    | NodeState::Failed(_)
                    | NodeState::Futile => false,
                })
                .count()
        };
        let resumed = again.core.resume();
        if again.core.progress().finished.is_none() && again.core.progress().ending.is_none() {
            assert_eq!(resumed.len(), begun(&again.core), "{resumed:?}");
        }
    }
}

#[test]
fn a_journal_that_ends_anywhere_leads_to_the_same_place() {
    check(
        "JOB A; JOB B; JOB C; SCRIPT PRE A; SCRIPT POST A; PARENT A CHILD B; RETRY B 1; FINAL F",
        "begin; pre A 0; exit A 1; post A 0; exit B 1; exit B 1; exit C 0; exit F 0",
    );
    check(
        "JOB A; JOB B; SCRIPT HOLD B; SCRIPT DEFER 4 9 POST B; ABORT A 2; FINAL F",
        "jobs B 3; begin; hold B.1; holdscript B 0; exit A 2; gone B.0; gone B.1; gone B.2; post B 0; exit F 1",
    );
    check(
        "JOB A; JOB B; PARENT A CHILD B; SCRIPT POST A",
        "jobs A 2; begin; exit A 0; lost A; exit A.0 0; exit A.1 0; post A 0; exit B 0",
    );
    check(
        "JOB A; JOB B; PARENT A CHILD B; RETRY A 2 ON MEMORY AFTER 5",
        "begin; memory A; gone A; later 5; exit A 1",
    );
}
