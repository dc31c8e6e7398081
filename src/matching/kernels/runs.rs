//! Sixteen-bit values within a few bits of one, in runs of a long array: the sieve of the index.
//!
//! The code is the same for every kernel; it is translated once for each set of instructions, so
//! that they can differ in speed only.

use super::Kernel;

/// Values of an array that stand together and may differ by the same number of bits.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::matching) struct Run {
    /// Place of the first.
    pub(in crate::matching) start: u32,
    /// Place behind the last.
    pub(in crate::matching) end: u32,
    /// Bits in which a value may differ.
    pub(in crate::matching) most: u16,
}

/// Values judged by one branch.
const TOGETHER: usize = 32;

/// Puts the places of all values in `runs` that differ from `with` in at most the bits their run
/// allows into `out`, in their order.
///
/// A kernel that this machine cannot run is replaced by the portable one.
pub(in crate::matching) fn within_runs(
    kernel: Kernel,
    values: &[u16],
    runs: &[Run],
    with: u16,
    out: &mut Vec<u32>,
) {
    match kernel {
        #[cfg(target_arch = "x86_64")]
        Kernel::Avx512 if wide_words_run_here() => {
            // SAFETY: the guard has just asked the CPU for what the function is translated to.
            unsafe { wide(values, runs, with, out) }
        }
        #[cfg(target_arch = "x86_64")]
        Kernel::Avx2 | Kernel::Avx512
            if is_x86_feature_detected!("avx2") && is_x86_feature_detected!("popcnt") =>
        {
            // SAFETY: the guard has just asked the CPU for AVX2 and POPCNT.
            unsafe { half(values, runs, with, out) }
        }
        _ => sieve(values, runs, with, out),
    }
}

/// Counting bits of 16-bit lanes is an extension of its own.
#[cfg(target_arch = "x86_64")]
fn wide_words_run_here() -> bool {
    is_x86_feature_detected!("avx512bw")
        && is_x86_feature_detected!("avx512vl")
        && is_x86_feature_detected!("avx512bitalg")
        && is_x86_feature_detected!("popcnt")
}

#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx512f,avx512bw,avx512vl,avx512bitalg,popcnt")]
fn wide(values: &[u16], runs: &[Run], with: u16, out: &mut Vec<u32>) {
    sieve(values, runs, with, out);
}

#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx2,popcnt")]
fn half(values: &[u16], runs: &[Run], with: u16, out: &mut Vec<u32>) {
    sieve(values, runs, with, out);
}

#[inline(always)]
fn sieve(values: &[u16], runs: &[Run], with: u16, out: &mut Vec<u32>) {
    for run in runs {
        let (start, end) = (run.start as usize, run.end as usize);
        let (many, rest) = values[start..end].as_chunks::<TOGETHER>();
        let mut at = run.start;
        for chunk in many {
            let mut least = u16::MAX;
            for value in chunk {
                least = least.min(ones(value ^ with));
            }
            if least <= run.most {
                pick(chunk, at, run.most, with, out);
            }
            at += TOGETHER as u32;
        }
        pick(rest, at, run.most, with, out);
    }
}

#[inline(always)]
fn pick(values: &[u16], first: u32, most: u16, with: u16, out: &mut Vec<u32>) {
    for (place, value) in (first..).zip(values) {
        if ones(value ^ with) <= most {
            out.push(place);
        }
    }
}

#[inline(always)]
fn ones(bits: u16) -> u16 {
    bits.count_ones() as u16
}
