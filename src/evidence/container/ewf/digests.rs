//! The digests of the medium that the image states: `hash` holds an MD5, `digest` an MD5 and a
//! SHA-1, both with an Adler-32. Zeros mean that none was computed.
//!
//! Source: libewf documentation, "Hash section", "Digest section".

use super::section::{Kind, adler};
use crate::bytes::Block;
use crate::digest::{Algorithm, Digest, Digests};

/// Reads a section's data; the error says what is wrong with it.
pub(super) fn parse(kind: Kind, data: &[u8]) -> Result<Digests, &'static str> {
    let block = Block::new(data, 0);
    let summed: usize = if kind == Kind::Digest { 76 } else { 32 };
    let sum = block.u32_le(summed);
    let (Ok(bytes), Ok(sum)) = (block.slice(0, summed), sum) else {
        return Err("it is too short for its digests");
    };
    if adler(bytes.bytes()) != sum {
        return Err("the Adler-32 of the stated digests does not hold");
    }
    let mut digests = Digests::default();
    let mut put = |algorithm: Algorithm, at| {
        let bytes = block.slice(at, algorithm.width()).map(|block| block.bytes());
        let stated = bytes.ok().filter(|bytes| bytes.iter().any(|byte| *byte != 0));
        if let Some(digest) = stated.and_then(Digest::new) {
            digests.set(algorithm, digest);
        }
    };
    put(Algorithm::Md5, 0);
    if kind == Kind::Digest {
        put(Algorithm::Sha1, 16);
    }
    Ok(digests)
}

/// Adds what another section states; false where the two contradict each other.
pub(super) fn add(to: &mut Digests, more: &Digests) -> bool {
    let mut agree = true;
    for algorithm in Algorithm::ALL {
        let Some(digest) = more.get(*algorithm) else { continue };
        match to.get(*algorithm) {
            Some(known) => agree &= known == digest,
            None => {
                to.set(*algorithm, digest);
            }
        }
    }
    agree
}
