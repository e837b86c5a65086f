//! Sealed plans: made by `plan --out`, carried out by `apply`, and refused where they do not fit.

use std::time::Duration;

use batchsweep::emulator::{Edit, Product};
use serde_json::Value;

use crate::told::assert_told;
use crate::world::{OPEN, Ran, TMP, World, id};

impl World {
    /// Where the sealed plans are.
    fn sealed(&self) -> String {
        self.path().with_file_name("plans.json").to_str().unwrap().to_owned()
    }

    async fn seal(&self) {
        let ran = self.run(&["plan", "--out", &self.sealed()]).await;
        assert_eq!(ran.code, 0, "{ran:?}");
        assert!(ran.out.contains("Sealed for 24 hours"), "{}", ran.out);
        assert!(self.emulator.destructive().is_empty());
    }

    async fn apply(&self) -> Ran {
        self.run(&["apply", &self.sealed(), "--output", "json", "-q"]).await
    }

    /// Changes the sealed file.
    fn forge(&self, change: impl FnOnce(&str) -> String) {
        let text = std::fs::read_to_string(self.sealed()).unwrap();
        std::fs::write(self.sealed(), change(&text)).unwrap();
    }
}

#[tokio::test(start_paused = true)]
async fn exactly_the_batches_of_the_file_go() {
    let world = World::with_tmp(3).await;
    world.seal().await;
    // Made after the plan, and selected by the same rule.
    world.emulator.insert(world.old(&id(7), "tmp-7"));
    let ran = world.apply().await;
    assert_eq!(ran.code, 0, "{ran:?}");
    assert_eq!((ran.count("deleted"), &ran.only_run()["verified"]), (3, &true.into()));
    assert_eq!(world.emulator.ids(), [id(7)]);
    world.assert_safe();
}

#[tokio::test(start_paused = true)]
async fn a_sealed_plan_reads_well_and_does_not_hold_the_key() {
    let world = World::with_tmp(1).await;
    world.seal().await;
    let text = std::fs::read_to_string(world.sealed()).unwrap();
    assert!(!text.contains(crate::world::KEY));
    let plan = &serde_json::from_str::<Value>(&text).unwrap()["plans"][0];
    assert_eq!(plan["account"], "main");
    assert!(plan["expires_at"].as_str().unwrap().starts_with("2026-11-25T12:00:00"), "{plan}");
    let deletion = &plan["deletions"][0];
    assert_eq!((&deletion["name"], &deletion["rules"][0]), (&"tmp-0".into(), &"tmp".into()));
}

#[tokio::test(start_paused = true)]
async fn what_changed_since_is_left_alone() {
    let world = World::with_tmp(5).await;
    world.seal().await;
    world.emulator.edit(Edit::Rename(id(0), "tmp-renamed".into()));
    world.emulator.edit(Edit::Remove(id(1)));
    world.emulator.edit(Edit::Run(id(2)));
    let ran = world.apply().await;
    assert_eq!((ran.code, ran.count("deleted")), (0, 2), "{ran:?}");
    assert_eq!(world.emulator.ids(), [id(0), id(2)]);
    world.assert_safe();
}

#[tokio::test(start_paused = true)]
async fn later_holds_keep_rules_and_guards_bind() {
    let mut world = World::with_tmp(4).await;
    world.remember();
    world.seal().await;
    let held = world.run(&["hold", &id(0), "--until", "2026-12-31", "--why", "audit"]).await;
    assert_eq!(held.code, 0, "{held:?}");
    world.file(&format!("{OPEN}{TMP}[keep.one]\nname = \"tmp-1\"\n"));
    let ran = world.apply().await;
    assert_eq!((ran.code, ran.count("deleted")), (0, 2), "{ran:?}");
    assert_eq!(world.emulator.ids(), [id(0), id(1)]);

    let world = World::with_tmp(4).await;
    world.seal().await;
    world.file(&format!("{}{TMP}", OPEN.replace("max_deletes = \"off\"", "max_deletes = 3")));
    assert_eq!(world.apply().await.code, 3);
    assert_eq!(world.emulator.count(), 4);
}

