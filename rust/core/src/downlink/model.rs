//! Writer and reader in every order that memory allows: `make test-loom`.
//!
//! Modelled is what is ours: the samples in their blocks, the numbers in `Link`, the published
//! record. Both regimes hand over by nothing else but these and `rtrb`'s rings, which are taken
//! as they are: an entry is seen whole, in order, and with nothing else. What a pull sees must
//! follow from the numbers alone.

use std::sync::Arc;

use super::config::JitterBufferConfig;
use super::link::{Flush, Link};
use super::queue::{SampleReader, sample_queue};

fn link() -> Arc<Link> {
    let sizes = JitterBufferConfig::default().sizes();
    Arc::new(Link::new(sizes.expect("the defaults are valid")))
}

/// Reads what is published and has not been read, and checks that it is 1, 2, 3 …
fn read_on(link: &Link, samples: &mut SampleReader, read: &mut u64) {
    let published = link.published_frames();
    assert!(published >= *read, "positions only grow");
    while *read < published {
        let mut out = [0];
        samples.read(&mut out);
        *read += 1;
        assert_eq!(u64::from(out[0].unsigned_abs()), *read);
    }
    link.publish_consumed(*read, 0);
}

#[test]
fn what_is_published_is_there_also_in_blocks_that_are_used_again() {
    loom::model(|| {
        let link = link();
        let (mut writer, mut reader) = sample_queue(1, 3);
        let shared = Arc::clone(&link);
        let thread = loom::thread::spawn(move || {
            for k in 1..=3 {
                writer.reclaim();
                writer.write(&[k]);
                shared.publish_frames(u64::from(k.unsigned_abs()));
            }
            assert!(shared.consumed_frames() <= 3);
        });
        let mut read = 0;
        read_on(&link, &mut reader, &mut read);
        read_on(&link, &mut reader, &mut read);
        thread.join().expect("the writer");
        read_on(&link, &mut reader, &mut read);
        assert_eq!(read, 3);
    });
}

#[test]
fn a_flush_is_seen_with_all_that_was_pushed_before_it() {
    loom::model(|| {
        let link = link();
        let shared = Arc::clone(&link);
        let flush = |count| Flush {
            count,
            through_turn: Some(count),
        };
        let thread = loom::thread::spawn(move || {
            for k in 1..=2 {
                shared.publish_frames(u64::from(k));
                shared.publish_flush(flush(k));
            }
        });
        // As a reader does: the flush first.
        let seen = link.flush();
        let frames = link.published_frames();
        assert!(frames >= u64::from(seen.count));
        assert!(
            seen.count == 0 || seen == flush(seen.count),
            "never half of one"
        );
        thread.join().expect("the writer");
        assert_eq!(link.flush(), flush(2));
    });
}

#[test]
fn what_was_consumed_was_published_before() {
    loom::model(|| {
        let link = link();
        let reader = Arc::clone(&link);
        let thread = loom::thread::spawn(move || {
            let frames = reader.published_frames();
            reader.publish_consumed(frames, frames);
        });
        link.publish_frames(5);
        // As a monitor does: what is queued is never less than nothing.
        let consumed = link.consumed_frames();
        assert!(link.published_frames() >= consumed);
        assert!(
            link.finished_turns() >= consumed,
            "the turns are told first"
        );
        thread.join().expect("the reader");
    });
}
