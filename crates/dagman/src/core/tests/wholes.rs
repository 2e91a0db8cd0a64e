//! The whole workflow: how it ends, and with what.

use expect_test::expect;

use super::world::check;

#[test]
fn a_failure_leaves_other_branches_alone_and_makes_what_follows_futile() {
    check(
        "JOB A; JOB B; JOB C; JOB D; JOB E; PARENT A CHILD B; PARENT B CHILD C; PARENT D CHILD E",
        "begin; exit A 1; exit D 0; exit E 0",
        &expect![[r#"
            > begin
            submit A
            submit D
            > exit A 1
            A failed (1): Job proc (1.0.0) failed with status 1
            > exit D 0
            D done
            submit E
            > exit E 0
            E done
            finished: status 2, 2 done, 1 failed, 2 futile
            exit 1 with a rescue file
        "#]],
    );
}

#[test]
fn a_weak_child_runs_when_its_parent_failed_but_not_when_it_could_not_run() {
    check(
        "JOB A; JOB B; JOB C; JOB D; PARENT A CHILD C; WEAK A CHILD B; WEAK C CHILD D",
        "begin; exit A 1; exit B 0",
        &expect![[r#"
            > begin
            submit A
            > exit A 1
            A failed (1): Job proc (1.0.0) failed with status 1
            submit B
            > exit B 0
            B done
            finished: status 2, 1 done, 1 failed, 2 futile
            exit 1 with a rescue file
        "#]],
    );
}

#[test]
fn nodes_that_are_done_are_not_run_again() {
    check(
        "JOB A DONE; JOB B DONE; JOB C; JOB D; PARENT A CHILD B; PARENT B CHILD C; PARENT C CHILD D",
        "begin; exit C 0; exit D 0",
        &expect![[r#"
            > begin
            submit C
            > exit C 0
            C done
            submit D
            > exit D 0
            D done
            finished: status 0, 4 done, 0 failed, 0 futile
            exit 0
        "#]],
    );
    check(
        "JOB A DONE",
        "begin",
        &expect![[r#"
        > begin
        finished: status 0, 1 done, 0 failed, 0 futile
        exit 0
    "#]],
    );
    check(
        "",
        "begin",
        &expect![[r#"
        > begin
        finished: status 0, 0 done, 0 failed, 0 futile
        exit 0
    "#]],
    );
}

#[test]
fn abort_dag_on_beats_retry_and_gives_the_exit_status() {
    let dag = "JOB A; JOB B; RETRY A 3; ABORT A 3 RETURN 1";
    check(
        dag,
        "begin; exit A 3",
        &expect![[r#"
            > begin
            submit A
            submit B
            > exit A 3
            aborted by A with 1
            A failed (3): Job proc (1.0.0) failed with status 3 (after 0 node retries)
            finished: status 3, 0 done, 1 failed, 0 futile
            remove everything
            exit 1 with a rescue file
        "#]],
    );
    check(
        "JOB A; JOB B; ABORT A 3",
        "begin; exit A 3",
        &expect![[r#"
            > begin
            submit A
            submit B
            > exit A 3
            aborted by A with 3
            A failed (3): Job proc (1.0.0) failed with status 3
            finished: status 3, 0 done, 1 failed, 0 futile
            remove everything
            exit 3 with a rescue file
        "#]],
    );
}

#[test]
fn an_abort_with_return_0_leaves_no_rescue_file() {
    check(
        "JOB A; JOB B; ABORT A 0 RETURN 0",
        "begin; exit A 0",
        &expect![[r#"
        > begin
        submit A
        submit B
        > exit A 0
        aborted by A with 0
        A done
        finished: status 3, 1 done, 0 failed, 0 futile
        remove everything
        exit 0
    "#]],
    );
}

#[test]
fn a_good_post_hides_the_jobs_code_from_abort() {
    check(
        "JOB A; SCRIPT POST A; ABORT A 3",
        "begin; exit A 3; post A 0",
        &expect![[r#"
        > begin
        submit A
        > exit A 3
        A comes to POST with 3
        run Post of A
        > post A 0
        A done
        finished: status 0, 1 done, 0 failed, 0 futile
        exit 0
    "#]],
    );
    check(
        "JOB A; SCRIPT POST A; ABORT A 3",
        "begin; exit A 0; post A 3",
        &expect![[r#"
            > begin
            submit A
            > exit A 0
            A comes to POST with 0
            run Post of A
            > post A 3
            aborted by A with 3
            A failed (3): POST script failed with status 3
            finished: status 3, 0 done, 1 failed, 0 futile
            remove everything
            exit 3 with a rescue file
        "#]],
    );
}

#[test]
fn final_runs_last_and_its_result_is_that_of_the_dag() {
    check(
        "JOB A; FINAL F",
        "begin; exit A 1; exit F 0",
        &expect![[r#"
        > begin
        submit A
        > exit A 1
        A failed (1): Job proc (1.0.0) failed with status 1
        submit F
        > exit F 0
        F done
        finished: status 2, 1 done, 1 failed, 0 futile
        exit 0 with a rescue file
    "#]],
    );
    check(
        "JOB A; FINAL F",
        "begin; exit A 0; exit F 2",
        &expect![[r#"
        > begin
        submit A
        > exit A 0
        A done
        submit F
        > exit F 2
        F failed (2): Job proc (2.0.0) failed with status 2
        finished: status 2, 1 done, 1 failed, 0 futile
        exit 1 with a rescue file
    "#]],
    );
}

#[test]
fn final_runs_after_an_abort_when_the_killed_nodes_are_gone() {
    check(
        "JOB A; JOB B; JOB C; PARENT B CHILD C; ABORT A 1 RETURN 1; FINAL F; SCRIPT PRE F",
        "begin; exit A 1; gone B; pre F 0; exit F 0",
        &expect![[r#"
            > begin
            submit A
            submit B
            > exit A 1
            aborted by A with 1
            A failed (1): Job proc (1.0.0) failed with status 1
            remove everything
            > gone B
            B failed (-1002): HTCondor reported ULOG_JOB_ABORTED event for job proc (2.0.0)
            run Pre of F
            > pre F 0
            submit F
            > exit F 0
            F done
            finished: status 3, 1 done, 2 failed, 1 futile
            exit 0 with a rescue file
        "#]],
    );
}

#[test]
fn a_final_that_fails_leaves_a_rescue_file_also_after_an_abort_with_return_0() {
    check(
        "JOB A; ABORT A 1 RETURN 0; FINAL F",
        "begin; exit A 1; exit F 2",
        &expect![[r#"
            > begin
            submit A
            > exit A 1
            aborted by A with 0
            A failed (1): Job proc (1.0.0) failed with status 1
            remove everything
            submit F
            > exit F 2
            F failed (2): Job proc (2.0.0) failed with status 2
            finished: status 3, 0 done, 2 failed, 0 futile
            exit 1 with a rescue file
        "#]],
    );
}

#[test]
fn a_removal_ends_at_once_without_final_and_after_it_with_one() {
    check(
        "JOB A; JOB B; PARENT A CHILD B",
        "begin; remove",
        &expect![[r#"
        > begin
        submit A
        > remove
        finished: status 4, 0 done, 0 failed, 0 futile
        remove everything
        exit 2 with a rescue file
    "#]],
    );
    check(
        "JOB A; SCRIPT POST A; FINAL F",
        "begin; remove; gone A; post A 3; exit F 0",
        &expect![[r#"
            > begin
            submit A
            > remove
            remove everything
            > gone A
            A comes to POST with -1002
            run Post of A
            > post A 3
            A failed (3): Job failed due to DAGMAN error -1002 and POST Script failed with status 3
            submit F
            > exit F 0
            F done
            finished: status 4, 1 done, 1 failed, 0 futile
            exit 0 with a rescue file
        "#]],
    );
}

#[test]
fn a_halt_lets_running_nodes_end_and_may_be_taken_back() {
    let dag = "JOB A; JOB B; JOB C; SCRIPT POST A; PARENT A CHILD B";
    check(
        dag,
        "begin; halt; exit A 0; post A 0; exit C 0",
        &expect![[r#"
        > begin
        submit A
        submit C
        > halt
        > exit A 0
        A comes to POST with 0
        run Post of A
        > post A 0
        A done
        > exit C 0
        C done
        finished: status 6, 2 done, 0 failed, 0 futile
        exit 1 with a rescue file
    "#]],
    );
    check(
        dag,
        "begin; halt; exit A 0; post A 0; resume; exit B 0; exit C 0",
        &expect![[r#"
        > begin
        submit A
        submit C
        > halt
        > exit A 0
        A comes to POST with 0
        run Post of A
        > post A 0
        A done
        > resume
        submit B
        > exit B 0
        B done
        > exit C 0
        C done
        finished: status 0, 3 done, 0 failed, 0 futile
        exit 0
    "#]],
    );
    check(
        "JOB A; JOB B; PARENT A CHILD B; FINAL F",
        "begin; halt; exit A 0; exit F 0",
        &expect![[r#"
            > begin
            submit A
            > halt
            > exit A 0
            A done
            submit F
            > exit F 0
            F done
            finished: status 6, 2 done, 0 failed, 0 futile
            exit 0 with a rescue file
        "#]],
    );
}

#[test]
fn a_cycle_is_found_before_anything_runs() {
    check(
        "JOB X; JOB A; JOB B; JOB C; JOB Y; PARENT X CHILD A; PARENT A CHILD B; PARENT B CHILD C; PARENT C CHILD A Y",
        "begin",
        &expect![[r#"
            > begin
            cycle: A B C
            finished: status 5, 0 done, 0 failed, 0 futile
            remove everything
            exit 1 with a rescue file
        "#]],
    );
    check(
        "JOB A; PARENT A CHILD A",
        "begin",
        &expect![[r#"
        > begin
        cycle: A
        finished: status 5, 0 done, 0 failed, 0 futile
        remove everything
        exit 1 with a rescue file
    "#]],
    );
}

#[test]
fn a_service_goes_on_beside_final_whatever_ended_the_others() {
    check(
        "SERVICE S; JOB A; JOB H; FINAL F; ABORT A 2 1",
        "begin; exit A 2; gone H; exit F 0",
        &expect![[r#"
            > begin
            submit S
            submit A
            submit H
            > exit A 2
            aborted by A with 1
            A failed (2): Job proc (2.0.0) failed with status 2
            remove everything but services
            > gone H
            H failed (-1002): HTCondor reported ULOG_JOB_ABORTED event for job proc (3.0.0)
            submit F
            > exit F 0
            F done
            finished: status 3, 1 done, 2 failed, 0 futile
            exit 0 with a rescue file
        "#]],
    );
    check(
        "SERVICE S; JOB A; FINAL F",
        "begin; remove; gone A; exit S 3; exit F 0",
        &expect![[r#"
            > begin
            submit S
            submit A
            > remove
            remove everything but services
            > gone A
            A failed (-1002): HTCondor reported ULOG_JOB_ABORTED event for job proc (2.0.0)
            submit F
            > exit S 3
            S failed (3): Job proc (1.0.0) failed with status 3
            > exit F 0
            F done
            finished: status 4, 1 done, 1 failed, 0 futile
            exit 0 with a rescue file
        "#]],
    );
    check(
        "SERVICE S; JOB A; JOB H; ABORT A 2 1",
        "begin; exit A 2",
        &expect![[r#"
            > begin
            submit S
            submit A
            submit H
            > exit A 2
            aborted by A with 1
            A failed (2): Job proc (2.0.0) failed with status 2
            finished: status 3, 0 done, 1 failed, 0 futile
            remove everything
            exit 1 with a rescue file
        "#]],
    );
}

#[test]
fn a_service_does_not_count_and_a_provisioner_is_waited_for() {
    check(
        "SERVICE S; JOB A",
        "begin; exit S 1; exit A 0",
        &expect![[r#"
        > begin
        submit S
        submit A
        > exit S 1
        S failed (1): Job proc (1.0.0) failed with status 1
        > exit A 0
        A done
        finished: status 2, 1 done, 0 failed, 0 futile
        exit 0
    "#]],
    );
    check(
        "SERVICE S; PROVISIONER P; JOB A",
        "begin; run P; ready P; exit A 0",
        &expect![[r#"
        > begin
        submit P
        submit S
        > run P
        > ready P
        provided
        submit A
        > exit A 0
        A done
        finished: status 0, 1 done, 0 failed, 0 futile
        exit 0
    "#]],
    );
    check(
        "PROVISIONER P; JOB A",
        "begin; exit P 0",
        &expect![[r#"
        > begin
        submit P
        > exit P 0
        P done
        broke: the PROVISIONER ended before it had said that it was ready
        finished: status 1, 0 done, 0 failed, 0 futile
        remove everything
        exit 1 with a rescue file
    "#]],
    );
}
