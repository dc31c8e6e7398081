//! The manifest's detached signature, in the form of minisign, so that an officer can check it
//! with the ordinary tool: `minisign -V -p KEY.pub -m manifest.sha256`.
//!
//! Signatures are Ed25519 over the BLAKE2b-512 of the manifest. Keys are read from the files that
//! `minisign -G` makes and are never generated here: a key made for one run would prove nothing.
//! The signed comment names this program and the manifest's SHA-256, and no time: a time that the
//! signer states proves nothing, and custody.csv, which the manifest covers, has it already.
//!
//! Form of the files: <https://jedisct1.github.io/minisign/>, "Key format" and "Signature format".

use super::schema::MANIFEST;
use super::verify::source::{open_own, read_whole};
use crate::digest::{Algorithm, Digest, Hasher, Selection};
use crate::item::escape;
use std::io::{Cursor, Write};
use std::path::{Path, PathBuf};

/// Why something could not be signed, or a signature is not good.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum SignatureError {
    /// A key file could not be read.
    #[error("cannot read the key {path}: {source}", path = path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// What the operating system says.
        source: std::io::Error,
    },
    /// The text is no key that can be used.
    #[error("{path} is no usable minisign key: {detail}", path = path.display())]
    Key {
        /// The file, or the text of a public key.
        path: PathBuf,
        /// What is wrong with it.
        detail: String,
    },
    /// The secret key is encrypted and no password was given.
    #[error("the key {path} is encrypted; give its password", path = .0.display())]
    NeedsPassword(PathBuf),
    /// Signing failed, or the fresh signature did not check.
    #[error("cannot sign: {0}")]
    Sign(String),
    /// The signature could not be written.
    #[error("cannot write the signature: {0}")]
    Write(#[from] std::io::Error),
    /// The signature is not the text that minisign writes.
    #[error("the signature is not in minisign's form: {0}")]
    Form(&'static str),
    /// The signature is not by this key, or not of this text.
    #[error("the signature is not good: {0}")]
    Bad(String),
}

/// A secret key, ready to sign. Its parts are never shown.
pub struct SigningKey {
    secret: minisign::SecretKey,
    public: minisign::PublicKey,
}

impl SigningKey {
    /// Reads a key file of minisign, before anything is scanned, so that a wrong password stops a
    /// run at its start.
    ///
    /// - `password`: for an encrypted key; never asked for here.
    ///
    /// # Errors
    /// Where the file cannot be read, is no key, or does not open with the password.
    pub fn read(path: &Path, password: Option<&str>) -> Result<Self, SignatureError> {
        let text = read_text(path)?;
        let unusable = |detail: String| SignatureError::Key { path: path.to_owned(), detail };
        let encoded = text.lines().nth(1).unwrap_or_default().trim();
        let bytes =
            base64(encoded).ok_or_else(|| unusable("its second line is no base64".into()))?;
        let secret = match (bytes.get(2..4), password) {
            (Some(b"\0\0"), _) => minisign::SecretKey::from_bytes(&bytes),
            (Some(_), Some(password)) => {
                let key = minisign::SecretKeyBox::from(text);
                minisign::SecretKey::from_box(key, Some(password.to_owned()))
            }
            (Some(_), None) => return Err(SignatureError::NeedsPassword(path.to_owned())),
            (None, _) => return Err(unusable("it is too short".into())),
        };
        let secret = secret.map_err(|error| unusable(error.to_string()))?;
        let public = minisign::PublicKey::from_secret_key(&secret);
        let public = public.map_err(|error| unusable(error.to_string()))?;
        Ok(Self { secret, public })
    }

    /// The key that checks what this one signs.
    pub fn public(&self) -> PublicKey {
        PublicKey(self.public.clone())
    }

    /// Signs a manifest and writes the signature, which is checked first.
    ///
    /// - `manifest`: its bytes, as they stand in the file.
    /// - `out`: where the text of the signature file goes.
    ///
    /// # Errors
    /// Where the key is damaged, so that the signature does not check, or `out` fails.
    pub fn sign(&self, manifest: &[u8], out: &mut dyn Write) -> Result<(), SignatureError> {
        self.sign_as(MANIFEST, manifest, out)
    }

    /// [`Self::sign`] for another file, which the signed comment names.
    ///
    /// # Errors
    /// As [`Self::sign`].
    pub fn sign_as(
        &self,
        name: &str,
        manifest: &[u8],
        out: &mut dyn Write,
    ) -> Result<(), SignatureError> {
        let comment = trusted_comment(name, manifest);
        let failed = |error: minisign::PError| SignatureError::Sign(error.to_string());
        let (public, reader) = (Some(&self.public), Cursor::new(manifest));
        let note = "signature of a file of assay";
        let signed = minisign::sign(public, &self.secret, reader, Some(&comment), Some(note));
        let text = signed.map_err(failed)?.to_string();
        self.public().check(manifest, text.as_bytes())?;
        out.write_all(text.as_bytes())?;
        Ok(())
    }
}

/// The comment that is signed with a file.
fn trusted_comment(name: &str, manifest: &[u8]) -> String {
    let mut hasher = Hasher::new(Selection::only(Algorithm::Sha256));
    hasher.update(manifest);
    let digest = hasher.finish().get(Algorithm::Sha256);
    let sha256 = digest.as_ref().map(Digest::to_string).unwrap_or_default();
    format!("assay {} {name} sha256:{sha256}", env!("CARGO_PKG_VERSION"))
}

/// A public key.
#[derive(Debug, Clone)]
pub struct PublicKey(minisign::PublicKey);

impl PublicKey {
    /// Takes the text of a public key, 56 characters as `minisign -G` prints them, or else the
    /// path of a `.pub` file.
    ///
    /// # Errors
    /// Where it is neither.
    pub fn from_text_or_file(argument: &str) -> Result<Self, SignatureError> {
        if let Ok(key) = minisign::PublicKey::from_base64(argument.trim()) {
            return Ok(Self(key));
        }
        let path = Path::new(argument);
        let text = read_text(path)?;
        let key = minisign::PublicKey::from_box(minisign::PublicKeyBox::from(text));
        let detail = |error: minisign::PError| error.to_string();
        key.map(Self)
            .map_err(|error| SignatureError::Key { path: path.to_owned(), detail: detail(error) })
    }

    /// The identifier as minisign prints it: 16 upper-case hex digits.
    pub fn id(&self) -> String {
        let bytes = self.0.keynum().iter().rev();
        bytes.map(|byte| format!("{byte:02X}")).collect()
    }

    /// Checks a signature and gives its signed comment, escaped to one inert line.
    ///
    /// - `manifest`: the bytes that were signed.
    /// - `signature`: the text of the signature file. Its first line is covered by nothing; every
    ///   other byte is, and must stand as minisign writes it.
    ///
    /// # Errors
    /// [`SignatureError::Form`] and [`SignatureError::Bad`].
    pub fn check(&self, manifest: &[u8], signature: &[u8]) -> Result<String, SignatureError> {
        let parsed = parse(signature)?;
        let (manifest, bad) = (Cursor::new(manifest), |error: minisign::PError| {
            SignatureError::Bad(error.to_string())
        });
        minisign::verify(&self.0, &parsed, manifest, true, false, false).map_err(bad)?;
        parsed.trusted_comment().map(|comment| escape::cell(comment.as_bytes())).map_err(bad)
    }
}

/// Takes a signature file apart, only in the one form that writing it again gives: the package
/// slices the second signature without a look at its length, and forgives what follows.
fn parse(signature: &[u8]) -> Result<minisign::SignatureBox, SignatureError> {
    let form = SignatureError::Form;
    let text = std::str::from_utf8(signature).map_err(|_| form("it is not UTF-8"))?;
    let lines: Vec<&str> = text.split('\n').collect();
    let [_, first, _, second, ""] = *lines else { return Err(form("it has not four lines")) };
    if base64(first).is_none_or(|bytes| bytes.len() != 74) {
        return Err(form("its second line is not the base64 of 74 bytes"));
    }
    if base64(second).is_none_or(|bytes| bytes.len() != 64) {
        return Err(form("its fourth line is not the base64 of 64 bytes"));
    }
    let parsed = minisign::SignatureBox::from_string(text);
    let parsed = parsed.map_err(|_| form("its lines do not begin as they should"))?;
    if parsed.to_string() == text { Ok(parsed) } else { Err(form("it has other white space")) }
}

fn read_text(path: &Path) -> Result<String, SignatureError> {
    let bytes = open_own(path).and_then(read_whole);
    let bytes = bytes.map_err(|source| SignatureError::Read { path: path.to_owned(), source })?;
    let no_text = |_| "it is no text".to_owned();
    String::from_utf8(bytes)
        .map_err(no_text)
        .map_err(|detail| SignatureError::Key { path: path.to_owned(), detail })
}

/// Reads padded base64 (RFC 4648, section 4); `None` where the text is anything else. The key
/// files of `minisign -G -W` have no checksum, so the package refuses their text and takes their
/// bytes only.
fn base64(text: &str) -> Option<Vec<u8>> {
    let (quads, []) = text.as_bytes().as_chunks::<4>() else { return None };
    let mut out = Vec::with_capacity(quads.len() * 3);
    for (at, quad) in quads.iter().enumerate() {
        let padding = quad.iter().rev().take_while(|c| **c == b'=').count();
        if padding > 2 || (padding > 0 && at + 1 < quads.len()) {
            return None;
        }
        let mut bits = 0_u32;
        for c in quad.iter().take(4 - padding) {
            bits = bits << 6 | sextet(*c)?;
        }
        let [_, bytes @ ..] = (bits << (6 * padding)).to_be_bytes();
        let (kept, dropped) = bytes.split_at(3 - padding);
        if dropped.iter().any(|byte| *byte != 0) {
            return None;
        }
        out.extend_from_slice(kept);
    }
    Some(out)
}

fn sextet(c: u8) -> Option<u32> {
    Some(match c {
        b'A'..=b'Z' => u32::from(c - b'A'),
        b'a'..=b'z' => u32::from(c - b'a') + 26,
        b'0'..=b'9' => u32::from(c - b'0') + 52,
        b'+' => 62,
        b'/' => 63,
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn base64_gives_the_vectors_of_rfc_4648() {
        for (text, bytes) in [("", ""), ("Zg==", "f"), ("Zm8=", "fo"), ("Zm9v", "foo")] {
            assert_eq!(base64(text).unwrap(), bytes.as_bytes());
        }
        assert_eq!(base64("Zm9vYmFy").unwrap(), b"foobar");
        for bad in ["Z", "Zg=", "Zh==", "Zg==Zg==", "Z===", "Zg-_", "====", "Zm9="] {
            assert_eq!(base64(bad), None, "{bad}");
        }
    }
}
