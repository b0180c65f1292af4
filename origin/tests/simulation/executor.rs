//! Runs tasks on one thread, in an order that the seed decides. Nothing wakes a task: whoever is pending is asked again.

use std::{
    future::{Future, poll_fn},
    pin::Pin,
    task::{Context, Poll, Waker},
};

use crate::random::Random;

/// More polls than any step needs: a task that is still pending then hangs.
const MAX_POLLS: usize = 200_000;

pub type Task = Pin<Box<dyn Future<Output = ()> + Send>>;

/// Runs all tasks to their end; the error says that one hangs.
pub fn run(mut tasks: Vec<Task>, random: &mut Random) -> Result<(), String> {
    let mut context = Context::from_waker(Waker::noop());
    for _ in 0..MAX_POLLS {
        if tasks.is_empty() {
            return Ok(());
        }
        let next = random.below(tasks.len());
        if tasks[next].as_mut().poll(&mut context).is_ready() {
            drop(tasks.swap_remove(next));
        }
    }
    Err("a call never ends".to_owned())
}

/// Lets others run so many times.
pub async fn pause(mut times: u64) {
    poll_fn(|_| {
        if times == 0 {
            return Poll::Ready(());
        }
        times -= 1;
        Poll::Pending
    })
    .await;
}
