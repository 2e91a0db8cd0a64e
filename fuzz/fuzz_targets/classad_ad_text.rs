//! Any text is an ad in each of the formats or is refused.
#![no_main]

use classad::ClassAd;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|text: &str| {
    drop((ClassAd::parse_old(text), ClassAd::parse_old_ads(text), ClassAd::parse_json_ads(text)));
    for ad in ClassAd::parse_xml_ads(text).unwrap_or_default() {
        assert_eq!(ClassAd::parse_xml_ads(&ad.to_xml()).map(|ads| ads[0].to_xml()), Ok(ad.to_xml()));
    }
    if let Ok(ad) = ClassAd::parse_json(text) {
        assert_eq!(ClassAd::parse_json(&ad.to_json()).map(|ad| ad.to_json()), Ok(ad.to_json()));
    }
    if let Ok(ad) = ClassAd::parse_new(text) {
        assert_eq!(ClassAd::parse_new(&ad.to_new()).map(|ad| ad.to_new()), Ok(ad.to_new()));
    }
});
