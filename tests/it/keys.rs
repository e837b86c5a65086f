//! The key, end to end: refused, rotated, unusable; and never seen.

use std::path::PathBuf;
use std::time::Duration;

use batchsweep::emulator::{Answer, Effect, Fault, Operation};

use crate::told::{assert_nothing_deleted, assert_told};
use crate::world::{KEY, OPEN, Ran, TMP, World, id};

/// The key after a rotation.
const NEXT: &str = "CANARY1KEY1DEADBEEF0123456789ABCD";

/// The account reads its key from a file beside the configuration, which holds this.
fn key_file(world: &World, text: &[u8]) -> PathBuf {
    let path = world.path().with_file_name("api-key");
    std::fs::write(&path, text).unwrap();
    let account = format!(
        "[accounts.main]\nproduct = \"serpwow\"\nbase_url = \"{}\"\napi_key_file = \"{}\"\n",
        world.base_url(),
        path.display()
    );
    world.raw_file(&format!("{OPEN}{TMP}{account}"));
    path
}

fn assert_unseen(secret: &str, ran: &Ran) {
    assert!(!ran.out.contains(secret) && !ran.err.contains(secret), "the key was written: {ran:?}");
}

// fault: H3
#[tokio::test(start_paused = true)]
async fn a_key_that_is_refused_ends_the_run_at_once() {
    for command in ["once", "plan"] {
        let world = World::with_tmp(3).await;
        world.emulator.set_key(NEXT);
        let ran = world.run(&[command]).await;
        assert_nothing_deleted(command, &world, &ran, 77, &["refused the key"]);
        assert!(world.emulator.log().len() <= 2, "{command}: a refused key is not tried again");
    }
}

// fault: H3, H4
#[tokio::test(start_paused = true)]
async fn a_refusal_of_the_account_ends_the_run_wherever_it_comes() {
    for (status, words) in [(401, "refused the key"), (403, "refused the key"), (402, "402")] {
        for operation in [Operation::Account, Operation::List] {
            let world = World::with_tmp(3).await;
            let no = Answer::refused(status, "emulated: no");
            world.emulator.script(Fault::on(operation).answer(no));
            let ran = world.run(&["once"]).await;
            let case = format!("{status} on {operation:?}");
            assert_nothing_deleted(&case, &world, &ran, 77, &[words]);
        }
    }
}

// fault: H3, H4
#[tokio::test(start_paused = true)]
async fn a_refusal_in_mid_sweep_leaves_the_rest_alone() {
    for status in [401, 403, 402] {
        for operation in [Operation::Get, Operation::Delete] {
            let world = World::with_tmp(6).await;
            let no = Answer::refused(status, "emulated: no");
            world.emulator.script(Fault::on(operation).id(&id(2)).answer(no));
            let case = format!("{status} on {operation:?}");
            let ran = world.once().await;
            assert_eq!(ran.code, 77, "{case}: {ran:?}");
            let counts = (ran.count("deleted"), ran.count("failed"), ran.count("not_reached"));
            assert_eq!(counts, (2, 1, 3), "{case}");
            assert_eq!(ran.only_run()["verified"], false, "{case}");
            assert_eq!(world.emulator.deleted(), [id(0), id(1)], "{case}");
            world.assert_safe();
        }
    }
}

// fault: H3
#[tokio::test(start_paused = true)]
async fn a_sweep_that_a_refusal_ended_says_how_far_it_came() {
    let world = World::with_tmp(3).await;
    let no = Answer::refused(401, "emulated: no");
    world.emulator.script(Fault::on(Operation::Delete).id(&id(1)).answer(no));
    let ran = world.run(&["once"]).await;
    let words = ["account `main`", "the sweep ended early", "1 batch deleted", "refused the key"];
    assert_told("mid-sweep", &ran, 77, &words);
}

