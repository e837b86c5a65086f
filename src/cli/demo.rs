//! demo
use crate::cli::Outside;
use crate::cli::args::Global;
use crate::run::report::Exit;
pub(super) async fn run(_g: &Global, _o: &Outside) -> Exit {
    Exit::Done
}
