//! How a key is written: `ms_`, 160 random bits in base 62, and a checksum.
//!
//! Called where keys are made and where they are presented. Pure. The prefix lets people and scanners of secrets recognise a
//! key; the checksum lets them, and the server, tell one without asking a database.

/// What a key begins with.
const PREFIX: &str = "ms_";
/// Digits of 160 bits.
const SECRET: usize = 27;
/// Digits of 32 bits.
const CHECKSUM: usize = 6;
/// Characters of a key.
const LENGTH: usize = PREFIX.len() + SECRET + CHECKSUM;
/// How many of them are shown once the key is kept: 112 bits stay secret.
const SHOWN: usize = PREFIX.len() + 8;
const DIGITS: &[u8; 62] = b"0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";

/// The key of these bits.
pub fn key(bits: [u8; 20]) -> String {
    let mut key = PREFIX.to_owned();
    key.push_str(&base62(&bits, SECRET));
    key.push_str(&checksum(&key));
    key
}

/// Whether a text is written as a key is; a typing error has one chance in four billion.
pub fn is_key(text: &str) -> bool {
    let digits = text.strip_prefix(PREFIX).is_some_and(|rest| rest.bytes().all(|byte| byte.is_ascii_alphanumeric()));
    let parts = text.split_at_checked(LENGTH - CHECKSUM);
    digits && text.len() == LENGTH && parts.is_some_and(|(told, sum)| checksum(told) == sum)
}

/// The first characters of a key, by which people recognise it.
pub fn shown(key: &str) -> &str {
    key.get(..SHOWN).unwrap_or_default()
}

/// CRC-32 (that of zip and PNG) of all that comes before it.
fn checksum(text: &str) -> String {
    base62(&crc32fast::hash(text.as_bytes()).to_be_bytes(), CHECKSUM)
}

/// A number, most significant byte first, in so many digits.
fn base62(number: &[u8], length: usize) -> String {
    let mut number = number.to_vec();
    let mut digits: Vec<char> = (0..length)
        .map(|_| {
            let rest = number.iter_mut().fold(0, |rest, byte| {
                let part = rest << 8 | u16::from(*byte);
                *byte = (part / 62) as u8;
                part % 62
            });
            char::from(DIGITS[usize::from(rest)])
        })
        .collect();
    digits.reverse();
    digits.into_iter().collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_are_written_one_way() {
        assert_eq!(crc32fast::hash(b"123456789"), 0xcbf4_3926, "the checksum that everybody knows");
        for (bits, secret) in [([0; 20], "000000000000000000000000000"), ([255; 20], "aWgEPTl1tmebfsQzFP4bxwgy80V")] {
            let key = key(bits);
            assert_eq!(key.len(), LENGTH);
            assert_eq!(&key[3..30], secret);
            assert!(is_key(&key), "{key}");
        }
        let mut one = [0; 20];
        one[19] = 61;
        assert_eq!(&key(one)[3..30], "00000000000000000000000000z");
        one[19] = 62;
        assert_eq!(&key(one)[3..30], "000000000000000000000000010");
        assert_eq!(shown(&key([255; 20])), "ms_aWgEPTl1");
    }

    #[test]
    fn what_is_not_whole_is_no_key() {
        let whole = key([7; 20]);
        for at in 0..whole.len() {
            let mut typed = whole.clone().into_bytes();
            typed[at] = if typed[at] == b'x' { b'y' } else { b'x' };
            assert!(!is_key(&String::from_utf8(typed).unwrap()), "{at}");
            assert!(!is_key(&whole[..at]) && !is_key(&whole[at + 1..]), "{at}");
        }
        let more = format!("{whole}0");
        let accents = format!("ms_{}", "é".repeat(16));
        let swapped = format!("{}{}{}{}", &whole[..3], &whole[4..5], &whole[3..4], &whole[5..]);
        for text in ["", "ms_", "mainstay_key_0123", &more, &accents, &whole.to_uppercase(), "\0", &"ms_".repeat(9999)]
        {
            assert!(!is_key(text), "{text}");
        }
        assert!(swapped == whole || !is_key(&swapped));
    }
}
