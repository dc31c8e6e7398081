//! Distance of every changed picture to its original, as near look-up finds it.
//!
//! Reads what `recall.py` writes: each original, then its changes. The original is the entry, once
//! stored in each convention, since a list may hold either; the change is the object.

#![allow(clippy::print_stdout, reason = "a program of the tests")]

use assay::matching::kernels::{Hashes, Kernel, within};
use assay::perceptual::{self, PdqHash, Samples, View};
use std::error::Error;
use std::io::BufRead;

fn main() -> Result<(), Box<dyn Error>> {
    println!("picture,change,quality,quality_changed,distance,distance_nn512");
    let mut input = std::io::stdin().lock();
    let mut stored = ([PdqHash::default(); 2], 0);
    while let Some((name, forms, quality)) = read(&mut input)? {
        let (picture, change) = name.rsplit_once('/').ok_or("no change in the name")?;
        if change == "original" {
            stored = ([forms[0], forms[8]], quality);
            continue;
        }
        let mut nearest = [256; 2];
        within(Kernel::best(), &Hashes::new(&stored.0), &forms, 256, &mut |close| {
            nearest[close.entry] = close.distance.min(nearest[close.entry]);
        });
        let [full, reduced] = nearest;
        println!("{picture},{change},{},{quality},{full},{reduced}", stored.1);
    }
    Ok(())
}

/// Name, sixteen forms and quality.
type Asked = (String, Vec<PdqHash>, u8);

/// The next picture: `P5`, `# name`, width and height, `255`, samples.
fn read(input: &mut impl BufRead) -> Result<Option<Asked>, Box<dyn Error>> {
    let mut lines = [const { String::new() }; 4];
    for line in &mut lines {
        input.read_line(line)?;
    }
    let [magic, name, size, _] = &lines;
    if magic.is_empty() {
        return Ok(None);
    }
    let (width, height) = size.trim_end().split_once(' ').ok_or("no width and height")?;
    let (width, height): (usize, usize) = (width.parse()?, height.parse()?);
    let mut samples = vec![0; width * height];
    input.read_exact(&mut samples)?;
    let view = View::new(width, height, Samples::Luma(&samples))?;
    let (full, reduced) = (perceptual::pdq(&view), perceptual::pdq_nn512(&view));
    let forms = full.forms().into_iter().chain(reduced.forms()).collect();
    Ok(Some((name.trim_end().trim_start_matches("# ").to_owned(), forms, full.quality().0)))
}
