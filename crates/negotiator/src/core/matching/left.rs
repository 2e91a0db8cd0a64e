//! What a pass has left of the machines that it has taken from. Why it took, it does not know.

use model::Resources;

/// What is left of machines that the pass has taken from: looked up for every machine that a search
/// passes over.
#[derive(Default)]
pub(crate) struct Left {
    /// By row, one more than the position in `amounts`; 0 for a machine that is as it was.
    position: Vec<u32>,
    amounts: Vec<Resources>,
}

impl Left {
    pub(crate) fn of(&self, row: u32) -> Option<&Resources> {
        let position = self.position.get(row as usize)?.checked_sub(1)?;
        self.amounts.get(position as usize)
    }

    pub(crate) fn set(&mut self, row: u32, left: Resources) {
        if self.position.len() <= row as usize {
            self.position.resize(row as usize + 1, 0);
        }
        let position = &mut self.position[row as usize];
        if *position == 0 {
            self.amounts.push(left);
            *position = u32::try_from(self.amounts.len()).expect("machines are counted in 32 bits");
        } else {
            self.amounts[*position as usize - 1] = left;
        }
    }
}
