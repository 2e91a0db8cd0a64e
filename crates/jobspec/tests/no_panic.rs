//! Whatever a user writes, the answer is jobs or a message: never a panic, and never without end.

use jobspec::htcondor::{self, SubmitOptions};
use model::ClusterId;
use proptest::prelude::*;

#[path = "bare/site.rs"]
mod site;

/// No queue statement of these tests makes more jobs.
const MOST_JOBS: u32 = 200;

fn submit_it(text: &str) {
    let Ok(description) = htcondor::parse(text, "any.sub") else { return };
    let options =
        SubmitOptions { max_jobs: Some(MOST_JOBS), warn_unused: true, ..SubmitOptions::default() };
    let diagnostics =
        match description.expand(&site::Bare::new(), &mut || Ok(ClusterId(1)), &options) {
            Ok(submission) => {
                assert!(submission.jobs().count() <= MOST_JOBS as usize);
                submission.warnings
            }
            Err(diagnostics) => diagnostics,
        };
    for diagnostic in diagnostics {
        assert!(!diagnostic.render().is_empty());
        let _ = htcondor::said(&diagnostic);
    }
}

/// Scraps of the language, so that random texts get further than the first line.
fn scrap() -> impl Strategy<Value = String> {
    prop::sample::select(vec![
        "executable = /bin/x\n",
        "arguments = ",
        "environment = ",
        "queue",
        "queue 3",
        " in (",
        " from (\n",
        ")",
        "\n",
        "\\\n",
        "$(",
        "$$(",
        "$INT(",
        "$F(",
        "$ENV(",
        "$SUBSTR(",
        "$CHOICE(",
        "$RANDOM_CHOICE(",
        "$(Process)",
        "$(a)",
        "a",
        "a = ",
        "a = $(a)$(b)\n",
        "b = $(c)\n",
        "c = $(b)\n",
        ":",
        ",",
        "-9",
        "99999999999999999999",
        "%d",
        "%9999s",
        "\"",
        "'",
        "if ",
        "defined ",
        "version >= ",
        "elif ",
        "else\n",
        "endif\n",
        "include : ",
        "x @=t\n",
        "@t\n",
        "+A = ",
        "request_memory = ",
        "max_retries = ",
        "requirements = ",
        "log = ",
        "initialdir = ",
        "hold = ",
        "retry_until = ",
        "[",
        "]",
        "1:",
        "#",
        "é",
        "\u{F0B5}",
        "\t",
        "\r\n",
        "priority = ",
        "should_transfer_files = ",
        "transfer_input_files = ",
        "getenv = ",
        "kill_sig = ",
    ])
    .prop_map(str::to_owned)
}

proptest! {
    #[test]
    fn any_text_is_answered(text in any::<String>()) {
        submit_it(&text);
    }

    #[test]
    fn any_mixture_of_the_language_is_answered(scraps in prop::collection::vec(scrap(), 0..40)) {
        submit_it(&scraps.concat());
    }

    #[test]
    fn any_value_of_a_macro_function_is_answered(body in "[a-c0-9 ,:%.$()\\[\\]\"'+*/-]{0,20}") {
        for function in ["INT", "REAL", "STRING", "EVAL", "SUBSTR", "CHOICE", "F", "Fpnxq", "RANDOM_INTEGER", "BASENAME"] {
            submit_it(&format!("executable = x\na = hello\narguments = ${function}({body})\nqueue\n"));
        }
    }
}
