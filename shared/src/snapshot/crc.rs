//! CRC-32 (IEEE 802.3), a byte at a time by a table of 1 KiB.
//!
//! Not a crate: the fast ones have tables of 16 KiB that do not compress, an eighth of the Worker's size, to check a snapshot every
//! half minute.

const TABLE: [u32; 256] = table();

/// The checksum of the parts, one after the other.
pub(super) fn crc32(parts: [&[u8]; 2]) -> u32 {
    !parts.into_iter().flatten().fold(u32::MAX, |crc, byte| {
        let index = (crc ^ u32::from(*byte)) & 0xff;
        (crc >> 8) ^ TABLE.get(index as usize).unwrap_or(&0)
    })
}

/// Of each byte, its remainder by the reversed polynomial.
const fn table() -> [u32; 256] {
    let mut table = [0; 256];
    let mut byte = 0;
    while byte < 256 {
        table[byte as usize] = remainder(byte);
        byte += 1;
    }
    table
}

const fn remainder(byte: u32) -> u32 {
    let (mut rest, mut bit) = (byte, 0);
    while bit < 8 {
        rest = if rest & 1 == 1 { (rest >> 1) ^ 0xedb8_8320 } else { rest >> 1 };
        bit += 1;
    }
    rest
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_check_value_of_the_algorithm_comes_out() {
        assert_eq!(crc32([b"1234", b"56789"]), 0xcbf4_3926);
        assert_eq!(crc32([b"", b""]), 0);
    }
}
