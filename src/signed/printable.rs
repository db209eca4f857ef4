//! Text from evidence on a person's terminal.

/// `text` on one line, unable to move the cursor, colour the terminal or reorder what is read:
/// white space becomes a space, control and direction characters become U+FFFD.
pub fn printable(text: &str) -> String {
    let steers = |c: char| {
        c.is_control() || matches!(c, '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
    };
    text.chars()
        .map(|c| {
            if c.is_whitespace() {
                ' '
            } else if steers(c) {
                '\u{fffd}'
            } else {
                c
            }
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_steers() {
        assert_eq!(printable("a\u{1b}[2J\nb\u{202e}c\té"), "a\u{fffd}[2J b\u{fffd}c é");
    }
}
