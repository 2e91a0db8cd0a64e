//! Each fuzz target for some thousand inputs of one seed. `cargo xtask fuzz` runs them for as long
//! as is wanted.

use updraft_tests::fuzz::TARGETS;

/// Inputs of each target: some seconds in all.
const INPUTS: u64 = 1_500;

/// Far less stack than any thread of a daemon has.
const STACK_BYTES: usize = 512 << 10;

#[test]
fn no_input_breaks_a_reader() {
    for (name, target, corpus) in TARGETS {
        let corpus = corpus();
        let thread = std::thread::Builder::new().stack_size(STACK_BYTES).spawn(move || {
            for case in 0..INPUTS {
                target(&corpus.input(1, case));
            }
        });
        let held = thread.expect("a thread starts").join().is_ok();
        assert!(held, "{name}: cargo xtask fuzz {name} --seconds 60 prints the input");
    }
}
