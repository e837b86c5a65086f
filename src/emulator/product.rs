//! The ten products as the contract's tables §1.1 and §1.3 give them: path prefix and words.
//!
//! Not here: anything of `api::product`. Both ends read the contract for themselves, so that one
//! misreading is not shared.

use std::fmt;

/// A product of the vendor (contract §1.1).
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Product {
    /// SerpWow.
    SerpWow,
    /// Scale SERP.
    ScaleSerp,
    /// VALUE SERP.
    ValueSerp,
    /// Rainforest API.
    Rainforest,
    /// ASIN Data API.
    AsinData,
    /// BlueCart API.
    BlueCart,
    /// BigBox API.
    BigBox,
    /// Countdown API.
    Countdown,
    /// RedCircle API.
    RedCircle,
    /// Backyard API.
    Backyard,
}

impl Product {
    /// All of them, in the contract's order.
    pub const ALL: [Self; 10] = [
        Self::SerpWow,
        Self::ScaleSerp,
        Self::ValueSerp,
        Self::Rainforest,
        Self::AsinData,
        Self::BlueCart,
        Self::BigBox,
        Self::Countdown,
        Self::RedCircle,
        Self::Backyard,
    ];

    /// The product's name in batchsweep's file and on its command line.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::SerpWow => "serpwow",
            Self::ScaleSerp => "scaleserp",
            Self::ValueSerp => "valueserp",
            Self::Rainforest => "rainforest",
            Self::AsinData => "asindata",
            Self::BlueCart => "bluecart",
            Self::BigBox => "bigbox",
            Self::Countdown => "countdown",
            Self::RedCircle => "redcircle",
            Self::Backyard => "backyard",
        }
    }

    /// The product of that name.
    pub fn parse(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|product| product.as_str() == name)
    }

    /// What stands before the first path segment: `live` for SerpWow alone (contract §1.1).
    pub const fn prefix(self) -> Option<&'static str> {
        match self {
            Self::SerpWow => Some("live"),
            Self::ScaleSerp
            | Self::ValueSerp
            | Self::Rainforest
            | Self::AsinData
            | Self::BlueCart
            | Self::BigBox
            | Self::Countdown
            | Self::RedCircle
            | Self::Backyard => None,
        }
    }

    /// Which words it uses.
    pub const fn family(self) -> Family {
        match self {
            Self::SerpWow | Self::ScaleSerp | Self::ValueSerp => Family::Batches,
            Self::Rainforest
            | Self::AsinData
            | Self::BlueCart
            | Self::BigBox
            | Self::Countdown
            | Self::RedCircle
            | Self::Backyard => Family::Collections,
        }
    }
}

impl fmt::Display for Product {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// Which words stand for the same things (contract §1.3).
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Family {
    /// `batches` of `searches`.
    Batches,
    /// `collections` of `requests`.
    Collections,
}

impl Family {
    /// The other one.
    #[must_use]
    pub const fn other(self) -> Self {
        match self {
            Self::Batches => Self::Collections,
            Self::Collections => Self::Batches,
        }
    }

    /// `batches` or `collections`: path segment and key of the list.
    pub const fn batches(self) -> &'static str {
        match self {
            Self::Batches => "batches",
            Self::Collections => "collections",
        }
    }

    /// `batch` or `collection`: key of one object.
    pub const fn batch(self) -> &'static str {
        match self {
            Self::Batches => "batch",
            Self::Collections => "collection",
        }
    }

    /// `Batch` or `Collection`: in messages and file names.
    pub const fn title(self) -> &'static str {
        match self {
            Self::Batches => "Batch",
            Self::Collections => "Collection",
        }
    }

    /// `searches` or `requests`: path segment, key of the list, and start of the plural counters.
    pub const fn searches(self) -> &'static str {
        match self {
            Self::Batches => "searches",
            Self::Collections => "requests",
        }
    }

    /// `search` or `request`: one of them, and the spelling of the Get sample (contract §6.1.1).
    pub const fn search(self) -> &'static str {
        match self {
            Self::Batches => "search",
            Self::Collections => "request",
        }
    }

    /// `Search` or `Request`: in messages.
    pub const fn search_title(self) -> &'static str {
        match self {
            Self::Batches => "Search",
            Self::Collections => "Request",
        }
    }

    /// `searches_type` or `request_type`: the type lock as it is returned.
    pub const fn type_field(self) -> &'static str {
        match self {
            Self::Batches => "searches_type",
            Self::Collections => "request_type",
        }
    }
}
