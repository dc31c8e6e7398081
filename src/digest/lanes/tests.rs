//! The lanes against the packages: every length, any cut, any mix of streams, every kernel.

use super::*;
use proptest::prelude::*;

/// The kernels that this machine can run.
fn kernels() -> impl Iterator<Item = Kernels> {
    let shas = || ShaKernel::ALL.iter().filter(|sha| sha.runs_here());
    let md5s = Md5Kernel::ALL.iter().filter(|md5| md5.runs_here());
    md5s.flat_map(move |md5| shas().map(|sha| Kernels { md5: *md5, sha: *sha }))
}

fn bytes(len: usize, seed: usize) -> Vec<u8> {
    (0..len).map(|n| (((n + seed) * 2_654_435_761) >> 7) as u8).collect()
}

/// The digests of contents that come in pieces of at most `piece` bytes, in at most `most` lanes.
fn digests(
    kernels: Kernels,
    selection: Selection,
    contents: &[Vec<u8>],
    most: usize,
    piece: usize,
) -> Vec<Digests> {
    let mut lanes = Lanes::new(selection, kernels);
    let mut out = vec![Digests::default(); contents.len()];
    let mut queue = contents.iter().enumerate();
    let mut current: Vec<Option<(usize, &[u8])>> = vec![None; most];
    loop {
        for (lane, current) in current.iter_mut().enumerate() {
            if let Some((n, _)) = current.filter(|_| lanes.is_done(lane)) {
                out[n] = lanes.digests(lane);
                *current = None;
            }
            if current.is_none() {
                *current = queue.next().map(|(n, content)| (n, &**content));
                lanes.begin(lane);
            }
            let Some((_, rest)) = current else { continue };
            while !lanes.is_ready(lane) && !lanes.is_done(lane) {
                let room = lanes.room(lane);
                let n = room.len().min(piece).min(rest.len());
                room[..n].copy_from_slice(&rest[..n]);
                lanes.take(lane, n);
                *rest = &rest[n..];
                if rest.is_empty() {
                    lanes.end(lane);
                }
            }
        }
        if current.iter().all(Option::is_none) {
            return out;
        }
        lanes.run();
    }
}

#[test]
fn every_length_is_as_the_packages_have_it() {
    let contents: Vec<_> = (0..=4097).map(|len| bytes(len, len)).collect();
    let want: Vec<_> = contents.iter().map(|content| by_packages(content)).collect();
    for kernels in kernels() {
        let got = digests(kernels, Selection::ALL, &contents, LANES, usize::MAX);
        for (len, (got, want)) in got.iter().zip(&want).enumerate() {
            assert_eq!(got, want, "{kernels:?}, {len} bytes");
        }
    }
}

#[test]
fn lengths_around_the_size_of_a_lane_are_as_the_packages_have_them() {
    let near = |times: usize| (times * LANE_BYTES - 70)..(times * LANE_BYTES + 70);
    let contents: Vec<_> = near(1).chain(near(2)).map(|len| bytes(len, len)).collect();
    let want: Vec<_> = contents.iter().map(|content| by_packages(content)).collect();
    for kernels in kernels() {
        assert!(digests(kernels, Selection::ALL, &contents, LANES, usize::MAX) == want);
        assert!(digests(kernels, Selection::ALL, &contents, 1, 1000) == want);
    }
}

#[test]
fn the_control_before_a_run_passes_and_can_fail() {
    assert!(kernels().all(agree));
    let content = bytes(100, 1);
    let wrong = digests(Kernels::best(), Selection::ALL, &[bytes(100, 2)], 1, 100);
    assert_ne!(wrong, [by_packages(&content)]);
}

#[test]
fn a_stream_that_is_left_leaves_no_trace() {
    let mut lanes = Lanes::new(Selection::ALL, Kernels::best());
    for lane in 0..LANES {
        lanes.begin(lane);
        lanes.room(lane)[..700].fill(9);
        lanes.take(lane, 700);
        lanes.begin(lane);
        lanes.room(lane)[..3].copy_from_slice(b"abc");
        lanes.take(lane, 3);
        lanes.end(lane);
    }
    lanes.run();
    assert!((0..LANES).all(|lane| lanes.digests(lane) == by_packages(b"abc")));
}

#[test]
fn a_lane_that_waits_for_bytes_is_not_touched_by_the_others() {
    for kernels in kernels() {
        let mut lanes = Lanes::new(Selection::ALL, kernels);
        lanes.begin(0);
        lanes.take(0, 0);
        let slow = bytes(LANE_BYTES + 10, 3);
        lanes.room(0).copy_from_slice(&slow[..LANE_BYTES]);
        lanes.take(0, LANE_BYTES);
        lanes.run();
        for n in 1..LANES {
            lanes.begin(n);
            lanes.room(n)[..n].fill(1);
            lanes.take(n, n);
            lanes.end(n);
        }
        while (1..LANES).any(|n| !lanes.is_done(n)) {
            lanes.run();
        }
        lanes.room(0)[..10].copy_from_slice(&slow[LANE_BYTES..]);
        lanes.take(0, 10);
        lanes.end(0);
        lanes.run();
        assert_eq!(lanes.digests(0), by_packages(&slow), "{kernels:?}");
    }
}

#[test]
fn a_stream_goes_on_in_parts_and_comes_back() {
    for kernels in kernels() {
        let content = bytes(3 * LANE_BYTES + 77, 5);
        let mut lanes = Lanes::new(Selection::ALL, kernels);
        lanes.begin(2);
        lanes.room(2).copy_from_slice(&content[..LANE_BYTES]);
        lanes.take(2, LANE_BYTES);
        assert!(lanes.part(2).is_none(), "bytes wait");
        lanes.run();
        let mut parts = lanes.part(2).unwrap();
        let middle = &content[LANE_BYTES..3 * LANE_BYTES];
        parts.iter_mut().for_each(|part| part.update(middle));
        lanes.join(2, parts, middle.len() as u64);
        lanes.room(2)[..77].copy_from_slice(&content[3 * LANE_BYTES..]);
        lanes.take(2, 77);
        lanes.end(2);
        lanes.run();
        assert_eq!(lanes.digests(2), by_packages(&content), "{kernels:?}");
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]
    #[test]
    fn any_mix_of_streams_is_as_the_packages_have_it(
        lengths in proptest::collection::vec((0_usize..9000, any::<u16>()), 0..60),
        most in 1..=LANES,
        piece in 1_usize..5000,
        selection in 1_u8..16,
    ) {
        let contents: Vec<_> =
            lengths.iter().map(|(len, seed)| bytes(*len, usize::from(*seed))).collect();
        let selection = Selection(selection);
        for kernels in kernels() {
            let got = digests(kernels, selection, &contents, most, piece);
            for (content, got) in contents.iter().zip(got) {
                let want = by_packages(content);
                for algorithm in Algorithm::ALL {
                    let want = selection.has(*algorithm).then(|| want.get(*algorithm)).flatten();
                    prop_assert_eq!(got.get(*algorithm), want);
                }
            }
        }
    }
}
