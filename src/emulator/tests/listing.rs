//! List: every parameter, filter and order.

use super::*;

async fn account() -> Rig {
    let rig = Rig::new().await;
    let mut a = Record::new("AAAA0001", "beta Report", at("2026-11-01T00:00:00Z"));
    a.priority = Priority::Low;
    let mut b = Record::new("BBBB0002", "alpha-report", at("2026-11-03T00:00:00Z"))
        .ran_at(at("2026-11-10T00:00:00Z"))
        .in_state(State::Running);
    b.priority = Priority::Highest;
    let mut c = Record::new("CCCC0003", "gamma", at("2026-11-02T00:00:00Z"))
        .with_results(ResultSet::ended(1, at("2026-11-20T00:00:00Z"), 1))
        .in_state(State::Queued);
    c.last_run = Some(at("2026-11-20T00:00:00Z"));
    c.destination_ids.push("D1".to_owned());
    for record in [a, b, c] {
        rig.emulator.insert(record);
    }
    rig
}

#[tokio::test(start_paused = true)]
async fn every_filter_and_every_order() {
    let rig = account().await;
    for (query, wanted) in [
        ("", "BAC"),
        ("sort_by=name&sort_direction=descending", "CAB"),
        ("sort_by=created_at", "ACB"),
        ("sort_by=last_run", "ABC"),
        ("sort_by=last_run&sort_direction=descending", "CBA"),
        ("sort_by=priority", "BCA"),
        ("sort_by=status", "ACB"),
        ("status=all", "BAC"),
        ("status=idle", "A"),
        ("status=queued", "C"),
        ("status=running", "B"),
        ("search_term=REPORT", "BA"),
        ("search_term=report+beta", "A"),
        ("search_term=aaaa", "A"),
        ("search_term=alpha%20report&search_type=contains", "B"),
        ("search_term=BETA&search_type=starts_with", "A"),
        ("search_term=report&search_type=ends_with", "BA"),
        ("search_term=gamma&search_type=exact", "C"),
        ("search_term=Gamma&search_type=exact", ""),
        ("created_before=2026-11-02T00:00:00.000Z", "A"),
        ("created_after=2026-11-02T00:00:00.000Z", "B"),
        ("last_run_before=2026-11-15T00:00:00.000Z", "B"),
        ("last_run_after=2026-11-15T00:00:00.000Z", "C"),
        ("only_with_results=true", "C"),
        ("only_without_results=true", "BA"),
        ("only_with_results=false", "BAC"),
        ("destination_id=D1", "C"),
        ("status=running&search_term=alpha&source=rust", "B"),
    ] {
        let ids: String =
            rig.listed(query).await.iter().filter_map(|id| id.chars().next()).collect();
        assert_eq!(ids, wanted, "{query}");
    }
}

#[tokio::test(start_paused = true)]
async fn pages_count_what_matches_and_end() {
    let rig = Rig::new().await;
    for n in 0..26 {
        rig.emulator.insert(batch(&format!("{n:08}")));
    }
    let first = rig.get("/batches").await.json();
    let counts = |json: &Value| {
        ["total_count", "total_pages", "current_page", "count_this_page"]
            .map(|name| json[name].as_u64().unwrap())
    };
    assert_eq!(counts(&first), [26, 2, 1, 25]);
    assert_eq!(counts(&rig.get("/batches?page=2").await.json()), [26, 2, 2, 1]);
    assert_eq!(counts(&rig.get("/batches?page=3").await.json()), [26, 2, 3, 0]);
    assert_eq!(counts(&rig.get("/batches?page_size=1000").await.json()), [26, 1, 1, 26]);
    assert_eq!(counts(&rig.get("/batches?search_term=none").await.json()), [0, 0, 1, 0]);
}

#[tokio::test(start_paused = true)]
async fn parameters_out_of_range_are_refused() {
    let rig = account().await;
    for query in [
        "page=0",
        "page=x",
        "page_size=1001",
        "page_size=0",
        "page_size=-1",
        "sort_by=id",
        "sort_direction=up",
        "status=paused",
        "search_type=regex",
        "created_before=yesterday",
        "last_run_after=2026-02-30T00:00:00Z",
        "only_with_results=yes",
    ] {
        let reply = rig.get(&format!("/batches?{query}")).await;
        assert_eq!((reply.status, reply.success()), (400, false), "{query}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_listing_is_not_stale_after_a_change() {
    let rig = account().await;
    assert_eq!(rig.listed("sort_by=created_at").await.len(), 3);
    rig.emulator.edit(Edit::Rename("AAAA0001".to_owned(), "zeta".to_owned()));
    rig.emulator.edit(Edit::Remove("CCCC0003".to_owned()));
    let text = rig.get("/batches?sort_by=created_at").await.text();
    assert!(text.contains("zeta") && !text.contains("CCCC0003"));
}
