//! A checksum of rows that is independent of their order, to tell whether two attempts wrote the
//! same rows.

/// Sum over rows. Its input is a hash of each row (all columns, with a fixed seed).
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct RowChecksum(u64);

impl RowChecksum {
    /// Adds a row.
    pub fn add(&mut self, row_hash: u64) {
        // Mixed first: weak hashes of small numbers would cancel out in a sum (1 + 4 = 2 + 3).
        let mut x = row_hash.wrapping_add(0x9e37_79b9_7f4a_7c15);
        x = (x ^ (x >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        x = (x ^ (x >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        self.0 = self.0.wrapping_add(x ^ (x >> 31));
    }

    /// Adds the rows of another sum.
    pub fn merge(&mut self, other: Self) {
        self.0 = self.0.wrapping_add(other.0);
    }

    /// The sum so far.
    pub fn value(self) -> u64 {
        self.0
    }
}

impl FromIterator<u64> for RowChecksum {
    fn from_iter<I: IntoIterator<Item = u64>>(rows: I) -> Self {
        let mut sum = Self::default();
        rows.into_iter().for_each(|row| sum.add(row));
        sum
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn order_and_grouping_do_not_matter_but_rows_do() {
        let sum = |rows: &[u64]| rows.iter().copied().collect::<RowChecksum>();
        let mut merged = sum(&[3, 1]);
        merged.merge(sum(&[2]));
        assert_eq!(merged, sum(&[1, 2, 3]));
        for (name, rows) in [
            ("a row is gone", &[1, 2][..]),
            ("a row is there twice", &[1, 2, 3, 3]),
            ("rows that have the same plain sum", &[0, 3, 3]),
            ("no row", &[]),
        ] {
            assert_ne!(sum(rows).value(), merged.value(), "{name}");
        }
    }
}
