//! What the jobs of a statement have in common is made once; each must come out as if it had been
//! made alone.

#[path = "bare/site.rs"]
mod site;

use classad::ClassAd;
use jobspec::htcondor::{self, Submission, SubmitOptions};
use model::ClusterId;
use site::Bare;

/// `None` if the description is refused.
fn submission(text: &str) -> Option<Submission> {
    let description = htcondor::parse(text, "any.sub").ok()?;
    let options = SubmitOptions { disable_file_checks: true, ..SubmitOptions::default() };
    description.expand(&Bare::new(), &mut || Ok(ClusterId(1)), &options).ok()
}

/// The jobs' ads; `None` if the description is refused.
fn ads(text: &str) -> Option<Vec<ClassAd>> {
    Some(submission(text)?.jobs().map(|(_, ad)| ad).collect())
}

/// The jobs of one statement, the first of which teaches the others; and the same jobs behind
/// another statement, where none does.
fn check(lines: &str) {
    let mut compared = 0;
    for items in [
        "a b c",
        "1 2 3",
        "x '' y",
        "true false true",
        "2 1 2",
        "5 vanilla local",
        "same other same",
    ] {
        let items: Vec<&str> = items.split(' ').map(|item| item.trim_matches('\'')).collect();
        let base = format!("executable = /bin/x\n{lines}\n");
        // Two variables, so that the first can be empty.
        let rows: Vec<String> = items.iter().map(|item| format!("{item},z\n")).collect();
        let queue = format!("queue v, w from (\n{})\n", rows.concat());
        let taught = ads(&format!("{base}{queue}"));
        let alone = ads(&format!("{base}v = {}\nqueue\n{queue}", items[0]));
        assert_eq!(taught.is_some(), alone.is_some(), "{items:?} with\n{lines}");
        let (Some(taught), Some(alone)) = (taught, alone) else { continue };
        assert_eq!(taught.len(), items.len());
        for (n, (ours, theirs)) in taught.iter().zip(&alone[1..]).enumerate() {
            assert_eq!(ours, theirs, "job {n} of {items:?} with\n{lines}");
        }
        compared += taught.len();
    }
    assert!(compared > 0, "refused with every value:\n{lines}");
}

#[test]
fn a_job_made_with_others_is_the_job_made_alone() {
    for lines in [
        "arguments = $(v)",
        "arguments = $(v)\nenvironment = \"A=$(v)\"",
        "executable = /bin/$(v)",
        "output = $(v).out\nerror = $(v:none).err\ninput = $(v)",
        "request_memory = $(v)",
        "request_cpus = $(v:3)\nrequest_disk = $(v:2)G",
        "requirements = Memory > $(v)",
        "requirements = $(v)\nrequest_memory = 10",
        "rank = $(v)\npriority = $(v)",
        "+Foo = $(v)\narguments = x",
        "+Arguments = \"same\"\narguments = $(v)",
        "+Arguments = \"$(v)\"\narguments = same",
        "+Args = \"same\"\narguments = $(v)",
        "+Requirements = $(v)",
        "+RequestCpus = $(v)\nrequest_cpus = 2",
        "transfer_input_files = $(v)\nshould_transfer_files = yes",
        "should_transfer_files = yes\ntransfer_output_files = $(v)\nwhen_to_transfer_output = on_exit",
        "batch_name = b$(v)\nlog = $(v).log\nhold = $(v)",
        "max_retries = $(v)\nperiodic_remove = $(v)",
        "description = $CHOICE(Item,a,b)\nnotify_user = $(v)@x",
        "job_lease_duration = $(v)\nkill_sig = $(v)",
        "universe = $(v:vanilla)",
        "request_gpus = $(v)\nrequire_gpus = Capability > 2",
        "arguments = $(Step) $(ItemIndex) $F(v) $(missing:$(v))",
        "deferral_time = $(v)\nconcurrency_limits = $(v)",
        "getenv = $(v)\nshell = echo $(v)",
        "log = same.log\naccounting_group = g.$(v)\nnice_user = $(v)",
        "retry_request_memory = $(v)\nrequest_memory = 1\narguments = $(v)",
    ] {
        check(lines);
    }
}

#[test]
fn warnings_that_each_job_gives_are_said_of_the_first_ones() {
    let rows: String = (0..100).map(|n| format!("{n}\n")).collect();
    let lines = "executable = /bin/x\ntransfer_input_files = http://h/$(v)\n";
    let made = submission(&format!("{lines}queue v from (\n{rows})\n")).unwrap();
    let said: Vec<_> = made.warnings.iter().map(|warning| warning.message.as_str()).collect();
    assert!(said.len() <= 21, "{}", said.len());
    assert!(said.last().unwrap().contains("more warnings of this kind"), "{said:?}");
}

#[test]
fn a_function_that_calls_itself_for_ever_is_refused() {
    let text = "executable = /bin/x\nx = strcat(\"$\", \"EVAL(x)\")\narguments = $EVAL(x)\nqueue\n";
    let description = htcondor::parse(text, "any.sub").unwrap();
    let options = SubmitOptions { disable_file_checks: true, ..SubmitOptions::default() };
    let refused = description.expand(&Bare::new(), &mut || Ok(ClusterId(1)), &options).unwrap_err();
    let message = &refused.last().unwrap().message;
    assert!(message.contains("calls macro functions more than"), "{message}");
}

#[test]
fn jobs_looked_at_for_one_attribute_are_as_many_as_may_differ_in_it() {
    for (lines, expected) in [
        ("output = o/$(Process)\nqueue 3", &["0 o/0", "1 o/1", "2 o/2"][..]),
        ("output = same\narguments = $(Process)\nqueue 3", &["0 same"]),
        ("output = o/$(v)\nqueue v in (a b)", &["0 o/a", "1 o/b"]),
        ("output = same\narguments = $(v)\nqueue v in (a b)", &["0 same"]),
        ("arguments = $(Process)\nqueue 3", &["0 /dev/null"]),
    ] {
        let made = submission(&format!("executable = /bin/x\n{lines}\n")).unwrap();
        let told = made.jobs_by(|name| name.as_str() == "Out").map(|(job, ad)| {
            assert_eq!(ad.len(), 1, "{lines}");
            assert_eq!(ad.get("Out"), made.ad(job).unwrap().get("Out"), "{lines}");
            format!("{} {}", job.proc, ad.literal("Out").unwrap().as_str().unwrap())
        });
        assert_eq!(told.collect::<Vec<_>>(), expected, "{lines}");
    }
}
