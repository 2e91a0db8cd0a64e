//! One node: its parts, its retries, what counts as a failure.

use expect_test::expect;

use super::super::*;
use super::world::{check, check_with};

#[test]
fn the_books_diamond_runs_in_order() {
    check(
        "JOB A; JOB B; JOB C; JOB D; PARENT A CHILD B C; PARENT B C CHILD D",
        "begin; exit A 0; exit C 0; exit B 0; exit D 0",
        &expect![[r#"
            > begin
            submit A
            > exit A 0
            A done
            submit B
            submit C
            > exit C 0
            C done
            > exit B 0
            B done
            submit D
            > exit D 0
            D done
            finished: status 0, 4 done, 0 failed, 0 futile
            exit 0
        "#]],
    );
}

#[test]
fn the_last_part_that_runs_decides() {
    let dag = "JOB A; SCRIPT PRE A; SCRIPT POST A; JOB B; PARENT A CHILD B";
    check(
        dag,
        "begin; pre A 0; exit A 3; post A 0; exit B 0",
        &expect![[r#"
        > begin
        run Pre of A
        > pre A 0
        submit A
        > exit A 3
        A comes to POST with 3
        run Post of A
        > post A 0
        A done
        submit B
        > exit B 0
        B done
        finished: status 0, 2 done, 0 failed, 0 futile
        exit 0
    "#]],
    );
    check(
        dag,
        "begin; pre A 0; exit A 0; post A 2",
        &expect![[r#"
            > begin
            run Pre of A
            > pre A 0
            submit A
            > exit A 0
            A comes to POST with 0
            run Post of A
            > post A 2
            A failed (2): POST script failed with status 2
            finished: status 2, 0 done, 1 failed, 1 futile
            exit 1 with a rescue file
        "#]],
    );
}

#[test]
fn a_pre_that_fails_fails_the_node_without_jobs_and_post() {
    check(
        "JOB A; SCRIPT PRE A; SCRIPT POST A",
        "begin; pre A 1",
        &expect![[r#"
        > begin
        run Pre of A
        > pre A 1
        A failed (1): PRE Script failed with status 1
        finished: status 2, 0 done, 1 failed, 0 futile
        exit 1 with a rescue file
    "#]],
    );
}

#[test]
fn always_run_post_runs_it_after_a_failed_pre_and_its_result_counts() {
    let options = Options { always_run_post: true, ..Options::default() };
    let dag = "JOB A; SCRIPT PRE A; SCRIPT POST A";
    check_with(
        options,
        dag,
        "begin; pre A 1; post A 0",
        &expect![[r#"
        > begin
        run Pre of A
        > pre A 1
        A comes to POST with -1004
        run Post of A
        > post A 0
        A done
        finished: status 0, 1 done, 0 failed, 0 futile
        exit 0
    "#]],
    );
}

#[test]
fn a_retry_is_of_the_whole_node() {
    let dag = "JOB A; SCRIPT PRE A; SCRIPT POST A; RETRY A 2";
    check(
        dag,
        "begin; pre A 0; exit A 0; post A 1; pre A 1; pre A 0; exit A 0; post A 0",
        &expect![[r#"
            > begin
            run Pre of A
            > pre A 0
            submit A
            > exit A 0
            A comes to POST with 0
            run Post of A
            > post A 1
            A again, retry 1
            run Pre of A
            > pre A 1
            A again, retry 2
            run Pre of A
            > pre A 0
            submit A
            > exit A 0
            A comes to POST with 0
            run Post of A
            > post A 0
            A done
            finished: status 0, 1 done, 0 failed, 0 futile
            exit 0
        "#]],
    );
}

#[test]
fn a_node_whose_retries_are_used_up_fails() {
    check(
        "JOB A; RETRY A 1",
        "begin; exit A 1; signal A 9",
        &expect![[r#"
        > begin
        submit A
        > exit A 1
        A again, retry 1
        submit A
        > signal A 9
        A failed (-9): Job proc (2.0.0) failed with signal 9 (after 1 node retries)
        finished: status 2, 0 done, 1 failed, 0 futile
        exit 1 with a rescue file
    "#]],
    );
}

#[test]
fn unless_exit_ends_the_retries() {
    check(
        "JOB A; RETRY A 3 UNLESS-EXIT 2",
        "begin; exit A 1; exit A 2",
        &expect![[r#"
            > begin
            submit A
            > exit A 1
            A again, retry 1
            submit A
            > exit A 2
            A failed (2): Job proc (2.0.0) failed with status 2
            finished: status 2, 0 done, 1 failed, 0 futile
            exit 1 with a rescue file
        "#]],
    );
}

#[test]
fn retry_on_tries_again_only_what_failed_because_of_a_cause_that_it_lists() {
    let dag = "JOB A; JOB B; JOB C; JOB D; RETRY A 3 ON 1 137-140; RETRY B 3 ON SIGNAL; \
               RETRY C 1 ON REMOVED; RETRY D 1 ON 137; SCRIPT POST D";
    check(
        dag,
        "begin; exit A 138; exit A 2; signal B 9; exit B 1; gone C; gone C; exit D 137; post D 1; exit D 1; post D 1",
        &expect![[r#"
            > begin
            submit A
            submit B
            submit C
            submit D
            > exit A 138
            A again, retry 1
            submit A
            > exit A 2
            A failed (2): Job proc (5.0.0) failed with status 2
            > signal B 9
            B again, retry 1
            submit B
            > exit B 1
            B failed (1): Job proc (6.0.0) failed with status 1
            > gone C
            C again, retry 1
            submit C
            > gone C
            C failed (-1002): HTCondor reported ULOG_JOB_ABORTED event for job proc (7.0.0) (after 1 node retries)
            > exit D 137
            D comes to POST with 137
            run Post of D
            > post D 1
            D again, retry 1
            submit D
            > exit D 1
            D comes to POST with 1
            run Post of D
            > post D 1
            D failed (1): Job exited with status 1 and POST Script failed with status 1 (after 1 node retries)
            finished: status 2, 0 done, 4 failed, 0 futile
            exit 1 with a rescue file
        "#]],
    );
}

#[test]
fn retry_on_memory_ends_a_job_that_was_held_for_it_while_there_are_retries() {
    check(
        "JOB A; RETRY A 1 ON MEMORY; JOB B; RETRY B 1 ON REMOVED",
        "begin; hold A; memory A; gone A; memory A; memory B; gone B; gone A",
        &expect![[r#"
            > begin
            submit A
            submit B
            > hold A
            > memory A
            remove the jobs of A
            > gone A
            A again, retry 1
            submit A
            > memory A
            > memory B
            > gone B
            B failed (-1002): HTCondor reported ULOG_JOB_ABORTED event for job proc (2.0.0)
            > gone A
            A failed (-1002): HTCondor reported ULOG_JOB_ABORTED event for job proc (3.0.0) (after 1 node retries)
            finished: status 2, 0 done, 2 failed, 0 futile
            exit 1 with a rescue file
        "#]],
    );
}

#[test]
fn retry_after_waits_longer_each_time_and_keeps_no_place_meanwhile() {
    let throttles = Throttles { jobs: 1, ..Throttles::default() };
    let options = Options { throttles, ..Options::default() };
    check_with(
        options,
        "JOB A; JOB B; RETRY A 3 AFTER 10 UP-TO 15",
        "begin; exit A 1; later 9; exit B 0; later 1; exit A 1; later 14; later 1; exit A 1; later 15; exit A 0",
        &expect![[r#"
            > begin
            submit A
            > exit A 1
            A again, retry 1
            submit B
            > later 9
            > exit B 0
            B done
            > later 1
            A has rested
            submit A
            > exit A 1
            A again, retry 2
            > later 14
            > later 1
            A has rested
            submit A
            > exit A 1
            A again, retry 3
            > later 15
            A has rested
            submit A
            > exit A 0
            A done
            finished: status 0, 2 done, 0 failed, 0 futile
            exit 0
        "#]],
    );
}

#[test]
fn a_node_that_rests_is_tried_again_or_skipped_when_somebody_says_so() {
    check(
        "JOB A; JOB B; PARENT A CHILD B; RETRY A 2 AFTER 100",
        "begin; exit A 1; retry A; exit A 1; skip A; exit B 0",
        &expect![[r#"
            > begin
            submit A
            > exit A 1
            A again, retry 1
            > retry A
            A has rested
            submit A
            > exit A 1
            A again, retry 2
            > skip A
            A counts as done
            submit B
            > exit B 0
            B done
            finished: status 0, 2 done, 0 failed, 0 futile
            exit 0
        "#]],
    );
}

#[test]
fn pre_skip_skips_jobs_and_post_and_beats_abort() {
    check(
        "JOB A; SCRIPT PRE A; SCRIPT POST A; PRE_SKIP A 4; ABORT A 4",
        "begin; pre A 4",
        &expect![[r#"
            > begin
            run Pre of A
            > pre A 4
            A skipped
            A done
            finished: status 0, 1 done, 0 failed, 0 futile
            exit 0
        "#]],
    );
}

#[test]
fn a_node_of_which_nothing_changed_is_done_without_jobs_and_post() {
    check(
        "JOB A; JOB B; SCRIPT PRE A; SCRIPT POST A; PARENT A CHILD B",
        "same A; begin; pre A 0; exit B 0",
        &expect![[r#"
            > same A
            > begin
            run Pre of A
            > pre A 0
            A skipped: nothing changed
            A done
            submit B
            > exit B 0
            B done
            finished: status 0, 2 done, 0 failed, 0 futile
            exit 0
        "#]],
    );
}

#[test]
fn a_removed_job_fails_its_node_and_a_good_post_saves_it() {
    check(
        "JOB A",
        "begin; gone A",
        &expect![[r#"
        > begin
        submit A
        > gone A
        A failed (-1002): HTCondor reported ULOG_JOB_ABORTED event for job proc (1.0.0)
        finished: status 2, 0 done, 1 failed, 0 futile
        exit 1 with a rescue file
    "#]],
    );
    check(
        "JOB A; SCRIPT POST A",
        "begin; gone A; post A 0",
        &expect![[r#"
        > begin
        submit A
        > gone A
        A comes to POST with -1002
        run Post of A
        > post A 0
        A done
        finished: status 0, 1 done, 0 failed, 0 futile
        exit 0
    "#]],
    );
}

#[test]
fn a_held_job_does_not_fail_its_node_until_it_was_held_too_often() {
    let options = Options { max_job_holds: 2, ..Options::default() };
    let dag = "JOB A; SCRIPT HOLD A";
    check_with(
        options,
        dag,
        "begin; run A; hold A; holdscript A 1; hold A; gone A",
        &expect![[r#"
        > begin
        submit A
        > run A
        > hold A
        run Hold of A
        > holdscript A 1
        > hold A
        remove the jobs of A
        run Hold of A
        > gone A
        A failed (-1002): HTCondor reported ULOG_JOB_ABORTED event for job proc (1.0.0)
        finished: status 2, 0 done, 1 failed, 0 futile
        exit 1 with a rescue file
    "#]],
    );
}

#[test]
fn a_submission_that_fails_is_tried_again_and_then_fails_the_node_whatever_its_retries() {
    let options = Options { max_submit_attempts: 3, ..Options::default() };
    let script = "refuse A; begin; later 1; later 2";
    check_with(
        options.clone(),
        "JOB A; RETRY A 5",
        script,
        &expect![[r#"
        > refuse A
        > begin
        submit A: refused
        A is submitted later
        > later 1
        submit A: refused
        A is submitted later
        > later 2
        submit A: refused
        A failed (-1001): Job submit failed
        finished: status 2, 0 done, 1 failed, 0 futile
        exit 1 with a rescue file
    "#]],
    );
    check(
        "JOB A; SCRIPT POST A",
        "refuse A lasting; begin; post A 0",
        &expect![[r#"
        > refuse A lasting
        > begin
        submit A: refused
        A comes to POST with -1001
        run Post of A
        > post A 0
        A done
        finished: status 0, 1 done, 0 failed, 0 futile
        exit 0
    "#]],
    );
    check_with(
        options,
        "JOB A",
        "refuse A; begin; accept A; later 1; exit A 0",
        &expect![[r#"
        > refuse A
        > begin
        submit A: refused
        A is submitted later
        > accept A
        > later 1
        submit A
        > exit A 0
        A done
        finished: status 0, 1 done, 0 failed, 0 futile
        exit 0
    "#]],
    );
}

#[test]
fn the_first_failure_of_many_jobs_removes_the_others_and_is_the_result() {
    let dag = "JOB A; SCRIPT POST A";
    check(
        dag,
        "jobs A 3; begin; exit A.1 4; gone A.0; gone A.2; post A 1",
        &expect![[r#"
        > jobs A 3
        > begin
        submit A
        > exit A.1 4
        remove the jobs of A
        > gone A.0
        > gone A.2
        A comes to POST with 4
        run Post of A
        > post A 1
        A failed (1): Job exited with status 4 and POST Script failed with status 1
        finished: status 2, 0 done, 1 failed, 0 futile
        exit 1 with a rescue file
    "#]],
    );
}

#[test]
fn a_node_failed_as_the_first_of_its_jobs_did_whatever_the_others_do() {
    check(
        "JOB A; TOLERANCE A 0 WAIT",
        "jobs A 3; begin; exit A.1 4; exit A.0 3; exit A.2 0",
        &expect![[r#"
            > jobs A 3
            > begin
            submit A
            > exit A.1 4
            > exit A.0 3
            > exit A.2 0
            A failed (4): Job proc (1.1.0) failed with status 4
            finished: status 2, 0 done, 1 failed, 0 futile
            exit 1 with a rescue file
        "#]],
    );
    check(
        "JOB A",
        "jobs A 3; begin; exit A.1 3; gone A.0; gone A.2",
        &expect![[r#"
            > jobs A 3
            > begin
            submit A
            > exit A.1 3
            remove the jobs of A
            > gone A.0
            > gone A.2
            A failed (3): Job proc (1.1.0) failed with status 3
            finished: status 2, 0 done, 1 failed, 0 futile
            exit 1 with a rescue file
        "#]],
    );
}

#[test]
fn tolerance_lets_so_many_jobs_fail() {
    let script = "jobs A 4; begin; exit A.0 1; exit A.1 1; exit A.2 0; exit A.3 0";
    check(
        "JOB A; TOLERANCE A 2",
        script,
        &expect![[r#"
        > jobs A 4
        > begin
        submit A
        > exit A.0 1
        > exit A.1 1
        > exit A.2 0
        > exit A.3 0
        A done
        finished: status 0, 1 done, 0 failed, 0 futile
        exit 0
    "#]],
    );
    check(
        "JOB A; TOLERANCE A 25% WAIT",
        script,
        &expect![[r#"
            > jobs A 4
            > begin
            submit A
            > exit A.0 1
            > exit A.1 1
            > exit A.2 0
            > exit A.3 0
            A failed (1): Job proc (1.0.0) failed with status 1
            finished: status 2, 0 done, 1 failed, 0 futile
            exit 1 with a rescue file
        "#]],
    );
}

#[test]
fn a_script_that_asks_to_be_put_off_runs_again_after_its_time() {
    let dag = "JOB A; SCRIPT DEFER 4 300 PRE A; SCRIPT DEFER 1 10 POST A";
    check(
        dag,
        "begin; pre A 4; later 299; later 1; pre A 0; exit A 0; post A 1; later 10; post A 0",
        &expect![[r#"
            > begin
            run Pre of A
            > pre A 4
            > later 299
            > later 1
            run Pre of A
            > pre A 0
            submit A
            > exit A 0
            A comes to POST with 0
            run Post of A
            > post A 1
            > later 10
            run Post of A
            > post A 0
            A done
            finished: status 0, 1 done, 0 failed, 0 futile
            exit 0
        "#]],
    );
}

#[test]
fn noop_nodes_and_joins_run_nothing_but_scripts() {
    check(
        "JOB A NOOP; SCRIPT PRE A; SCRIPT POST A; JOIN J; JOB B; PARENT A CHILD J; PARENT J CHILD B",
        "begin; pre A 0; post A 0; exit B 0",
        &expect![[r#"
            > begin
            run Pre of A
            > pre A 0
            A comes to POST with 0
            run Post of A
            > post A 0
            A done
            J done
            submit B
            > exit B 0
            B done
            finished: status 0, 3 done, 0 failed, 0 futile
            exit 0
        "#]],
    );
}

#[test]
fn a_map_over_no_items_has_nothing_to_submit_and_its_post_script_runs() {
    check(
        "JOB A; SCRIPT PRE A; SCRIPT POST A; RETRY A 1; JOB B; PARENT A CHILD B",
        "jobs A 0; jobs B 0; begin; pre A 0; post A 1; pre A 0; post A 0",
        &expect![[r#"
            > jobs A 0
            > jobs B 0
            > begin
            run Pre of A
            > pre A 0
            A comes to POST with 0
            run Post of A
            > post A 1
            A again, retry 1
            run Pre of A
            > pre A 0
            A comes to POST with 0
            run Post of A
            > post A 0
            A done
            B done
            finished: status 0, 2 done, 0 failed, 0 futile
            exit 0
        "#]],
    );
    check(
        "JOB A; ABORT A 0 RETURN 3; JOB B; PARENT A CHILD B",
        "jobs A 0; begin",
        &expect![[r#"
            > jobs A 0
            > begin
            aborted by A with 3
            A done
            finished: status 3, 1 done, 0 failed, 0 futile
            remove everything
            exit 3 with a rescue file
        "#]],
    );
}

#[test]
fn a_save_point_is_written_when_its_node_begins_first() {
    check(
        "JOB A; RETRY A 1; SAVE A",
        "begin; exit A 1; exit A 0",
        &expect![[r#"
        > begin
        save point of A
        submit A
        > exit A 1
        A again, retry 1
        submit A
        > exit A 0
        A done
        finished: status 0, 1 done, 0 failed, 0 futile
        exit 0
    "#]],
    );
}

#[test]
fn what_is_said_of_another_attempt_is_dropped() {
    let dag = "JOB A; RETRY A 1; JOB B NOOP";
    check(
        dag,
        "begin; exit A 1; exit A.7 0; run A; run A; pre A 0; exit A 0; exit A 0",
        &expect![[r#"
            > begin
            B done
            submit A
            > exit A 1
            A again, retry 1
            submit A
            > exit A.7 0
            rejected: job 2.7 is of no node that has jobs in the queue
            > run A
            > run A
            > pre A 0
            rejected: node 0 does not wait for that
            > exit A 0
            A done
            finished: status 0, 2 done, 0 failed, 0 futile
            exit 0
            > exit A 0
            rejected: the workflow is past that
        "#]],
    );
}
