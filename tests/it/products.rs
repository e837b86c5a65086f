//! The ten products, end to end: each has its own paths and words.

use batchsweep::emulator::{Product, State};

use crate::world::{OPEN, TMP, World, id};

#[tokio::test(start_paused = true)]
async fn every_product_is_planned_and_swept_exactly() {
    for product in Product::ALL {
        let world = World::of(product).await;
        world.file(&format!("{OPEN}{TMP}searches = {{ min = 3 }}\n"));
        let old = |n: usize, name: &str| world.old(&id(n), name).with_searches(3);
        world.emulator.insert(old(0, "tmp-goes"));
        world.emulator.insert(old(1, "stays"));
        world.emulator.insert(old(2, "tmp-runs").in_state(State::Running));
        world.emulator.insert(old(3, "tmp-small").with_searches(2));
        let plan = world.run(&["plan", "--output", "json"]).await;
        let plan = &plan.json()["plans"][0];
        assert_eq!(plan["product"], product.as_str());
        assert_eq!((&plan["counts"]["delete"], &plan["counts"]["busy"]), (&1.into(), &1.into()));
        let ran = world.once().await;
        assert_eq!((ran.code, ran.count("deleted")), (0, 1), "{product}: {ran:?}");
        assert_eq!(world.emulator.deleted(), [id(0)], "{product}");
        assert_eq!(world.emulator.count(), 3, "{product}");
        world.assert_safe();
    }
}

// fault: J11
#[tokio::test(start_paused = true)]
async fn the_product_of_another_family_deletes_nothing() {
    for (is, said) in [(Product::Rainforest, "scaleserp"), (Product::ScaleSerp, "rainforest")] {
        let world = World::of(is).await;
        world.emulator.insert(world.old(&id(0), "tmp-0"));
        let url = world.base_url();
        let account = format!("[accounts.main]\nproduct = \"{said}\"\nbase_url = \"{url}\"\n");
        world.raw_file(&format!("{OPEN}{TMP}{account}"));
        let ran = world.run(&["once"]).await;
        assert_eq!(ran.code, 78, "{said}: {ran:?}");
        assert!(world.emulator.destructive().is_empty());
    }
}
