//! Budgets that do not depend on the machine: sizes. Times are printed for a look, never asserted.
