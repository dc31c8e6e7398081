//! The words between the main process and a worker.
//!
//! A frame is a length of four bytes, little-endian, and that many bytes of postcard. The content
//! of an object is no part of a frame: it follows its request as plain bytes, comes as a sealed
//! memory file with the request's first byte, or is asked for piece by piece. The bytes of a child
//! follow their frame too. Every length is checked before anything is read for it, a frame that has
//! bytes left over is broken, and an answer that says what no decoder says is broken too: whoever
//! sends a broken frame is not spoken to again.
//!
//! To a picture there is one [`Reply::Picture`]. To a container: any number of children, each
//! [`Reply::Began`], [`Reply::Gave`] .., [`Reply::Ended`]; then [`Reply::Expanded`]. Where the
//! content is [`Content::Asked`], [`Reply::Ask`] may stand before any of them, and is answered by a
//! [`Piece`] before anything else is said.

use serde::{Deserialize, Serialize};

use super::picture::PictureAnswer;
use super::sandbox::Level;
use crate::item::ObjectKind;
use crate::media::{Limits, MediaStatus};
use crate::perceptual::PdqQuality;
use crate::unpack::{Child, End, Format, LONGEST_NAME};

/// Longest frame either side sends: a picture's answer takes under 2 KiB, a name 4 KiB.
pub(super) const LONGEST_FRAME: usize = 16 * 1024;

/// Longest content sent through the socket; what is longer goes by memory file. A socket's buffer
/// holds this, so that a sender of one small object never waits.
pub(super) const LONGEST_INLINE: usize = 64 * 1024;

/// Most bytes of content asked for, and most bytes of a child given, at a time.
pub(super) const LONGEST_PIECE: u32 = 64 * 1024;

/// Longest text an answer may hold: what `media` gives, and room for a format's name.
pub(super) const LONGEST_DETAIL: usize = 200;

/// What a worker was started for: how much memory it may take, and how it is confined. All are
/// confined alike so far; a profile for an external tool would say what that may reach in addition.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(super) enum Profile {
    /// Any content that an ordinary budget holds.
    Ordinary,
    /// One that needs more; there is only one such worker at a time.
    Large,
}

impl Profile {
    /// As it stands among the arguments of a worker.
    pub(super) const fn as_str(self) -> &'static str {
        match self {
            Self::Ordinary => "ordinary",
            Self::Large => "large",
        }
    }

    /// The profile read back from an argument.
    pub(super) fn from_word(word: &str) -> Option<Self> {
        [Self::Ordinary, Self::Large].into_iter().find(|profile| profile.as_str() == word)
    }
}

/// What the main process asks for.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Request {
    /// Comes back with the answer, so that an answer is never taken for another object's.
    pub(super) number: u64,
    /// What the worker was started for; a worker of another profile refuses.
    pub(super) profile: Profile,
    pub(super) job: Job,
    pub(super) content: Content,
}

/// What is to be done with the content.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) enum Job {
    /// Decode and hash one picture.
    DecodePicture { max_pixels: u64, max_side: u32, max_memory: u64 },
    /// Open a container and give its children.
    Expand { format: Format, limits: ExpandLimits },
}

/// How much may come out of one container, and how often its content may be asked for. Counted on
/// both sides: a worker that reaches a limit says so, one that passes it is not believed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct ExpandLimits {
    /// Most children.
    pub children: u32,
    /// Most bytes of all children together.
    pub bytes: u64,
    /// Most requests for a piece of the content.
    pub requests: u32,
}

impl Default for ExpandLimits {
    /// 100,000 children, 16 GiB, and requests for 64 GiB of content in whole pieces.
    fn default() -> Self {
        Self { children: 100_000, bytes: 16 << 30, requests: 1 << 20 }
    }
}

impl Job {
    pub(super) const fn decode_picture(limits: &Limits) -> Self {
        let Limits { max_pixels, max_side, max_memory } = *limits;
        Self::DecodePicture { max_pixels, max_side, max_memory }
    }
}

