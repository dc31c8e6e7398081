//! Sine and cosine of multiples of pi, the same bits on every machine.
//!
//! The system's mathematics library may choose another code path by CPU and differ in the last
//! bit; a hash bit could hang on it. Basic arithmetic is exact by IEEE 754, so a Taylor sum in a
//! fixed order is the same everywhere. Its error is under 1e-15, far below what f32 keeps.

use std::f64::consts::PI;

/// sin(pi * x) for any finite `x`.
pub(super) fn sin_pi(x: f64) -> f64 {
    // One period, then the half-period around zero, where the sum converges fast.
    let mut x = x % 2.0;
    if x > 1.0 {
        x -= 2.0;
    } else if x < -1.0 {
        x += 2.0;
    }
    if x > 0.5 {
        x = 1.0 - x;
    } else if x < -0.5 {
        x = -1.0 - x;
    }
    let (angle, mut sum, mut n) = (PI * x, 0.0, 21.0);
    let square = angle * angle;
    while n > 1.0 {
        sum = (1.0 - sum) * square / (n * (n - 1.0));
        n -= 2.0;
    }
    angle * (1.0 - sum)
}

/// cos(pi * numerator / denominator).
///
/// The symmetries of the cosine hold exactly: opposite angles give opposite bits and a right angle
/// gives 0, so that a symmetric picture gives coefficients of exactly 0 and not rounding noise.
pub(super) fn cos_pi(numerator: u32, denominator: u32) -> f64 {
    let folded = numerator % (2 * denominator);
    let folded = folded.min(2 * denominator - folded);
    let (sign, folded) =
        if 2 * folded > denominator { (-1.0, denominator - folded) } else { (1.0, folded) };
    sign * sin_pi(0.5 - f64::from(folded) / f64::from(denominator))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn agrees_with_the_system_library() {
        for k in -400_i32..400 {
            let x = f64::from(k) / 97.0;
            assert!((sin_pi(x) - (PI * x).sin()).abs() < 2e-15 * (1.0 + x.abs()), "{x}");
        }
        for k in 0..1024 {
            let expected = (PI * f64::from(k) / 128.0).cos();
            assert!((cos_pi(k, 128) - expected).abs() < 2e-14, "{k}");
        }
    }

    #[test]
    fn opposite_angles_are_exactly_opposite() {
        for k in 0..=64 {
            assert_eq!(cos_pi(k, 64).to_bits(), (0.0 - cos_pi(64 - k, 64) + 0.0).to_bits(), "{k}");
        }
    }
}
