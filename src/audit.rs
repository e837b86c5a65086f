//! stub
use crate::batch::BatchId;
/// f
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Finding {
    /// id
    pub id: BatchId,
}
impl std::fmt::Display for Finding {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}", self.id)
    }
}