/// How the content comes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(super) enum Content {
    /// This many bytes follow the frame.
    Inline(u32),
    /// A sealed memory file of this length came with the frame.
    Shared(u64),
    /// It has this length and is asked for piece by piece; for containers only.
    Asked(u64),
}

/// The answer to [`Reply::Ask`]: this many bytes, no more than were asked for, follow the frame;
/// `None` where the first of them cannot be read. Fewer before one that cannot, none at the end.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Piece {
    pub(super) number: u64,
    pub(super) len: Option<u32>,
}

/// What a worker says.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) enum Reply {
    /// The first frame: it is confined so far and takes work.
    Ready(Level),
    /// The answer to a picture.
    Picture { number: u64, answer: Box<PictureAnswer> },
    /// A container's content is asked for.
    Ask { number: u64, offset: u64, len: u32 },
    /// A child begins.
    Began { number: u64, child: Box<Child> },
    /// This many bytes of it follow the frame.
    Gave { number: u64, len: u32 },
    /// It has ended.
    Ended { number: u64, end: End },
    /// The container has ended.
    Expanded { number: u64, close: Close },
}

/// How a worker's work on a container ended.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) enum Close {
    /// As the container ended.
    End(End),
    /// At one of the [`ExpandLimits`]; the text says which.
    Limit(String),
    /// In a panic.
    Panic,
    /// Before it began: the content does not fit the worker's memory.
    NoRoom,
}

/// A frame that is not of this protocol.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the frame is not of the protocol")]
pub(super) struct Broken;

/// A message as it goes over the socket, its length in front.
pub(super) fn frame(message: &impl Serialize) -> Result<Vec<u8>, Broken> {
    let bytes = postcard::to_extend(message, vec![0; 4]).map_err(|_| Broken)?;
    framed(bytes)
}

fn framed(mut bytes: Vec<u8>) -> Result<Vec<u8>, Broken> {
    let len = bytes.len().checked_sub(4).filter(|len| *len <= LONGEST_FRAME).ok_or(Broken)?;
    let len = u32::try_from(len).map_err(|_| Broken)?;
    bytes.get_mut(..4).ok_or(Broken)?.copy_from_slice(&len.to_le_bytes());
    Ok(bytes)
}

/// Length of the frame that a prefix announces.
pub(super) fn announced(prefix: [u8; 4]) -> Result<usize, Broken> {
    let len = usize::try_from(u32::from_le_bytes(prefix)).map_err(|_| Broken)?;
    if (1..=LONGEST_FRAME).contains(&len) { Ok(len) } else { Err(Broken) }
}

/// A request from the bytes of its frame, without the length.
pub(super) fn request(frame: &[u8]) -> Result<Request, Broken> {
    let request: Request = whole(frame)?;
    match request.content {
        Content::Inline(len) if usize::try_from(len).is_ok_and(|len| len <= LONGEST_INLINE) => {
            Ok(request)
        }
        Content::Shared(1..) => Ok(request),
        Content::Asked(_) if matches!(request.job, Job::Expand { .. }) => Ok(request),
        Content::Inline(_) | Content::Shared(_) | Content::Asked(_) => Err(Broken),
    }
}

/// A piece of content from the bytes of its frame, without the length.
pub(super) fn piece(frame: &[u8]) -> Result<Piece, Broken> {
    let piece: Piece = whole(frame)?;
    if piece.len.is_none_or(|len| len <= LONGEST_PIECE) { Ok(piece) } else { Err(Broken) }
}

/// A reply from the bytes of its frame, without the length.
pub(super) fn reply(frame: &[u8]) -> Result<Reply, Broken> {
    let reply: Reply = whole(frame)?;
    let possible = match &reply {
        Reply::Ready(_) => true,
        Reply::Picture { answer, .. } => is_possible(answer),
        Reply::Ask { len, .. } | Reply::Gave { len, .. } => (1..=LONGEST_PIECE).contains(len),
        Reply::Began { child, .. } => is_possible_child(child),
        Reply::Ended { end, .. } => is_possible_end(end),
        Reply::Expanded { close, .. } => match close {
            Close::End(end) => is_possible_end(end),
            Close::Limit(text) => is_detail(text),
            Close::Panic | Close::NoRoom => true,
        },
    };
    if possible { Ok(reply) } else { Err(Broken) }
}

