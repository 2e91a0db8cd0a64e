//! A Requirements, compiled once per job class.

use std::sync::Arc;

use crate::compiled::layout::Layouts;
use crate::compiled::predicate::Predicate;
use crate::compiled::program::Program;
use crate::compiled::{MachineTable, RowSet};
use crate::eval::Env;
use crate::{AttrName, ClassAd, Expr, Value};

/// The Requirements of one ad, ready to be asked of a whole table.
pub struct CompiledRequirements {
    my: Arc<ClassAd>,
    env: Env,
    /// The whole expression, for one machine alone.
    program: Program,
    clauses: Vec<Predicate>,
    columns: Vec<AttrName>,
}

impl CompiledRequirements {
    /// Compiles the Requirements of an ad; an absent one holds for no machine.
    pub fn new(my: Arc<ClassAd>, env: &Env) -> CompiledRequirements {
        let requirements =
            my.get("Requirements").cloned().unwrap_or_else(|| Expr::from(Value::Undefined));
        CompiledRequirements::from_expr(my, &requirements, env)
    }

    /// Compiles any expression of an ad.
    pub fn from_expr(my: Arc<ClassAd>, expr: &Expr, env: &Env) -> CompiledRequirements {
        let flat = expr.flatten(&my, env);
        let mut clauses: Vec<Predicate> =
            flat.clauses().into_iter().map(|clause| Predicate::compile(clause, &my)).collect();
        // All clauses must hold, so those that are cheap may go first.
        clauses.sort_by_key(Predicate::cost);
        let mut columns = Vec::new();
        clauses.iter().for_each(|clause| clause.collect_columns(&mut columns));
        let program = Program::new(Arc::clone(&my), expr, env);
        CompiledRequirements { my, env: env.clone(), program, clauses, columns }
    }

    /// The attributes of the machines that are read as columns.
    pub fn columns(&self) -> &[AttrName] {
        &self.columns
    }

    /// The rows on whose machines the Requirements holds.
    pub fn eval_all(&self, table: &MachineTable) -> RowSet {
        let mut alive = table.occupied();
        for clause in &self.clauses {
            if alive.is_empty() {
                break;
            }
            let holds = clause.holds_on(table, &alive, &self.my, &self.env);
            alive.intersect(&holds);
        }
        alive
    }

    /// Whether the Requirements holds on the machine of one row.
    pub fn eval_row(&self, table: &MachineTable, row: usize) -> bool {
        table.get(row).is_some_and(|ad| self.program.holds(ad, &mut Layouts::default()))
    }
}
