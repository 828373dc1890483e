//! What can go wrong with an access, as a numbered list: choice 0 is nothing, the others are every
//! fault of the wanted classes, prefix by prefix, bit by bit. It enumerates; it does no harm.

use super::Shape;
use crate::scenario::FaultKind;

/// Honest faults without a count, each once and from then on.
const HONEST: [FaultKind; 5] = [
    FaultKind::Unmapped,
    FaultKind::Denied,
    FaultKind::Gone,
    FaultKind::Interrupted,
    FaultKind::Unsupported,
];

/// Of a read of more bytes than these, which is one page, not every byte is a case of its own.
pub const DENSE_MAX: usize = 4096;

/// Of such a read every byte of the first so many is, and every so manieth after them: real
/// transfers stop at the end of a page.
pub const DENSE: usize = 1024;

/// The classes of faults that are offered.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Classes {
    /// Reported to the engine.
    pub honest: bool,
    /// A write that is reported done and is not, or not wholly.
    pub silent: bool,
    /// One read or answer that is not the truth.
    pub lies: bool,
    /// A write in whose middle the target runs, or the attacher dies.
    pub crashes: bool,
}

/// Which prefixes of a *read* are offered; of a write it is always every one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Prefixes {
    /// Every byte.
    Every,
    /// The first byte, half of them, all but the last.
    Three,
}

/// The list for each shape of access.
#[derive(Clone, Debug)]
pub struct Menu {
    classes: Classes,
    prefixes: Prefixes,
    /// What a lie puts in the place of a word.
    words: Vec<u64>,
}

/// A stretch of the list: so many choices, and what the nth of them is.
type Stretch<'m> = (usize, &'m dyn Fn(usize) -> (FaultKind, bool));

impl Menu {
    /// A menu of these classes. `words` are the values, besides 0 and all ones, that a lie puts in
    /// the place of a word: plausible pointers.
    #[must_use]
    pub fn new(classes: Classes, prefixes: Prefixes, pointers: &[u64]) -> Menu {
        let words = [&[0, u64::MAX], pointers].concat();
        Menu { classes, prefixes, words }
    }

    /// How many faults there are for such an access.
    #[must_use]
    pub fn len(&self, shape: Shape) -> u32 {
        let mut total = 0;
        self.stretches(shape, |(count, _)| {
            total += count;
            None::<()>
        });
        u32::try_from(total).unwrap_or(u32::MAX)
    }

    /// The fault of this choice, counted from 1, and whether it lasts.
    #[must_use]
    pub fn get(&self, shape: Shape, choice: u32) -> Option<(FaultKind, bool)> {
        let mut nth = choice.checked_sub(1)? as usize;
        self.stretches(shape, |(count, fault)| {
            if nth < count {
                return Some(fault(nth));
            }
            nth -= count;
            None
        })
    }