/// Whether a container can hold this.
fn is_possible_child(child: &Child) -> bool {
    let second = child.modified.is_none_or(|time| time.nanos < 1_000_000_000 && time.digits <= 9);
    let inside = matches!(
        child.kind,
        ObjectKind::ArchiveMember
            | ObjectKind::DocumentImage
            | ObjectKind::Attachment
            | ObjectKind::Thumbnail
            | ObjectKind::Preview
            | ObjectKind::EmbeddedPicture
            | ObjectKind::VideoFrame
    );
    child.name.len() <= LONGEST_NAME && second && inside
}

/// Whether the end says what is missing, if anything is.
fn is_possible_end(end: &End) -> bool {
    match end {
        End::Whole => true,
        End::Partial(text) => is_detail(text) && !text.is_empty(),
    }
}

/// Whether a text is one inert line that is not too long.
fn is_detail(text: &str) -> bool {
    text.len() <= LONGEST_DETAIL && text.bytes().all(|byte| matches!(byte, b' '..=b'~'))
}

fn whole<'a, T: Deserialize<'a>>(frame: &'a [u8]) -> Result<T, Broken> {
    match postcard::take_from_bytes(frame) {
        Ok((message, [])) => Ok(message),
        Ok(_) | Err(_) => Err(Broken),
    }
}

