//! Calls that may never return: a hung drive, a file on a server that does not answer.

use std::sync::mpsc;
use std::time::Duration;

/// Works on inputs in turn on one thread. One that takes longer than `patience` gives `None` and is
/// left behind with its thread; another takes up the rest.
pub(crate) fn each_in_time<I, T>(inputs: Vec<I>, patience: Duration, work: fn(&I) -> T) -> Vec<Option<T>>
where
    I: Clone + Send + 'static,
    T: Send + 'static,
{
    let mut results: Vec<Option<T>> = Vec::with_capacity(inputs.len());
    while results.len() < inputs.len() {
        let rest = inputs[results.len()..].to_vec();
        let (sender, receiver) = mpsc::channel();
        std::thread::spawn(move || rest.iter().all(|input| sender.send(work(input)).is_ok()));
        while results.len() < inputs.len() {
            let result = receiver.recv_timeout(patience).ok();
            let late = result.is_none();
            results.push(result);
            if late {
                break;
            }
        }
    }
    results
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_hung_device_holds_up_nobody() {
        let work = |input: &u64| {
            std::thread::sleep(Duration::from_millis(*input));
            *input
        };
        let results = each_in_time(vec![0, 2_000, 1, 2_000, 2], Duration::from_millis(200), work);
        assert_eq!(results, [Some(0), None, Some(1), None, Some(2)]);
    }
}
