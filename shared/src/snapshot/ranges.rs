//! Ranges that overlap, made disjoint: a binary search then finds the one that counts.

/// Addresses from `first` to `last`, both included, refused until a second.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Stretch {
    pub(super) first: u32,
    pub(super) last: u32,
    pub(super) until: u32,
}

/// Cuts overlapping ranges into disjoint stretches, in order. Each has the latest `until` of the ranges that cover it; neighbours with the
/// same `until` are one.
///
/// A sweep over the places where a range begins or has ended, with the `until`s that are open there, sorted. (A list and not a tree: ranges
/// seldom overlap many deep, and the tree would weigh more in the Worker than all of this.)
pub(super) fn disjoint(ranges: &[Stretch]) -> Vec<Stretch> {
    let mut open = Vec::new();
    let mut stretches = Vec::new();
    let mut covered_from = 0;
    for (place, until, begins) in edges(ranges) {
        if let Some(latest) = open.last() {
            append(&mut stretches, covered_from, place, *latest);
        }
        covered_from = place;
        if begins { begin(&mut open, until) } else { end(&mut open, until) }
    }
    stretches
}

/// Where each range begins and where it has ended, sorted. In 64 bits, since one may end after the last address.
fn edges(ranges: &[Stretch]) -> Vec<(u64, u32, bool)> {
    let both = |range: &Stretch| [(u64::from(range.first), range.until, true), (u64::from(range.last) + 1, range.until, false)];
    let mut edges: Vec<_> = ranges.iter().flat_map(both).collect();
    edges.sort_unstable();
    edges
}

fn begin(open: &mut Vec<u32>, until: u32) {
    let place = open.partition_point(|other| *other < until);
    open.insert(place, until);
}

fn end(open: &mut Vec<u32>, until: u32) {
    if let Ok(place) = open.binary_search(&until) {
        open.remove(place);
    }
}

/// Adds the addresses from `from` up to but without `to`, if any.
fn append(stretches: &mut Vec<Stretch>, from: u64, to: u64, until: u32) {
    let (Ok(first), Some(Ok(last))) = (u32::try_from(from), to.checked_sub(1).map(u32::try_from)) else { return };
    if to <= from {
        return;
    }
    match stretches.last_mut() {
        Some(before) if before.until == until && u64::from(before.last) + 1 == from => before.last = last,
        _ => stretches.push(Stretch { first, last, until }),
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn stretches(ranges: &[(u32, u32, u32)]) -> Vec<Stretch> {
        ranges.iter().map(|(first, last, until)| Stretch { first: *first, last: *last, until: *until }).collect()
    }

    fn check(ranges: &[(u32, u32, u32)], expected: &[(u32, u32, u32)]) {
        assert_eq!(disjoint(&stretches(ranges)), stretches(expected), "{ranges:?}");
    }

    #[test]
    fn the_latest_end_wins_on_each_stretch() {
        check(&[], &[]);
        check(&[(0, 9, 5)], &[(0, 9, 5)]);
        check(&[(0, 9, 5), (3, 4, 7)], &[(0, 2, 5), (3, 4, 7), (5, 9, 5)]);
        check(&[(0, 9, 7), (3, 4, 5)], &[(0, 9, 7)]);
        check(&[(0, 4, 5), (0, 9, 7)], &[(0, 9, 7)]);
        check(&[(0, 5, 5), (4, 9, 7)], &[(0, 3, 5), (4, 9, 7)]);
    }

    #[test]
    fn neighbours_with_the_same_end_are_one() {
        check(&[(0, 4, 5), (5, 9, 5)], &[(0, 9, 5)]);
        check(&[(5, 9, 5), (0, 4, 5), (0, 9, 5)], &[(0, 9, 5)]);
        check(&[(0, 4, 5), (6, 9, 5)], &[(0, 4, 5), (6, 9, 5)]);
        check(&[(0, 4, 5), (5, 9, 6)], &[(0, 4, 5), (5, 9, 6)]);
    }

    #[test]
    fn the_last_address_is_covered() {
        check(&[(0, u32::MAX, 5)], &[(0, u32::MAX, 5)]);
        check(&[(0, u32::MAX, 5), (u32::MAX, u32::MAX, 7)], &[(0, u32::MAX - 1, 5), (u32::MAX, u32::MAX, 7)]);
    }

    proptest! {
        #[test]
        fn each_address_has_the_latest_end_of_its_ranges(ranges in prop::collection::vec((0_u32..60, 0_u32..20, 1_u32..6), 0..20)) {
            let ranges: Vec<_> = ranges.into_iter().map(|(first, more, until)| (first, first + more, until)).collect();
            let cut = disjoint(&stretches(&ranges));
            for address in 0..90 {
                let expected = ranges.iter().filter(|(first, last, _)| (*first..=*last).contains(&address)).map(|range| range.2).max();
                let covering: Vec<_> = cut.iter().filter(|stretch| (stretch.first..=stretch.last).contains(&address)).collect();
                prop_assert!(covering.len() <= 1);
                prop_assert_eq!(covering.first().map(|stretch| stretch.until), expected);
            }
            prop_assert!(cut.is_sorted() && cut.windows(2).all(|pair| pair[0].last < pair[1].first));
        }
    }
}
