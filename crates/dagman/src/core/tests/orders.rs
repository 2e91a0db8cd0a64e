//! Orders while a workflow runs: what failed is tried again, what is not wanted counts as done.

use expect_test::expect;

use super::world::check;

#[test]
fn a_node_that_is_tried_again_gets_back_what_depends_on_it_and_its_retries() {
    check(
        "JOB A; JOB B; JOB C; JOB HOLDS; RETRY A 1; PARENT A CHILD B; PARENT B CHILD C",
        "begin; exit A 1; exit A 1; retry A; exit A 1; exit A 0; exit B 0; exit C 0; exit HOLDS 0",
        &expect![[r#"
            > begin
            submit A
            submit HOLDS
            > exit A 1
            A again, retry 1
            submit A
            > exit A 1
            A failed (1): Job proc (3.0.0) failed with status 1 (after 1 node retries)
            > retry A
            A begins anew
            submit A
            > exit A 1
            A again, retry 3
            submit A
            > exit A 0
            A done
            submit B
            > exit B 0
            B done
            submit C
            > exit C 0
            C done
            > exit HOLDS 0
            HOLDS done
            finished: status 0, 4 done, 0 failed, 0 futile
            exit 0
        "#]],
    );
}

#[test]
fn a_node_with_two_failed_parents_waits_until_both_are_tried_again() {
    check(
        "JOB A; JOB B; JOB C; JOB HOLDS; PARENT A CHILD C; PARENT B CHILD C",
        "begin; exit A 1; exit B 1; retry A; exit A 0; skip B; exit C 0; exit HOLDS 0",
        &expect![[r#"
            > begin
            submit A
            submit B
            submit HOLDS
            > exit A 1
            A failed (1): Job proc (1.0.0) failed with status 1
            > exit B 1
            B failed (1): Job proc (2.0.0) failed with status 1
            > retry A
            A begins anew
            submit A
            > exit A 0
            A done
            > skip B
            B counts as done
            submit C
            > exit C 0
            C done
            > exit HOLDS 0
            HOLDS done
            finished: status 0, 4 done, 0 failed, 0 futile
            exit 0
        "#]],
    );
}

#[test]
fn a_node_that_is_skipped_lets_its_children_run() {
    check(
        "JOB A; JOB B; JOB C; SCRIPT PRE B; SCRIPT POST B; PARENT A CHILD B; PARENT B CHILD C",
        "begin; skip B; exit A 0; exit C 0",
        &expect![[r#"
            > begin
            submit A
            > skip B
            B counts as done
            submit C
            > exit A 0
            A done
            > exit C 0
            C done
            finished: status 0, 3 done, 0 failed, 0 futile
            exit 0
        "#]],
    );
}

#[test]
fn an_order_that_does_not_fit_says_what_would() {
    check(
        "JOB A; JOB B; JOB C; FINAL F; PARENT A CHILD B",
        "begin; retry A; skip A; retry B; retry F; exit A 1; retry B; skip C; exit C 0; exit F 0; skip A",
        &expect![[r#"
            > begin
            submit A
            submit C
            > retry A
            rejected: node A has jobs in the queue: only a node that failed can be tried again
            > skip A
            rejected: node A has jobs in the queue: remove its jobs, and skip it when it has failed
            > retry B
            rejected: node B waits for its parents: only a node that failed can be tried again
            > retry F
            rejected: node F waits for its parents: only JOB and SUBDAG nodes take orders
            > exit A 1
            A failed (1): Job proc (1.0.0) failed with status 1
            > retry B
            rejected: node B cannot run, because of a parent that failed: try the node again that failed, and it waits for that
            > skip C
            rejected: node C has jobs in the queue: remove its jobs, and skip it when it has failed
            > exit C 0
            C done
            submit F
            > exit F 0
            F done
            finished: status 2, 2 done, 1 failed, 1 futile
            exit 0 with a rescue file
            > skip A
            rejected: the workflow is past that
        "#]],
    );
}
