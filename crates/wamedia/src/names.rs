/// The name that was probably meant: the one with the fewest letters to change from what was typed, if
/// more of them are right than wrong.
pub fn nearest_name<'a>(typed: &str, names: &[&'a str]) -> Option<&'a str> {
    // Longer than any name, and not worth a table of that size.
    if typed.len() > 100 {
        return None;
    }
    let near = names.iter().map(|name| (distance(typed, name), *name)).min()?;
    (near.0 * 2 <= typed.chars().count().max(near.1.len())).then_some(near.1)
}

/// How many letters are to be added, taken away, changed or swapped with their neighbour.
fn distance(left: &str, right: &str) -> usize {
    let (left, right): (Vec<char>, Vec<char>) = (left.chars().collect(), right.chars().collect());
    let mut rows = vec![vec![0; right.len() + 1]; left.len() + 1];
    for i in 0..=left.len() {
        for j in 0..=right.len() {
            rows[i][j] = if i == 0 || j == 0 {
                i + j
            } else {
                let change = rows[i - 1][j - 1] + usize::from(left[i - 1] != right[j - 1]);
                let mut least = change.min(rows[i - 1][j] + 1).min(rows[i][j - 1] + 1);
                if i > 1 && j > 1 && left[i - 1] == right[j - 2] && left[i - 2] == right[j - 1] {
                    least = least.min(rows[i - 2][j - 2] + 1);
                }
                least
            };
        }
    }
    rows[left.len()][right.len()]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_nearest_name_is_the_one_that_was_meant() {
        let names = ["token", "phone_number_id", "app_secret", "verify_token"];
        for (typed, want) in [
            ("tokn", Some("token")),
            ("app_secrets", Some("app_secret")),
            ("appsecret", Some("app_secret")),
            ("verify_tokne", Some("verify_token")),
            ("x", None),
            ("", None),
            ("something else", None),
        ] {
            assert_eq!(nearest_name(typed, &names), want, "{typed}");
        }
        assert_eq!(nearest_name(&"x".repeat(1_000_000), &names), None);
    }
}