// fault: H3
#[tokio::test(start_paused = true)]
async fn a_key_that_is_rotated_in_mid_sweep_is_read_again() {
    let world = World::with_tmp(5).await;
    let path = key_file(&world, KEY.as_bytes());
    let slow = Effect::Delay(Duration::from_secs(2));
    world.emulator.script(Fault::on(Operation::Delete).nth(3).then(slow));
    let rotation = async {
        while world.emulator.destructive().len() < 3 {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        world.emulator.set_key(NEXT);
        std::fs::write(&path, NEXT).unwrap();
    };
    let (ran, ()) = tokio::join!(world.once(), rotation);
    assert_eq!((ran.code, ran.count("deleted")), (0, 5), "{ran:?}");
    assert_unseen(NEXT, &ran);
    world.assert_safe();
}

// fault: S1, S3
#[tokio::test(start_paused = true)]
async fn a_key_that_cannot_be_one_is_refused_before_any_call() {
    let rows: [(&str, &str, &str); 6] = [
        ("empty", "", "is empty"),
        ("only a line end", "\n", "is empty"),
        ("blanks", "   \n", "blank"),
        ("a blank inside", "CANARY2 TAIL2", "blank"),
        ("two lines", "CANARY2\nTAIL2\n", "line end"),
        ("two line ends", "CANARY2TAIL2\n\n", "line end"),
    ];
    for (case, text, words) in rows {
        let world = World::with_tmp(1).await;
        key_file(&world, text.as_bytes());
        for command in ["once", "plan"] {
            let ran = world.run(&[command]).await;
            assert_nothing_deleted(case, &world, &ran, 78, &[words, "api-key"]);
            assert_unseen("CANARY2", &ran);
            assert_unseen("TAIL2", &ran);
        }
        assert!(world.emulator.log().is_empty(), "{case}");
    }
}

// fault: S1
#[tokio::test(start_paused = true)]
async fn a_key_that_is_not_there_is_refused_before_any_call() {
    let mut world = World::with_tmp(1).await;
    let path = key_file(&world, b"x");
    std::fs::remove_file(&path).unwrap();
    let ran = world.run(&["once"]).await;
    assert_nothing_deleted("no file", &world, &ran, 78, &["there is no key file"]);
    world.file(&format!("{OPEN}{TMP}"));
    world.set("BATCHSWEEP_API_KEY", None);
    let ran = world.run(&["once"]).await;
    assert_nothing_deleted("no variable", &world, &ran, 78, &["no key", "BATCHSWEEP_API_KEY"]);
    assert!(world.emulator.log().is_empty());
}

// fault: S1
#[tokio::test(start_paused = true)]
async fn one_line_end_after_the_key_is_fine() {
    for end in ["", "\n", "\r\n"] {
        let mut world = World::with_tmp(1).await;
        key_file(&world, format!("{KEY}{end}").as_bytes());
        world.set("BATCHSWEEP_API_KEY", None);
        let ran = world.once().await;
        assert_eq!((ran.code, ran.count("deleted")), (0, 1), "{end:?}: {ran:?}");
    }
}

// fault: S2, S3
#[tokio::test(start_paused = true)]
async fn a_key_in_the_file_is_refused_and_not_shown() {
    for line in ["api_key = \"KEY\"", "api_key_env = \"KEY\"", "token = \"KEY\"", "key = 'KEY'"] {
        let world = World::with_tmp(1).await;
        let line = line.replace("KEY", KEY);
        let account = format!("[accounts.main]\nproduct = \"serpwow\"\n{line}\n");
        world.raw_file(&format!("{OPEN}{TMP}{account}"));
        for command in ["once", "plan", "check", "test"] {
            let ran = world.run(&[command]).await;
            assert_told(&line, &ran, 78, &["nothing was sent to any account"]);
        }
        assert!(world.emulator.log().is_empty(), "{line}");
    }
}

// fault: S3
#[tokio::test(start_paused = true)]
async fn an_answer_that_holds_the_key_does_not_bring_it_to_light() {
    let texts = [
        Answer::refused(500, &format!("emulated: bad key {KEY}")),
        Answer::refused(200, &format!("emulated: bad key {KEY}")),
        Answer::new(200, "text/html", format!("<a href='/?api_key={KEY}'>sign in</a>")),
        Answer::redirect(302, &format!("https://elsewhere.example/?api_key={KEY}")),
        Answer::redirect(302, &format!("https://{KEY}.elsewhere.example/")),
        Answer::empty(200).header("content-type", &format!("text/{KEY}")),
        Answer::empty(500).header("x-trace-id", KEY),
        Answer::throttled(Some(KEY)),
        Answer::refused(401, KEY),
    ];
    for answer in texts {
        for operation in [Operation::List, Operation::Get, Operation::Delete] {
            let world = World::with_tmp(1).await;
            world.emulator.script(Fault::on(operation).answer(answer.clone()));
            // Whatever the world runs, it holds against the key.
            let ran = world.once().await;
            assert_ne!(ran.count("deleted"), 1, "{operation:?}: {ran:?}");
            world.run(&["once", "--log-format", "text", "-vv"]).await;
        }
    }
}

// fault: S3
#[tokio::test(start_paused = true)]
async fn a_batch_that_is_named_like_the_key_is_shown_without_it() {
    let world = World::with_tmp(1).await;
    world.emulator.insert(world.old("BB000001", &format!("tmp-{}", &KEY[..8])));
    assert_eq!(world.once().await.code, 0);
}
