// fault: N1
#[test]
fn a_host_that_cannot_be_resolved_is_said_so_with_the_variable_that_chose_the_way() {
    assert_eq!(unreachable("h.example", None, &Why::Unresolved), "cannot resolve h.example");
    assert_eq!(
        unreachable("h.example", Some("HTTPS_PROXY"), &Why::Unresolved),
        "via the proxy from HTTPS_PROXY: cannot resolve h.example"
    );
}
