//! Entitlements: a property list in XML, of which the keys that are true count.
//!
//! XNU counterpart: `IOTaskHasEntitlement`, which asks a closed parser.

use alloc::string::String;
use alloc::vec::Vec;

use roxmltree::{Document, ParsingOptions};

use crate::read::Error;

/// The most text that is looked at.
const MAX_TEXT: usize = 64 << 10;
/// The most elements and texts in it.
const MAX_NODES: u32 = 4096;

/// The keys of a property list whose value is `<true/>`.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Entitlements {
    granted: Vec<String>,
}

impl Entitlements {
    /// Reads a property list: a `plist` whose only element is a `dict`.
    ///
    /// # Errors
    /// [`Error::Entitlements`] for anything else, [`Error::TooLarge`].
    pub fn parse(text: &[u8]) -> Result<Self, Error> {
        if text.len() > MAX_TEXT {
            return Err(Error::TooLarge(text.len() as u64));
        }
        let text = core::str::from_utf8(text).map_err(|_| Error::Entitlements)?;
        let options = ParsingOptions {
            // Property lists open with a document type; entities of its own it may not have (they are not expanded).
            allow_dtd: true,
            nodes_limit: MAX_NODES,
            ..ParsingOptions::default()
        };
        let document =
            Document::parse_with_options(text, options).map_err(|_| Error::Entitlements)?;
        let root = document.root_element();
        let dictionary = root.first_element_child().ok_or(Error::Entitlements)?;
        if !root.has_tag_name("plist") || !dictionary.has_tag_name("dict") {
            return Err(Error::Entitlements);
        }
        let mut granted = Vec::new();
        let mut elements = dictionary.children().filter(roxmltree::Node::is_element);
        while let Some(key) = elements.next() {
            let value = elements.next().ok_or(Error::Entitlements)?;
            let name = key.text().ok_or(Error::Entitlements)?;
            if !key.has_tag_name("key") {
                return Err(Error::Entitlements);
            }
            if value.has_tag_name("true") {
                granted.push(name.into());
            }
        }
        Ok(Self { granted })
    }

    /// Is this key there and true?
    #[doc(alias = "IOTaskHasEntitlement")]
    #[must_use]
    pub fn grants(&self, key: &str) -> bool {
        self.granted.iter().any(|granted| granted == key)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::format;

    fn parse(dictionary: &str) -> Result<Entitlements, Error> {
        let head = r#"<?xml version="1.0" encoding="UTF-8"?>
<!DOCTYPE plist PUBLIC "-//Apple//DTD PLIST 1.0//EN" "http://www.apple.com/DTDs/PropertyList-1.0.dtd">"#;
        Entitlements::parse(
            format!("{head}\n<plist version=\"1.0\">{dictionary}</plist>").as_bytes(),
        )
    }

    #[test]
    fn only_what_is_true_is_granted() {
        let entitlements = parse(
            "<dict><key>a</key><true/><key>b</key><false/>
             <key>c</key><string>true</string><!-- --><key>d</key><array><true/></array></dict>",
        )
        .unwrap();
        assert!(entitlements.grants("a"));
        assert!(!entitlements.grants("b") && !entitlements.grants("c"));
        assert!(!entitlements.grants("d") && !entitlements.grants("e"));
    }

    #[test]
    fn what_is_no_property_list_is_an_error() {
        for bad in [
            "",
            "<array/>",
            "<dict><key>a</key></dict>",
            "<dict><true/><key>a</key></dict>",
            "<dict><key/><true/></dict>",
            "<dict>",
        ] {
            assert_eq!(parse(bad), Err(Error::Entitlements), "{bad}");
        }
        assert_eq!(Entitlements::parse(b"\xff"), Err(Error::Entitlements));
        assert!(Entitlements::parse(&std::vec![b' '; MAX_TEXT + 1]).is_err());
    }

    #[test]
    fn deep_nesting_and_entities_do_no_harm() {
        let deep = "<array>".repeat(3000);
        assert_eq!(parse(&deep), Err(Error::Entitlements));
        let mut laughs = std::string::String::from("<!DOCTYPE plist [<!ENTITY a0 \"ha\">");
        for level in 1..30 {
            let below = level - 1;
            laughs += &format!("<!ENTITY a{level} \"&a{below};&a{below};&a{below};\">");
        }
        laughs += "]><plist><dict><key>&a29;</key><true/></dict></plist>";
        assert!(Entitlements::parse(laughs.as_bytes()).is_err());
    }
}