    /// Goes through the list, class by class, until somebody has found what he wants.
    fn stretches<T>(
        &self,
        shape: Shape,
        mut each: impl FnMut(Stretch<'_>) -> Option<T>,
    ) -> Option<T> {
        let once = |kind| (kind, false);
        let Classes { honest, silent, lies, crashes } = self.classes;
        let bytes = bytes(shape);
        let inner = bytes.saturating_sub(1);
        if honest {
            let simple: Stretch<'_> = (HONEST.len(), &|nth| once(HONEST[nth].clone()));
            let lasting: Stretch<'_> = (HONEST.len(), &|nth| (HONEST[nth].clone(), true));
            let short: Stretch<'_> =
                (self.shorts(shape), &|nth| once(FaultKind::Short(self.short(shape, nth))));
            let landed: Stretch<'_> =
                (usize::from(is_write(shape)), &|_| once(FaultKind::LandedButFailed));
            let found = each(simple).or_else(|| each(lasting));
            let found = found.or_else(|| each(short)).or_else(|| each(landed));
            if found.is_some() {
                return found;
            }
        }
        if silent && is_write(shape) {
            let lost: Stretch<'_> = (2, &|nth| (FaultKind::Lost, nth == 1));
            let torn: Stretch<'_> = (inner, &|nth| once(FaultKind::Torn(nth + 1)));
            let found = each(lost).or_else(|| each(torn));
            if found.is_some() {
                return found;
            }
        }
        if crashes && is_write(shape) {
            let killed: Stretch<'_> = (bytes + 1, &|nth| once(FaultKind::Killed(nth)));
            let split: Stretch<'_> = (inner, &|nth| once(FaultKind::Split(nth + 1)));
            let found = each(killed).or_else(|| each(split));
            if found.is_some() {
                return found;
            }
        }
        if lies && !is_write(shape) {
            return self.lies(shape, bytes, each);
        }
        None
    }

    fn lies<T>(
        &self,
        shape: Shape,
        bytes: usize,
        mut each: impl FnMut(Stretch<'_>) -> Option<T>,
    ) -> Option<T> {
        let once = |kind| (kind, false);
        if shape == Shape::Ask {
            return each((1, &|_| once(FaultKind::LieAnswer)));
        }
        let values = self.words.len();
        let (dense, sparse) = spots(bytes);
        let bits = (dense + sparse) * 8;
        let dense_words = (dense / 8).max(1);
        let words = (dense_words + sparse) * values;
        let flip = |nth| FaultKind::FlipBit(spot(nth / 8, dense) * 8 + nth % 8);
        let word_at = |nth| match usize::checked_sub(nth, dense_words) {
            Some(beyond) => dense + (beyond + 1) * DENSE - 8,
            None => nth * 8,
        };
        let lie = |nth| FaultKind::LieWord(word_at(nth / values), self.words[nth % values]);
        each((bits, &|nth| once(flip(nth)))).or_else(|| each((words, &|nth| once(lie(nth)))))
    }

    fn shorts(&self, shape: Shape) -> usize {
        let inner = bytes(shape).saturating_sub(1);
        match (shape, self.prefixes) {
            (Shape::Read(_), Prefixes::Three) => inner.min(3),
            (Shape::Read(_), Prefixes::Every) => {
                let (dense, sparse) = spots(inner + 1);
                (dense + sparse).saturating_sub(1)
            }
            (Shape::Write(_), _) => inner,
            (Shape::Image(_) | Shape::Ask, _) => 0,
        }
    }

    fn short(&self, shape: Shape, nth: usize) -> usize {
        match (shape, self.prefixes) {
            (Shape::Read(bytes), Prefixes::Three) if bytes > 4 => [1, bytes / 2, bytes - 1][nth],
            (Shape::Read(bytes), Prefixes::Every) => spot(nth, spots(bytes).0) + 1,
            _ => nth + 1,
        }
    }
}

impl Shape {
    /// Whether a fault of this kind makes any difference to it.
    #[must_use]
    pub fn is_changed_by(self, kind: &FaultKind) -> bool {
        use FaultKind::*;
        match (kind, self) {
            (Unmapped | Denied | Gone | Interrupted | Unsupported | Move(_), _) => true,
            (Short(done), Shape::Read(len)) => *done < len,
            (Short(done), Shape::Write(len)) => *done < len || *done == 0,
            (Torn(landed), Shape::Write(len)) => *landed < len,
            (LandedButFailed | Lost | Killed(_) | Split(_), Shape::Write(_)) => true,
            (FlipBit(bit), Shape::Read(len) | Shape::Image(len)) => bit / 8 < len,
            (LieWord(at, _), Shape::Read(len) | Shape::Image(len)) => *at < len,
            (LieAnswer, Shape::Ask | Shape::Image(_)) => true,
            _ => false,
        }
    }
}

/// How many bytes of a transfer are looked at one by one, and how many after them.
const fn spots(bytes: usize) -> (usize, usize) {
    if bytes <= DENSE_MAX { (bytes, 0) } else { (DENSE, (bytes - DENSE) / DENSE) }
}

/// The place of the nth of them.
const fn spot(nth: usize, dense: usize) -> usize {
    if nth < dense { nth } else { dense + (nth - dense + 1) * DENSE - 1 }
}

const fn is_write(shape: Shape) -> bool {
    matches!(shape, Shape::Write(_))
}

const fn bytes(shape: Shape) -> usize {
    match shape {
        Shape::Read(bytes) | Shape::Write(bytes) | Shape::Image(bytes) => bytes,
        Shape::Ask => 0,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ALL: Classes = Classes { honest: true, silent: true, lies: true, crashes: true };

    fn listed(menu: &Menu, shape: Shape) -> Vec<(FaultKind, bool)> {
        (1..=menu.len(shape)).map(|choice| menu.get(shape, choice).expect("in the list")).collect()
    }

    #[test]
    fn every_choice_is_another_fault_and_the_list_has_an_end() {
        let menu = Menu::new(ALL, Prefixes::Every, &[0x7f00]);
        for shape in [Shape::Read(9), Shape::Read(1), Shape::Write(5), Shape::Image(16), Shape::Ask]
        {
            let all = listed(&menu, shape);
            for (nth, fault) in all.iter().enumerate() {
                assert!(shape.is_changed_by(&fault.0), "{fault:?} does nothing to {shape}");
                assert!(!all[..nth].contains(fault), "{shape:?} has {fault:?} twice");
            }
            assert_eq!(menu.get(shape, 0), None);
            assert_eq!(menu.get(shape, menu.len(shape) + 1), None);
        }
    }

    #[test]
    fn the_numbers_are_those_one_would_count_by_hand() {
        let menu = Menu::new(ALL, Prefixes::Every, &[0x7f00]);
        // 5 kinds once and for good, 4 prefixes; 40 bits; 1 word, 3 values.
        assert_eq!(menu.len(Shape::Read(5)), 10 + 4 + 40 + 3);
        // As above, landed but failed; lost twice, torn at 4; killed at 0 to 5, split at 4.
        assert_eq!(menu.len(Shape::Write(5)), 10 + 4 + 1 + 2 + 4 + 6 + 4);
        assert_eq!(menu.len(Shape::Image(16)), 10 + 128 + 6);
        assert_eq!(menu.len(Shape::Ask), 10 + 1);
    }

    #[test]
    fn large_reads_are_dense_at_first_and_then_looked_at_page_by_page() {
        let menu = Menu::new(ALL, Prefixes::Every, &[]);
        let all = listed(&menu, Shape::Read(65_536));
        let short: Vec<usize> = all
            .iter()
            .filter_map(|(kind, _)| match kind {
                FaultKind::Short(done) => Some(*done),
                _ => None,
            })
            .collect();
        assert_eq!(short.len(), 1023 + 63);
        assert!(short[..1023].iter().copied().eq(1..1024));
        assert_eq!((short[1023], short[1024], short[1085]), (1024, 2048, 64_512));
        assert!(all.contains(&(FaultKind::FlipBit(65_535 * 8), false)));
        assert!(all.contains(&(FaultKind::LieWord(65_528, 0), false)));
        assert_eq!(all.len(), 10 + 1086 + 8 * (1024 + 63) + 2 * (128 + 63));
    }

    #[test]
    fn three_prefixes_are_the_first_the_middle_and_the_last() {
        let honest = Classes { honest: true, ..Classes::default() };
        let menu = Menu::new(honest, Prefixes::Three, &[]);
        let short = |shape| -> Vec<_> {
            listed(&menu, shape).into_iter().skip(10).map(|(kind, _)| kind).collect()
        };
        use FaultKind::Short;
        assert_eq!(short(Shape::Read(832)), [Short(1), Short(416), Short(831)]);
        assert_eq!(short(Shape::Read(4)), [Short(1), Short(2), Short(3)]);
        assert_eq!(short(Shape::Read(1)), []);
    }
}
