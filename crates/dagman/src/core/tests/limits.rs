//! What begins when more could than may.

use expect_test::expect;

use super::super::*;
use super::world::{World, check, check_with};

#[test]
fn priority_comes_first_then_the_order_of_the_file() {
    let throttles = Throttles { jobs: 1, ..Throttles::default() };
    let options = Options { throttles, ..Options::default() };
    check_with(
        options,
        "JOB A; JOB B; JOB C; PRIORITY C 5; RETRY C 1",
        "begin; exit C 1; exit C 0; exit A 0; maxjobs 2; exit B 0",
        &expect![[r#"
            > begin
            submit C
            > exit C 1
            C again, retry 1
            submit C
            > exit C 0
            C done
            submit A
            > exit A 0
            A done
            submit B
            > maxjobs 2
            > exit B 0
            B done
            finished: status 0, 3 done, 0 failed, 0 futile
            exit 0
        "#]],
    );
}

#[test]
fn retry_first_and_depth_first_put_nodes_in_front() {
    let throttles = Throttles { jobs: 1, ..Throttles::default() };
    let options = Options { throttles, retry_node_first: true, ..Options::default() };
    check_with(
        options.clone(),
        "JOB A; JOB B; RETRY A 1",
        "begin; exit A 1; exit A 0",
        &expect![[r#"
            > begin
            submit A
            > exit A 1
            A again, retry 1
            submit A
            > exit A 0
            A done
            submit B
        "#]],
    );
    let options = Options { depth_first: true, ..options };
    check_with(
        options,
        "JOB A; JOB B; JOB C",
        "begin; exit C 0; exit B 0; exit A 0",
        &expect![[r#"
        > begin
        submit C
        > exit C 0
        C done
        submit B
        > exit B 0
        B done
        submit A
        > exit A 0
        A done
        finished: status 0, 3 done, 0 failed, 0 futile
        exit 0
    "#]],
    );
}

#[test]
fn a_full_category_is_passed_over() {
    check(
        "JOB A; JOB B; JOB C; CATEGORY A c; CATEGORY B c; MAXJOBS c 1",
        "begin; exit A 0; exit B 0; exit C 0",
        &expect![[r#"
            > begin
            submit A
            submit C
            > exit A 0
            A done
            submit B
            > exit B 0
            B done
            > exit C 0
            C done
            finished: status 0, 3 done, 0 failed, 0 futile
            exit 0
        "#]],
    );
}

#[test]
fn maxidle_counts_jobs_that_wait_and_not_those_that_run_or_are_held() {
    let throttles = Throttles { idle: 2, ..Throttles::default() };
    let options = Options { throttles, ..Options::default() };
    check_with(
        options,
        "JOB A; JOB B; JOB C; JOB D",
        "jobs A 3; begin; run A.0; run A.1; run A.2; hold B",
        &expect![[r#"
            > jobs A 3
            > begin
            submit A
            submit B
            > run A.0
            > run A.1
            > run A.2
            submit C
            > hold B
            submit D
        "#]],
    );
}

#[test]
fn of_a_map_only_those_jobs_wait_that_may_be_in_the_queue() {
    let mut options = Options::default();
    options.throttles.idle = 3;
    check_with(
        options,
        "JOB M; AT-ONCE M 2; JOB R; JOB A; PARENT R CHILD A",
        "jobs M 5; begin; exit R 0; run M.0; exit M.0 0; hold M.1; exit M.2 0",
        &expect![[r#"
            > jobs M 5
            > begin
            submit M
            submit R
            > exit R 0
            R done
            submit A
            > run M.0
            > exit M.0 0
            > hold M.1
            > exit M.2 0
        "#]],
    );
}

#[test]
fn scripts_have_their_own_limits() {
    let throttles = Throttles { pre: 1, post: 1, ..Throttles::default() };
    let options = Options { throttles, ..Options::default() };
    check_with(
        options,
        "JOB A; JOB B; SCRIPT PRE A; SCRIPT PRE B; SCRIPT POST A; SCRIPT POST B",
        "begin; pre A 0; pre B 0; exit A 0; exit B 0; post A 0; post B 0",
        &expect![[r#"
            > begin
            run Pre of A
            > pre A 0
            run Pre of B
            submit A
            > pre B 0
            submit B
            > exit A 0
            A comes to POST with 0
            run Post of A
            > exit B 0
            B comes to POST with 0
            > post A 0
            A done
            run Post of B
            > post B 0
            B done
            finished: status 0, 2 done, 0 failed, 0 futile
            exit 0
        "#]],
    );
}

#[test]
fn a_long_row_of_nodes_without_jobs_is_taken_in_pieces() {
    let mut dag: String = (0..5000).map(|n| format!("JOB n{n} NOOP;")).collect();
    for n in 1..5000 {
        dag += &format!("PARENT n{} CHILD n{n};", n - 1);
    }
    let mut world = World::new(&dag, Options::default());
    world.play("begin");
    assert_eq!(world.core.progress().finished, Some((0, false)));
}

#[test]
fn an_unknown_job_is_nobodys() {
    let mut world = World::new("JOB A", Options::default());
    world.play("begin");
    let job = model::JobId::new(99, 0);
    world.take(vec![Input::Job { job, fact: JobFact::Executing }]);
    assert!(
        world.said().ends_with("rejected: job 99.0 is of no node that has jobs in the queue\n")
    );
    check(
        "JOB A",
        "begin; exit A 0",
        &expect![[r#"
        > begin
        submit A
        > exit A 0
        A done
        finished: status 0, 1 done, 0 failed, 0 futile
        exit 0
    "#]],
    );
}
