//! Names: the families that users of these APIs really give, each with the settings that go with it.

use super::super::dice::Dice;
use super::super::record::{Format, Notify, Priority, Record, Schedule};
use crate::clock::Timestamp;

/// A family of names.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    /// `My First Batch`, copied from the sample; left behind by crashed workers.
    Copied,
    /// `PREFIX_<uuid4>`: one of many chunks of a long list of keywords.
    Chunk,
    /// `2026-05-04 10:11:12.123456 Batch`.
    LeadList,
    /// `Acme NEWS Batch 20240120_120000`.
    Pipeline,
    /// `Stock_Collection_04_05_2026`.
    Stock,
    /// `Product Reviews Collection (reviews_v2)`.
    Reviews,
    /// A customer's e-mail address.
    Customer,
    /// `Collection7`, daily, for ever.
    Numbered,
    /// Results go to a bucket.
    Delivered,
    /// Tests and debugging.
    Probe,
    /// `prod-…`.
    Production,
    /// `report-…`, of which the newest count.
    Report,
    /// `tmp-…`.
    Temporary,
}

impl Kind {
    pub(super) const ALL: [Self; 13] = [
        Self::Copied,
        Self::Chunk,
        Self::LeadList,
        Self::Pipeline,
        Self::Stock,
        Self::Reviews,
        Self::Customer,
        Self::Numbered,
        Self::Delivered,
        Self::Probe,
        Self::Production,
        Self::Report,
        Self::Temporary,
    ];

    /// Whether such batches are run again and again, so that their age says nothing.
    pub(super) const fn is_in_use(self) -> bool {
        matches!(self, Self::Customer | Self::Numbered | Self::Production)
    }

    /// A batch of this family, that has not run yet.
    pub(super) fn record(
        self,
        id: String,
        created_at: Timestamp,
        place: usize,
        dice: &mut Dice,
    ) -> Record {
        let name = self.name(created_at, place, dice);
        let searches = match self {
            Self::Chunk => 100,
            Self::Probe => 1 + dice.below(3),
            Self::Numbered | Self::Production => 200 + dice.below(1300),
            Self::Copied
            | Self::LeadList
            | Self::Pipeline
            | Self::Stock
            | Self::Reviews
            | Self::Customer
            | Self::Delivered
            | Self::Report
            | Self::Temporary => 5 + dice.below(60),
        };
        let mut record = Record::new(id, name, created_at).with_searches(searches);
        self.settle(&mut record, dice);
        record
    }

    fn name(self, at: Timestamp, place: usize, dice: &mut Dice) -> String {
        match self {
            Self::Copied => dice.one_of(&["My First Batch", "My First Collection"], "").to_owned(),
            Self::Chunk => {
                format!("{}_{}", dice.one_of(&["KEYWORDS", "SEO", "leads"], "K"), uuid4(dice))
            }
            Self::LeadList => format!("{} Batch", at.format("%Y-%m-%d %H:%M:%S%.6f")),
            Self::Pipeline => {
                let kind = dice.one_of(&["NEWS", "ORGANIC", "VIDEO"], "NEWS");
                format!("Acme {kind} Batch {}", at.format("%Y%m%d_%H%M%S"))
            }
            Self::Stock => format!("Stock_Collection_{}", at.format("%d_%m_%Y")),
            Self::Reviews => format!("Product Reviews Collection (reviews_v{})", 1 + dice.below(3)),
            Self::Customer => format!("customer{}@example.com", dice.below(400)),
            Self::Numbered => format!("Collection{}", place + 1),
            Self::Delivered => format!("export {}", at.format("%Y-%m-%d")),
            Self::Probe => {
                let word =
                    dice.one_of(&["test", "debug", "tmp", "probe", "Direct test", "TEST"], "test");
                format!("{word} {}", dice.below(100))
            }
            Self::Production => {
                format!("prod-{}", dice.one_of(&["prices", "ranks", "stock", "ads"], "x"))
            }
            Self::Report => {
                let kind = dice.one_of(&["sales", "traffic", "brand"], "sales");
                format!("report-{kind}-{}", at.format("%Y-%m-%d"))
            }
            Self::Temporary => format!("tmp-{}", dice.below(10_000)),
        }
    }

    fn settle(self, record: &mut Record, dice: &mut Dice) {
        match self {
            Self::Pipeline => {
                record.schedule = schedule(dice);
                record.notify = Notify {
                    email: Some("ops@example.com".to_owned()),
                    webhook: Some("https://hooks.example.com/acme?token=emulated".to_owned()),
                    formats: vec![Format::Json, Format::Csv],
                    csv_fields: None,
                };
            }
            Self::Stock => record.priority = Priority::Highest,
            Self::Numbered => record.schedule = Schedule::daily(),
            Self::Delivered => {
                let id = dice.one_of(&["D0000001", "D0000002"], "D0000001");
                record.destination_ids.push(id.to_owned());
            }
            Self::Probe if dice.percent(30) => {
                record.notify.webhook = Some("https://ab12.tunnel.example/hook".to_owned());
            }
            Self::Production => {
                record.schedule = Schedule::hourly();
                record.enabled = !dice.percent(10);
            }
            Self::Report => record.schedule = schedule(dice),
            Self::Copied
            | Self::Chunk
            | Self::LeadList
            | Self::Reviews
            | Self::Customer
            | Self::Probe
            | Self::Temporary => {}
        }
    }
}

/// Manual, four times out of five.
fn schedule(dice: &mut Dice) -> Schedule {
    match dice.below(15) {
        0 => Schedule::daily(),
        1 => Schedule::weekly(),
        2 => Schedule::monthly(),
        _ => Schedule::manual(),
    }
}

fn uuid4(dice: &mut Dice) -> String {
    let bytes = ((u128::from(dice.next()) << 64) | u128::from(dice.next())).to_be_bytes();
    uuid::Builder::from_random_bytes(bytes).into_uuid().to_string()
}