/// Whether a decoder can have said this: a text is one inert line, hashes come with pixels only,
/// and a time limit is never reported by the one it is set for.
fn is_possible(answer: &PictureAnswer) -> bool {
    let pixels = match answer.status {
        MediaStatus::Ok | MediaStatus::Partial => true,
        MediaStatus::Timeout => return false,
        _ => false,
    };
    let sane = match &answer.hashes {
        Some(hashes) => {
            let PdqQuality(quality) = hashes.pdq_quality;
            pixels && quality <= 100 && answer.width > 0 && answer.height > 0
        }
        None => true,
    };
    is_detail(&answer.detail) && sane
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn answer() -> PictureAnswer {
        let luma: Vec<u8> = (0..64 * 64_u32).map(|i| (i * 7 % 251) as u8).collect();
        let view =
            crate::perceptual::View::new(64, 64, crate::perceptual::Samples::Luma(&luma)).unwrap();
        PictureAnswer {
            status: MediaStatus::Ok,
            detail: "jpeg".into(),
            width: 64,
            height: 64,
            hashes: Some(crate::perceptual::hashes(&view)),
        }
    }

    fn good_request() -> Request {
        Request {
            number: 7,
            profile: Profile::Ordinary,
            job: Job::decode_picture(&Limits::default()),
            content: Content::Inline(300),
        }
    }

    #[test]
    fn what_is_sent_comes_back() {
        let sent = Reply::Picture { number: 300, answer: answer().into() };
        let bytes = frame(&sent).unwrap();
        assert_eq!(announced(*bytes.first_chunk().unwrap()).unwrap(), bytes.len() - 4);
        assert_eq!(reply(&bytes[4..]).unwrap(), sent);
        let bytes = frame(&good_request()).unwrap();
        assert_eq!(request(&bytes[4..]).unwrap(), good_request());
    }

    #[test]
    fn a_length_over_the_limit_is_refused_before_anything_is_read_for_it() {
        assert_eq!(announced([0, 0, 0, 0]), Err(Broken));
        assert_eq!(announced(u32::MAX.to_le_bytes()), Err(Broken));
        assert_eq!(announced([0, 0x40, 0, 0]), Ok(LONGEST_FRAME));
        assert_eq!(announced([1, 0x40, 0, 0]), Err(Broken));
        let long = PictureAnswer { detail: "x".repeat(LONGEST_FRAME), ..answer() };
        assert_eq!(frame(&Reply::Picture { number: 1, answer: long.into() }), Err(Broken));
    }

    #[test]
    fn an_answer_no_decoder_gives_is_broken() {
        let mut flat = answer();
        flat.hashes.as_mut().unwrap().pdq_quality = PdqQuality(101);
        let wrong = [
            PictureAnswer { detail: "line\nline".into(), ..answer() },
            PictureAnswer { detail: "\u{202e}gpj".into(), ..answer() },
            PictureAnswer { detail: "x".repeat(LONGEST_DETAIL + 1), ..answer() },
            PictureAnswer { status: MediaStatus::Timeout, hashes: None, ..answer() },
            PictureAnswer { status: MediaStatus::Damaged, ..answer() },
            PictureAnswer { width: 0, ..answer() },
            flat,
        ];
        for answer in wrong {
            let bytes =
                frame(&Reply::Picture { number: 1, answer: answer.clone().into() }).unwrap();
            assert_eq!(reply(&bytes[4..]), Err(Broken), "{answer:?}");
        }
    }

    #[test]
    fn a_child_no_container_holds_is_broken() {
        let good = Child {
            name: b"a".to_vec(),
            stated_size: Some(u64::MAX),
            kind: ObjectKind::Attachment,
            modified: None,
        };
        let read = |child: &Child| {
            let began = Reply::Began { number: 1, child: child.clone().into() };
            reply(&frame(&began).unwrap()[4..])
        };
        assert!(read(&good).is_ok());
        let long = Child { name: vec![b'a'; LONGEST_NAME + 1], ..good.clone() };
        let carved = Child { kind: ObjectKind::Carved, ..good };
        assert_eq!((read(&long), read(&carved)), (Err(Broken), Err(Broken)));
        for text in ["", "line\nbreak", "\u{202e}"] {
            let ended = Reply::Ended { number: 1, end: End::Partial(text.into()) };
            assert_eq!(reply(&frame(&ended).unwrap()[4..]), Err(Broken), "{text:?}");
        }
        for len in [0, LONGEST_PIECE + 1] {
            let gave = Reply::Gave { number: 1, len };
            assert_eq!(reply(&frame(&gave).unwrap()[4..]), Err(Broken), "{len}");
        }
    }

    #[test]
    fn a_content_longer_than_its_way_allows_is_broken() {
        for content in [Content::Inline(65_537), Content::Inline(u32::MAX), Content::Shared(0)] {
            let bytes = frame(&Request { content, ..good_request() }).unwrap();
            assert_eq!(request(&bytes[4..]), Err(Broken), "{content:?}");
        }
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(10_000))]

        /// Whatever arrives, it is refused or is a message that says what it says: encoding it
        /// again and reading that gives the same.
        #[test]
        fn mutated_frames_are_refused_or_stable(
            of_reply: bool,
            changes in proptest::collection::vec((any::<u16>(), any::<u8>()), 0..6),
            cut in any::<u16>(),
            tail in proptest::collection::vec(any::<u8>(), 0..3),
        ) {
            let reply_bytes = frame(&Reply::Picture { number: 300, answer: answer().into() }).unwrap();
            let request_bytes = frame(&good_request()).unwrap();
            let mut bytes = if of_reply { reply_bytes } else { request_bytes }.split_off(4);
            for (at, value) in changes {
                let at = usize::from(at) % bytes.len();
                bytes[at] = value;
            }
            if cut % 4 == 0 {
                bytes.truncate(usize::from(cut / 4) % (bytes.len() + 1));
            }
            bytes.extend(tail);
            if let Ok(message) = reply(&bytes) {
                let again = frame(&message).unwrap();
                prop_assert_eq!(reply(&again[4..]).unwrap(), message);
            }
            if let Ok(message) = request(&bytes) {
                let again = frame(&message).unwrap();
                prop_assert_eq!(request(&again[4..]).unwrap(), message);
            }
        }

        #[test]
        fn random_bytes_never_panic(bytes in proptest::collection::vec(any::<u8>(), 0..300)) {
            let _ = (reply(&bytes), request(&bytes));
        }
    }
}
