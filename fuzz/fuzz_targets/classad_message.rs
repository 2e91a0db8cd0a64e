//! Any bytes are a message with an ad or are refused; an ad arrives as it was sent.
#![no_main]

use classad::ClassAd;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    if let Ok(ad) = rmp_serde::from_slice::<ClassAd>(bytes) {
        let sent = rmp_serde::to_vec_named(&ad).expect("an ad can be sent");
        let arrived: ClassAd = rmp_serde::from_slice(&sent).expect("what was sent can be read");
        assert_eq!(arrived.to_new(), ad.to_new());
    }
});
