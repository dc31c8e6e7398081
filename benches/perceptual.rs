//! Speed of the perceptual hashes and of the way from file to hashes, one thread.
//!
//! `cargo bench --bench perceptual`. Pictures are synthetic (smooth shapes and noise, 12 Mpix);
//! with ASSAY_CORPORA set the 12-Mpix camera JPEG of the PDQ data is measured from file to hashes.

use std::hint::black_box;
use std::path::Path;

use assay::media;
use assay::perceptual::{self, Samples, View};
use criterion::{Criterion, Throughput, criterion_group, criterion_main};

const WIDTH: usize = 4032;
const HEIGHT: usize = 3024;

/// Gradients with a little noise: no two rows alike, nothing flat.
fn noise(channels: usize) -> Vec<u8> {
    let mut state = 1_u32;
    (0..WIDTH * HEIGHT * channels)
        .map(|i| {
            state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            ((i / 97) as u8).wrapping_add((state >> 28) as u8)
        })
        .collect()
}

fn hashes(c: &mut Criterion) {
    let (luma, rgb) = (noise(1), noise(3));
    let luma = View::new(WIDTH, HEIGHT, Samples::Luma(&luma)).unwrap();
    let rgb = View::new(WIDTH, HEIGHT, Samples::Rgb(&rgb)).unwrap();
    let mut group = c.benchmark_group("12 Mpix, elements are pixels");
    group.throughput(Throughput::Elements((WIDTH * HEIGHT) as u64)).sample_size(20);
    group.bench_function("pdq from luma", |b| b.iter(|| perceptual::pdq(black_box(&luma)).hash()));
    group.bench_function("pdq from RGB", |b| b.iter(|| perceptual::pdq(black_box(&rgb)).hash()));
    group.bench_function("all from luma", |b| b.iter(|| perceptual::hashes(black_box(&luma))));
    group.bench_function("all from RGB", |b| b.iter(|| perceptual::hashes(black_box(&rgb))));
    group.finish();
}

fn jpeg(c: &mut Criterion) {
    let Some(corpora) = std::env::var_os("ASSAY_CORPORA") else { return };
    let mut group = c.benchmark_group("JPEG file to all hashes, elements are pixels");
    for name in ["exif-rotn-1.jpg", "exif-rotn-3.jpg", "aaa-orig.jpg"] {
        let path = Path::new(&corpora).join("pdq").join(name);
        #[expect(clippy::disallowed_methods, reason = "a benchmark reads its own input")]
        let Ok(bytes) = std::fs::read(path) else { continue };
        let limits = media::Limits::default();
        let Some(picture) = media::decode(&bytes, &limits).picture else { continue };
        let (width, height) = (picture.width() as usize, picture.height() as usize);
        group.throughput(Throughput::Elements((width * height) as u64)).sample_size(20);
        group.bench_function(format!("{name}, decode alone"), |b| {
            b.iter(|| media::decode(black_box(&bytes), &limits).rows_decoded)
        });
        group.bench_function(name, |b| {
            b.iter(|| {
                let picture = media::decode(black_box(&bytes), &limits).picture.unwrap();
                let view = View::new(width, height, Samples::Rgb(picture.samples())).unwrap();
                perceptual::hashes(&view)
            })
        });
    }
    group.finish();
}

criterion_group!(benches, hashes, jpeg);
criterion_main!(benches);
