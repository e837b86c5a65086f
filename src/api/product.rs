//! The ten products, in one table: host, path and noun (contract §1).
//!
//! Not here: what a record looks like (`wire`).

use std::fmt;

/// Which words the product uses for the same things.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Family {
    /// `batches` of `searches`.
    Batches,
    /// `collections` of `requests`.
    Collections,
}

impl Family {
    /// The path segment and the key of the list.
    pub const fn plural(self) -> &'static str {
        match self {
            Self::Batches => "batches",
            Self::Collections => "collections",
        }
    }

    /// The key of one object.
    pub const fn singular(self) -> &'static str {
        match self {
            Self::Batches => "batch",
            Self::Collections => "collection",
        }
    }
}

macro_rules! products {
    ($($variant:ident $name:literal $title:literal $base:literal $family:ident),+ $(,)?) => {
        /// A product of the vendor.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub enum Product {
            $(#[doc = $title] $variant),+
        }

        impl Product {
            /// All of them, in the contract's order.
            pub const ALL: [Self; 10] = [$(Self::$variant),+];

            /// The name in the file.
            pub const fn as_str(self) -> &'static str {
                match self { $(Self::$variant => $name),+ }
            }

            /// The vendor's name.
            pub const fn title(self) -> &'static str {
                match self { $(Self::$variant => $title),+ }
            }

            /// Where the API is.
            pub const fn base_url(self) -> &'static str {
                match self { $(Self::$variant => $base),+ }
            }

            /// Which words it uses.
            pub const fn family(self) -> Family {
                match self { $(Self::$variant => Family::$family),+ }
            }
        }
    };
}

products! {
    Serpwow "serpwow" "SerpWow" "https://api.serpwow.com/live" Batches,
    Scaleserp "scaleserp" "Scale SERP" "https://api.scaleserp.com" Batches,
    Valueserp "valueserp" "VALUE SERP" "https://api.valueserp.com" Batches,
    Rainforest "rainforest" "Rainforest API" "https://api.rainforestapi.com" Collections,
    Asindata "asindata" "ASIN Data API" "https://api.asindataapi.com" Collections,
    Bluecart "bluecart" "BlueCart API" "https://api.bluecartapi.com" Collections,
    Bigbox "bigbox" "BigBox API" "https://api.bigboxapi.com" Collections,
    Countdown "countdown" "Countdown API" "https://api.countdownapi.com" Collections,
    Redcircle "redcircle" "RedCircle API" "https://api.redcircleapi.com" Collections,
    Backyard "backyard" "Backyard API" "https://api.backyardapi.com" Collections,
}

impl Product {
    /// Finds a product by its name in the file.
    pub fn parse(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|product| product.as_str() == name)
    }
}

impl fmt::Display for Product {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}