// fault: T5
#[tokio::test(start_paused = true)]
async fn a_plan_that_does_not_fit_is_refused_with_the_reason_and_nothing_goes() {
    let refused = async |world: &World, words: &[&str]| {
        let ran = world.run(&["apply", &world.sealed()]).await;
        assert_told(words[0], &ran, 1, &[&["nothing was deleted"], words].concat());
        assert!(world.emulator.destructive().is_empty(), "{words:?}");
    };
    let world = World::with_tmp(2).await;
    refused(&world, &["plans.json", "No such file"]).await;
    world.seal().await;
    world.forge(|text| text.replace(&id(0), &id(1)));
    refused(&world, &["seal is broken"]).await;
    world.forge(|_| "dry_run = false\n".to_owned());
    refused(&world, &["no file of sealed plans"]).await;

    world.seal().await;
    world.clock.advance(Duration::from_hours(25));
    refused(&world, &["expired at 2026-11-25 12:00 UTC", "plan --out"]).await;
    world.clock.move_by_ms(-26 * 3_600_000);
    refused(&world, &["yet to come"]).await;

    let world = World::with_tmp(2).await;
    world.seal().await;
    let gone = TMP.replace("tmp-*", "tmp-1");
    world.file(&format!("{OPEN}{gone}"));
    refused(&world, &["configuration was changed", &format!("`{}`", id(0))]).await;
    world.raw_file(&format!(
        "{OPEN}{TMP}[accounts.other]\nproduct = \"serpwow\"\nbase_url = \"{}\"\n",
        world.base_url()
    ));
    refused(&world, &["`main`", "--account"]).await;

    let world = World::with_tmp(2).await;
    world.seal().await;
    let other = World::of(Product::SerpWow).await;
    other.emulator.insert(other.old(&id(0), "tmp-0"));
    std::fs::copy(world.sealed(), other.sealed()).unwrap();
    other.file(&format!("{OPEN}{TMP}"));
    refused(&other, &["base_url"]).await;
}

#[tokio::test(start_paused = true)]
async fn a_plan_is_applied_once_where_that_is_remembered() {
    let mut world = World::with_tmp(2).await;
    world.remember();
    world.seal().await;
    let dry = world.run(&["apply", &world.sealed(), "--dry-run"]).await;
    assert_eq!((dry.code, world.emulator.count()), (0, 2), "{dry:?}");
    let none = [("BATCHSWEEP__GUARDS__MAX_DELETES", "0")];
    let stopped = world.run_with(&none, &["apply", &world.sealed(), "-q"]).await;
    assert_eq!((stopped.code, world.emulator.count()), (3, 2), "{stopped:?}");
    assert_eq!(world.apply().await.count("deleted"), 2);
    world.emulator.clear_log();
    let again = world.run(&["apply", &world.sealed()]).await;
    assert_told("again", &again, 1, &["applied before", "nothing was deleted"]);
    assert!(world.emulator.destructive().is_empty());
}

#[tokio::test(start_paused = true)]
async fn another_key_of_the_same_account_applies_and_one_of_another_account_does_not() {
    let mut world = World::with_tmp(2).await;
    world.seal().await;
    world.emulator.set_key("CANARYROTATED0KEY");
    world.set("BATCHSWEEP_API_KEY", Some("CANARYROTATED0KEY"));
    assert_eq!(world.apply().await.count("deleted"), 2);
    // The same place and another key, and none of its batches is listed: another account.
    world.emulator.insert(world.old(&id(5), "tmp-5"));
    let ran = world.run(&["apply", &world.sealed()]).await;
    assert_told("another account", &ran, 1, &["another key"]);
    assert_eq!(world.emulator.count(), 1);
}

#[tokio::test(start_paused = true)]
async fn a_file_that_cannot_be_written_leaves_no_half() {
    let world = World::with_tmp(1).await;
    let out = world.path().with_file_name("no-such-folder").join("plans.json");
    let ran = world.run(&["plan", "--out", out.to_str().unwrap()]).await;
    assert_told("no folder", &ran, 74, &["cannot write the sealed plans"]);
}
