//! How the blocks of one index hang together: each below one other, the first ones below the root.

/// Blocks and the links among them.
#[derive(Debug, Default)]
pub(super) struct Links {
    /// By the block that names it, the root first, and the block that is named.
    links: Vec<(Option<u64>, u64)>,
    /// For each block whether it is in use and whole.
    sound: Vec<bool>,
    /// A link that is to no place where a block begins.
    astray: bool,
}

impl Links {
    /// Adds a link from a block, or from the root, to the block that begins at a byte.
    pub(super) fn link(&mut self, from: Option<u64>, to: Option<u64>, size: usize) {
        let size = u64::try_from(size).unwrap_or(0);
        let whole = to.filter(|to| to.checked_rem(size) == Some(0));
        match whole.and_then(|to| to.checked_div(size)) {
            Some(to) => self.links.push((from, to)),
            None => self.astray = true,
        }
    }

    /// Adds the next block: whether it is in use and whole.
    pub(super) fn block(&mut self, sound: bool) {
        self.sound.push(sound);
    }

    /// What is wrong with the links, and the block that it concerns.
    pub(super) fn fault(&mut self) -> Option<(&'static str, Option<u64>)> {
        self.links.sort_unstable();
        let mut met = vec![false; self.sound.len()];
        let (mut waiting, mut at) = (vec![None], None);
        while let Some(from) = waiting.pop() {
            let first = self.links.partition_point(|(of, _)| *of < from);
            let links = self.links.get(first..).unwrap_or_default();
            for (_, to) in links.iter().take_while(|(of, _)| *of == from) {
                let index = usize::try_from(*to).unwrap_or(usize::MAX);
                let sound = self.sound.get(index).is_some_and(|sound| *sound);
                match met.get_mut(index) {
                    Some(met) if sound && !*met => {
                        *met = true;
                        waiting.push(Some(*to));
                    }
                    Some(_) if sound => {
                        at = at.or(Some(("its blocks lead in circles or together", Some(*to))));
                    }
                    _ => at = at.or(Some(("an entry leads to a block that is not in use", None))),
                }
            }
        }
        let lost = self.sound.iter().zip(&met).position(|(sound, met)| *sound && !met);
        let lost = lost.and_then(|at| u64::try_from(at).ok());
        let astray = self.astray.then_some(("an entry leads to no block", None));
        at.or(astray).or(lost.map(|at| ("no entry leads to a block that is in use", Some(at))))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fault(links: &[(Option<u64>, u64)]) -> Option<(&'static str, Option<u64>)> {
        let mut blocks = Links::default();
        (0..4).for_each(|_| blocks.block(true));
        links.iter().for_each(|(from, to)| blocks.link(*from, Some(to * 4096), 4096));
        blocks.fault()
    }

    #[test]
    fn a_tree_has_no_fault_and_circles_and_lost_blocks_have() {
        let tree = [(None, 0), (None, 1), (Some(1), 2), (Some(2), 3)];
        assert_eq!(fault(&tree), None);
        let circles = "its blocks lead in circles or together";
        for (from, to) in [(3, 3), (3, 1), (0, 2), (3, 0)] {
            let mut links = tree.to_vec();
            links.push((Some(from), to));
            assert_eq!(fault(&links).map(|fault| fault.0), Some(circles), "{from} {to}");
        }
        // 2 and 3 lead to each other and nothing leads to them.
        let apart = [(None, 0), (None, 1), (Some(2), 3), (Some(3), 2)];
        assert_eq!(fault(&apart), Some(("no entry leads to a block that is in use", Some(2))));
        let beyond = [(None, 0), (None, 1), (Some(1), 2), (Some(2), 3), (Some(3), u64::MAX >> 13)];
        assert_eq!(
            fault(&beyond).map(|fault| fault.0),
            Some("an entry leads to a block that is not in use")
        );
    }
}
