//! Simulator, scenarios and end-to-end tests: the one member that links every core.
// NOTE (lead, 19:48): the simulator is being written on branch `sim` by another helper. See NOTE-FROM-LEAD.md in the root of this worktree.

pub mod classad_oracle;
